"""History from the exchanges, landed, with every id accounted for at the end."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from coattail.batch.beside import maintained
from coattail.config import Settings
from coattail.connectors.asking import PATIENCE, Asker
from coattail.engines.kinds import engine_class
from coattail.home import Home
from coattail.intervals import Intervals
from coattail.landing.coverage import Coverage
from coattail.producer.backfill import Fetched
from coattail.producer.filing import SHARE
from coattail.stores.opening import open_lease
from coattail.streams.base import Stream
from coattail.streams.local import LocalStream
from coattail.streams.opening import open_stream
from coattail.tables import COVERAGE, SESSIONS
from coattail.workspace.aside import aside
from coattail.workspace.documents.backfill import BackfillDocument, BackfilledInstrument, StillMissing
from coattail.workspace.documents.landing import RunningEngine
from coattail.workspace.landing import drained, outcome
from coattail.workspace.loading import Load, Wish, covered
from coattail.workspace.opening import open_stores
from coattail.workspace.progress import OnProgress, unheard
from coattail.workspace.shown import Tabular
from coattail.workspace.standing import Standing

if TYPE_CHECKING:
    import polars as pl


@dataclass(kw_only=True, repr=False)
class Backfill(Tabular):
    """What a backfill came to. Printing it shows it in words."""

    home: Path
    document: BackfillDocument
    standing: Standing

    def words(self) -> list[str]:
        """As `coattail backfill` prints it."""
        said = self.document.words()
        if self.document.landed is not None and self.document.landed.received:
            said += [*self.document.landed.words(), self.standing.words()]
        elif self.document.engine is not None:
            said.append(f"only fed the stream: {self.document.engine.command} (process {self.document.engine.pid}) "
                        f"runs on {self.home} and lands it")  # fmt: skip
        return said

    def said(self) -> list[str]:
        """What `words` says."""
        return self.words()

    def to_polars(self) -> pl.DataFrame:
        """The instruments, columns of `BackfilledInstrument`."""
        import polars as pl

        rows = [msgspec.to_builtins(one, builtin_types=(datetime,)) for one in self.document.instruments]
        return pl.DataFrame(rows, infer_schema_length=None)


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
    load = Load(
        wish,
        settings,
        newest_first,
        on_progress,
        partial(Asker, share=SHARE, on_trouble=on_trouble, patience=patience),
        stop,
    )
    load.look_up()
    elsewhere = open_lease(home, settings).holder(surely=True)
    landed = None
    if elsewhere is not None:
        before = _stored(home, settings)
        load.plan(before)
        load.run(open_stream(settings.stream.url, home.stream))
        after = None
    else:
        since = datetime.now(UTC)
        beside = partial(maintained, home, settings, by="backfill")
        with (
            _way_in(home, settings, wish) as (stream, detour),
            kind(
                home, settings, command="backfill", stream=stream, detour=detour, on_alerts=alerts.fired, beside=beside
            ) as running,
        ):
            totals = running.totals
            drained(running, unheard, stop)  # what an earlier one fetched, and did not live to land
            before = running.coverage
            load.plan(before)
            if load.results:
                with aside(partial(load.run, stream), load.stop, name="backfill") as ended:
                    running.run(ended)
                drained(running, on_progress, threading.Event())
            after = running.coverage
        landed = outcome(home, settings, totals, running, since=since)
    instruments = tuple(_instrument(result, before, after) for result in load.results)
    document = BackfillDocument(
        source=wish.source,
        complete=not load.stopped and not load.left_out and not any(one.missing or one.failed for one in instruments),
        stopped=load.stopped,
        instruments=instruments,
        notes=(*notes, *load.left_out),
        requests=load.requests,
        seconds=round(time.monotonic() - began, 3),
        engine=None if elsewhere is None else RunningEngine(pid=elsewhere.pid, command=elsewhere.command),
        landed=landed,
        alerts=alerts.counts(),
    )
    return Backfill(home=home.path, document=document, standing=alerts)


@contextmanager
def _way_in(home: Home, settings: Settings, wish: Wish) -> Iterator[tuple[Stream, bool]]:
    """What carries the trades to the engine, and whether it is a detour: files need not go by way of the home's own
    stream, which may be a service that this machine does not reach."""
    if wish.source != "files":
        yield open_stream(settings.stream.url, home.stream), False
        return
    with tempfile.TemporaryDirectory(prefix="coattail-files-") as folder:
        yield LocalStream(Path(folder)), True


def _stored(home: Home, settings: Settings) -> Coverage:
    """The ledger as the engine that runs on the home has last written it."""
    with open_stores(home, settings=lambda: settings) as stores:
        return Coverage.restored(stores.lake.scan(COVERAGE), stores.lake.scan(SESSIONS))


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
    other = "it did not come before the end" if result.failure is None else result.failure.message
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
