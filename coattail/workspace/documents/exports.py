"""What was written for other programs: rows of a table, a simulated market, a report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec


class ExportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a table or view in files."""

    table: str
    snapshot_id: str | None
    """None for a view, which has no past."""
    columns: list[str]
    rows: int
    bytes: int
    files: list[Path]
    since: datetime | None
    until: datetime | None
    seconds: float


class SimulatedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated market as recordings, and the truth beside them."""

    recordings: dict[str, Path]
    """By exchange; what came by another connection is a recording of its own: `binance-1`."""
    truth: Path
    frames: dict[str, int]
    """By the same names."""
    planted: dict[str, int]
    """Events by kind."""
    natural_whales: int
    """Whales that nobody planted."""
    seed: int
    character: str
    plan: str
    start: datetime
    end: datetime
