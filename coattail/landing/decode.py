"""Packs to one frame of records, each row with the place it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import polars as pl

from coattail.streams.base import Pack
from coattail.unpacking import RECORD_SCHEMA, PackError, Section, rows_frame, sections_of, slow_frame


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A line, or a whole pack, that is not a record at all: it goes to the stream's own DLQ."""

    lane: int
    offset: str
    index: int
    """Row in the pack, the first of a whole group; -1 for the pack as a whole."""
    error: str
    data: bytes


class _Placed(NamedTuple):
    """One group of a pack, and how many records of the pack stand before it."""

    pack: Pack
    section: Section
    before: int


MissedIds = tuple[str, str, int, int, str]
"""(exchange, symbol, first id, last id, why)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records with lineage.

    Columns: those of `RECORD_SCHEMA`, and `stream_lane`, `stream_offset`, `stream_index`, `arrival`
    (0, 1, … in the order of the packs given).
    """

    records: pl.DataFrame
    undecodable: list[Undecodable]
    missed: list[MissedIds]
    """What the packs say of ids that are missing."""


def decode(packs: Sequence[Pack]) -> Decoded:
    """The records of the packs, in order; one bad line never costs its neighbours."""
    undecodable: list[Undecodable] = []
    placed: list[_Placed] = []
    for pack in packs:
        try:
            sections = sections_of(pack.data)
        except PackError as error:
            undecodable.append(Undecodable(pack.lane, pack.offset, -1, str(error), pack.data))
            continue
        before = accumulate((section.head.records for section in sections), initial=0)
        placed += [_Placed(pack, section, rows) for section, rows in zip(sections, before, strict=False)]
    counts = [section.head.records for _, section, _ in placed]
    try:
        records = rows_frame([section for _, section, _ in placed])
        shift = np.array([each.before for each in placed], np.int64) - np.cumsum([0, *counts])[:-1]
        index = (np.arange(sum(counts)) + np.repeat(shift, counts)).astype(np.int32)
    except PackError:
        records, counts, index, bad = _one_by_one(placed)
        undecodable += bad
    place = np.repeat(np.arange(len(placed), dtype=np.uint32), counts)
    lanes = np.array([each.pack.lane for each in placed], dtype=np.int32)
    records = records.with_columns(
        pl.Series("stream_lane", np.repeat(lanes, counts)),
        pl.Series("stream_offset", [each.pack.offset for each in placed], dtype=pl.String).gather(place),
        pl.Series("stream_index", index),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("arrival"),
    )
    heads = [group.section.head for group in placed]
    missed = [(h.exchange, h.symbol, *ids) for h in heads if h.symbol is not None for ids in h.missed]
    return Decoded(records, undecodable, missed)


def _one_by_one(placed: Sequence[_Placed]) -> tuple[pl.DataFrame, list[int], np.ndarray, list[Undecodable]]:
    """After the fast way failed: rows, rows per group, index of each, and what was bad."""
    frames: list[pl.DataFrame] = [RECORD_SCHEMA.to_frame()]
    counts: list[int] = []
    index: list[int] = []
    undecodable: list[Undecodable] = []
    for pack, section, before in placed:
        try:
            frame = rows_frame([section])
            good = list(range(frame.height))
        except PackError:
            rows = section.records()
            try:
                frame = slow_frame(section, rows)
            except PackError as error:
                undecodable.append(_whole(pack, section, before, error))
                counts.append(0)
                continue
            good = [place for place, row in enumerate(rows) if row is not None]
            lines = section.rows.split(b"\n")
            bad = [place for place, row in enumerate(rows) if row is None]
            undecodable += [Undecodable(pack.lane, pack.offset, before + i, "not a record", lines[i]) for i in bad]
        frames.append(frame)
        counts.append(len(good))
        index += [before + i for i in good]
    return pl.concat(frames), counts, np.array(index, dtype=np.int32), undecodable


def _whole(pack: Pack, section: Section, before: int, error: PackError) -> Undecodable:
    """A group that says too little to be read line by line; the pack where it is the only one."""
    alone = len(sections_of(pack.data)) == 1
    data = pack.data if alone else section.rows + section.payloads
    return Undecodable(pack.lane, pack.offset, -1 if alone else before, str(error), data)
