"""Step 2 of 7: ranges of missing trade ids, asked of their exchange page by page, in bounded memory.

Every id that an exchange still has comes once, in the order asked for; of every other it is said why not.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
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
    final: bool = True
    """False: the exchange may have them later; ask again."""


@dataclass(slots=True)
class Refilled:
    """One step of a refill: trades of one page, or what is known to be lacking at the end of an instrument."""

    range: MissingIds
    """Of which range; of what is lacking, the first range of its instrument."""
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

    Ranges do not overlap. Neighbouring ones of an instrument are asked for by instrument, from the lowest id to the
    highest, several in one page where they lie close together. `newest_first` goes the other way: what a live feed has
    just missed comes soonest. `session`: of the trades; None gives each range its own, named for its first id, so that
    ids between two ranges are not taken for observed. `ahead`: pages on their way at the same time, so also how many
    are held.

    An aggregate of trades comes only if all its ids are in one range: partly landed ones would be rejected.

    Raises:
        UsageError: If trades of this exchange or instrument cannot be asked for by id.
        Unreachable, Blocked: If its host does not answer, or not this address. What was yielded stays good.
    """
    refuse_unordered(connector)
    unknown: set[str] = set()
    """Ways that the host turned out not to have."""
    for symbol, group in groupby(ranges, key=lambda missing: missing.symbol):
        holes = sorted(group, key=lambda missing: missing.first)
        work = _Holes(symbol, holes, connector, connector.history(symbol), asker, session, unknown)
        async with aclosing(work.steps(newest_first=newest_first, ahead=ahead)) as steps:
            async for step in steps:
                yield step
        if lacking := await work.lacking():
            yield Refilled(holes[0], lacking=lacking)


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
class _Holes:
    """The holes of one instrument on their way, in the order of their ids."""

    symbol: str
    holes: list[MissingIds]
    connector: BaseConnector
    history: History
    asker: Asker
    session: str | None
    unknown_ways: set[str]
    covered: Intervals = field(default_factory=Intervals)
    """What has come."""
    seen: int = -1
    """The highest id that any answer showed."""
    notes: list[Lacking] = field(default_factory=list)
    """Why some ids did not come."""

    def __post_init__(self) -> None:
        self.host = self.connector.rest_host or self.history.host
        self.native = self.connector.native(self.symbol)
        self.wanted = Intervals.of((hole.first, hole.last) for hole in self.holes)
        self._firsts = [hole.first for hole in self.holes]

    async def steps(self, *, newest_first: bool, ahead: int) -> AsyncGenerator[Refilled]:
        """The trades, in the best way that the host has."""
        problem = ""
        for way in self.history.ways(self.host):
            if way in self.unknown_ways:
                continue
            try:
                if way == self.history.glimpse:
                    for step in await self._glimpse(way):
                        yield step
                    continue
                async for blocks in self._blocks(way, newest_first=newest_first):
                    async with aclosing(self._ahead(way, blocks, ahead)) as pages:
                        async for page in pages:
                            for step in self._split(page):
                                yield step
                return
            except NoSuchWay as error:
                self.unknown_ways.add(way)
                problem = error.message
            except (UnknownSymbol, WrongAnswer) as error:
                self._note(self.holes[0].first, self.holes[-1].last, error.message)
                return
        self._note(self.holes[0].first, self.holes[-1].last, problem or "its host offers no trades by id")

    def _note(self, first: int, last: int, why: str) -> None:
        self.notes.append(Lacking(self.symbol, first, last, why))

    def _left(self) -> Intervals:
        return Intervals.of(self.wanted.minus(self.covered))

    async def _glimpse(self, way: str) -> list[Refilled]:
        """The holes that lie wholly among the newest trades; one that lies there in part is left to a better way."""
        last = self.holes[-1].last
        if all(hole.last - hole.first >= self.history.page_size for hole in self.holes):
            return []
        page = await self._ask(way, last - self.history.page_size + 1, last)
        whole = Intervals.of((key, key) for key in page.keys)
        kept = [at for at, key in enumerate(page.keys) if (hole := self._hole(key)) and whole.holds(*hole[1:3])]
        parts = ([column[at] for at in kept] for column in (page.keys, page.rows, page.payloads))
        return self._split(TradePage(*parts))  # type: ignore[arg-type]

    async def _blocks(self, way: str, *, newest_first: bool) -> AsyncGenerator[Iterator[tuple[int, int]]]:
        """What to ask for, as keys: all at once where keys are ids, else hole by hole, because each is looked for."""
        size, left = self.history.page_size, self._left()
        if self.history.keyed_by_id(way):
            yield _blocks(left, size, newest_first=newest_first)
            return
        for hole in reversed(list(left)) if newest_first else left:
            if keys := await self._keys(way, *hole):
                yield _blocks(Intervals([keys[0]], [keys[1]]), size, newest_first=newest_first)

    async def _keys(self, way: str, first_id: int, last_id: int) -> tuple[int, int] | None:
        """The keys of the first and the last trade; None where the exchange has none from the first on."""

        async def key(trade_id: int) -> int | None:
            return await self.asker.search(self.host, self.history, self.history.key_of(self.native, trade_id, way))

        first, last = await key(first_id), await key(last_id)
        if first is None:
            return None
        if last is None:  # not yet traded: up to the newest
            newest = await self._newest()
            last = None if newest is None else await key(newest)
        return first, max(first, last if last is not None else first)

    async def _newest(self) -> int | None:
        return await self.asker.search(self.host, self.history, self.history.newest(self.native))

    async def _ahead(self, way: str, blocks: Iterator[tuple[int, int]], ahead: int) -> AsyncGenerator[TradePage]:
        """The pages of the blocks in their order, some of them asked for before it is their turn."""
        tasks: deque[asyncio.Task[TradePage]] = deque()
        try:
            while True:
                while len(tasks) < ahead and (block := next(blocks, None)) is not None:
                    tasks.append(asyncio.create_task(self._block(way, *block)))
                if not tasks:
                    return
                yield await tasks[0]
                tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _block(self, way: str, first: int, last: int) -> TradePage:
        """The trades with keys first…last that are wanted; asks until each has come, or did not when alone."""
        whole = Intervals([first], [last])
        wanted = whole
        if self.history.keyed_by_id(way):
            wanted = Intervals.of((max(a, first), min(b, last)) for a, b in self.wanted.meeting(first, last))
        found: dict[int, tuple[int, Row, bytes]] = {}
        waiting = [(first, last, 0)]
        while waiting:
            low, high, alone = waiting.pop()
            page = await self._ask(way, low, high)
            got = Intervals()
            for key, row, payload in zip(page.keys, page.rows, page.payloads, strict=True):
                if low <= key <= high:
                    got.add(key, key)
                    found[key] = key, row, payload
            alone = 0 if len(got) else alone + 1
            if alone < _ASKED_ALONE:
                asked = Intervals.of((max(a, low), min(b, high)) for a, b in wanted.meeting(low, high))
                waiting += [(*hole, alone) for hole in asked.minus(got)]
        return TradePage.of(list(found.values()))

    async def _ask(self, way: str, first: int, last: int) -> TradePage:
        """One answer, unless its trades are of another time than the holes: then they are another instrument's."""

        def read(body: bytes, received_at: int) -> TradePage:
            page = self.history.read(body, received_at, way)
            for row in page.rows:
                if row.trade_id is None or row.timestamp is None:
                    continue
                self.seen = max(self.seen, row.trade_id if row.last_trade_id is None else row.last_trade_id)
                if (hole := self._hole(row.trade_id)) is None:
                    continue
                too_early = hole.after is not None and row.timestamp < hole.after - _CLOCK_SLACK
                if too_early or (hole.before is not None and row.timestamp > hole.before + _CLOCK_SLACK):
                    raise WrongAnswer(
                        f"its trade {row.trade_id} of {self.symbol} is of {row.timestamp} µs after 1970, and the "
                        "trades around it are not",
                        next_step="check that rest_host is the exchange's",
                    )
            return page

        return await self.asker.ask(self.host, self.history, self.history.page(self.native, first, last, way), read)

    def _hole(self, trade_id: int) -> MissingIds | None:
        """The hole that this id lies in."""
        place = bisect_right(self._firsts, trade_id) - 1
        return self.holes[place] if place >= 0 and trade_id <= self.holes[place].last else None

    def _split(self, page: TradePage) -> list[Refilled]:
        """What of a page is asked for and new, by hole."""
        steps: dict[int, Refilled] = {}
        for row, payload in zip(page.rows, page.payloads, strict=True):
            first = row.trade_id
            if first is None:
                continue
            last = first if row.last_trade_id is None else row.last_trade_id
            hole = self._hole(first)
            if hole is None or last > hole.last or len(self.covered.meeting(first, last)):
                part = Intervals.of(self.wanted.meeting(first, last).minus(self.covered))
                why = f"only an aggregate of the trades {first} to {last} has them, and others of these are here"
                for a, b in part if last > first else ():
                    self._note(max(a, first), min(b, last), why)
                continue
            self.covered.add(first, last)
            step = steps.get(hole.first)
            if step is None:
                name = self.session or f"backfill-{hole.first}"
                step = steps[hole.first] = Refilled(hole, Batch(self.connector.exchange, "backfill", name))
            assert step.batch is not None
            into = step.batch.part(self.symbol)
            into.rows.append(row)
            into.payloads.append(payload)
            step.ids += last - first + 1
        return list(steps.values())

    async def lacking(self) -> tuple[Lacking, ...]:
        """What did not come, and why."""
        left, found = self._left(), list[Lacking]()
        for note in self.notes:
            rest = Intervals.of(left.minus(Intervals([note.first], [note.last])))
            found += [Lacking(self.symbol, *hole, note.why) for hole in left.minus(rest)]
            left = rest
        if len(left) and left.lasts[-1] > self.seen:  # it may be that they are not there yet
            newest = max(self.seen, await self._newest() or -1)
            later = Intervals.of(left.minus(Intervals([-1], [newest])))
            found += [Lacking(self.symbol, *hole, f"{_NONE_LEFT} yet", final=False) for hole in later]
            left = Intervals.of(left.minus(later))
        return (*found, *(Lacking(self.symbol, *hole, _NONE_LEFT) for hole in left))


def _blocks(ids: Intervals, size: int, *, newest_first: bool) -> Iterator[tuple[int, int]]:
    """Blocks of at most `size` keys that together hold all the ids, each beginning and ending with one of them."""
    if newest_first:
        mirrored = Intervals.of((-last, -first) for first, last in ids)
        yield from ((-last, -first) for first, last in _blocks(mirrored, size, newest_first=False))
        return
    place, at = 0, ids.firsts[0] if len(ids) else 0
    while place < len(ids):
        top, last = at + size - 1, at
        while place < len(ids) and ids.firsts[place] <= top:
            last = min(ids.lasts[place], top)
            if last == top:
                break
            place += 1
        yield at, last
        if place < len(ids) and last == ids.lasts[place]:
            place += 1
        if place < len(ids):
            at = max(last + 1, ids.firsts[place])
