"""What somebody wants of the past, and its way into the stream: which ids, which of them are missing, their trades."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from coattail.config import Settings
from coattail.connectors import CONNECTORS, BaseConnector
from coattail.connectors.asking import Asker
from coattail.connectors.history import AskFailed, UnknownSymbol
from coattail.connectors.named import connector_named
from coattail.errors import StoreError, UsageError
from coattail.intervals import Intervals
from coattail.landing.coverage import Coverage
from coattail.landing.ledger import Ledger
from coattail.producer.backfill import Fetched, WantedIds, fetch, span_of
from coattail.producer.bulk import BASE, InstrumentDays, load_days, refuse_without_files
from coattail.producer.filing import missed_in
from coattail.producer.refill import MissingIds
from coattail.records import micros
from coattail.stores.filed import FiledTrades, HistoryFiles, history_files, ids_of
from coattail.streams.base import Stream
from coattail.workspace.live import connectors, unlisted
from coattail.workspace.progress import OnProgress, Step
from coattail.workspace.times import refuse_backwards

T = TypeVar("T")

_WATCHED_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants to have."""

    symbols: tuple[str, ...] = ()
    """`BTC-USDT`, or `binance:BTC-USDT`. None: those that the settings name; of gaps, every instrument that has any."""
    exchanges: tuple[str, ...] | None = None
    """None: those of the settings that list the symbol; of gaps, every exchange that has any."""
    since: datetime | None = None
    until: datetime | None = None
    """None: up to now."""
    source: str = "rest"
    """`rest`: asked for by id. `bulk`: Binance's daily files. `files`: what a loader has put into files already."""
    bulk_from: str = BASE
    """Where those are: a URL, or a folder with the same paths."""
    files_from: str | None = None
    """Where a loader's files are: s3://BUCKET/FOLDER?region=…, or a folder."""
    gaps: bool = False
    """Only what is missing between trades that are here: gaps, and with a time what was not observed then."""

    def check(self, now: datetime) -> list[str]:
        """What is worth a note.

        Raises: UsageError: If it makes no sense.
        """
        if self.source not in ("rest", "bulk", "files"):
            raise UsageError(f"there is no source {self.source!r}", next_step="choose rest, bulk or files")
        if self.gaps and self.source == "bulk":
            raise UsageError("--gaps asks for ids, and daily files are days", next_step="leave out --source bulk")
        if (self.source == "files") != (self.files_from is not None):
            raise UsageError(
                "--source files and --files-from go together", next_step="say --source files --files-from s3://…"
            )
        if self.source == "files":
            if self.gaps or self.since or self.until:
                raise UsageError("files land as they are", next_step="leave out --gaps, --since and --until")
            return []
        if not self.gaps and self.since is None:
            raise UsageError("nothing says from when on", next_step="say --since 2d, or --gaps for what is missing")
        refuse_backwards(self.since, self.until)
        if self.since is not None and self.since > now:
            raise UsageError(f"since {self.since:%Y-%m-%d %H:%M} has not come yet", next_step="give a time in the past")
        if self.until is not None and self.until > now:
            return [f"{self.until:%Y-%m-%d %H:%M} has not come yet: everything up to now was asked for"]
        return []


