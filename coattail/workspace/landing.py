"""Landing what waits in the stream, replaying recordings into it, and the outcome of either."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from coattail.batch.beside import maintained
from coattail.config import Settings
from coattail.engines.engine import DrainProgress as Drained
from coattail.engines.engine import Engine
from coattail.engines.kinds import engine_class
from coattail.errors import DamagedInput
from coattail.home import EngineInfo, Home
from coattail.notify.beside import notified
from coattail.producer.replay import ReplayDamaged, Replayed
from coattail.producer.replay import replay as feed
from coattail.recordings.chosen import Chosen
from coattail.records import when
from coattail.stores.opening import open_lease
from coattail.stores.totals import Totals
from coattail.streams.base import Stream
from coattail.streams.opening import open_stream
from coattail.tables import COVERAGE
from coattail.workspace.aside import aside
from coattail.workspace.documents.landing import Gap, Outcome, ReplayDocument, RunningEngine
from coattail.workspace.opening import open_stores
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.shown import Displayed
from coattail.workspace.standing import Standing
from coattail.workspace.text import command_line

Watching = Callable[[Engine], AbstractContextManager[object]]
"""What goes on around an engine that follows the stream: a shell's status line, say."""


class Stopped(Exception):
    """Somebody asked to stop between two batches of a drain."""


def land(
    home: Home,
    settings: Settings,
    *,
    drain: bool = False,
    engine: str = "local",
    alerts: Standing | None = None,
    on_progress: OnProgress = unheard,
    watching: Watching = nullcontext,
    stop: threading.Event | None = None,
) -> tuple[Outcome, bool]:
    """Land what the stream holds, and (without `drain`) what arrives until `stop` is set; alerts go to the sinks.

    Returns the outcome, and whether it went on to the end: a drain that was stopped did not.
    alerts: Gets every alert that fires; None means nobody wants them.
    on_progress: Called with how far a drain is, in bytes of the stream.
    Raises: UsageError: If there is no such engine. HomeError: If an engine runs on the home already. ConfigError: If
    a sink cannot work as it is configured.
    """
    stop = stop or threading.Event()
    beside = partial(maintained, home, settings, by="land")
    since, complete = datetime.now(UTC), True
    on_alerts = None if alerts is None else alerts.fired
    kind = engine_class(engine)
    with (
        notified(home, settings, by="land"),
        kind(home, settings, on_alerts=on_alerts, beside=beside) as running,
    ):
        before = running.totals
        if drain:
            complete = drained(running, on_progress, stop)
        else:
            with watching(running):
                running.run(stop)
    return outcome(home, settings, before, running, since=since), complete


def drained(running: Engine, on_progress: OnProgress, stop: threading.Event) -> bool:
    """Land everything that waits; returns False if `stop` was set before the end."""
    total = running.waiting_bytes

    def progress(at: Drained) -> None:
        on_progress(Step("landing", total - at.backlog_bytes, total))
        if stop.is_set():
            raise Stopped

    try:
        running.drain(progress)
    except Stopped:
        return False
    return True


def outcome(home: Home, settings: Settings, before: Totals, running: Engine, *, since: datetime) -> Outcome:
    """What an engine that has ended did since `since`, when its document was `before`."""
    counts = {name: getattr(running.totals, name) - getattr(before, name) for name in before.__dataclass_fields__}
    with open_stores(home, settings=lambda: settings) as stores:
        rows = stores.lake.scan(COVERAGE, columns=("exchange", "symbol", "first_id", "last_id", "state"))
        written = since - timedelta(milliseconds=50)  # a file's time may lag behind the clock
        rejected = stores.letters.rows(stored_since=written) if counts["rejected"] else []
        reasons = Counter(name for row in rejected for name in row["reasons"])
    gaps = (
        rows.filter(pl.col("state") == "gap")
        .group_by("exchange", "symbol")
        .agg(pl.len().alias("gaps"), (pl.col("last_id") - pl.col("first_id") + 1).sum().alias("missing_ids"))
        .sort("missing_ids", "exchange", "symbol", descending=[True, False, False])
    )
    return Outcome(
        **counts,
        rejected_by_reason=dict(reasons.most_common()),
        instruments=rows.select("exchange", "symbol").n_unique(),
        gaps=tuple(Gap(**row) for row in gaps.iter_rows(named=True)),
        waiting_bytes=running.waiting_bytes,
        conserved=counts["received"] == counts["landed"] + counts["rejected"] + counts["duplicates"],
    )


