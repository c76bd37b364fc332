"""Commands and the desktop: programs that are run for an alert."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import DISCLAIMER
from coattail.errors import ConfigError
from coattail.notify.command import CommandSink
from coattail.notify.desktop import DesktopSink
from coattail.notify.message import Message
from tests.harness.alerts import NOW, make_alert

Script = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Writes a program."""

    def write(text: str, name: str = "program") -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


def message(**fields: Any) -> Message:
    return Message(alert=make_alert(**fields), recorded_at=NOW)


def command(*words: object, **parameters: Any) -> CommandSink:
    return CommandSink(name="c", command=[str(word) for word in words], **parameters)


def test_a_command_gets_the_alert_as_json_and_its_fields_in_the_environment(script: Script, tmp_path: Path) -> None:
    program = script('cat > "$1"; env > "$2"')
    out, variables = tmp_path / "out.json", tmp_path / "env"
    answer = command(program, out, variables).deliver(message(message="$(touch x); 'a'\0\n", exchange=None))
    assert (answer.outcome, answer.detail) == ("delivered", "exit code 0")
    document = json.loads(out.read_text())
    assert (document["alert"]["alert_id"], document["disclaimer"]) == ("a" * 32, DISCLAIMER)
    said = variables.read_text()
    for line in ("COATTAIL_SEVERITY=high", "COATTAIL_SYMBOL=BTC-USDT", "COATTAIL_EXCHANGE=", f"COATTAIL_KEY={'a' * 32}",
                 f"COATTAIL_DISCLAIMER={DISCLAIMER}", "COATTAIL_MESSAGE=$(touch x); 'a'\\x00\\n"):  # fmt: skip
        assert f"{line}\n" in said


def test_arguments_are_no_shell_and_a_shell_is_there_if_asked_for(script: Script, tmp_path: Path) -> None:
    program = script('printf %s "$1" > "$2"')
    command(program, "$HOME; `id`", tmp_path / "plain").deliver(message())
    assert (tmp_path / "plain").read_text() == "$HOME; `id`"
    line = f'echo "$COATTAIL_SYMBOL" | tr A-Z a-z > {tmp_path / "shell"}'
    answer = CommandSink(name="c", command=line, shell=True).deliver(message(symbol="$(id)"))
    assert (answer.outcome, (tmp_path / "shell").read_text()) == ("delivered", "$(id)\n")


def test_a_command_that_fails_says_why_and_is_tried_again(script: Script) -> None:
    answer = command(script("echo long ago >&2; echo no\twhere >&2; exit 3")).deliver(message())
    assert (answer.outcome, answer.detail) == ("failed", "exit code 3: long ago no where")


def test_a_command_that_does_not_read_what_it_is_given_is_fine(script: Script) -> None:
    big = message(details=json.dumps({"x": "y" * 100_000}))
    assert command(script("exit 0")).deliver(big).outcome == "delivered"


def test_a_command_beyond_its_time_is_killed_with_what_it_started(script: Script, tmp_path: Path) -> None:
    program = script(f"sleep 60 & echo $! > {tmp_path / 'child'}; wait")
    began = time.monotonic()
    answer = command(program, timeout=timedelta(milliseconds=500)).deliver(message())
    assert (answer.outcome, answer.detail) == ("failed", "not done within 500ms")
    assert time.monotonic() - began < 10
    child, end = int((tmp_path / "child").read_text()), time.monotonic() + 10
    while running(child):
        assert time.monotonic() < end
        time.sleep(0.01)


def running(process: int) -> bool:
    """Whether a process is there and not a zombie, which its adopter has not collected yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self").exists()


def test_a_command_that_has_gone_is_a_failure_in_words(script: Script) -> None:
    program = script("exit 0")
    sink = command(program)
    program.unlink()
    assert sink.deliver(message()).detail == "program cannot be run (No such file or directory)"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"command": "notify me"}, "c.command is not a list of texts; write \\[program, argument"),
        ({"command": []}, "is not a list of texts"),
        ({"command": ["echo", 5]}, "is not a list of texts"),
        ({"command": ["no-such-program-here"]}, "names no-such-program-here, which is not here; install it"),
        ({"command": ["echo"], "shell": True}, "is not one line of text; with shell: true"),
    ],
)
def test_a_command_that_cannot_work_is_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CommandSink(name="c", **parameters)


# -- the desktop -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("notify-send", ["--app-name=coattail", "--urgency=critical", "--", "critical whale_trade: BTC-USDT on binance",
                         "a &lt;b&gt; &amp; c"]),
        ("terminal-notifier", ["-title", "critical whale_trade: BTC-USDT on binance", "-message", "a <b> & c"]),
        ("osascript", ["-e", "on run argv", "-e",
                       "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run",
                       "critical whale_trade: BTC-USDT on binance", "a <b> & c"]),
    ],
)  # fmt: skip
def test_the_desktop_is_told_by_the_program_that_is_here(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, expected: list[str]
) -> None:
    (tmp_path / "bin").mkdir()
    script(f'for word in "$@"; do printf "%s\\036" "$word"; done > {tmp_path / "said"}', f"bin/{program}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    sink = DesktopSink(name="d")
    answer = sink.deliver(message(message="a <b> & c", severity="critical"))
    assert (answer.outcome, answer.detail, sink.goes_to) == ("delivered", f"shown by {program}", program)
    words = (tmp_path / "said").read_text().split("\x1e")
    assert [word.splitlines()[0] for word in words[: len(expected)]] == expected
    assert DISCLAIMER in "".join(words)


def test_a_desktop_without_any_of_them_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"none of notify-send, terminal-notifier, osascript is here; install one"):
        DesktopSink(name="d")


def test_a_desktop_that_nobody_sits_at_is_a_failure_in_words(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("echo 'Cannot autolaunch D-Bus without X11' >&2; exit 1", "notify-send")
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = DesktopSink(name="d").deliver(message())
    assert answer.detail == "notify-send: exit code 1: Cannot autolaunch D-Bus without X11"