def _ended(work: Coroutine[Any, Any, T]) -> T:
    """What it returns; in a thread of its own where this one has a loop already, as in a cell of a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="asking") as alone:
        return alone.submit(asyncio.run, work).result()


def covered(coverage: Coverage, exchange: str, symbol: str) -> Intervals:
    """Ids that have landed or were rejected: nobody has to ask for these."""
    ledger = coverage.ledger((exchange, symbol))
    return ledger.landed.union(ledger.rejected) if isinstance(ledger, Ledger) else Intervals()


@dataclass
class Load:
    """A wish on its way: first the ids that are wanted, then what of them is missing, then their trades."""

    wish: Wish
    settings: Settings
    newest_first: bool
    on_progress: OnProgress
    asker: Callable[[], Asker]
    stop: threading.Event
    wanted: list[tuple[BaseConnector, str, Intervals]] = field(default_factory=list)
    files: list[tuple[BaseConnector, str]] = field(default_factory=list)
    filed: dict[tuple[str, str], list[FiledTrades]] = field(default_factory=dict)
    """Of each instrument, the files that a loader has put there."""
    days: list[InstrumentDays] = field(default_factory=list)
    silent: list[Fetched] = field(default_factory=list)
    """Of which nobody could say which ids there are."""
    targets: list[WantedIds] = field(default_factory=list)
    results: list[Fetched] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """A sentence for each instrument of which nobody can be asked for what is missing."""
    requests: int = 0
    stopped: bool = False

    def look_up(self) -> None:
        """Ask which ids lie in the wished time; of gaps the ledger knows."""
        if self.wish.gaps:
            return
        if self.wish.source == "files":
            self._look_into_files()
            return
        pairs = self._pairs()
        if self.wish.source == "bulk":
            for connector, _ in pairs:
                refuse_without_files(connector)
            self.files = pairs
            return
        self.on_progress(Step("asking which ids there are"))
        spans = _ended(self._heeding(self._spans(pairs)))
        if spans is None:
            return
        known = {symbol for (_, symbol), ids in zip(pairs, spans, strict=True) if not isinstance(ids, UnknownSymbol)}
        unknown: list[BaseConnector] = []
        for (connector, symbol), ids in zip(pairs, spans, strict=True):
            if isinstance(ids, Intervals):
                self.wanted.append((connector, symbol, ids))
            elif not isinstance(ids, UnknownSymbol):
                self.silent.append(Fetched(WantedIds(connector, symbol, Intervals(), ()), failure=ids))
            elif self.wish.exchanges or symbol not in known:
                unknown.append(replace(connector, symbols=(symbol,)))
        if unknown:
            names = ", ".join(f"{connector.symbols[0]} of {connector.exchange}" for connector in unknown)
            raise UsageError(f"there is no {names}", next_step="; ".join(unlisted(unknown)) or "check the names")
        if not self.wanted and self.silent and self.silent[0].failure:
            raise self.silent[0].failure

    def _look_into_files(self) -> None:
        for file in self._files.listed():
            key = file.exchange, file.symbol
            named = not self.wish.symbols or {file.symbol, ":".join(key)} & {*self.wish.symbols}
            if named and (not self.wish.exchanges or file.exchange in self.wish.exchanges):
                self.filed.setdefault(key, []).append(file)
        if not self.filed:
            raise UsageError(
                f"{self._files.place} holds no files of a loader that are wanted",
                next_step="check --files-from, and which symbols it has",
            )
        for (exchange, symbol), files in self.filed.items():
            (connector,) = connectors(self.settings, [f"{exchange}:{symbol}"])
            self.wanted.append((connector, symbol, ids_of(files)))

    @cached_property
    def _files(self) -> HistoryFiles:
        assert self.wish.files_from is not None
        return history_files("files_from", self.wish.files_from)

    def _pairs(self) -> list[tuple[BaseConnector, str]]:
        """Whom to ask for what."""
        own = self.settings.exchanges
        names = tuple(own) if self.wish.exchanges is None else self.wish.exchanges
        asked = [
            symbol if ":" in symbol else f"{name}:{symbol}"
            for name in names
            for symbol in self.wish.symbols or (own[name].symbols if name in own else ())
        ]
        if not asked:
            for name in names:
                connector_named(name, ())  # which says it if there is no such exchange
            raise UsageError("nothing says which symbols are wanted", next_step="name some, like BTC-USDT")
        found = connectors(self.settings, list(dict.fromkeys(asked)))
        return [(connector, symbol) for connector in found for symbol in connector.symbols]

    async def _spans(self, pairs: Sequence[tuple[BaseConnector, str]]) -> list[Intervals | AskFailed]:
        assert self.wish.since is not None
        since = self.wish.since
        async with self.asker() as asker:

            async def span(connector: BaseConnector, symbol: str) -> Intervals | AskFailed:
                try:
                    return await span_of(connector, symbol, since, self.wish.until, asker)
                except AskFailed as error:
                    return error

            spans = await asyncio.gather(*(span(*pair) for pair in pairs))
            self.requests += asker.asked
        return spans

    def plan(self, coverage: Coverage) -> None:
        """Work out what is missing, given what has landed."""
        if self.wish.source == "bulk":
            self.days = [self._days(coverage, *pair) for pair in self.files]
            self.results = [one.result for one in self.days]
            return
        if self.wish.gaps:
            self.targets = list(self._gaps(coverage))
        else:
            self.targets = [
                WantedIds.of(connector, symbol, ids, covered(coverage, connector.exchange, symbol))
                for connector, symbol, ids in self.wanted
            ]
        self.results = [*map(Fetched, self.targets), *self.silent]

    def _gaps(self, coverage: Coverage) -> Iterator[WantedIds]:
        since, until = (None if t is None else micros(t) for t in (self.wish.since, self.wish.until))
        timed = since is not None or until is not None
        for (exchange, symbol), ledger in sorted(coverage.ledgers.items()):
            chosen = (not self.wish.symbols or {symbol, f"{exchange}:{symbol}"} & {*self.wish.symbols}) and (
                not self.wish.exchanges or exchange in self.wish.exchanges
            )
            if not chosen or not isinstance(ledger, Ledger):
                continue
            holes = [
                MissingIds(symbol, first, last, after, before)
                for first, last, after, before, state, *_ in ledger.rows()
                if (state == "gap" or (state == "unobserved" and timed))
                and (since is None or before is None or before >= since)
                and (until is None or after is None or after < until)
            ]
            if holes:
                wanted = Intervals.of((hole.first, hole.last) for hole in holes)
                if exchange not in CONNECTORS:
                    missing = sum(last - first + 1 for first, last in wanted)
                    self.left_out.append(f"{exchange} {symbol}: {missing:,} missing, and no such exchange can be asked")
                    continue
                (connector,) = connectors(self.settings, [f"{exchange}:{symbol}"])
                yield WantedIds(connector, symbol, wanted, tuple(sorted(holes, key=lambda hole: hole.first)))

    def _days(self, coverage: Coverage, connector: BaseConnector, symbol: str) -> InstrumentDays:
        """The days of the wish, as far as they are over; a day of which every trade is here is not read."""
        assert self.wish.since is not None
        ledger = coverage.ledger((connector.exchange, symbol))
        spans = list(zip(ledger.here.first_ts, ledger.here.last_ts, strict=True)) if isinstance(ledger, Ledger) else []
        return InstrumentDays(
            connector,
            symbol,
            self.wish.since,
            min(self.wish.until or datetime.now(UTC), datetime.now(UTC)),
            covered(coverage, connector.exchange, symbol),
            lambda since, until: any(first <= since and until <= last for first, last in spans),
            Fetched(WantedIds(connector, symbol, Intervals(), ())),
        )

    def run(self, stream: Stream) -> None:
        """Fetch until the end, or until somebody wants to stop."""
        if self.wish.source == "rest":
            _ended(self._run(stream))
            return
        if self.wish.source == "files":
            self._run_files(stream)
            return

        def reading(name: str, done: int, total: int) -> None:
            self.on_progress(Step(f"reading {name}", done, total))

        with tempfile.TemporaryDirectory(prefix="coattail-bulk-") as folder:
            load_days(self.days, stream, Path(folder), base=self.wish.bulk_from, stop=self.stop, on_day=reading)
        self.stopped = self.stop.is_set()
        for one in self.days:
            if one.ends:  # the files say between which ids everything has to be here
                one.result.target = WantedIds.of(
                    one.connector, one.symbol, Intervals(one.ends[:1], one.ends[1:]), one.covered
                )

    def _run_files(self, stream: Stream) -> None:
        """The files that hold something missing, one after the other; of a damaged one the others are not the worse."""
        todo = [
            (result, file)
            for result in self.results
            for file in self.filed[result.target.connector.exchange, result.target.symbol]
            if any(one.first <= file.last and file.first <= one.last for one in result.target.missing)
        ]
        for done, (result, file) in enumerate(todo):
            if self.stop.is_set():
                self.stopped = True
                return
            self.on_progress(Step("reading files", done, len(todo)))
            try:
                packs = self._files.packs(file)
                lacking = missed_in(self._files, file, packs)
            except StoreError as error:
                result.failure = error
                continue
            stream.append(packs)
            result.trades += file.trades
            result.lacking += lacking
            nowhere = Intervals.of((one.first, one.last) for one in lacking)
            result.ids = result.ids.union(Intervals.of(Intervals([file.first], [file.last]).minus(nowhere)))

    async def _run(self, stream: Stream) -> None:
        done, total, began = 0, sum(target.missing_ids for target in self.targets), time.monotonic()

        def fetched(ids: int) -> None:
            nonlocal done
            done += ids
            rate = done / max(time.monotonic() - began, 1e-3)
            self.on_progress(Step(f"fetching, {rate:,.0f} trades/s", done, total))

        async with self.asker() as asker:
            work = fetch(self.results, stream, asker, newest_first=self.newest_first, on_fetched=fetched)
            await self._heeding(work)
            self.requests += asker.asked

    async def _heeding(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work returns; None where somebody wanted to stop before."""
        task = asyncio.create_task(work)
        while not task.done():
            await asyncio.wait([task], timeout=_WATCHED_SECONDS)
            if self.stop.is_set() and not self.stopped and not task.done():
                self.stopped = True
                task.cancel()
        return None if task.cancelled() else task.result()
