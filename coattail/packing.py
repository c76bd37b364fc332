"""Step 2 of 7: records become packs, one lane each, in bounded memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from coattail.packs import Group, Missed, encode_groups
from coattail.records import Record, Row, Shared, lane_of, payload_of, row_of, shared_by

PACK_RECORDS = 4_000
"""Records of a full pack: enough for zstd to find the repeats (15 bytes a record), few enough to decode at once."""

PACK_BYTES = 512 << 10
"""Payload of a full pack: with the other fields it stays below Kinesis' 1 MiB even where nothing compresses."""

FEW_RECORDS = 100
"""Instruments of a lane with fewer records than this share a pack: a pack for each would need one of the 1,000 records
that a Kinesis shard takes a second, and zstd finds little alike in it (ADR 0034)."""

SEGMENT_RECORDS = 65_536
"""Records held before they go to the stream: a segment of this size is read, checked and committed as one batch, and
holds about 60 MB of memory."""

SEGMENT_BYTES = 32 << 20
"""Payload held before it goes to the stream, where frames are unusually long."""


@dataclass(slots=True)
class _Open:
    """A pack that is still being filled."""

    shared: Shared
    lane: int
    rows: list[Row] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    size: int = 0
    missed: list[Missed] = field(default_factory=list)

    @property
    def group(self) -> Group:
        return Group(self.shared, self.rows, self.payloads, self.missed)

    def take(self, rows: Sequence[Row], payloads: Sequence[bytes], size: int) -> None:
        self.rows += rows
        self.payloads += payloads
        self.size += size


class Packer:
    """Collects records by instrument and session; a record keeps its place among those.

    A pack holds one of them, or several that have few records when they are taken.
    """

    def __init__(
        self,
        *,
        pack_records: int = PACK_RECORDS,
        pack_bytes: int = PACK_BYTES,
        segment_records: int = SEGMENT_RECORDS,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.records = 0
        self._pack_records, self._pack_bytes = pack_records, pack_bytes
        self._segment_records, self._segment_bytes = segment_records, segment_bytes
        self._bytes = 0
        self._open: dict[Shared, _Open] = {}
        self._packs: list[tuple[int, bytes]] = []

    def add(self, record: Record) -> None:
        """Take one record; `full` tells when to call `take`."""
        self.add_rows(shared_by(record), [row_of(record)], [payload_of(record)])

    def add_rows(self, shared: Shared, rows: Sequence[Row], payloads: Sequence[bytes]) -> None:
        """Take many records of one instrument at once, each with its payload (UTF-8)."""
        pack = self._open.get(shared)
        if pack is None:
            pack = self._open[shared] = _Open(shared, lane_of(shared.exchange, shared.symbol))
        size = sum(map(len, payloads))
        if len(pack.rows) + len(rows) <= self._pack_records and pack.size + size <= self._pack_bytes:
            pack.take(rows, payloads, size)
        else:
            self._split(pack, rows, payloads)
        self._bytes += size
        self.records += len(rows)

    def miss(self, shared: Shared, first: int, last: int, why: str) -> None:
        """Say with the records of an instrument that were just added why ids of it are missing."""
        self._open[shared].missed.append((first, last, why))

    def _split(self, pack: _Open, rows: Sequence[Row], payloads: Sequence[bytes]) -> None:
        ends = list(accumulate(map(len, payloads), initial=0))
        start = 0
        while start < len(rows):
            stop = min(
                bisect_right(ends, ends[start] + self._pack_bytes - pack.size) - 1,
                start + self._pack_records - len(pack.rows),
            )
            if stop <= start and pack.rows:
                self._close(pack)
                continue
            stop = max(stop, start + 1)  # one that is longer than a pack should be has a pack of its own
            pack.take(rows[start:stop], payloads[start:stop], ends[stop] - ends[start])
            start = stop

    @property
    def room(self) -> tuple[int, int]:
        """How many records, and how many bytes of payload, until it is full."""
        return self._segment_records - self.records, self._segment_bytes - self._bytes

    @property
    def full(self) -> bool:
        """Whether a segment's worth is here."""
        return min(self.room) <= 0

    def take(self) -> list[tuple[int, bytes]]:
        """Everything collected, as (lane, pack)s in order; nothing is left."""
        few: dict[int, list[_Open]] = defaultdict(list)
        for pack in self._open.values():
            if len(pack.rows) < FEW_RECORDS:
                few[pack.lane].append(pack)
            else:
                self._close(pack)
        for together in few.values():
            self._share(together)
        packs, self._packs, self._open = self._packs, [], {}
        self.records = self._bytes = 0
        return packs

    def _share(self, few: Sequence[_Open]) -> None:
        """Close what is of one lane, as many of them in a pack as fit."""
        records = size = 0
        groups: list[Group] = []
        for pack in few:
            if not pack.rows:
                continue
            if groups and (records + len(pack.rows) > self._pack_records or size + pack.size > self._pack_bytes):
                self._packs.append((pack.lane, encode_groups(groups)))
                groups, records, size = [], 0, 0
            groups.append(pack.group)
            records += len(pack.rows)
            size += pack.size
        if groups:
            self._packs.append((few[0].lane, encode_groups(groups)))

    def _close(self, pack: _Open) -> None:
        if pack.rows:
            self._packs.append((pack.lane, encode_groups([pack.group])))
            pack.rows, pack.payloads, pack.size, pack.missed = [], [], 0, []
