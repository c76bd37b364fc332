"""What a report of a day says of itself."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from coattail.workspace.documents.state import AbstainedDocument


class ReportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A report, and the figures of its first words."""

    out: Path
    beside: list[Path]
    """Card, pages and claims, if they were asked for."""
    bytes: int
    light: bool
    since: datetime
    until: datetime
    symbols: list[str]
    """Only these; empty for all."""
    snapshot_id: str | None
    """Of raw_trades; None where nothing has landed."""
    commit: int | None
    headline: str
    trades: int
    instruments: int
    alerts: dict[str, int]
    """`count`, and the number of each severity."""
    gaps: int
    abstained: list[AbstainedDocument]
    """Where a detector judged less than half of the time."""
    seconds: float


class RenderedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a folder."""

    file: str
    kind: str
    headline: str
    when: str


class IndexDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The page that lists the pages of a folder."""

    out: Path
    bytes: int
    reports: list[RenderedDocument]
