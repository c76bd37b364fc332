"""Text for a terminal: nothing from outside controls it, and shares are shown as bars."""

from __future__ import annotations

import sys

from coattail.workspace.text import ago, clock, printable, size

__all__ = ["ago", "bar", "clock", "levels", "percent", "printable", "size"]


def bar(share: float, width: int = 20) -> str:
    """A bar filled as far as `share` (0 to 1) says; whole only at 1, empty only at 0."""
    filled = min(int(share * width), width)
    if 0 < share < 1:
        filled = min(max(filled, 1), width - 1)
    full, empty = ("█", "░") if _draws("█░") else ("#", ".")
    return full * filled + empty * (width - filled)


def levels() -> str:
    """The characters of a line of bars that the terminal can draw."""
    return "▁▂▃▄▅▆▇█" if _draws("▁█") else "_.-=+*#@"


def _draws(text: str) -> bool:
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
