"""What every sink promises (`coattail.notify.sink`); a new kind joins through `PLACES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coattail.alerts import DISCLAIMER
from coattail.notify import SINKS
from coattail.notify.message import FIRED, RETRACTED, ROSE, SAMPLE, Message, sample
from coattail.notify.sink import AlertSink
from tests.harness.alerts import NOW, make_alert
from tests.harness.scripted_server import Reply, serving

SECRET = "hunter2"
Place = Callable[[Path, ExitStack, pytest.MonkeyPatch, bool], tuple[AlertSink, Callable[[], str]]]
"""A folder, what is closed at the end, the environment, and whether it works -> a sink, and what arrived there."""


def webhook(
    folder: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch, works: bool
) -> tuple[AlertSink, Callable[[], str]]:
    server = stack.enter_context(serving(*([] if works else [Reply(500, body=SECRET)] * 9)))
    monkeypatch.setenv("A_SECRET", SECRET)
    sink = SINKS["webhook"](name="s", url=server.url, token="env:A_SECRET", secret="env:A_SECRET")
    return sink, lambda: "".join(asked.body.decode() for asked in server.asked)


def program(folder: Path, works: bool, arrives: str) -> Path:
    path = folder / "notify-send"
    path.write_text(f"#!/bin/sh\n{arrives} >> {folder / 'arrived'}; exit {0 if works else 1}\n")
    path.chmod(0o755)
    return path


def command(
    folder: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch, works: bool
) -> tuple[AlertSink, Callable[[], str]]:
    monkeypatch.setenv("A_SECRET", SECRET)
    path = program(folder, works, 'echo "$1" >&2; cat')
    return SINKS["command"](name="s", command=[str(path), "env:A_SECRET"]), (folder / "arrived").read_text


def desktop(
    folder: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch, works: bool
) -> tuple[AlertSink, Callable[[], str]]:
    program(folder, works, 'printf %s "$*"')
    monkeypatch.setenv("PATH", str(folder))
    return SINKS["desktop"](name="s"), (folder / "arrived").read_text


PLACES: dict[str, Place] = {"webhook": webhook, "command": command, "desktop": desktop}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def messages() -> list[Message]:
    return [*(Message(alert=make_alert(), recorded_at=NOW, occasion=o) for o in (FIRED, ROSE, RETRACTED)),
            sample(NOW, "5" * 32)]  # fmt: skip


def test_every_kind_is_held_to_these_promises() -> None:
    assert set(PLACES) == set(SINKS)
    assert {m.occasion for m in messages()} == {FIRED, ROSE, RETRACTED, SAMPLE}


@pytest.mark.parametrize("kind", SINKS)
def test_whatever_is_delivered_says_what_it_is_about_and_that_it_is_not_advice(
    kind: str, tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, arrived = PLACES[kind](tmp_path, stack, monkeypatch, True)
    for number, message in enumerate(messages(), 1):
        assert sink.deliver(message).outcome == "delivered"
        said = arrived()
        assert said.count(DISCLAIMER) >= number
        assert message.title in said
        assert message.alert.alert_id[:12] in said


@pytest.mark.parametrize("kind", SINKS)
def test_a_failure_is_an_answer_and_nothing_shows_a_secret(
    kind: str, tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, _ = PLACES[kind](tmp_path, stack, monkeypatch, False)
    answer = sink.deliver(messages()[0])
    assert answer.outcome == "failed"
    assert SECRET not in answer.detail + repr(sink) + sink.goes_to
    assert answer.detail
