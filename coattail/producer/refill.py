"""Step 2 of 7: ranges of missing trade ids, asked of their exchange page by page, in bounded memory.

Every id that an exchange still has comes once, in the order asked for; of every other it is said why not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple

from coattail.connectors.asking import Asker
from coattail.connectors.base import BaseConnector
from coattail.connectors.batch import Batch
from coattail.connectors.history import History, NoSuchWay, TradePage, UnknownSymbol, WrongAnswer
from coattail.errors import UsageError
from coattail.intervals import Intervals
from coattail.records import Row

PAGES_AHEAD = 3
"""Pages asked for at the same time, of one range: the way there and back is not waited for. Each takes about 1 MB."""

_ASKED_ALONE = 2
"""How often ids that did not come are asked for by themselves before the exchange does not have them."""

_CLOCK_SLACK = 60_000_000
"""µs by which a trade's time may lie outside the times of the trades around its range."""

_NONE_LEFT = "the exchange does not have them"


class MissingIds(NamedTuple):
    """Trade ids of one instrument that are missing."""

    symbol: str
    first: int
    last: int
    after: int | None = None
    """Time of the trade before them, µs since 1970 UTC; None where it is not known."""
    before: int | None = None
    """Time of the trade after them."""


class Lacking(NamedTuple):
    """Ids that could not be had, and why."""

    symbol: str
    first: int
    last: int
    why: str


@dataclass(frozen=True, slots=True)
class Refilled:
    """One step of a refill: a page of trades, or what is known to be lacking at the end of a range."""

    range: MissingIds
    """Of which range."""
    batch: Batch | None = None
    """Trades with source `backfill`, by rising id; none of them came before."""
    ids: int = 0
    """How many ids they cover."""
    lacking: tuple[Lacking, ...] = ()


async def refill(
    ranges: Iterable[MissingIds],
    connector: BaseConnector,
    asker: Asker,
    *,
    newest_first: bool = False,
    session: str | None = None,
    ahead: int = PAGES_AHEAD,
) -> AsyncGenerator[Refilled]:
    """The trades of the ranges of ids, one page at a time; close it to stop.

    The ranges are asked for in their order. `newest_first` goes through each from its end: what a live feed has just
    missed comes soonest. `session`: of the trades; None gives each range its own, named for its first id, so that ids
    between two ranges are not taken for observed. `ahead`: pages on their way at the same time, so also how many are
    held.

    An aggregate of trades comes only if all its ids are in the range: partly landed ones would be rejected.

    Raises:
        UsageError: If trades of this exchange or instrument cannot be asked for by id.
        Unreachable, Blocked: If its host does not answer, or not this address. What was yielded stays good.
    """
    refuse_unordered(connector)
    unknown: set[str] = set()
    """Ways that the host turned out not to have."""
    for missing in ranges:
        history = connector.history(missing.symbol)
        work = _Range(missing, connector, history, asker, session or f"backfill-{missing.first}", unknown)
        async with aclosing(work.pages(newest_first=newest_first, ahead=ahead)) as pages:
            async for step in pages:
                yield step
        if lacking := tuple(work.lacking()):
            yield Refilled(missing, lacking=lacking)


def refuse_unordered(connector: BaseConnector) -> None:
    """Refuse an exchange whose ids are only unique.

    Raises: UsageError: If it is one.
    """
    if not connector.ids_contiguous:
        raise UsageError(
            f"trades of {connector.exchange} cannot be asked for by id: its ids are only unique, so none is known to "
            "be missing",
            next_step="leave it out",
        )


