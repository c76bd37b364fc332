"""Rejected records."""

from __future__ import annotations

from datetime import datetime

import msgspec


class LetterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was rejected, with all its reasons. None: the record does not say."""

    key: str
    """lane/offset/index in its stream."""
    stream: str | None
    """The stream's identity; None for one that an older version wrote."""
    rejected_as: str
    """malformed, incomplete, invalid or stream; alert for an alert that the hot store cannot hold."""
    reasons: list[str]
    error: str | None
    """What could not be read, in words."""
    exchange: str | None
    symbol: str | None
    trade_id: int | None
    last_trade_id: int | None
    price: str | None
    quantity: str | None
    side: str | None
    timestamp: datetime | int | None
    """When it happened; a number where that is not a time, which may be the reason."""
    received: datetime | int | None
    source: str | None
    session: str | None
    payload: str | None
    """What the exchange sent."""


class LettersDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Rejected records, newest first."""

    records: list[LetterDocument]
    count: int
    has_more: bool
