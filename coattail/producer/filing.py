"""Step 2 of 7: history fetched into files, as far as a while allows; whoever calls again goes on where it ended.

What is there already is known by the names of the files, so nothing is asked for twice, whoever was killed when.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from coattail.connectors.asking import Asker
from coattail.connectors.base import BaseConnector
from coattail.connectors.history import Blocked
from coattail.errors import StoreError
from coattail.intervals import Intervals
from coattail.packing import Packer
from coattail.packs import heads_of
from coattail.producer.refill import Lacking, MissingIds, Refilled, refill
from coattail.records import Shared
from coattail.stores.filed import FiledTrades, HistoryFiles, ids_of
from coattail.streams.segment import to_segment

FILE_TRADES = 50_000
"""Trades of a file: about 1 MB, and 60 MB of memory while it is fetched."""

SHARE = 0.8
"""Of an exchange's limit: the rest is for a live feed that has to refill meanwhile."""

_NOT_THERE = "the exchange does not have it"
_AGAIN_SECONDS = 30.0
"""After which an exchange is asked again for trades that it does not have yet."""


@dataclass(kw_only=True)
class Filing:
    """How far the files of an instrument have come."""

    wanted: Intervals
    """What is to be there at the end: all ids from one to another."""
    files: list[FiledTrades] = field(default_factory=list)
    """Those that are there, by name."""
    written: int = 0
    """How many of them came now."""
    wait_seconds: float = 0.0
    """How long the exchange wants not to be asked; it says so by 418 or 429."""

    @property
    def left(self) -> Intervals:
        """Ids that no file accounts for."""
        return Intervals.of(self.wanted.minus(ids_of(self.files)))


async def file_history(
    connector: BaseConnector, symbol: str, wanted: Intervals, files: HistoryFiles, asker: Asker, *, until: float,
    clock: Callable[[], float] = time.monotonic, file_trades: int = FILE_TRADES,
) -> Filing:  # fmt: skip
    """Fetch what no file accounts for yet, from the lowest id on, and put it into files; whatever came by `until` is in
    one when it returns.

    wanted: One stretch of ids, or none. until: By the clock. file_trades: A file is closed once it has so many.

    Raises: AskFailed: If the exchange does not answer, or not this address. StoreError: If the files cannot be used.
    """
    filing = Filing(wanted=wanted, files=files.listed(connector.exchange, symbol))
    name = f"backfill-{wanted.firsts[0]}" if len(wanted) else ""
    for hole in list(filing.left):
        one = _Hole(connector, symbol, hole, files, file_trades)
        steps = refill([MissingIds(symbol, *hole)], connector, asker, session=name)
        done = False
        try:
            done = await one.take(steps, until, clock)
        except Blocked as error:
            if error.wait_seconds is None:
                raise
            filing.wait_seconds = error.wait_seconds
        finally:
            one.close()
            filing.written += one.written
        if not done:
            filing.wait_seconds = filing.wait_seconds or one.wait_seconds
            break
    if filing.written:
        filing.files = files.listed(connector.exchange, symbol)  # what is there, not what should be
    return filing


class _Hole:
    """Trades of one range of ids on their way into files."""

    def __init__(
        self, connector: BaseConnector, symbol: str, ids: tuple[int, int], files: HistoryFiles, file_trades: int
    ) -> None:
        self._exchange, self._symbol, self._files, self._file_trades = connector.exchange, symbol, files, file_trades
        self._at, self._end = ids
        """The ids that are not in a file yet."""
        self._packer = Packer()
        self._shared: Shared | None = None
        self._came = Intervals()
        self._reached = self._at - 1
        self._trades = self.written = 0
        self.wait_seconds = 0.0

    async def take(self, steps: AsyncGenerator[Refilled], until: float, clock: Callable[[], float]) -> bool:
        """Take what comes by then; whether it is all that there is."""
        async with aclosing(steps):
            while True:
                try:
                    async with asyncio.timeout(max(until - clock(), 0.0)):
                        step = await anext(steps, None)
                except TimeoutError:
                    return False
                if step is None:
                    self._close(self._end, ())
                    return True
                if step.lacking:
                    return self._lack(step.lacking)
                self._add(step)
                if self._trades >= self._file_trades:
                    self.close()

    def _add(self, step: Refilled) -> None:
        assert step.batch is not None
        part = step.batch.part(self._symbol)
        self._shared = step.batch.shared(self._symbol)
        self._packer.add_rows(self._shared, part.rows, part.payloads)
        self._trades += len(part.rows)
        for row in part.rows:
            if row.trade_id is not None:
                self._reached = row.trade_id if row.last_trade_id is None else row.last_trade_id
                self._came.add(row.trade_id, self._reached)

    def _lack(self, lacking: tuple[Lacking, ...]) -> bool:
        """The last of it: what the exchange does not have, or not yet."""
        later = [one for one in lacking if not one.final]
        end = min((one.first for one in later), default=self._end + 1) - 1
        self._close(end, lacking)
        self.wait_seconds = _AGAIN_SECONDS if later else 0.0
        return not later

    def close(self) -> None:
        """Put into a file what has come."""
        self._close(self._reached, ())

    def _close(self, last: int, lacking: tuple[Lacking, ...]) -> None:
        """One file of the ids up to this one; of those that did not come it says why."""
        if last < self._at:
            return
        missed = Intervals.of(Intervals([self._at], [last]).minus(self._came))
        if self._shared is not None and self._trades:
            whys = {(one.first, one.last): one.why for one in lacking}
            for hole in missed:
                self._packer.miss(self._shared, *hole, whys.get(hole, _NOT_THERE))
        count = sum(b - a + 1 for a, b in missed)
        file = FiledTrades(self._exchange, self._symbol, self._at, last, self._trades, count)
        self._files.put(file, to_segment(self._packer.take()))
        self.written += 1
        self._at, self._reached, self._trades, self._came, self._shared = last + 1, last, 0, Intervals(), None


def missed_in(files: HistoryFiles, file: FiledTrades, packs: list[tuple[int, bytes]]) -> list[Lacking]:
    """The ids that a file accounts for without a trade, and why."""
    if not file.lacking:
        return []
    if not file.trades:
        return [Lacking(file.symbol, file.first, file.last, _NOT_THERE)]
    try:
        return [Lacking(file.symbol, *missed) for _, pack in packs for head in heads_of(pack) for missed in head.missed]
    except ValueError as error:
        raise StoreError(
            f"{files.place}/{file.name} is damaged ({error})", next_step="remove it, and load that time again"
        ) from error
