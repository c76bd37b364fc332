"""Lines that appear while a command runs, above one status line that changes in place."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from coattail.alerts import Alert
    from coattail.workspace.documents.alerts import AlertDocument

_CLEAR = "\r\x1b[K"
_COLOURS = {"critical": "1;31", "high": "31", "medium": "33", "low": "36", "good": "32", "dim": "2"}


@contextmanager
def repeated(every: float, do: Callable[[], object]) -> Iterator[None]:
    """Do something every `every` seconds while the block runs, in a thread; what fails there is printed."""
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(every):
            do()

    thread = threading.Thread(target=keep, name="repeated", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Screen:
    """Prints from any thread, each line at once. The status line is shown at a terminal only.

    `silent` prints nothing at all, for `--json`.
    """

    def __init__(self, *, silent: bool = False) -> None:
        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._silent = silent
        self.lively = terminal and not silent
        """Whether what is shown may change in place."""
        self._above: Console | None = None
        self._coloured = terminal and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()
        self._status = ""

    def say(self, line: str = "") -> None:
        """Print a line; the status line moves below it."""
        if self._silent:
            return
        if self._above is not None:
            from rich.text import Text

            self._above.print(Text.from_ansi(line))
            return
        with self._lock:
            clear, again = (_CLEAR, self._status) if self.lively and self._status else ("", "")
            sys.stdout.write(f"{clear}{line}\n{again}")
            sys.stdout.flush()

    @contextmanager
    def above(self, console: Console) -> Iterator[None]:
        """While the block runs, lines appear above what this console draws."""
        self._above = console
        try:
            yield
        finally:
            self._above = None

    def status(self, text: str) -> None:
        """Replace the status line; an empty text removes it."""
        if not self.lively:
            return
        with self._lock:
            self._status = text[: shutil.get_terminal_size().columns - 1]
            sys.stdout.write(_CLEAR + self._status)
            sys.stdout.flush()

    @contextmanager
    def live(self, text: Callable[[], str], every: float = 0.5) -> Iterator[None]:
        """Keep the status line current while the block runs: a thread asks for its text every `every` seconds."""
        with repeated(every, lambda: self.status(text())):
            yield
        self.status("")

    def alert_line(self, alert: Alert | AlertDocument, change: str = "") -> str:
        """One line for a person; see `coattail.workspace.page.alert_line`."""
        from coattail.workspace.page import alert_line

        return alert_line(alert, change, colour=self.colour)

    def colour(self, text: str, name: str) -> str:
        """The text in the colour of a severity (or `good`, `dim`), where there are colours."""
        code = _COLOURS.get(name)
        return f"\x1b[{code}m{text}\x1b[0m" if code and self._coloured else text

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, BrokenPipeError):
            self.status("")
