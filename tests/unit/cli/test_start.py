import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail import __version__
from coattail.cli import COMMANDS
from coattail.errors import StoreError, UsageError

Run = Callable[..., Any]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `coattail doctor` fail in a way of our choice."""

    def fail_with(error: BaseException) -> None:
        def check() -> None:
            raise error

        monkeypatch.setattr("coattail.workspace.health.check_installation", check)

    return fail_with


def test_the_version_is_printed(coattail: Run) -> None:
    assert coattail("--version") == (0, f"coattail {__version__}\n", "")


def test_help_lists_every_command_and_the_disclaimer(coattail: Run) -> None:
    done = coattail("--help")
    assert done.code == 0
    assert "Not financial advice" in " ".join(done.out.split())
    for name in COMMANDS:
        if name.startswith("aws_"):  # more of `coattail aws`
            continue
        assert f"\n  {name.replace('_', '-')} " in done.out


@pytest.mark.parametrize("command", [("init",), ("config", "show"), ("doctor",)])
def test_every_command_explains_itself_with_an_example_and_the_global_options(coattail: Run, command: Any) -> None:
    done = coattail(*command, "--help")
    assert done.code == 0
    assert f"Example:\n    coattail {' '.join(command)}" in done.out
    for option in ("--home", "--tier", "--preset", "--config", "--debug"):
        assert option in done.out


@pytest.mark.parametrize("arguments", [(), ("config",)])
def test_a_command_without_its_subcommand_prints_help_and_is_a_usage_error(coattail: Run, arguments: Any) -> None:
    done = coattail(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: coattail" in done.err


@pytest.mark.parametrize(
    ("arguments", "what", "where"),
    [
        (("docter",), "'docter'", "coattail"),
        (("doctor", "--jsn"), "--jsn", "coattail doctor"),
        (("config", "show", "--home"), "--home", "coattail"),
        (("init", "here"), "here", "coattail init"),
    ],
)
def test_a_usage_error_is_one_sentence_and_code_2(coattail: Run, arguments: Any, what: str, where: str) -> None:
    done = coattail(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert what in done.err
    assert done.err.endswith(f"; see `{where} --help`\n")
    assert done.err.count("\n") == 1


def test_a_known_failure_is_one_sentence_with_the_next_step(coattail: Run, failing: Any) -> None:
    failing(StoreError("catalog.db is locked", next_step="stop the other program"))
    assert coattail("doctor") == (1, "", "error: catalog.db is locked; stop the other program\n")


def test_a_usage_failure_of_a_command_has_code_2(coattail: Run, failing: Any) -> None:
    failing(UsageError("--since 'x' is not a time"))
    assert coattail("doctor") == (2, "", "error: --since 'x' is not a time\n")


def test_an_unexpected_failure_names_the_log_with_the_traceback(coattail: Run, failing: Any, tmp_path: Path) -> None:
    coattail("init")
    failing(ZeroDivisionError("by zero\nand more"))
    done = coattail("doctor")
    log = tmp_path / ".coattail" / "logs" / "coattail.log"
    assert done == (1, "", f"error: unexpected ZeroDivisionError: by zero; the traceback is in {log}\n")
    assert "Traceback (most recent call last)" in log.read_text()


def test_an_unexpected_failure_without_a_home_is_kept_in_a_temporary_file(coattail: Run, failing: Any) -> None:
    failing(ZeroDivisionError("by zero"))
    kept = Path(coattail("doctor").err.split("the traceback is in ")[1].strip())
    assert "ZeroDivisionError: by zero" in kept.read_text()
    kept.unlink()


def test_debug_shows_the_traceback(coattail: Run, failing: Any) -> None:
    failing(StoreError("broken"))
    for arguments in (("--debug", "doctor"), ("doctor", "--debug")):
        done = coattail(*arguments)
        assert "Traceback (most recent call last)" in done.err
        assert done.err.endswith("error: broken\n")


def test_an_interruption_is_tidy(coattail: Run, failing: Any) -> None:
    failing(KeyboardInterrupt())
    assert coattail("doctor") == (130, "", "interrupted\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_in_plain_words_even_inside_another_error(coattail: Run, failing: Any, number: int) -> None:
    wrapped = StoreError("the commit failed")
    wrapped.__cause__ = OSError(number, os.strerror(number))
    failing(wrapped)
    done = coattail("doctor")
    assert done.code == 1
    assert done.err.startswith("error: the disk is full; free some space")


def test_a_reader_that_goes_away_ends_the_command_without_a_word() -> None:
    code = "import sys; from coattail.cli import main; sys.stdin.read(); sys.exit(main(['config', 'show']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        child.stdin.close()
        assert child.stderr.read() == ""
    assert child.returncode == 141


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_that_does_not_fit_on_the_disk_is_a_failure() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "coattail", "config", "show"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the disk is full")
    assert done.stderr.count("\n") == 1
