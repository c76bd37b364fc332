"""Step 1 of 7: what travels through the stream: `Trade` and `Malformed` records, packed.

A **pack** is newline-delimited JSON, compressed with zstd: `zstdcat` shows it. ADR 0012 has the figures
that chose it. One pack belongs to one lane; an instrument always stays in one lane.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
import polars as pl
import zstandard

Source = Literal["live", "backfill", "replay"]

LANES = 64
"""Virtual lanes of a stream, fixed in its metadata (a reshard moves lanes, never instruments)."""

RECORD_SCHEMA = pl.Schema(
    {
        "kind": pl.String,
        "exchange": pl.String,
        "symbol": pl.String,
        "trade_id": pl.Int64,
        "last_trade_id": pl.Int64,
        "price": pl.String,
        "quantity": pl.String,
        "quote_volume": pl.String,
        "side": pl.String,
        "timestamp": pl.Int64,
        "received": pl.Int64,
        "source": pl.String,
        "session": pl.String,
        "payload": pl.String,
        "error": pl.String,
    }
)
"""Columns of a decoded pack; times are µs since 1970 UTC, numbers still the wire's strings."""


class Trade(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="kind", tag="trade"):
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


class Malformed(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="kind", tag="malformed"):
    """A frame that could not be read. It travels like a trade, so that `land()` alone counts."""

    exchange: str
    error: str
    payload: str
    received: int
    source: Source = "live"
    session: str = ""


Record = Trade | Malformed

_encode_lines = msgspec.json.Encoder().encode_lines
_decode_line = msgspec.json.Decoder(Record)
_compress = zstandard.ZstdCompressor(level=1)


def lane_of(exchange: str, symbol: str | None) -> int:
    """Lane of an instrument, 0…63: stable across processes, versions and machines."""
    return zlib.crc32(f"{exchange}:{symbol or ''}".encode()) % LANES


def encode_pack(records: Sequence[Record]) -> bytes:
    """One pack: the records as NDJSON in one zstd frame."""
    return _compress.compress(_encode_lines(records))


def unpack(pack: bytes) -> bytes:
    """The NDJSON lines of a pack.

    Raises: zstandard.ZstdError: If the bytes are not a complete zstd frame.
    """
    return zstandard.ZstdDecompressor().decompressobj().decompress(pack)


def decode_lines(lines: bytes) -> pl.DataFrame:
    """Records as a frame with the columns of `RECORD_SCHEMA`, in order.

    Raises: polars.exceptions.PolarsError: If a line is no JSON object or a field has another type.
    """
    if not lines:
        return RECORD_SCHEMA.to_frame()
    return pl.read_ndjson(io.BytesIO(lines), schema=RECORD_SCHEMA)


def decode_records(lines: Iterable[bytes]) -> tuple[list[tuple[int, Record]], list[int]]:
    """(index, record) of every line that is a record, and the indexes of the lines that are none."""
    good: list[tuple[int, Record]] = []
    bad: list[int] = []
    for index, line in enumerate(lines):
        try:
            good.append((index, _decode_line.decode(line)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            bad.append(index)
    return good, bad


def micros(when: datetime) -> int:
    """µs since 1970 UTC of an aware time, exactly (no float on the way)."""
    delta = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
