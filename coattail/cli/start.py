"""`main`: from arguments to an exit code, and every failure to one sentence."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.abc import MetaPathFinder
from pathlib import Path

import typer

from coattail import __version__
from coattail.cli.app import Session, app
from coattail.errors import DISK_FULL, CoattailError

FAILED, INTERRUPTED, READER_GONE = 1, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0 done, 1 failed, 2 usage, 130 interrupted, 141 nobody reads the output."""
    from coattail.cli import COMMANDS

    session = Session()
    try:
        for name in COMMANDS:
            importlib.import_module(f"coattail.cli.{name}")
        root = typer.main.get_command(app)
        given = list(sys.argv[1:] if arguments is None else arguments)
        try:
            with session.resources, root.make_context("coattail", given, obj=session) as context:
                root.invoke(context)
            sys.stdout.flush()
        except Exception as error:
            if isinstance(error, typer.Exit):
                sys.stdout.flush()
                return error.exit_code
            if session.debug and not isinstance(error, (typer.TyperException, BrokenPipeError)):
                traceback.print_exc()
            return _explain(error, session)
    except BrokenPipeError:
        return _hush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def process() -> int:
    """`main`, in a process of its own; `coattail sql` does without pandas there.

    It does not use it, and pyarrow would import it wherever it is installed: that takes a second. Spark needs it.
    """
    if "sql" in sys.argv[1:]:
        sys.meta_path.insert(0, _WithoutPandas())
    return main()


class _WithoutPandas(MetaPathFinder):
    """Finds no pandas, as if it were not installed."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("coattail sql does without pandas", name=fullname)


def _explain(error: Exception, session: Session) -> int:
    """One sentence on stderr for what went wrong; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        return _hush()
    if isinstance(error, typer.TyperException):
        return _explain_usage(error)
    if _disk_is_full(error):
        _drop_output()
        return _fail("the disk is full; free some space and run it again: whatever had been committed is kept")
    if isinstance(error, CoattailError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, typer.Abort):
        return _fail("aborted")
    log = _keep_traceback(error, session)
    return _fail(f"unexpected {type(error).__name__}: {_first_line(error)}; the traceback is in {log}")


def _fail(sentence: str, code: int = FAILED) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return code


def _explain_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "coattail"
    if type(error).__name__ == "NoArgsIsHelpError":  # a command alone: its help, as a usage error
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    return _fail(f"{error.format_message().rstrip('.')}; see `{path} --help`", error.exit_code)


def _hush() -> int:
    """Nobody reads on (`coattail alerts | head`): end silently."""
    _drop_output()
    return READER_GONE


def _drop_output() -> None:
    """Send what is still to be printed nowhere, if it cannot be printed, so that the last flush does not fail."""
    try:
        sys.stdout.flush()
    except OSError:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)


def _disk_is_full(error: BaseException) -> bool:
    return any(
        (isinstance(cause, OSError) and cause.errno in DISK_FULL) or "disk is full" in str(cause)
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _keep_traceback(error: Exception, session: Session) -> Path:
    """Write the traceback to the home's log, or, without a writable one, to a temporary file."""
    head = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} ERROR {os.getpid()} coattail {__version__}: unexpected\n"
    text = head + "".join(traceback.format_exception(error))
    try:
        log = session.home_path() / "logs" / "coattail.log"
        with log.open("a", encoding="utf-8") as file:
            file.write(text)
        return log
    except OSError:
        handle, name = tempfile.mkstemp(prefix="coattail-", suffix=".log")
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return Path(name)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no message"])[0]
