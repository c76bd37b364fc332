"""How far something has come, for whatever shows it: a bar at a terminal, a page, a notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done, and how much of it is done."""

    doing: str
    """As a person reads it: `landing`, `bars: 3 of 8 jobs`."""
    done: float = 0
    """How much of `total`."""
    total: float | None = None
    """In the unit of the step (bytes, rows, a share of 1); None where nobody knows how much it will be."""


OnProgress = Callable[[Step], None]
"""Called often, and from the thread that does the work."""


def unheard(step: Step) -> None:
    """For when nobody listens."""
