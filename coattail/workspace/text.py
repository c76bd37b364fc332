"""Words for people that need no terminal: times, and text from outside made harmless."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories that move the cursor, reorder or hide text: controls, formats, line separators."""


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
    return shlex.join(["coattail", *words])
