"""Packs to the service: one of each lane per call, at a rate that the service's throttles decide.

PutRecords stores the records of one call in any order, and may store some and refuse others. So a call carries at
most one pack of a lane, and a lane's next pack waits until the one before was accepted: that alone keeps the order.
A call whose answer was lost is repeated; what it had stored is then there twice, and lands once.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from coattail.errors import StreamError
from coattail.streams.kinesis_client import Retriable, Service, pause_after

log = logging.getLogger(__name__)

RECORD_BYTES = 1_000_000
"""A record at most, with its key: below the 1 MiB that any stream takes."""
CALL_BYTES = 4_500_000
CALL_RECORDS = 500
"""A call at most: below the 5 MB, and at the 500 records, that any stream takes."""

_SLOWEST, _FASTEST = 64 << 10, 64 << 20
_STEP, _BRAKE = 256 << 10, 0.6


@dataclass(slots=True)
class Sending:
    """What sending has met with so far; the rate is where throttles have brought it."""

    records: int = 0
    """Packs accepted."""
    size_bytes: int = 0
    """Bytes accepted."""
    calls: int = 0
    throttled: int = 0
    """Packs refused because a shard was full."""
    failed: int = 0
    """Packs refused for another reason, or sent without an answer."""
    rate: float = 4 << 20
    """Bytes a second at most: up by steps while all goes well, down by a share at a throttle."""
    slowest: float = 4 << 20
    """The lowest that `rate` has been."""
    waited: timedelta = timedelta(0)
    """Time spent not sending: back-pressure that the producer felt."""

    def braked(self) -> None:
        """A throttle: go slower."""
        self.rate = max(self.rate * _BRAKE, _SLOWEST)
        self.slowest = min(self.slowest, self.rate)

    def succeeded(self) -> None:
        """A call without a refusal: go faster."""
        self.rate = min(self.rate + _STEP, _FASTEST)


@dataclass(slots=True)
class Sender:
    """Delivery: at least once, in order within a lane, for one caller at a time."""

    service: Service
    patience: timedelta
    """How long `send` tries before it gives up."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.Random)
    sending: Sending = field(default_factory=Sending)
    _not_before: float = 0.0

    def send(self, packs: Sequence[tuple[int, bytes]]) -> None:
        """Return when every pack is stored.

        Raises: StreamError: If some are not within `patience`, or the service will never take them.
        """
        lanes: dict[int, deque[bytes]] = {}
        for lane, data in packs:
            lanes.setdefault(lane, deque()).append(data)
        deadline = self.clock() + self.patience.total_seconds()
        in_vain = 0
        while lanes:
            batch = _batch(lanes)
            self._wait(self._not_before - self.clock())
            self._not_before = self.clock() + sum(len(data) for _, data in batch) / self.sending.rate
            refused, reason = self._put(batch)
            for place, (lane, _) in enumerate(batch):
                queue = lanes.pop(lane)
                if place not in refused:
                    queue.popleft()
                if queue:
                    lanes[lane] = queue  # after the lanes that this call had no room for
            in_vain = 0 if len(refused) < len(batch) else in_vain + 1
            if lanes and refused and self.clock() >= deadline:
                waiting = sum(map(len, lanes.values()))
                raise StreamError(
                    f"{waiting} of {len(packs)} packs were not accepted by the stream {self.service.name} within "
                    f"{self.patience} (last: {reason})",
                    next_step="look at the stream's throttles and its shards, then send again: nothing counts twice",
                )
            if in_vain:
                self._wait(min(pause_after(in_vain, self.chance), max(0.0, deadline - self.clock())))

    def _put(self, batch: list[tuple[int, bytes]]) -> tuple[set[int], str]:
        """Places of the batch that were not stored as far as we know, and why."""
        records = [{"Data": data, "PartitionKey": f"lane-{lane:02d}"} for lane, data in batch]
        sending = self.sending
        sending.calls += 1
        try:
            answers = self.service.call("put_records", StreamName=self.service.name, Records=records)["Records"]
        except Retriable as error:
            if error.throttled:
                sending.throttled += len(batch)
                self._brake(str(error))
            else:
                sending.failed += len(batch)
            return set(range(len(batch))), str(error)
        refused = {place: answer for place, answer in enumerate(answers) if answer.get("ErrorCode")}
        throttles = sum("Throughput" in answer["ErrorCode"] for answer in refused.values())
        sending.throttled += throttles
        sending.failed += len(refused) - throttles
        sending.records += len(batch) - len(refused)
        sending.size_bytes += sum(len(data) for place, (_, data) in enumerate(batch) if place not in refused)
        reason = next((f"{a['ErrorCode']}: {a.get('ErrorMessage', '')}" for a in refused.values()), "")
        if throttles:
            self._brake(reason)
        elif not refused:
            sending.succeeded()
        return set(refused), reason

    def _brake(self, reason: str) -> None:
        if self.sending.slowest == self.sending.rate == Sending().rate:
            log.warning("the stream %s throttles, sending slows down: %s", self.service.name, reason)
        self.sending.braked()

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.sleep(seconds)
            self.sending.waited += timedelta(seconds=seconds)


def _batch(lanes: dict[int, deque[bytes]]) -> list[tuple[int, bytes]]:
    """The first pack of each lane, as far as one call has room."""
    batch: list[tuple[int, bytes]] = []
    room = CALL_BYTES
    for lane, queue in lanes.items():
        room -= len(queue[0]) + len("lane-00")
        if batch and (room < 0 or len(batch) == CALL_RECORDS):
            break
        batch.append((lane, queue[0]))
    return batch