@dataclass
class _Range:
    """One range on its way."""

    missing: MissingIds
    connector: BaseConnector
    history: History
    asker: Asker
    session: str
    unknown_ways: set[str]
    covered: Intervals = field(default_factory=Intervals)
    notes: list[Lacking] = field(default_factory=list)
    """Why some ids did not come."""

    def __post_init__(self) -> None:
        self.host = self.connector.rest_host or self.history.host
        self.native = self.connector.native(self.missing.symbol)

    async def pages(self, *, newest_first: bool, ahead: int) -> AsyncGenerator[Refilled]:
        """The trades, in the best way that the host has."""
        problem = ""
        for way in self.history.ways(self.host):
            if way in self.unknown_ways:
                continue
            try:
                keys = await self._keys(way)
                blocks = _blocks(*keys, self.history.page_size, newest_first=newest_first) if keys else iter(())
                async with aclosing(self._ahead(way, blocks, ahead)) as found:
                    async for page in found:
                        if (step := self._step(page)) is not None:
                            yield step
                return
            except NoSuchWay as error:
                self.unknown_ways.add(way)
                problem = error.message
            except (UnknownSymbol, WrongAnswer) as error:
                self._note(error.message)
                return
        self._note(problem or "its host offers no trades by id")

    def _note(self, why: str) -> None:
        self.notes.append(Lacking(self.missing.symbol, self.missing.first, self.missing.last, why))

    async def _keys(self, way: str) -> tuple[int, int] | None:
        """The keys of the first and the last trade; None where the exchange has none from the first on."""

        async def key(trade_id: int) -> int | None:
            return await self.asker.search(self.host, self.history, self.history.key_of(self.native, trade_id, way))

        first, last = await key(self.missing.first), await key(self.missing.last)
        if first is None:
            return None
        if last is None:  # not yet traded: up to the newest
            newest = await self.asker.search(self.host, self.history, self.history.newest(self.native))
            last = None if newest is None else await key(newest)
        return first, max(first, last if last is not None else first)

    async def _ahead(self, way: str, blocks: Iterator[tuple[int, int]], ahead: int) -> AsyncGenerator[TradePage]:
        """The pages of the blocks in their order, some of them asked for before it is their turn."""
        tasks: deque[asyncio.Task[list[TradePage]]] = deque()
        try:
            while True:
                while len(tasks) < ahead and (block := next(blocks, None)) is not None:
                    tasks.append(asyncio.create_task(self._block(way, *block)))
                if not tasks:
                    return
                for page in await tasks[0]:
                    yield page
                tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _block(self, way: str, first: int, last: int) -> list[TradePage]:
        """The trades with keys first…last, as one page in order; asks until each has come, or did not when alone."""
        found: dict[int, tuple[int, Row, bytes]] = {}
        waiting = [(first, last, 0)]
        while waiting:
            low, high, alone = waiting.pop()
            ask = self.history.page(self.native, low, high, way)
            page = await self.asker.ask(self.host, self.history, ask, lambda body, at: self._read(body, at, way))
            got = Intervals()
            for key, row, payload in zip(page.keys, page.rows, page.payloads, strict=True):
                if low <= key <= high:
                    got.add(key, key)
                    found[key] = key, row, payload
            alone = 0 if len(got) else alone + 1
            if alone < _ASKED_ALONE:
                waiting += [(*hole, alone) for hole in Intervals([low], [high]).minus(got)]
        return [TradePage.of(list(found.values()))] if found else []

    def _read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """The page, unless its trades are of another time than the range: then it is not of this instrument."""
        page, missing = self.history.read(body, received_at, way), self.missing
        for row in page.rows:
            if row.trade_id is None or row.timestamp is None or not missing.first <= row.trade_id <= missing.last:
                continue
            too_early = missing.after is not None and row.timestamp < missing.after - _CLOCK_SLACK
            if too_early or (missing.before is not None and row.timestamp > missing.before + _CLOCK_SLACK):
                raise WrongAnswer(
                    f"its trade {row.trade_id} of {missing.symbol} is of {row.timestamp} µs after 1970, and the trades "
                    "around it are not",
                    next_step="check that rest_host is the exchange's",
                )
        return page

    def _step(self, page: TradePage) -> Refilled | None:
        """What of a page is asked for and new; None where nothing is."""
        batch, ids = Batch(self.connector.exchange, "backfill", self.session), 0
        part = batch.part(self.missing.symbol)
        for row, payload in zip(page.rows, page.payloads, strict=True):
            first = row.trade_id
            if first is None:
                continue
            last = first if row.last_trade_id is None else row.last_trade_id
            if last < self.missing.first or first > self.missing.last:
                continue
            if first < self.missing.first or last > self.missing.last or len(self.covered.meeting(first, last)):
                low, high = max(first, self.missing.first), min(last, self.missing.last)
                why = f"only an aggregate of the trades {first} to {last} has them, and others of these are here"
                self.notes.append(Lacking(self.missing.symbol, low, high, why))
                continue
            self.covered.add(first, last)
            part.rows.append(row)
            part.payloads.append(payload)
            ids += last - first + 1
        return Refilled(self.missing, batch, ids) if part.rows else None

    def lacking(self) -> Iterator[Lacking]:
        """What of the range did not come."""
        left = Intervals.of(Intervals([self.missing.first], [self.missing.last]).minus(self.covered))
        for note in self.notes:
            rest = Intervals.of(left.minus(Intervals([note.first], [note.last])))
            yield from (Lacking(note.symbol, *hole, note.why) for hole in left.minus(rest))
            left = rest
        yield from (Lacking(self.missing.symbol, *hole, _NONE_LEFT) for hole in left)


def _blocks(first: int, last: int, size: int, *, newest_first: bool) -> Iterator[tuple[int, int]]:
    """First…last in blocks of `size`, the last one shorter."""
    starts = range(first, last + 1, size)
    for start in reversed(starts) if newest_first else starts:
        yield start, min(start + size - 1, last)
