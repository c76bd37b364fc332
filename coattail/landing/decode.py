"""Packs to one frame of records, each row with the place it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from coattail.streams.base import Pack
from coattail.unpacking import RECORD_SCHEMA, PackError, Section, rows_frame, slow_frame


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A line, or a whole pack, that is not a record at all: it goes to the stream's own DLQ."""

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
    undecodable: list[Undecodable] = []
    whole: list[tuple[Pack, Section]] = []
    for pack in packs:
        try:
            whole.append((pack, Section.of(pack.data)))
        except PackError as error:
            undecodable.append(Undecodable(pack.lane, pack.offset, -1, str(error), pack.data))
    counts = [section.head.records for _, section in whole]
    try:
        records = rows_frame([section for _, section in whole])
        index = np.concatenate([np.arange(n, dtype=np.int32) for n in counts]) if counts else np.empty(0, np.int32)
    except PackError:
        records, counts, index, bad = _one_by_one(whole)
        undecodable += bad
    place = np.repeat(np.arange(len(whole), dtype=np.uint32), counts)
    lanes = np.array([pack.lane for pack, _ in whole], dtype=np.int32)
    records = records.with_columns(
        pl.Series("stream_lane", np.repeat(lanes, counts)),
        pl.Series("stream_offset", [pack.offset for pack, _ in whole], dtype=pl.String).gather(place),
        pl.Series("stream_index", index),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("arrival"),
    )
    return Decoded(records, undecodable)


def _one_by_one(whole: Sequence[tuple[Pack, Section]]) -> tuple[pl.DataFrame, list[int], np.ndarray, list[Undecodable]]:
    """After the fast way failed: rows, rows per pack, index of each, and what was bad."""
    frames: list[pl.DataFrame] = [RECORD_SCHEMA.to_frame()]
    counts: list[int] = []
    index: list[int] = []
    undecodable: list[Undecodable] = []
    for pack, section in whole:
        try:
            frame = rows_frame([section])
            good = list(range(frame.height))
        except PackError:
            rows = section.records()
            try:
                frame = slow_frame(section, rows)
            except PackError as error:
                undecodable.append(Undecodable(pack.lane, pack.offset, -1, str(error), pack.data))
                counts.append(0)
                continue
            good = [place for place, row in enumerate(rows) if row is not None]
            lines = section.rows.split(b"\n")
            bad = [place for place, row in enumerate(rows) if row is None]
            undecodable += [Undecodable(pack.lane, pack.offset, i, "not a record", lines[i]) for i in bad]
        frames.append(frame)
        counts.append(len(good))
        index += good
    return pl.concat(frames), counts, np.array(index, dtype=np.int32), undecodable
