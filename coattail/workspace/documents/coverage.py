"""Which trade ids are here, and which are not."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class InstrumentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The trade ids of one instrument."""

    exchange: str
    symbol: str
    first_id: int | None
    """The first id that landed; None, like the next three, if none did."""
    last_id: int | None
    first_trade: datetime | None
    last_trade: datetime | None
    landed: int
    """Ids; an aggregated trade covers several."""
    fetched: int
    """Of these the ids that were not heard live, but fetched from the exchange's history."""
    gaps: int
    missing: int
    """Ids in gaps."""
    unobserved: int
    """Ids between two sessions, which nobody watched for."""
    rejected: int
    trades: int
    """Rows of raw_trades."""
    ids: Literal["contiguous", "unique"]
    """`unique`: a missing id means nothing there. Then first_id and last_id are None, and `landed` counts trades."""
    coverage_pct: float | None
    """landed / (landed + missing), rounded down to six digits: 100 means all. None without either."""


class GapDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Ids that are missing between two that are here."""

    exchange: str
    symbol: str
    first_id: int
    last_id: int
    missing: int
    after: datetime | None
    """Time of the trade before the gap."""
    before: datetime | None
    """Time of the trade after the gap."""
    cause: str | None
    noticed_at: datetime | None


class CoverageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The coverage of a home."""

    instruments: list[InstrumentDocument]
    gaps: list[GapDocument] | None
    """None where they were not asked for."""
