"""Words for people: times, sizes, bars and tables as text, and text from outside made harmless."""

from __future__ import annotations

import shlex
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from coattail.workspace.documents.conventions import plain

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories that move the cursor, reorder or hide text: controls, formats, line separators."""
_UNLIMITED = 100_000  # columns of a table that goes into a pipe: nothing is folded there


def printable(text: str, *, most: int | None = None) -> str:
    """The text with every control character written out (`\\x1b`), shortened to `most` characters."""
    safe = "".join(c if unicodedata.category(c) not in _UNSAFE else ascii(c)[1:-1] for c in text)
    return safe if most is None or len(safe) <= most else f"{safe[: most - 1]}…"


def clock(when: datetime | None) -> str:
    """A UTC time to the second, or `-`."""
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def sparkline(values: Sequence[float | None], *, levels: str = "▁▂▃▄▅▆▇█") -> str:
    """One character of `levels` per value, the higher the larger; a gap where there is none."""
    known = [v for v in values if v is not None]
    high = max(known, default=0.0) or 1.0
    return "".join(
        " " if v is None else levels[min(int(max(v, 0.0) / high * len(levels)), len(levels) - 1)] for v in values
    )


def size(count: int) -> str:
    """Bytes as a person reads them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def ago(duration: timedelta) -> str:
    """`12 s ago`, `3 h ago`, `626 days ago`."""
    seconds = duration.total_seconds()
    if seconds < 0:
        return "in the future"
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def command_line(*words: str) -> str:
    """A command of coattail as a shell takes it."""
    return " ".join(["coattail", *map(quoted, words)])


def quoted(word: str) -> str:
    """The word as a shell takes it; in double quotes where those are literal: SQL has single quotes of its own."""
    if shlex.quote(word) == word:
        return word
    return shlex.quote(word) if any(c in word for c in '"$`\\!') else f'"{word}"'


def bar(share: float, width: int = 20) -> str:
    """A bar filled as far as `share` (0 to 1) says; whole only at 1, empty only at 0."""
    filled = min(int(share * width), width)
    if 0 < share < 1:
        filled = min(max(filled, 1), width - 1)
    full, empty = ("█", "░") if draws("█░") else ("#", ".")
    return full * filled + empty * (width - filled)


def levels() -> str:
    """The characters of a line of bars that the terminal can draw."""
    return "▁▂▃▄▅▆▇█" if draws("▁█") else "_.-=+*#@"


def draws(text: str) -> bool:
    """Whether the terminal can draw all of these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def percent(part: int, whole: int, digits: int = 2) -> str:
    """part / whole in percent, rounded down: 100 means all of it."""
    if not whole:
        return "-"
    scaled = part * 100 * 10**digits // whole
    return f"{scaled / 10**digits:.{digits}f} %"


class TextTable(str):
    """A table as text, which knows its cells."""

    columns: Sequence[str]
    """All empty: the rows are pairs of a name and what is said of it."""
    rows: Sequence[Sequence[object]]
    right: Sequence[str]
    """Columns that are aligned there."""

    def __new__(
        cls, text: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()
    ) -> TextTable:
        made = super().__new__(cls, text)
        made.columns, made.rows, made.right = columns, rows, right
        return made


def pairs(rows: Iterable[tuple[str, str]], *, width: int) -> TextTable:
    """A line for each name, padded to `width`, and what is said of it."""
    known = list(rows)
    return TextTable("\n".join(f"{name:{width}}{said}" for name, said in known), ("", ""), known)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), terminal: bool = False
) -> TextTable:
    """A table as text; the columns named in `right` are aligned there, and a cell that is None is a dash.

    terminal: Whether it may have colours and fold long cells at the width of this terminal; a pipe gets neither.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, header_style="bold" if terminal else "")
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    known = [tuple(row) for row in rows]
    for row in known:
        drawn.add_row(*(Text(cell_text(value)) for value in row))
    width, colours = (None, "auto") if terminal else (_UNLIMITED, None)
    console = Console(file=sys.stdout, width=width, color_system=colours, force_jupyter=False)  # type: ignore[arg-type]
    with console.capture() as captured:
        console.print(drawn)
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    return TextTable(text, columns, known, right)


def cell_text(value: object) -> str:
    """A cell as text; None is a dash."""
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell_text, value))
    return str(plain(value))
