"""How much of what came in was good."""

from __future__ import annotations

from datetime import datetime

import msgspec


class QualityCounts(msgspec.Struct, frozen=True, kw_only=True):
    """processed = passed + failed + duplicate; late ones have passed."""

    score: float | None
    """passed / (passed + failed) in percent, rounded down to six digits; None without either."""
    processed: int
    passed: int
    failed: int
    late: int
    duplicate: int


class ExchangeQuality(QualityCounts, frozen=True, kw_only=True):
    """The counts of one exchange."""

    exchange: str


class QualitySpan(QualityCounts, frozen=True, kw_only=True):
    """The counts of all commits in a time, whole and by exchange."""

    since: datetime | None
    """None, like `until`, without a commit."""
    until: datetime | None
    exchanges: list[ExchangeQuality]


class FailureDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How many records in the DLQ have a reason; a record may have several."""

    folder: str
    reason: str
    rows: int


class QualityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The quality of a home's trades, and why records were rejected."""

    all_time: QualitySpan
    last_24h: QualitySpan
    """Back from the newest commit."""
    failures: list[FailureDocument]
    target: int
    """Percent: above it is the aim."""
    alarm: int
    """Percent: below it for five minutes is an alarm."""
