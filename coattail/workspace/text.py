"""Words for people that need no terminal: times, and text from outside made harmless."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories that move the cursor, reorder or hide text: controls, formats, line separators."""


def printable(text: str, *, most: int | None = None) -> str:
    """The text with every control character written out (`\\x1b`), shortened to `most` characters."""
    safe = "".join(c if unicodedata.category(c) not in _UNSAFE else ascii(c)[1:-1] for c in text)
    return safe if most is None or len(safe) <= most else f"{safe[: most - 1]}…"


def clock(when: datetime | None) -> str:
    """A UTC time to the second, or `-`."""
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
