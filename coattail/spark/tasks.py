"""What runs inside Spark's Python workers: the landing kernel over a partition, and its trades into Parquet files."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa

from coattail.landing import Checks, Coverage, Landed, land
from coattail.spark.source import NOTE, Note, joined
from coattail.stores.parquet import Target, WrittenFile, write_files
from coattail.streams.base import Pack
from coattail.tables import RAW_TRADES

PART_SCHEMA = "part binary"
_PART = pa.schema([("part", pa.binary())])


@dataclass(frozen=True)
class LandedPartition:
    """The outcome of one partition; its trades are in `files`, and `landed.trades` is empty."""

    landed: Landed
    files: list[WrittenFile]
    note: Note | None


def landing(
    coverage: Coverage, checks: Checks, target: Target
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: rows of packs in, one row with a `LandedPartition` out."""

    def land_partition(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        packs, notes = [], list[Note]()
        for batch in batches:
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            for lane, offset, data in rows:
                if lane == NOTE:
                    notes.append(msgspec.json.decode(data, type=Note))
                else:
                    packs.append(Pack(lane, offset, data))
        if packs or notes:
            landed = land(packs, coverage, checks)
            files = write_files(target, RAW_TRADES, landed.trades)
            note = joined(notes) if notes else None
            small = replace(landed, trades=RAW_TRADES.empty(), coverage=Coverage())
            yield pa.RecordBatch.from_arrays(
                [pa.array([pickle.dumps(LandedPartition(small, files, note))])], schema=_PART
            )

    return land_partition


def parts_of(table: pa.Table) -> list[LandedPartition]:
    """The parts that came back."""
    return [pickle.loads(data) for data in table.column("part").to_pylist()]
