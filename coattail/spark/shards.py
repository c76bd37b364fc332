"""A stream of many shards, read by the tasks themselves: each reads some of the shards, and says how far it came.

The driver says which shards there are and where each goes on; packs go from the service to the task that lands them.
A task that is repeated may read further than the one before it; what counts is what the one that ended says.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from coattail.errors import ConfigError
from coattail.spark.source import SCHEMA, Note, rows_of
from coattail.streams.base import Offsets, Sharded
from coattail.streams.opening import open_stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

THROUGH_DRIVER = 8
"""Shards above which tasks read. A shard takes 1 MB a second; a driver on two busy cores hands 8 MB of packs a second
to its tasks in batches of 16 MiB, and 13 in batches of 64 (measured 2026-11-27 with tasks that do nothing more)."""

_opened: dict[str, Sharded] = {}
"""Streams that this process has opened: what was fetched ahead, and how often a shard was asked, outlive a task."""


class ShardGroup(msgspec.Struct, frozen=True):
    """What one task reads."""

    shards: list[str]
    after: dict[str, str]
    """Where they go on; of the first group also what is known of all other shards."""


def groups_of(shards: Sequence[str], after: Offsets, most: int) -> list[ShardGroup]:
    """The shards in at most `most` groups, the same for the same shards; every offset is in one of them."""
    parts = [list(shards[start::most]) for start in range(max(1, min(most, len(shards))))]
    grouped = [{name: after[name] for name in part if name in after} for part in parts]
    others = {name: at for name, at in after.items() if name not in set(shards)}
    return [
        ShardGroup(part, {**others, **offsets} if number == 0 else offsets)
        for number, (part, offsets) in enumerate(zip(parts, grouped, strict=True))
    ]


def reading(
    url: str, groups: Sequence[ShardGroup], limit_bytes: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: numbers of groups in, rows of packs (`COLUMNS`) with a `Note` of each group out.

    limit_bytes: Of packs in all groups together, about.
    """

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                group = groups[number]
                stream = _stream_at(url)
                found, waiting = stream.read_shards(
                    group.shards, group.after, limit_bytes=max(1, limit_bytes // len(groups))
                )
                note = Note(group.after, dict(found.offsets), waiting, list(found.lost))
                yield rows_of(found.packs, msgspec.json.encode(note))

    return read


class ShardQuery:
    """Batches of such a stream, one after the other, in a thread, as a `StreamingQuery` gives them to `foreachBatch`.

    after: The offsets that the next batch goes on from. take: Called with each batch and its number; until it returns,
    there is no other one. every: Seconds from one batch to the next, at least.
    """

    def __init__(
        self,
        session: SparkSession,
        stream: Sharded,
        url: str,
        *,
        after: Callable[[], Offsets],
        take: Callable[[DataFrame, int], None],
        every: float,
        limit_bytes: int,
        most: int,
    ) -> None:
        self._session, self._stream, self._url = session, stream, url
        self._after, self._take, self._every = after, take, every
        self._limit_bytes, self._most = limit_bytes, most
        self._stopping, self._failed = threading.Event(), list[Exception]()
        self._thread = threading.Thread(target=self._run, name="shards", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            began = time.monotonic()
            try:
                self._take(self._batch(), number)
            except Exception as error:
                self._failed.append(error)
                return
            if self._stopping.wait(max(0.0, self._every - (time.monotonic() - began))):
                return

    def _batch(self) -> DataFrame:
        after = self._after()
        groups = groups_of(self._stream.shards(after), after, self._most)
        numbers = self._session.range(0, len(groups), 1, len(groups))  # one task each
        rows: Any = reading(self._url, groups, self._limit_bytes)  # Spark's types want pandas
        return numbers.mapInArrow(rows, SCHEMA)

    def stop(self) -> None:
        """No batch begins any more; returns when the last one has ended."""
        self._stopping.set()
        self._thread.join()

    def awaitTermination(self) -> None:
        """Wait until it was stopped, or has failed. Raises: what it failed with."""
        self._thread.join()
        if self._failed:
            raise self._failed[0]

    def exception(self) -> Exception | None:
        """What it failed with."""
        return self._failed[0] if self._failed else None


def _stream_at(url: str) -> Sharded:
    if url not in _opened:
        stream: Any = open_stream(url, Path())
        if not isinstance(stream, Sharded):
            raise ConfigError(f"stream.url = {url!r} has no shards", next_step="name a stream of Kinesis")
        _opened[url] = stream
    return _opened[url]
