"""Step 2 of 7: records become packs, one lane each, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from coattail.packs import encode_pack, pack_key
from coattail.records import Record, Trade, lane_of

PACK_RECORDS = 4_000
"""Records of a full pack: enough for zstd to find the repeats (17 bytes a record), few enough to decode at once."""

PACK_BYTES = 512 << 10
"""Payload of a full pack: with the other fields it stays below Kinesis' 1 MiB even where nothing compresses."""

SEGMENT_RECORDS = 65_536
"""Records held before they go to the stream: a segment of this size is read, checked and committed as one batch, and
holds about 60 MB of memory."""

SEGMENT_BYTES = 32 << 20
"""Payload held before it goes to the stream, where frames are unusually long."""


@dataclass(slots=True)
class _Batch:
    lane: int
    records: list[Record] = field(default_factory=list)
    size: int = 0


class Packer:
    """Collects records by instrument and session; a record keeps its place among those."""

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
        self._open: dict[object, _Batch] = {}
        self._packs: list[tuple[int, bytes]] = []

    def add(self, record: Record) -> None:
        """Take one record; `full` tells when to call `take`."""
        size = len(record.payload)
        if type(record) is Trade:
            key: object = (record.symbol, record.exchange, record.session, record.source)
        else:
            key = pack_key(record)
        batch = self._open.get(key)
        if batch is None:
            symbol = record.symbol if type(record) is Trade else None
            batch = self._open[key] = _Batch(lane_of(record.exchange, symbol))
        elif len(batch.records) >= self._pack_records or batch.size + size > self._pack_bytes:
            self._close(batch)
        batch.records.append(record)
        batch.size += size
        self._bytes += size
        self.records += 1

    @property
    def full(self) -> bool:
        """Whether a segment's worth is here."""
        return self.records >= self._segment_records or self._bytes >= self._segment_bytes

    def take(self) -> list[tuple[int, bytes]]:
        """Everything collected, as (lane, pack)s in order; nothing stays behind."""
        for batch in self._open.values():
            self._close(batch)
        packs, self._packs, self._open = self._packs, [], {}
        self.records = self._bytes = 0
        return packs

    def _close(self, batch: _Batch) -> None:
        if batch.records:
            self._packs.append((batch.lane, encode_pack(batch.records)))
            batch.records, batch.size = [], 0
