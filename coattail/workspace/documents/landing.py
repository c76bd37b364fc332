"""What a landing and a replay came to."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

Counts = dict[str, dict[str, int]]
"""Type of alert -> severity, worst first -> alerts that stand."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Missing trade ids of one instrument."""

    exchange: str
    symbol: str
    gaps: int
    missing_ids: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of an engine added to its home: `received = landed + rejected + duplicates`."""

    received: int
    landed: int
    rejected: int
    duplicates: int
    late: int
    rejected_by_reason: dict[str, int]
    """A rejected record may have several reasons."""
    instruments: int
    """Instruments of the home, as are the gaps."""
    gaps: tuple[Gap, ...]
    waiting_bytes: int
    """What is still in the stream, compressed."""
    conserved: bool
    """Whether every record received is somewhere."""


class RunningEngine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that runs on the home already."""

    pid: int
    command: str


class ReplayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay read, and what landed of it."""

    recordings: list[Path]
    skipped: list[Path]
    """Files of a folder that are not recordings."""
    complete: bool
    """False if somebody stopped it before the end."""
    frames: int
    trades: int
    malformed: int
    other: int
    unsupported: dict[str, int]
    filtered: int
    first: datetime | None
    """Earliest trade's own time; None without trades, or where it lies beyond the calendar."""
    last: datetime | None
    seconds: float
    engine: RunningEngine | None
    """Which engine lands it; None where this replay did, or nobody does."""
    landed: Outcome | None
    """None where the stream was only fed."""
    alerts: Counts
    damaged: str | None
    """What is wrong with the first damaged file."""
