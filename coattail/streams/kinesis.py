"""The stream on AWS: Kinesis Data Streams, where a record is one pack and its partition key the lane.

Limits kept (PutRecords, GetRecords): 500 records and 5 MB a call, 1 MB a record, 5 reads a second and shard.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import ClassVar

from coattail.errors import StreamError
from coattail.streams.base import PATIENCE, Backlog, Offsets, Read, Stream
from coattail.streams.kinesis_client import Missing, Refused, Service
from coattail.streams.kinesis_reading import ShardReader
from coattail.streams.kinesis_sending import RECORD_BYTES, Sender, Sending


class KinesisStream(Stream):
    """The stream `name`, which must exist. Delivery: at least once, in order within a lane, through every reshard.

    A call whose answer is lost is repeated, so a pack may be there twice, with two names: its trades land once.
    Several producers may append to one lane; each one's packs keep their order.

    `region` None: as the AWS configuration says; `endpoint` None: AWS' own. `patience`: how long a call that fails
    is repeated. `pace`: seconds between two reads of a shard, which answers five a second to all readers together.
    """

    max_pack_bytes: ClassVar[int | None] = RECORD_BYTES - len("lane-00")

    def __init__(
        self,
        name: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        patience: timedelta = PATIENCE,
        pace: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self._service = Service(name, region, endpoint)
        chance = chance or random.Random()
        self._sender = Sender(self._service, patience, clock, sleep, chance)
        self._reader = ShardReader(self._service, patience, pace, clock, sleep, chance)
        self._appending = threading.Lock()

    @property
    def stream_id(self) -> str:
        return self._reader.identity()

    @property
    def keeps_lanes(self) -> bool:
        """Whether the service puts records where their partition keys say. With RecordDistributionStrategy AUTO it puts
        them where it likes, and the packs of a lane come in any order.

        Source: DescribeStreamSummary, RecordDistributionStrategy (AUTO, USER_PARTITION_KEY).
        """
        return self._reader.summary().get("RecordDistributionStrategy") != "AUTO"

    @property
    def sending(self) -> Sending:
        """Counters of `append`: accepted, throttled and failed packs, the rate, the time spent waiting."""
        return self._sender.sending

    @property
    def throttled_reads(self) -> int:
        """Reads that were refused because the shard had been read too often or too much."""
        return self._reader.throttled

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        """Store the packs; one above the service's limit goes as several, each with some of its records.

        Raises: StreamError: Before anything is sent, if a pack is too large and cannot be divided; else as `Sender`.
        """
        fitting = [(lane, part) for lane, data in packs for part in _parts(data)]
        with self._appending:
            try:
                self._sender.send(fitting)
            except Missing as error:
                raise StreamError(
                    f"there is no stream {self._service.name} ({error})",
                    next_step="start the environment that it is of (coattail aws start), or create it "
                    f"(aws kinesis create-stream --stream-name {self._service.name}), or correct stream.url",
                ) from error
            except Refused as error:
                raise StreamError(
                    f"the stream {self._service.name} refuses packs ({error})", next_step="check the stream's limits"
                ) from error

    def read(self, after: Offsets, *, limit_bytes: int = 8 << 20) -> Read:
        return self._reader.read(after, limit_bytes)

    def shards(self, after: Offsets) -> list[str]:
        return self._reader.shards(after)

    def read_shards(self, shards: Sequence[str], after: Offsets, *, limit_bytes: int) -> tuple[Read, int]:
        return self._reader.read_of(shards, after, limit_bytes)

    def backlog(self, after: Offsets) -> Backlog:
        return self._reader.backlog(after)

    def trim(self, landed: Offsets, *, keep: timedelta) -> int:
        """Do nothing: how long records stay is the stream's own retention."""
        return 0


def _parts(data: bytes) -> Iterator[bytes]:
    """The pack as it is, or as packs of halves of its records that fit."""
    limit = KinesisStream.max_pack_bytes
    if limit is None or len(data) <= limit:
        yield data
        return
    from coattail.packs import encode_packs
    from coattail.unpacking import PackError, decode_pack

    try:
        records = decode_pack(data)
    except PackError as error:
        raise StreamError(
            f"{len(data):,} bytes that are not a pack ({error}) exceed the {limit:,} of a record", next_step="send less"
        ) from error
    if len(records) < 2:
        raise StreamError(
            f"one record of {len(data):,} bytes, compressed, exceeds the {limit:,} of a Kinesis record",
            next_step="leave the frame out; its exchange has sent something that no trade is",
        )
    half = len(records) // 2
    for part in (*encode_packs(records[:half]), *encode_packs(records[half:])):
        yield from _parts(part)
