"""Who spends or loses something is asked, and where nobody is there, nothing is done."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from coattail.aws.operate.refusals import Declined
from coattail.aws.operate.steps import StepDone
from coattail.cli import consent
from coattail.cli.aws_options import StepScreen
from coattail.cli.consent import ask, ask_for
from coattail.errors import UsageError
from coattail.workspace.progress import Step


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a person types goes in."""
    typed = io.StringIO()
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setattr(consent, "is_attended", lambda: True)
    return typed


def types(terminal: io.StringIO, text: str) -> None:
    terminal.write(text)
    terminal.seek(0)


def test_a_person_is_asked_and_only_yes_is_yes(terminal: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    types(terminal, "y\nno\n\n")
    ask("it costs $1", yes=False)
    assert capsys.readouterr().err == "it costs $1? [y/N] "
    for _ in range(3):  # no, nothing, and the end of the input
        with pytest.raises(Declined, match="nothing was changed"):
            ask("it costs $1", yes=False)


def test_without_a_person_it_has_to_be_said_beforehand() -> None:
    with pytest.raises(UsageError, match=r"it costs \$1: nobody is here to agree; add --yes"):
        ask("it costs $1", yes=False)
    ask("it costs $1", yes=True)


def test_what_cannot_be_undone_wants_the_name(terminal: io.StringIO) -> None:
    types(terminal, "dev\nprod\n")
    ask_for("dev", "it goes", given=None)
    with pytest.raises(Declined):
        ask_for("dev", "it goes", given=None)
    ask_for("dev", "it goes", given="dev")
    with pytest.raises(UsageError, match="--name prod is not dev"):
        ask_for("dev", "it goes", given="prod")


def test_the_name_has_to_be_given_where_nobody_can_type_it() -> None:
    with pytest.raises(UsageError, match="add --name dev"):
        ask_for("dev", "it goes", given=None)


def test_a_bar_is_away_while_a_person_is_asked_and_while_a_line_is_printed(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    @contextmanager
    def progress(*, silent: bool) -> Iterator[Callable[[Step], None]]:
        yield lambda step: seen.append(step.doing)
        seen.append("away")

    monkeypatch.setattr("coattail.cli.output.progress", progress)
    types(terminal, "y\n")
    with StepScreen(silent=False) as screen:
        screen.heard(Step("packing"))
        screen.heard(Step("planning"))
        screen.asking(yes=False)("it costs $1")
        seen.append("asked")
        screen.heard(Step("making"))
        screen.done(StepDone(name="services", outcome="there", detail="all there", seconds=0.1))
    assert seen == ["packing", "planning", "away", "asked", "making", "away"]
    assert capsys.readouterr().out == "services          is there all there  (0.1 s)\n"


@pytest.mark.parametrize("silent", [True, False])
def test_whoever_interrupts_it_hears_that_what_was_made_may_be_billed(
    silent: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), StepScreen(silent=silent):
        raise KeyboardInterrupt
    assert "may be billed: coattail aws status shows it" in capsys.readouterr().err
    with StepScreen(silent=silent):
        pass
    assert capsys.readouterr().err == ""
