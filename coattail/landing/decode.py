"""Packs to one frame of records, each row with the place it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
import zstandard

from coattail.records import RECORD_SCHEMA, decode_lines, decode_records, unpack
from coattail.streams.base import Pack


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A line, or a whole pack, that is no record at all: it goes to the stream's own DLQ."""

    lane: int
    offset: str
    index: int
    """Row in the pack; -1 for the pack as a whole."""
    error: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records with lineage.

    Columns: those of `RECORD_SCHEMA`, and `stream_lane`, `stream_offset`, `stream_index`, `arrival`
    (0, 1, … in the order of the packs given).
    """

    records: pl.DataFrame
    undecodable: list[Undecodable]


def decode(packs: Sequence[Pack]) -> Decoded:
    """The records of the packs, in order; one bad line never costs its neighbours."""
    bodies: list[bytes] = []
    undecodable: list[Undecodable] = []
    whole: list[Pack] = []
    for pack in packs:
        try:
            body = unpack(pack.data)
        except zstandard.ZstdError as error:
            undecodable.append(Undecodable(pack.lane, pack.offset, -1, f"not zstd: {error}", pack.data))
            continue
        bodies.append(body if body.endswith(b"\n") or not body else body + b"\n")
        whole.append(pack)
    counts = [body.count(b"\n") for body in bodies]
    try:
        records = decode_lines(b"".join(bodies))
        if records.height != sum(counts) or not _sound(records):
            raise pl.exceptions.ComputeError("a line is no record")
        index = np.concatenate([np.arange(n, dtype=np.int32) for n in counts]) if counts else np.empty(0, np.int32)
    except pl.exceptions.PolarsError:
        records, counts, index, bad = _decode_slowly(whole, bodies)
        undecodable += bad
    place = np.repeat(np.arange(len(whole), dtype=np.uint32), counts)
    records = records.with_columns(
        pl.Series("stream_lane", np.repeat(np.array([p.lane for p in whole], dtype=np.int32), counts)),
        pl.Series("stream_offset", [p.offset for p in whole], dtype=pl.String).gather(place),
        pl.Series("stream_index", index),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("arrival"),
    )
    return Decoded(records, undecodable)


def _sound(records: pl.DataFrame) -> bool:
    """Whether every row has the fields without which it is nobody's record."""
    known = pl.col("kind").is_in(["trade", "malformed"]) & pl.col("exchange").is_not_null()
    return bool(records.select((known & pl.col("received").is_not_null()).fill_null(value=False).all()).item())


def _decode_slowly(
    packs: Sequence[Pack], bodies: Sequence[bytes]
) -> tuple[pl.DataFrame, list[int], np.ndarray, list[Undecodable]]:
    """Line by line, after the fast way failed: rows, rows per pack, index of each, and the bad lines."""
    rows: list[dict[str, object]] = []
    counts: list[int] = []
    index: list[int] = []
    undecodable: list[Undecodable] = []
    for pack, body in zip(packs, bodies, strict=True):
        lines = body.split(b"\n")[:-1]
        good, bad = decode_records(lines)
        for place, record in good:
            rows.append(msgspec.to_builtins(record))
            index.append(place)
        counts.append(len(good))
        undecodable += [Undecodable(pack.lane, pack.offset, i, "not a record", lines[i]) for i in bad]
    frame = pl.DataFrame(rows, schema=RECORD_SCHEMA) if rows else RECORD_SCHEMA.to_frame()
    return frame, counts, np.array(index, dtype=np.int32), undecodable
