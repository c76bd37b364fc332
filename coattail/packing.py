"""Step 2 of 7: records become packs, one lane each, in bounded memory."""

from __future__ import annotations

from coattail.records import LANES, Record, Trade, encode_pack, lane_of

PACK_RECORDS = 4_000
"""Records of a full pack: enough for zstd to find the repeats (17 bytes a record), few enough to decode at once."""

PACK_BYTES = 512 << 10
"""Payload of a full pack: with the other fields it stays below Kinesis' 1 MiB even where nothing compresses."""

SEGMENT_RECORDS = 65_536
"""Records held before they go to the stream: a segment of this size is read, checked and committed as one batch, and
holds about 60 MB of memory."""

SEGMENT_BYTES = 32 << 20
"""Payload held before it goes to the stream, where frames are unusually long."""

_CACHED_LANES = 10_000  # a feed can invent symbols


class Packer:
    """Collects records by lane; a record keeps its place among those of its instrument."""

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
        self._open: list[list[Record]] = [[] for _ in range(LANES)]
        self._sizes = [0] * LANES
        self._lanes: dict[tuple[str, str | None], int] = {}
        self._packs: list[tuple[int, bytes]] = []

    def add(self, record: Record) -> None:
        """Take one record; `full` tells when to call `take`."""
        size = len(record.payload)
        symbol = record.symbol if type(record) is Trade else None
        lane = self._lanes.get((record.exchange, symbol))
        if lane is None:
            lane = lane_of(record.exchange, symbol)
            if len(self._lanes) < _CACHED_LANES:
                self._lanes[record.exchange, symbol] = lane
        batch = self._open[lane]
        if batch and (len(batch) >= self._pack_records or self._sizes[lane] + size > self._pack_bytes):
            self._close(lane)
        batch.append(record)
        self._sizes[lane] += size
        self._bytes += size
        self.records += 1

    @property
    def full(self) -> bool:
        """Whether a segment's worth is here."""
        return self.records >= self._segment_records or self._bytes >= self._segment_bytes

    def take(self) -> list[tuple[int, bytes]]:
        """Everything collected, as (lane, pack)s in order; nothing stays behind."""
        for lane in range(LANES):
            self._close(lane)
        packs, self._packs = self._packs, []
        self.records = self._bytes = 0
        return packs

    def _close(self, lane: int) -> None:
        batch = self._open[lane]
        if batch:
            self._packs.append((lane, encode_pack(batch)))
            batch.clear()
            self._sizes[lane] = 0