# -- replay ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, repr=False)
class Replay(Displayed):
    """What a replay read and what landed of it. Printing it shows it in words."""

    home: Path
    chosen: Chosen
    replayed: Replayed
    """What went to the stream."""
    complete: bool
    """False if somebody stopped it before the end."""
    damage: DamagedInput | None
    """What is wrong with the first damaged file; its readable part has landed."""
    seconds: float
    engine: EngineInfo | None
    """The engine that runs on the home and lands it; None where this replay landed it, or nobody does."""
    outcome: Outcome | None
    """None where the stream was only fed."""
    alerts: Standing

    @property
    def first(self) -> datetime | None:
        """The earliest trade's own time; None also beyond the calendar: what trades say is checked as they land."""
        return _time(self.replayed.first)

    @property
    def last(self) -> datetime | None:
        """The latest trade's own time."""
        return _time(self.replayed.last)

    @property
    def document(self) -> ReplayDocument:
        """The JSON form."""
        read = self.replayed
        return ReplayDocument(
            recordings=self.chosen.paths,
            skipped=list(self.chosen.skipped),
            complete=self.complete,
            frames=read.frames,
            trades=read.trades,
            malformed=read.malformed,
            other=read.other,
            unsupported=read.unsupported,
            filtered=read.filtered,
            first=self.first,
            last=self.last,
            seconds=round(self.seconds, 3),
            engine=None if self.engine is None else RunningEngine(pid=self.engine.pid, command=self.engine.command),
            landed=self.outcome,
            alerts=self.alerts.counts(),
            damaged=None if self.damage is None else str(self.damage),
        )

    def words(self, *, line: Callable[..., str] | None = None) -> list[str]:
        """The replay as `coattail replay` prints it, and what to type next.

        line: Words of a command -> how it is typed; None means with the home in full.
        """
        line = line or partial(command_line, "--home", str(self.home))
        said = ["stopped before the end; replay it again to land the rest, nothing counts twice"]
        if self.complete:
            said = self.document.words()
        if self.outcome is not None:
            said += [*self.outcome.words(), self.alerts.words()]
            said += [f"see them: {line('alerts')}"] if self.alerts.current() else []
            said += [f"see them: {line('dlq', 'list')}"] if self.outcome.rejected else []
            said += [f"query:    {line('sql', 'SELECT * FROM raw_trades LIMIT 5')}"] if self.outcome.landed else []
        elif self.engine is not None:
            said.append(
                f"only fed the stream: {self.engine} runs on {self.home} and lands it; look with {line('status')}"
            )
        else:
            said.append(f"only fed the stream; land it with: {line('land', '--drain')}")
        return said

    def said(self) -> list[str]:
        """What `words` says."""
        return self.words()


def _time(micros: int | None) -> datetime | None:
    try:
        return None if micros is None else when(micros)
    except OverflowError:
        return None


def replay(
    home: Home,
    settings: Settings,
    chosen: Chosen,
    *,
    speed: float | None = None,
    land: bool = True,
    engine: str = "local",
    alerts: Standing | None = None,
    on_progress: OnProgress = unheard,
    watching: Watching = nullcontext,
    stop: threading.Event | None = None,
) -> Replay:
    """Feed recordings to the stream of a home, and land them; if an engine runs there already, it does the landing.

    Replaying a file again lands nothing twice.

    speed: How many times as fast as it was recorded; None means as fast as it can be read.
    land: False only feeds the stream.
    alerts: Gets every alert that fires; the result has it.
    on_progress: Called with how far it is, in bytes: first `reading` (not at a pace), then `landing`.
    watching: What goes on around an engine that follows the stream while a replay at a pace feeds it.
    stop: Once it is set the replay ends early, with everything fed committed.
    Raises: UsageError: If there is no such engine, or a file is gone.
    """
    kind = engine_class(engine)
    elsewhere = open_lease(home, settings).holder(surely=True) if land else None
    began, stop = time.monotonic(), stop or threading.Event()
    alerts = alerts if alerts is not None else Standing()
    stream = open_stream(settings.stream.url, home.stream)
    feeding = _Feeding(stream, chosen, speed, on_progress, stop)
    done = None
    if not land or elsewhere is not None:
        feeding.run()
    else:
        since = datetime.now(UTC)
        beside = partial(maintained, home, settings, by="replay")
        with kind(home, settings, command="replay", stream=stream, on_alerts=alerts.fired, beside=beside) as running:
            before = running.totals
            if speed is None:
                feeding.run()
            else:
                with aside(feeding.run, stop, name="feed") as ended, watching(running):
                    running.run(ended)
            drained(running, on_progress, stop)
        done = outcome(home, settings, before, running, since=since)
        feeding.complete = feeding.complete and not running.waiting_bytes
    return Replay(
        home=home.path,
        chosen=chosen,
        replayed=feeding.replayed,
        complete=feeding.complete,
        damage=chosen.damage or feeding.damage,
        seconds=time.monotonic() - began,
        engine=elsewhere,
        outcome=done,
        alerts=alerts,
    )


class _Feeding:
    """Recordings on their way to the stream, in this thread or in one of their own."""

    def __init__(
        self, stream: Stream, chosen: Chosen, speed: float | None, on_progress: OnProgress, stop: threading.Event
    ) -> None:
        self._stream, self._chosen, self._speed, self._stop = stream, chosen, speed, stop
        self._on_progress = on_progress if speed is None else unheard
        self._asked = False
        """Whether the feed was interrupted already; it is interrupted once, and then sends what it has."""
        self.replayed = Replayed()
        self.complete = False
        self.damage: DamagedInput | None = None

    def run(self) -> None:
        """Feed until the end, or until somebody wants to stop."""
        chosen = self._chosen
        try:
            self.replayed = feed(
                chosen.paths,
                self._stream,
                format=chosen.format,
                exchange=chosen.exchange,
                market=chosen.market,
                hints=chosen.hints,
                symbols=chosen.symbols,
                speed=self._speed,
                progress=self._progress,
                sleep=self._sleep,
            )
            self.complete = True
        except ReplayDamaged as error:
            self.replayed, self.damage, self.complete = error.replayed, error, True
        except KeyboardInterrupt:
            if not self._stop.is_set():
                raise

    def _progress(self, now: int, total: int) -> None:
        self._on_progress(Step("reading", now, total))
        self._heed(self._stop.is_set())

    def _sleep(self, seconds: float) -> None:
        self._heed(self._stop.wait(seconds))

    def _heed(self, wished: bool) -> None:
        if wished and not self._asked:
            self._asked = True
            raise KeyboardInterrupt
