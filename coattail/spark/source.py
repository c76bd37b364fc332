"""Any `Stream` as a streaming source of Spark: rows of (lane, offset, data), lanes grouped into balanced partitions.

One reader, on the driver, reads each part of the stream once and hands the packs to the tasks inside their
partitions: packs are small (some 50 bytes a trade, compressed), a Kinesis shard allows five reads a second to all
its readers together, and a batch that a task repeats holds the very same bytes. A row of lane `NOTE` says which
offsets the batch reaches, so that nobody has to count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition

from coattail.errors import SparkError
from coattail.streams.base import Pack, Stream
from coattail.streams.opening import open_stream

FORMAT = "coattail"
NOTE = -1
"""Lane of the row that carries a `Note`."""

SCHEMA = "lane int, offset string, data binary"
COLUMNS = pa.schema([("lane", pa.int32()), ("offset", pa.string()), ("data", pa.binary())])


class Note(msgspec.Struct, frozen=True):
    """What a batch says of itself."""

    after: dict[str, str]
    """The offsets it starts after."""
    offsets: dict[str, str]
    """The offsets it reaches."""
    waiting_bytes: int = 0
    """What waits after it."""
    lost: list[str] = []


def joined(notes: Sequence[Note]) -> Note:
    """What parts of a batch that read apart say of it together."""
    return Note(
        after={key: at for note in notes for key, at in note.after.items()},
        offsets={key: at for note in notes for key, at in note.offsets.items()},
        waiting_bytes=sum(note.waiting_bytes for note in notes),
        lost=[words for note in notes for words in note.lost],
    )


@dataclass
class PackPartition(InputPartition):
    """The packs of a group of lanes; the first one of a batch has its note too."""

    packs: list[Pack]
    note: bytes = b""


@dataclass
class _Planned:
    after: dict[str, str]
    packs: list[Pack]
    note: bytes


class PackSource(DataSource):
    """`spark.readStream.format("coattail")`.

    Options: folder (of the local stream), url (of another stream, or nothing), start (JSON of the offsets to start
    after), limit_bytes (of packs in a batch, about), partitions (at most), until_empty (1: a batch in which nothing
    came follows the last one).
    """

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return FORMAT

    def schema(self) -> str:
        """Columns of a row."""
        return SCHEMA

    def streamReader(self, schema: Any) -> DataSourceStreamReader:
        """The reader; Spark makes one on the driver, which plans, and one in each task, which only reads."""
        return PackReader({str(key).lower(): str(value) for key, value in self.options.items()})


class PackReader(DataSourceStreamReader):
    """Delivery: as the stream's; the same offsets give the same packs.

    Spark's offset of a batch is the stream's offsets and, so that a batch without packs counts as well, whether it
    is the end.
    """

    def __init__(self, options: dict[str, str]) -> None:
        self._options = options
        self._start: dict[str, Any] = msgspec.json.decode(options["start"])
        self._reached = self._start
        self._planned: dict[bytes, _Planned] = {}
        self._opened: Stream | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_options": self._options}  # all that a task's copy needs, which is nothing

    @property
    def _stream(self) -> Stream:
        if self._opened is None:
            self._opened = open_stream(self._options.get("url") or None, Path(self._options["folder"]))
        return self._opened

    def initialOffset(self) -> dict[str, Any]:
        """Where the run starts: Spark asks for this after `latestOffset`, so it must not move."""
        return self._start

    def latestOffset(self) -> dict[str, Any]:
        """Read the next batch and say what it reaches; the same as before where nothing waits."""
        before = self._reached
        read = self._stream.read(_offsets(before), limit_bytes=int(self._options["limit_bytes"]))
        reached: dict[str, Any] = dict(read.offsets)
        end = not read.packs and reached == _offsets(before) and bool(self._options.get("until_empty"))
        if end:
            reached["end"] = "end"
        if reached != before:
            note = Note(
                after=_offsets(before),
                offsets=dict(read.offsets),
                waiting_bytes=self._stream.backlog(read.offsets).size_bytes,
                lost=list(read.lost),
            )
            self._planned = {_key(reached): _Planned(before, read.packs, msgspec.json.encode(note))}
            self._reached = reached
        return reached

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> Sequence[InputPartition]:
        """The batch, lanes grouped so that every partition has about as many bytes."""
        planned = self._planned.get(_key(end))
        if planned is None or planned.after != start:
            raise SparkError(
                f"Spark asks for a batch from {start} to {end} that is not the one last read",
                next_step="start the engine again: it continues from the table's offsets",
            )
        groups = grouped(planned.packs, int(self._options["partitions"]))
        first, *others = groups or [[]]
        return [PackPartition(first, planned.note), *(PackPartition(group) for group in others)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of a partition (`COLUMNS`), as one Arrow batch."""
        assert isinstance(partition, PackPartition)
        yield rows_of(partition.packs, partition.note)


def rows_of(packs: Sequence[Pack], note: bytes = b"") -> pa.RecordBatch:
    """Packs, and the note of a batch before them, as rows (`COLUMNS`)."""
    rows = [(pack.lane, pack.offset, pack.data) for pack in packs]
    if note:
        rows.insert(0, (NOTE, "", note))
    lanes, offsets, data = zip(*rows, strict=True) if rows else ((), (), ())
    arrays = [pa.array(values, field.type) for values, field in zip((lanes, offsets, data), COLUMNS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=COLUMNS)


def grouped(packs: Sequence[Pack], most: int) -> list[list[Pack]]:
    """Packs in at most `most` groups of about equal bytes; a lane is in one group only, its packs in order."""
    lanes: dict[int, list[Pack]] = defaultdict(list)
    for pack in packs:
        lanes[pack.lane].append(pack)
    sizes = {lane: sum(len(pack.data) for pack in found) for lane, found in lanes.items()}
    groups: list[list[Pack]] = [[] for _ in range(min(most, len(lanes)))]
    filled = [0] * len(groups)
    for lane in sorted(lanes, key=lambda lane: (-sizes[lane], lane)):
        smallest = filled.index(min(filled))
        groups[smallest] += lanes[lane]
        filled[smallest] += sizes[lane]
    return groups


def _offsets(reached: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in reached.items() if key != "end"}


def _key(reached: dict[str, Any]) -> bytes:
    return msgspec.json.encode(reached, order="sorted")
