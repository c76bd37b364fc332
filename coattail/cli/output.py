"""What commands print: tables, JSON and progress, for a person at a terminal, a pipe, or a program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from coattail.workspace.documents import encoded, plain
from coattail.workspace.progress import OnProgress, Step, unheard

_UNLIMITED = 100_000  # columns of a table that goes into a pipe: nothing is folded there


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


@contextmanager
def progress(*, silent: bool = False) -> Iterator[OnProgress]:
    """Show steps as a progress bar on stderr; nothing at all if `silent` (as with --json) or without a terminal."""
    if silent or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield unheard
        return
    from rich.console import Console
    from rich.progress import Progress

    with ExitStack() as stack:
        shown = Progress(console=Console(file=sys.stderr), transient=True)

        def heard(step: Step) -> None:
            if not shown.tasks:
                stack.enter_context(shown)
                shown.add_task("")
            shown.update(shown.tasks[0].id, description=step.doing, completed=step.done, total=step.total)

        yield heard
