"""Step 1 of 7: what travels through the stream: `Trade` and `Malformed` records, in lanes."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

import msgspec

Source = Literal["live", "backfill", "replay"]

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LANES = 64
"""Virtual lanes of a stream, fixed in its metadata (a reshard moves lanes, never instruments)."""


OFF_BOOK = "off_book"
"""Side of a fill that never met the order book: an insurance fund or another trader was made its counterparty."""


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
    """`buy` or `sell`: the taker's; `OFF_BOOK` of a fill that nobody took from the order book."""
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


class Row(msgspec.Struct, omit_defaults=True, gc=False):
    """What one record says for itself: exchange, symbol, session, source and payload stand beside it.

    Many rows with the same of these travel as one pack; the fields mean what they mean in `Trade`. `error` is None
    for a trade, and what was wrong with a malformed frame.
    """

    received: Int64
    trade_id: Int64 | None = None
    last_trade_id: Int64 | None = None
    price: str | None = None
    quantity: str | None = None
    quote_volume: str | None = None
    side: str | None = None
    timestamp: Int64 | None = None
    error: str | None = None
    payload: str | None = None
    """Only inside a pack, and only where the payload is not a single line."""


def row_of(record: Record) -> Row:
    """The record without what it shares with its neighbours."""
    if isinstance(record, Malformed):
        return Row(record.received, error=record.error)
    return Row(
        record.received,
        record.trade_id,
        record.last_trade_id,
        record.price,
        record.quantity,
        record.quote_volume,
        record.side,
        record.timestamp,
    )


class Shared(NamedTuple):
    """What the records of one pack have in common."""

    exchange: str
    symbol: str | None
    """None for malformed frames too."""
    session: str
    source: Source


def trade_of(row: Row, shared: Shared, payload: str) -> Trade:
    """The trade that a row, what it shares and its payload make together."""
    return Trade(
        exchange=shared.exchange,
        symbol=shared.symbol,
        trade_id=row.trade_id,
        last_trade_id=row.last_trade_id,
        price=row.price,
        quantity=row.quantity,
        quote_volume=row.quote_volume,
        side=row.side,
        timestamp=row.timestamp,
        received=row.received,
        source=shared.source,
        session=shared.session,
        payload=payload,
    )


def shared_by(record: Record) -> Shared:
    """What the record has in common with those of its pack."""
    symbol = record.symbol if type(record) is Trade else None
    return Shared(record.exchange, symbol, record.session, record.source)


def payload_of(record: Record) -> bytes:
    """The payload as bytes; what UTF-8 cannot say, as `\\uNNNN`."""
    return record.payload.encode("utf-8", "backslashreplace")


def lane_of(exchange: str, symbol: str | None) -> int:
    """Lane of an instrument, 0…63: stable across processes, versions and machines."""
    return zlib.crc32(f"{exchange}:{symbol or ''}".encode()) % LANES


def micros(when: datetime) -> int:
    """µs since 1970 UTC of an aware time, exactly (no float on the way)."""
    delta = when - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def when(us: int) -> datetime:
    """The aware time that lies `us` µs after the start of 1970 UTC, exactly.

    Raises: OverflowError: If it lies outside the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=us)
