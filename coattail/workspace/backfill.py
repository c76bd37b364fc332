"""History from the exchanges, landed: which ids are wanted, which of them are here, and what is missing at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from coattail.batch.beside import maintained
from coattail.config import Settings
from coattail.connectors import BaseConnector
from coattail.connectors.asking import PATIENCE, Asker
from coattail.connectors.history import AskFailed, UnknownSymbol
from coattail.engines.kinds import engine_class
from coattail.errors import UsageError
from coattail.home import Home
from coattail.intervals import Intervals
from coattail.landing.coverage import Coverage
from coattail.landing.ledger import Ledger
from coattail.producer.backfill import Fetched, WantedIds, fetch, span_of
from coattail.producer.refill import MissingIds
from coattail.records import micros
from coattail.streams.base import Stream
from coattail.streams.opening import open_stream
from coattail.tables import COVERAGE, SESSIONS
from coattail.workspace.documents.backfill import BackfillDocument, BackfilledInstrument, StillMissing
from coattail.workspace.documents.landing import RunningEngine
from coattail.workspace.landing import drained, outcome
from coattail.workspace.live import connectors, unlisted
from coattail.workspace.opening import open_stores
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.standing import Standing
from coattail.workspace.times import refuse_backwards

SHARE = 0.8
"""Of an exchange's limit: the rest is for a live feed that has to refill meanwhile."""

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
    gaps: bool = False
    """Only what is missing between trades that are here: gaps, and with a time what was not observed then."""

    def check(self, now: datetime) -> list[str]:
        """What is worth a note.

        Raises: UsageError: If it makes no sense.
        """
        if not self.gaps and self.since is None:
            raise UsageError("nothing says from when on", next_step="say --since 2d, or --gaps for what is missing")
        refuse_backwards(self.since, self.until)
        if self.since is not None and self.since > now:
            raise UsageError(f"since {self.since:%Y-%m-%d %H:%M} has not come yet", next_step="give a time in the past")
        if self.until is not None and self.until > now:
            return [f"{self.until:%Y-%m-%d %H:%M} has not come yet: everything up to now was asked for"]
        return []


@dataclass(kw_only=True)
class Backfill:
    """What a backfill came to. Printing it shows it in words."""

    home: Path
    document: BackfillDocument
    standing: Standing

    def words(self) -> list[str]:
        """As `coattail backfill` prints it."""
        said = self.document.words()
        if self.document.landed is not None:
            said += [*self.document.landed.words(), self.standing.words()]
        elif self.document.engine is not None:
            said.append(f"only fed the stream: {self.document.engine.command} (process {self.document.engine.pid}) "
                        f"runs on {self.home} and lands it")  # fmt: skip
        return said

    def __repr__(self) -> str:
        return "\n".join(self.words())


def backfill(
    home: Home,
    settings: Settings,
    wish: Wish,
    *,
    newest_first: bool = False,
    engine: str = "local",
    alerts: Standing | None = None,
    on_progress: OnProgress = unheard,
    on_trouble: Callable[[str], None] = lambda _: None,
    patience: timedelta = PATIENCE,
    stop: threading.Event | None = None,
) -> Backfill:
    """Fetch what is missing of the wish, and land it; if an engine runs on the home already, it does the landing.

    What has landed is not asked for again, so after a kill the same call goes on where it was.

    newest_first: Each instrument from its end.
    alerts: Gets every alert that fires; the result has it.
    on_progress: Called with how many ids have come.
    on_trouble: Called with a sentence when an exchange has to be asked again.
    patience: How long a question is asked again while an exchange does not answer; then the others go on without it.
    stop: Once it is set the backfill ends early, with everything fetched committed.
    Raises:
        UsageError: If the wish makes no sense, or an exchange or symbol is unknown; before anything is fetched.
        AskFailed: If no exchange says which ids there are.
    """
    kind = engine_class(engine)
    notes, began = wish.check(datetime.now(UTC)), time.monotonic()
    stop, alerts = stop or threading.Event(), alerts if alerts is not None else Standing()
    load = _Load(
        wish,
        settings,
        newest_first,
        on_progress,
        partial(Asker, share=SHARE, on_trouble=on_trouble, patience=patience),
        stop,
    )
    load.look_up()
    elsewhere = home.running_engine()
    stream = open_stream(settings.stream.url, home.stream)
    landed = None
    if elsewhere is not None:
        before = _stored(home, settings)
        load.plan(before)
        load.run(stream)
        after = None
    else:
        since = datetime.now(UTC)
        beside = partial(maintained, home, settings, by="backfill")
        with kind(home, settings, command="backfill", stream=stream, on_alerts=alerts.fired, beside=beside) as running:
            totals = running.totals
            drained(running, unheard, stop)  # what an earlier one fetched, and did not live to land
            before = running.coverage
            load.plan(before)
            if load.targets:
                with load.aside(stream) as ended:
                    running.run(ended)
                drained(running, on_progress, threading.Event())
            after = running.coverage
        landed = outcome(home, settings, totals, running, since=since)
    instruments = tuple(_instrument(result, before, after) for result in load.results)
    document = BackfillDocument(
        source="rest",
        complete=not load.stopped and not any(one.missing or one.failed for one in instruments),
        stopped=load.stopped,
        instruments=instruments,
        notes=tuple(notes),
        requests=load.requests,
        seconds=round(time.monotonic() - began, 3),
        engine=None if elsewhere is None else RunningEngine(pid=elsewhere.pid, command=elsewhere.command),
        landed=landed,
        alerts=alerts.counts(),
    )
    return Backfill(home=home.path, document=document, standing=alerts)


