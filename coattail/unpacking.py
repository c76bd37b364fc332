"""Packs taken apart again: into frames for engines, into objects for people and tests. See `packs` for the form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import zstandard

from coattail.packs import PackHead
from coattail.records import Malformed, Record, Row, Shared, trade_of

RECORD_SCHEMA = pl.Schema(
    {
        "exchange": pl.String(),
        "symbol": pl.String(),
        "trade_id": pl.Int64(),
        "last_trade_id": pl.Int64(),
        "price": pl.String(),
        "quantity": pl.String(),
        "quote_volume": pl.String(),
        "side": pl.String(),
        "timestamp": pl.Int64(),
        "received": pl.Int64(),
        "source": pl.String(),
        "session": pl.String(),
        "payload": pl.String(),
        "error": pl.String(),
    }
)
"""Columns of decoded records; times are µs since 1970 UTC, numbers still the wire's strings. `error` is what was
wrong with a frame that could not be read, null for a trade."""

_ROW_SCHEMA = pl.Schema({n: RECORD_SCHEMA[n] for n in Row.__struct_fields__})
_decode_head = msgspec.json.Decoder(PackHead).decode
_decode_row = msgspec.json.Decoder(Row).decode
_NEWLINE = 10


class PackError(Exception):
    """Bytes that are not a pack."""


def unpack(pack: bytes) -> bytes:
    """The lines of a pack.

    Raises: PackError: If the bytes are not one complete zstd frame.
    """
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(pack)
    except zstandard.ZstdError as error:
        raise PackError(f"not zstd: {error}") from error


@dataclass(frozen=True, slots=True)
class Section:
    """One group of a pack taken apart: what all its records share, their lines, and their frames' lines."""

    head: PackHead
    rows: bytes
    payloads: bytes
    lengths: np.ndarray
    """Bytes of each payload line, its newline included."""

    def records(self) -> list[Row | None]:
        """Each line as a record, or None where it is not one. The slow path."""
        found: list[Row | None] = []
        for line in self.rows.split(b"\n")[:-1]:
            try:
                found.append(_decode_row(line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                found.append(None)
        return found


def sections_of(pack: bytes) -> list[Section]:
    """The groups of a pack, in order.

    Raises: PackError: If the bytes are not a pack, or its lines are not as many as it says.
    """
    body = unpack(pack)
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == _NEWLINE)
    if not len(ends) or ends[-1] + 1 != len(body):
        raise PackError("not a pack: its last line has no end")
    found = []
    lengths, places = np.diff(ends), ends.tolist()
    line = start = 0
    while line < len(places):
        try:
            head = _decode_head(body[start : places[line]])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackError(f"not a pack: {error}") from error
        n, m = head.records, head.payloads
        if n < 0 or m < 0 or line + 1 + n + m > len(places):
            raise PackError(f"{len(places) - line} lines where the pack says 1 + {n} + {m}")
        middle, end = places[line + n] + 1, places[line + n + m] + 1
        rows, payloads = body[places[line] + 1 : middle], body[middle:end]
        found.append(Section(head, rows, payloads, lengths[line + n : line + n + m]))
        line, start = line + 1 + n + m, end
    return found


def rows_frame(sections: Sequence[Section]) -> pl.DataFrame:
    """The records of the sections in order, with the columns of `RECORD_SCHEMA`.

    Raises: PackError: If any line is not a record, or a payload not text.
    """
    lines = b"".join(s.rows for s in sections)
    if not lines:
        return RECORD_SCHEMA.to_frame()
    try:
        rows = pl.read_ndjson(io.BytesIO(lines), schema=_ROW_SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise PackError(str(error)) from error
    if rows.height != sum(s.head.records for s in sections) or rows["received"].null_count():
        raise PackError("a line is not a record")
    return _with_heads(rows, sections)


def slow_frame(section: Section, records: Sequence[Row | None]) -> pl.DataFrame:
    """The records that could be read (not None), one by one decoded, with the columns of `RECORD_SCHEMA`."""
    rows = [msgspec.to_builtins(r) if r is not None else {"received": 0} for r in records]
    frame = _with_heads(pl.DataFrame(rows, schema=_ROW_SCHEMA), [section])
    return frame.filter(pl.Series([r is not None for r in records], dtype=pl.Boolean))


def _with_heads(rows: pl.DataFrame, sections: Sequence[Section]) -> pl.DataFrame:
    payload = _payloads(sections)
    inline = rows["payload"]
    if inline.null_count() < rows.height:
        waiting = inline.is_null()
        place = (waiting.cast(pl.Int64).cum_sum() - 1).clip(0)
        if int(waiting.sum()) != len(payload):
            raise PackError("payloads and records do not match")
        following = payload.gather(place) if len(payload) else pl.Series([None] * rows.height, dtype=pl.String)
        payload = pl.select(pl.when(waiting).then(following).otherwise(inline)).to_series()
    elif len(payload) != rows.height:
        raise PackError("payloads and records do not match")
    counts = [s.head.records for s in sections]
    place_of = np.repeat(np.arange(len(sections), dtype=np.uint32), counts)
    shared = {
        name: pl.Series(name, [getattr(s.head, name) for s in sections], dtype=pl.String).gather(place_of)
        for name in ("exchange", "symbol", "source", "session")
    }
    return rows.with_columns(*shared.values(), payload.alias("payload")).select(RECORD_SCHEMA.names())


def _payloads(sections: Sequence[Section]) -> pl.Series:
    """All payload lines as one column, without their newlines."""
    lengths = np.concatenate([s.lengths for s in sections])
    text = b"".join(s.payloads for s in sections)
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    array = pa.LargeStringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(text))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise PackError(f"a payload is not UTF-8: {error}") from error
    return pl.Series("payload", array).str.strip_suffix("\n")


def decode_pack(pack: bytes) -> list[Record]:
    """The records of a pack as objects, for people and tests; engines use frames.

    Raises: PackError: If the bytes are not a pack or a line in it is not a record.
    """
    return [record for section in sections_of(pack) for record in _records_of(section)]


def _records_of(section: Section) -> list[Record]:
    head = section.head
    shared = Shared(head.exchange, head.symbol, head.session, head.source)
    found: list[Record] = []
    for values in rows_frame([section]).select(*_ROW_SCHEMA.names()).iter_rows():
        row = Row(*values)
        payload = row.payload or ""
        if row.error is None:
            found.append(trade_of(row, shared, payload))
        else:
            found.append(
                Malformed(
                    exchange=head.exchange,
                    error=row.error,
                    payload=payload,
                    received=row.received,
                    source=head.source,
                    session=head.session,
                )
            )
    return found
