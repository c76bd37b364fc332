"""What a cell of a notebook shows while long work runs: one output that changes in place, and stays as it was last."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.text import bar, printable

QUIET = 0.5
"""Seconds: what takes no longer shows nothing, for a line that comes and goes is not read."""
_EVERY = 0.25
"""Seconds between two looks: often enough to be seen to move, and few messages in an hour."""
_MOST = 60
"""Characters of what is being done."""

Shower = Callable[[Any], None]


def in_cell() -> Shower | None:
    """What shows something in this cell, each time in place of what it showed before; None outside of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    name, again = f"coattail-{uuid4().hex}", False

    def show(seen: Any) -> None:
        nonlocal again
        display(seen, raw=isinstance(seen, dict), display_id=name, update=again)  # type: ignore[no-untyped-call]
        again = True

    return show


@contextmanager
def underway(what: str, given: OnProgress | None = None, *, quiet: float = QUIET) -> Iterator[OnProgress]:
    """Gets the steps of the work that the block does, and shows the newest in the cell; at its end how long it took.

    what: The work, in a word: `backfill`. given: Who listens instead. Outside of a notebook nobody does. quiet: Seconds
    until the line appears.
    """
    show = None if given is not None else in_cell()
    if show is None:
        yield given or unheard
        return
    line = _Line(what, show)
    ended, began = threading.Event(), time.monotonic()

    def watch() -> None:
        wait = quiet
        while not ended.wait(wait):
            line.draw(time.monotonic() - began)
            wait = _EVERY

    in_this_cell = contextvars.copy_context()  # the kernel knows by it where an output belongs
    watching = threading.Thread(target=in_this_cell.run, args=(watch,), name="underway", daemon=True)
    watching.start()
    how = "stopped after"
    try:
        yield line.heard
        how = "done in"
    finally:
        ended.set()
        watching.join()
        line.end(how, time.monotonic() - began)


class _Line:
    """The one line: the newest step, drawn when it is time."""

    def __init__(self, what: str, show: Shower) -> None:
        self._what, self._show = what, show
        self._step: Step | None = None
        self._drawn = False

    def heard(self, step: Step) -> None:
        """Take a step; costs nothing but the keeping of it."""
        self._step = step

    def draw(self, seconds: float) -> None:
        """Show where the work is."""
        step, self._drawn = self._step, True
        parts = [self._what, f"{seconds:.1f} s"]
        if step is not None:
            doing = printable(step.doing, most=_MOST)
            share = min(step.done / step.total, 1.0) if step.total else None
            parts[1:1] = [doing] if share is None else [f"{bar(share)} {int(share * 100)} %", doing]
        self._put(" · ".join(parts))

    def end(self, how: str, seconds: float) -> None:
        """Leave one line in its place, if there was any."""
        if self._drawn:
            self._put(f"{self._what}: {how} {seconds:.1f} s")

    def _put(self, text: str) -> None:
        self._show({"text/plain": text})