def _stored(home: Home, settings: Settings) -> Coverage:
    """The ledger as the engine that runs on the home has last written it."""
    with open_stores(home, settings=lambda: settings) as stores:
        return Coverage.restored(stores.lake.scan(COVERAGE), stores.lake.scan(SESSIONS))


def covered(coverage: Coverage, exchange: str, symbol: str) -> Intervals:
    """Ids that have landed or were rejected: nobody has to ask for these."""
    ledger = coverage.ledger((exchange, symbol))
    return ledger.landed.union(ledger.rejected) if isinstance(ledger, Ledger) else Intervals()


def _size(ids: Intervals) -> int:
    return sum(last - first + 1 for first, last in ids)


def _instrument(result: Fetched, before: Coverage, after: Coverage | None) -> BackfilledInstrument:
    """What became of one target, by the ledger where this process landed it, else by what was sent."""
    target = result.target
    key = target.connector.exchange, target.symbol
    was = covered(before, *key)
    here = was.union(result.ids) if after is None else covered(after, *key)
    left = Intervals.of(target.wanted.minus(here))
    whys = [StillMissing(first_id=lack.first, last_id=lack.last, why=lack.why) for lack in result.lacking]
    explained = Intervals.of((lack.first, lack.last) for lack in result.lacking)
    other = "not asked for before the end" if result.failure is None else result.failure.message
    whys += [StillMissing(first_id=a, last_id=b, why=other) for a, b in left.minus(explained)]
    return BackfilledInstrument(
        exchange=key[0],
        symbol=key[1],
        first_id=target.wanted.firsts[0] if len(target.wanted) else None,
        last_id=target.wanted.lasts[-1] if len(target.wanted) else None,
        wanted=_size(target.wanted),
        here=_size(target.wanted) - target.missing_ids,
        trades=result.trades,
        missing=_size(left),
        left=tuple(sorted(whys, key=lambda gap: gap.first_id)) if len(left) else (),
        failed=None if result.failure is None else str(result.failure),
    )


@dataclass
class _Load:
    """A wish on its way: first the ids that are wanted, then what of them is missing, then their trades."""

    wish: Wish
    settings: Settings
    newest_first: bool
    on_progress: OnProgress
    asker: Callable[[], Asker]
    stop: threading.Event
    wanted: list[tuple[BaseConnector, str, Intervals]] = field(default_factory=list)
    silent: list[Fetched] = field(default_factory=list)
    """Of which nobody could say which ids there are."""
    targets: list[WantedIds] = field(default_factory=list)
    results: list[Fetched] = field(default_factory=list)
    requests: int = 0
    stopped: bool = False

    def look_up(self) -> None:
        """Ask which ids lie in the wished time; of gaps the ledger knows."""
        if self.wish.gaps:
            return
        pairs = self._pairs()
        spans = asyncio.run(self._spans(pairs))
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
            raise UsageError("nothing says which symbols are wanted", next_step="name some: coattail backfill BTC-USDT")
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
                for first, last, after, before, state, _ in ledger.rows()
                if (state == "gap" or (state == "unobserved" and timed))
                and (since is None or before is None or before >= since)
                and (until is None or after is None or after < until)
            ]
            if holes:
                wanted = Intervals.of((hole.first, hole.last) for hole in holes)
                (connector,) = connectors(self.settings, [f"{exchange}:{symbol}"])
                yield WantedIds(connector, symbol, wanted, tuple(sorted(holes, key=lambda hole: hole.first)))

    @contextmanager
    def aside(self, stream: Stream) -> Iterator[threading.Event]:
        """Fetch in a thread; gives the event that says that everything is sent. What fails there fails here."""
        ended, failures = threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                self.run(stream)
            except BaseException as error:
                failures.append(error)
            finally:
                ended.set()

        thread = threading.Thread(target=run, name="backfill")
        thread.start()
        try:
            yield ended
        except BaseException:
            self.stop.set()
            raise
        finally:
            thread.join()
        if failures:
            raise failures[0]

    def run(self, stream: Stream) -> None:
        """Fetch until the end, or until somebody wants to stop."""
        asyncio.run(self._run(stream))

    async def _run(self, stream: Stream) -> None:
        done, total, began = 0, sum(target.missing_ids for target in self.targets), time.monotonic()

        def fetched(ids: int) -> None:
            nonlocal done
            done += ids
            rate = done / max(time.monotonic() - began, 1e-3)
            self.on_progress(Step(f"fetching, {rate:,.0f} trades/s", done, total))

        async with self.asker() as asker:
            loading = asyncio.create_task(
                fetch(self.results, stream, asker, newest_first=self.newest_first, on_fetched=fetched)
            )
            while not loading.done():
                await asyncio.wait([loading], timeout=_WATCHED_SECONDS)
                if self.stop.is_set() and not self.stopped:
                    self.stopped = True
                    loading.cancel()
            self.requests += asker.asked
        if not loading.cancelled():
            loading.result()
