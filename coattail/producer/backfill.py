"""Step 2 of 7: history fetched from the exchanges into the stream: id to id, several instruments side by side.

What is here already is not asked for again, so a load that was killed goes on where it was: its progress is the ledger
of what has landed. Nothing here needs Polars; a small machine loads too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from coattail.connectors.asking import Asker
from coattail.connectors.base import BaseConnector
from coattail.connectors.batch import InstrumentTrades
from coattail.connectors.history import AskFailed
from coattail.errors import CoattailError, UsageError
from coattail.intervals import Intervals
from coattail.packing import Packer
from coattail.producer.refill import Lacking, MissingIds, refill, refuse_unordered
from coattail.records import Shared, micros
from coattail.streams.base import Stream

FLUSH_SECONDS = 1.0
"""Fetched trades wait at most this long for a segment to be full: what a kill costs."""

SIDE_BY_SIDE = 8
"""Instruments of one load that are asked for at the same time: each holds a few pages of about 1 MB."""


class WantedIds(NamedTuple):
    """What is to be here of one instrument at the end, and what of that is missing now."""

    connector: BaseConnector
    symbol: str
    wanted: Intervals
    missing: tuple[MissingIds, ...]

    @classmethod
    def of(cls, connector: BaseConnector, symbol: str, wanted: Intervals, covered: Intervals) -> WantedIds:
        """The ids `wanted`, of which those in `covered` are here."""
        return cls(connector, symbol, wanted, tuple(MissingIds(symbol, *hole) for hole in wanted.minus(covered)))

    @property
    def missing_ids(self) -> int:
        """How many ids are missing."""
        return sum(missing.last - missing.first + 1 for missing in self.missing)


@dataclass(slots=True)
class Fetched:
    """What came of one target."""

    target: WantedIds
    trades: int = 0
    """Trades that went to the stream."""
    ids: Intervals = field(default_factory=Intervals)
    """Ids that they cover."""
    lacking: list[Lacking] = field(default_factory=list)
    """Ids that the exchange did not give, and why."""
    failure: CoattailError | None = None
    """Why it ended early; None if it did not."""

    def take(self, part: InstrumentTrades) -> None:
        """Note trades that went to the stream."""
        self.trades += len(part.rows)
        for row in part.rows:
            if row.trade_id is not None:
                self.ids.add(row.trade_id, row.trade_id if row.last_trade_id is None else row.last_trade_id)


OnFetched = Callable[[int], None]
"""Called with how many more ids have come."""


async def span_of(
    connector: BaseConnector, symbol: str, since: datetime, until: datetime | None, asker: Asker
) -> Intervals:
    """The ids of the trades from `since` on and before `until` (None: up to the newest); empty where there are none.

    Raises:
        UsageError: If trades of this exchange or instrument cannot be asked for.
        UnknownSymbol: If the exchange does not list it. AskFailed: If it gives no answer.
    """
    refuse_unordered(connector)
    history = connector.history(symbol)
    host, native = connector.rest_host or history.host, connector.native(symbol)
    first = await asker.search(host, history, history.first_id_at(native, micros(since)))
    end = None if until is None else await asker.search(host, history, history.first_id_at(native, micros(until)))
    last = end - 1 if end is not None else await asker.search(host, history, history.newest(native))
    return Intervals() if first is None or last is None or last < first else Intervals([first], [last])


async def fetch(
    results: Sequence[Fetched],
    stream: Stream,
    asker: Asker,
    *,
    newest_first: bool = False,
    on_fetched: OnFetched = lambda _: None,
    packer: Packer | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Fetch what the target of each result misses into the stream, and note in it what came.

    One exchange that fails does not stop the others. Cancelled, it sends what it has and then ends.

    Delivery: at least once; what is fetched twice lands once.
    """
    sender = _Sender(stream, packer or Packer(), clock)
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(result: Fetched) -> None:
        target = result.target
        async with places:
            try:
                steps = refill(target.missing, target.connector, asker, newest_first=newest_first)
                async with aclosing(steps):
                    async for step in steps:
                        if step.batch is not None:
                            part = step.batch.part(target.symbol)
                            await sender.add(step.batch.shared(target.symbol), part)
                            result.take(part)
                        result.lacking += step.lacking
                        on_fetched(step.ids)
            except (AskFailed, UsageError) as error:
                result.failure = error

    try:
        async with asyncio.TaskGroup() as group:
            for result in results:
                group.create_task(one(result))
    except ExceptionGroup as failed:  # the stream, say: nobody can go on
        raise failed.exceptions[0] from None
    finally:
        await sender.flush()


class _Sender:
    """Packs what comes from all instruments, and sends it in segments, one after the other."""

    def __init__(self, stream: Stream, packer: Packer, clock: Callable[[], float]) -> None:
        self._stream, self._packer, self._clock = stream, packer, clock
        self._sent_at = clock()
        self._sending = asyncio.Lock()

    async def add(self, shared: Shared, part: InstrumentTrades) -> None:
        """Take a page; whoever fills the segment waits until it is sent, and so does everybody else meanwhile."""
        async with self._sending:
            self._packer.add_rows(shared, part.rows, part.payloads)
        if self._packer.full or self._clock() - self._sent_at >= FLUSH_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Send what has been collected. It is not cut short: a pack is sent whole or not at all."""
        async with self._sending:
            self._sent_at = self._clock()
            if packs := self._packer.take():
                await asyncio.shield(asyncio.to_thread(self._stream.append, packs))
