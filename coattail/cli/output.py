"""What commands print: tables, JSON and progress, for a person at a terminal, a pipe, or a program."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from coattail.workspace.documents import encoded
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.text import table

_one_line_at_a_time = threading.Lock()


def print_json(value: Any) -> None:
    """Print one JSON document, indented."""
    print(encoded(value, indent=2).decode())


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line, at once: for output that goes on (`--follow`). From any thread."""
    line = encoded(value).decode() + "\n"
    with _one_line_at_a_time:
        sys.stdout.write(line)
        sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `right` are aligned there. Piped, it has no colour and folds nothing."""
    print(table(columns, rows, right=right, terminal=sys.stdout.isatty()))


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
