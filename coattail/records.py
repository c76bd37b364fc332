"""Step 1 of 7: what travels through the stream: `Trade` and `Malformed` records, in lanes."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import Literal

import msgspec

Source = Literal["live", "backfill", "replay"]

LANES = 64
"""Virtual lanes of a stream, fixed in its metadata (a reshard moves lanes, never instruments)."""


class Trade(msgspec.Struct, kw_only=True, gc=False):
    """One fill, or one aggregate of fills, as its exchange sent it.

    `price`, `quantity` and `quote_volume` stay the wire's strings until `land()`; a field that the frame
    left out or sent as null is None. Nothing is judged here.
    """

    exchange: str
    symbol: str | None
    trade_id: int | None
    """First trade id that this record covers."""
    last_trade_id: int | None = None
    """Last trade id covered; None means `trade_id` (a single fill)."""
    price: str | None
    """Quote units per base unit."""
    quantity: str | None
    """Base units."""
    quote_volume: str | None = None
    """Quote units, only where the exchange sends it."""
    side: str | None
    """`buy` or `sell`: the taker's."""
    timestamp: int | None
    """When the trade happened, µs since 1970 UTC, by the exchange's clock."""
    received: int
    """When the frame arrived, µs since 1970 UTC, by the receiver's clock (may precede `timestamp`)."""
    source: Source = "live"
    session: str = ""
    """One unbroken listening: a live run, or one replayed file. Ids missing inside it are a gap."""
    payload: str
    """The frame as received; of a frame with many trades, that trade's slice."""


class Malformed(msgspec.Struct, kw_only=True, gc=False):
    """A frame that could not be read. It travels like a trade, so that `land()` alone counts."""

    exchange: str
    error: str
    payload: str
    received: int
    source: Source = "live"
    session: str = ""


Record = Trade | Malformed


def lane_of(exchange: str, symbol: str | None) -> int:
    """Lane of an instrument, 0…63: stable across processes, versions and machines."""
    return zlib.crc32(f"{exchange}:{symbol or ''}".encode()) % LANES


def micros(when: datetime) -> int:
    """µs since 1970 UTC of an aware time, exactly (no float on the way)."""
    delta = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
