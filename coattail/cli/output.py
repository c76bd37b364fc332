"""What commands print: tables, JSON and progress, for a person at a terminal, a pipe, or a program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from coattail.workspace.documents import encoded, plain

_UNLIMITED = 100_000  # columns of a table that goes into a pipe: nothing is folded there


class Progress(Protocol):
    """How far a command has come."""

    def advance(self, amount: float = 1) -> None:
        """Go on by so many steps."""

    def describe(self, text: str) -> None:
        """Say what is being done now."""


def print_json(value: Any) -> None:
    """Print one JSON document, indented."""
    print(encoded(value, indent=2).decode())


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line, at once: for output that goes on (`--follow`)."""
    print(encoded(value).decode(), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `right` are aligned there. Piped, it has no colour and folds nothing."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, header_style="bold" if terminal else "")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(
        file=sys.stdout, width=None if terminal else _UNLIMITED, color_system="auto" if terminal else None
    )
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value)
    return str(plain(value))


class _Silent:
    def advance(self, amount: float = 1) -> None:
        pass

    def describe(self, text: str) -> None:
        pass


@contextmanager
def progress(text: str, total: float | None = None, *, silent: bool = False) -> Iterator[Progress]:
    """A progress bar on stderr; nothing at all if `silent` (as with --json) or where stderr is no terminal."""
    if silent or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(file=sys.stderr), transient=True) as bar:
        yield _Visible(bar, bar.add_task(text, total=total))


class _Visible:
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def advance(self, amount: float = 1) -> None:
        self._bar.advance(self._task, amount)

    def describe(self, text: str) -> None:
        self._bar.update(self._task, description=text)
