"""One shard from one position on: what has been fetched and waits, and proof that nothing was lost before it."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from coattail.records import LANES
from coattail.streams.base import Pack
from coattail.streams.kinesis_shards import SHARD_END

FETCH_RECORDS = 1_000
"""Records of one fetch at most; the service stops at 10 MB."""

_REMEMBERED = 20_000
_PATIENT_POLLS = 10
_OURS = re.compile(r"lane-(\d\d)")


def lane_of_key(key: str) -> int:
    """The lane that a partition key names; a stranger's key gets one that is always the same."""
    found = _OURS.fullmatch(key)
    if found is not None and int(found[1]) < LANES:
        return int(found[1])
    return zlib.crc32(key.encode()) % LANES


@dataclass(slots=True)
class Cursor:
    """Delivery: every record after `start`, in order, once."""

    shard_id: str
    start: str | None
    """Number of the last record read before; None: from the oldest there is."""
    position: str | None = field(init=False)
    """Number of the last record given out; SHARD_END after the last of a closed shard."""
    iterator: str | None = None
    at_tip: bool = False
    """Whether the newest answer reached the end of what the shard held."""
    ended: bool = False
    """Whether the shard is closed and everything in it has been fetched."""
    behind: timedelta = timedelta(0)
    """How far the newest answer lay behind the newest record."""
    lost: list[str] = field(default_factory=list)
    not_before: float = 0.0
    """When the shard may be asked again."""
    failing_since: float | None = None
    in_vain: int = 0
    """Answers in a row that were a refusal."""
    waiting: deque[Pack] = field(default_factory=deque)
    waiting_bytes: int = 0
    _fetched: str | None = field(init=False)
    _proved: bool = field(init=False)
    _empty: int = 0
    _from_oldest: bool = False
    _given: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def __post_init__(self) -> None:
        self.position = self._fetched = self.start
        self._proved = self.start is None

    # -- where to read ---------------------------------------------------------------------------------------

    def iterator_arguments(self) -> dict[str, str]:
        """How to ask for an iterator: at the last record fetched, so that its return proves that nothing is missing."""
        if self._fetched is None or self._from_oldest:
            return {"ShardIteratorType": "TRIM_HORIZON"}
        return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": self._fetched}

    def expired(self) -> None:
        """The iterator is too old: the next one begins at the last record fetched."""
        self.iterator = None
        self._proved = self._fetched is None

    def refused(self) -> None:
        """The service no longer knows the number: say so, and go on from the oldest record."""
        self.lost.append(
            f"shard {self.shard_id} refuses the number {self._fetched}, up to which it had been read: what followed "
            "it was removed before it was read"
        )
        self.iterator = self._fetched = None
        self._proved = True

    # -- what came ---------------------------------------------------------------------------------------------

    def take(self, answer: Mapping[str, Any]) -> None:
        """Keep the records of a GetRecords answer, and where it ended."""
        records = answer["Records"]
        self.iterator = answer.get("NextShardIterator")
        self.ended = not self.iterator
        behind = int(answer.get("MillisBehindLatest") or 0)
        self.behind = timedelta(milliseconds=behind)
        self.at_tip = self.ended or (not behind and len(records) < FETCH_RECORDS)
        if not self._proved and records:
            self._judge(records)
        for record in records:
            if self._fetched is None or int(record["SequenceNumber"]) > int(self._fetched):
                self._keep(record)
        self._empty = 0 if records or self.at_tip or self._proved else self._empty + 1
        if self._empty >= _PATIENT_POLLS:
            # An iterator at a removed record may find nothing for hours; from the oldest on, nothing is passed over.
            self._from_oldest, self.iterator, self._empty = True, None, 0
        if self.ended and not self.waiting:
            self.position = SHARD_END

    def _judge(self, records: list[Mapping[str, Any]]) -> None:
        first, known = int(records[0]["SequenceNumber"]), int(self._fetched or 0)
        if first > known:
            self.lost.append(
                f"shard {self.shard_id} no longer holds the number {known}, up to which it had been read: what lay "
                f"between it and {first} was removed before it was read"
            )
        self._proved, self._from_oldest = True, False

    def _keep(self, record: Mapping[str, Any]) -> None:
        number, data = record["SequenceNumber"], bytes(record["Data"])
        self._fetched = number
        self.waiting.append(Pack(lane_of_key(record["PartitionKey"]), f"{self.shard_id}:{number}", data))
        self.waiting_bytes += len(data)

    # -- what goes -----------------------------------------------------------------------------------------------

    def give(self) -> Pack:
        """The next pack that waits."""
        pack = self.waiting.popleft()
        number = pack.offset.rpartition(":")[2]
        self.waiting_bytes -= len(pack.data)
        self._given.append((int(number), len(pack.data)))
        self.position = SHARD_END if self.ended and not self.waiting else number
        return pack

    def knows(self, offset: str | None) -> bool:
        """Whether `behind_offset` can be answered for this offset."""
        if offset in (self.start, self.position):
            return offset != self.start or len(self._given) < _REMEMBERED
        return offset not in (None, SHARD_END) and any(str(number) == offset for number, _ in self._given)

    def behind_offset(self, offset: str | None) -> tuple[int, int]:
        """How many packs, and bytes, are known to lie after an offset that it knows."""
        if offset == self.position:
            sizes = []
        else:
            sizes = [size for number, size in self._given if offset is None or number > int(offset)]
        return len(sizes) + len(self.waiting), sum(sizes) + self.waiting_bytes
