"""A demo: two hours of a simulated market land at once, then it goes on live, and alerts meet the truth.

The steps are for a shell to take in turn, so that it can say in between what happened:

    demo = Demo(home, settings, seed=7)
    demo.feed_history()
    with demo:                                    # the engine runs
        if demo.land_history():
            demo.go_on(20)
    demo.judge()
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import polars as pl

from coattail.alerts import DISCLAIMER
from coattail.config import Settings
from coattail.connectors import CONNECTORS
from coattail.engines.kinds import engine_class
from coattail.errors import HomeError
from coattail.home import DEMO_MARK, Home
from coattail.market import Frame, Market, Matched, match, write_truth
from coattail.packing import Packer
from coattail.scoring.cards import of_run
from coattail.scoring.figures import number, share
from coattail.streams.local import LocalStream
from coattail.workspace.documents.demo import DemoDocument, Hours, Live, PlantedEvent
from coattail.workspace.documents.landing import Outcome
from coattail.workspace.landing import drained, outcome
from coattail.workspace.progress import unheard
from coattail.workspace.standing import Standing
from coattail.workspace.text import table

PACE = 20
"""Simulated seconds per second, once the baselines are there."""

OVERRIDES = {"engine.trigger": "500ms"}
"""Settings of a demo: it looks often, because people wait."""

_HISTORY = timedelta(hours=2)
_LINGER_SECONDS = 0.1
_NOTICED_WITHIN = timedelta(minutes=2)
"""An event that began later than this before the end may not have been noticeable yet; whales always are."""


class Pulse(NamedTuple):
    """How a demo is doing right now."""

    clock: datetime
    """Of the simulated market."""
    rate: float
    """Trades a second that landed lately."""
    lag: float
    """Seconds since what is landing now was sent."""
    alerts: int
    """Alerts that stand."""


def make_room(path: Path) -> None:
    """Remove the home of an earlier demo; refuse to touch anything else.

    Raises: HomeError: If `path` holds something that no demo made, or an engine runs on it.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / DEMO_MARK).is_file():
        raise HomeError(
            f"{path} was not made by a demo, and the demo mixes its simulated trades into nothing else",
            next_step="choose another --home, or leave it out",
        )
    if (path / "home.json").exists() and (engine := Home.open(path).running_engine()):
        raise HomeError(f"{engine} runs on {path}", next_step="stop it first, or choose another --home")
    for item in path.iterdir():  # the mark goes last: a removal cut short still is a demo's home
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        elif item.name != DEMO_MARK:
            item.unlink()
    (path / DEMO_MARK).unlink()


class Demo:
    """One demo on an empty home, which it marks as its own.

    settings: Of the home, with `OVERRIDES`.
    seed: Equal seeds give equal markets.
    engine: local or spark.
    alerts: Gets every alert that fires; None keeps them for the document only.
    began: When the demo began, by `time.monotonic()`; what was done before counts to the first alert. None: now.
    pace: Simulated seconds per second of its live part.
    """

    outcome: Outcome
    """What landed; there once the engine has ended."""
    matched: Matched
    """The alerts held against the truth; there after `judge`."""
    planted: list[PlantedEvent]
    """What had been planted; there after `judge`."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        seed: int = 7,
        engine: str = "local",
        alerts: Standing | None = None,
        began: float | None = None,
        pace: float = PACE,
    ) -> None:
        (home.path / DEMO_MARK).write_text(f'{{"seed": {seed}}}\n', encoding="utf-8")
        self._settings = settings
        self.home, self.seed, self.alerts = home, seed, alerts if alerts is not None else Standing()
        self._pace = pace
        self.market = Market(seed=seed, duration=_HISTORY)
        self.live_from = self.end = self.market.end
        self.first_trades = self.live_trades = 0
        self.landing_seconds = self.live_seconds = self.first_alert_seconds = 0.0
        self._began = time.monotonic() if began is None else began
        self._stream = LocalStream(home.stream)
        self._engine = engine_class(engine)(
            home, settings, command="demo", stream=self._stream, on_alerts=self.alerts.fired
        )
        self._packer = Packer()
        self._connectors = {name: CONNECTORS[name]() for name in self.market.exchanges}
        self._fed = 0
        self._waiting: deque[tuple[int, float]] = deque()
        """(trades fed so far, when) of what has not landed yet."""
        self._landed: deque[tuple[float, int]] = deque(maxlen=12)
        """(when, trades received) of the last pulses."""
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._since, self._started = datetime.now(UTC), time.monotonic()
        self._engine.__enter__()
        self._before = self._engine.totals
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, error, trace)
        if kind is None:
            self.outcome = outcome(self.home, self._settings, self._before, self._engine, since=self._since)

    @property
    def seconds(self) -> float:
        """Since its beginning."""
        return time.monotonic() - self._began

    # -- the two hours ---------------------------------------------------------------------------------------

    def feed_history(self) -> int:
        """Put two hours of the market into the stream; returns how many trades they have."""
        for batch in self.market.batches():
            self._feed(batch)
            if self._packer.full:
                self._flush()
        self._flush()
        self.first_trades = self._fed
        return self._fed

    def land_history(self, stop: threading.Event | None = None) -> bool:
        """Land the two hours; returns False if `stop` was set before they had."""
        complete = drained(self._engine, unheard, stop or threading.Event())
        self.landing_seconds = time.monotonic() - self._started
        if complete:
            self.first_alert_seconds = self.seconds
        return complete

    # -- live ------------------------------------------------------------------------------------------------

    def go_on(
        self,
        seconds: float,
        stop: threading.Event | None = None,
        *,
        watching: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Let the market go on for `seconds`, or until `stop` is set, inside `watching`."""
        stop, done, began = stop or threading.Event(), threading.Event(), time.monotonic()
        self._landed.append((began, self._engine.totals.received))
        feeder = threading.Thread(target=self._play, args=(seconds, stop, done), name="market")
        feeder.start()
        try:
            with watching():
                self._engine.run(done)
        except BaseException:
            stop.set()
            raise
        finally:
            feeder.join()
        if self._failure is not None:
            raise self._failure
        self._engine.drain()
        self.live_seconds = time.monotonic() - began
        self.live_trades = self._fed - self.first_trades

    def pulse(self) -> Pulse:
        """How it is doing, averaged over the last twelve times that somebody asked."""
        now, received = time.monotonic(), self._engine.totals.received
        then, before = self._landed[0]
        self._landed.append((now, received))
        while self._waiting and self._waiting[0][0] <= received:
            self._waiting.popleft()
        lag = now - self._waiting[0][1] if self._waiting else 0.0
        return Pulse(self.end, (received - before) / max(now - then, 1e-3), lag, len(self.alerts))

    def _play(self, seconds: float, stop: threading.Event, done: threading.Event) -> None:
        try:
            began = time.monotonic()
            until = self.live_from + timedelta(seconds=seconds * self._pace)
            due: list[Frame] = []
            for frame in self.market.frames(self.live_from, until):
                ahead = frame.received / 1e9 - self.live_from.timestamp()
                wait = began + ahead / self._pace - time.monotonic()
                if wait > 0:
                    self._send(due)
                    due = []
                    if stop.wait(max(wait, _LINGER_SECONDS)):
                        return
                due.append(frame)
            self._send(due)
            self.end = until
        except BaseException as error:
            self._failure = error
        finally:
            done.set()

    def _send(self, frames: list[Frame]) -> None:
        if frames:
            self._feed(frames)
            self._flush()
            self.end = datetime.fromtimestamp(frames[-1].received / 1e9, UTC)
            self._waiting.append((self._fed, time.monotonic()))

    def _feed(self, frames: Iterable[Frame]) -> None:
        add, connectors, session = self._packer.add, self._connectors, f"demo:{self.seed}"
        for frame in frames:
            for record in connectors[frame.exchange].records(
                frame.data, frame.received // 1000, source="replay", session=session
            ):
                add(record)
                self._fed += 1

    def _flush(self) -> None:
        self._stream.append(self._packer.take())

    # -- the end ---------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Hold the alerts that stand against what had been planted, and write that into the home: truth.parquet."""
        write_truth(self.market, self.home.path, since=self.market.start, until=self.end)
        standing = self.alerts.current()
        schema: dict[str, Any] = {
            **dict.fromkeys(("alert_type", "symbol", "exchange", "severity", "details"), pl.String),
            "detected_at": pl.Datetime("us", "UTC"),
        }
        frame = pl.DataFrame([{name: getattr(alert, name) for name in schema} for alert in standing], schema=schema)
        self.matched = match(self.market.truth(self.market.start, self.end), frame)
        over = (pl.col("kind") == "whale") | (pl.col("start") <= self.end - _NOTICED_WITHIN)
        rows = self.matched.planted.with_columns(over.alias("over"))
        names = PlantedEvent.__struct_fields__
        self.planted = [PlantedEvent(**row) for row in rows.select(names).iter_rows(named=True)]

    def scorecard(self) -> dict[str, dict[str, Any]]:
        """How good the detectors were in this run, by kind of event; of the events that were over."""
        from dataclasses import replace

        over = [number for number, event in enumerate(self.planted) if event.over]
        return of_run(replace(self.matched, planted=self.matched.planted[over]), self.end - self.market.start)

    def scorecard_words(self, *, terminal: bool = False) -> list[str]:
        """The scorecard, with intervals that show how little so few events say. `terminal`: see `table`."""
        rows = [
            (
                f"{kind}s",
                f"{card['events']}",
                share(card["recall"]),
                number(card["false_per_day"], 0),
                number(card["delay_s"]["p50"], 0) if card["events"] else None,
            )
            for kind, card in self.scorecard().items()
        ]
        return [
            "",
            "Scorecard of this run (in brackets: 90 % intervals, wide because so few were planted):",
            table(["planted", "there", "found", "false a day", "after, s"], rows, right=["there"], terminal=terminal),
            "on two simulated weeks, with every kind of event: docs/EVIDENCE.md",
            "",
        ]

    @property
    def document(self) -> DemoDocument:
        """The JSON form."""
        return DemoDocument(
            seed=self.seed,
            home=self.home.path,
            hours=Hours(trades=self.first_trades, seconds=round(self.landing_seconds, 3)),
            live=Live(
                trades=self.live_trades,
                seconds=round(self.live_seconds, 3),
                simulated_seconds=round((self.end - self.live_from).total_seconds(), 3),
            ),
            seconds_to_first_alert=round(self.first_alert_seconds, 3),
            planted=self.planted,
            found=sum(e.found for e in self.planted),
            missed=sum(not e.found and e.over for e in self.planted),
            false_alarms=self.matched.false_alarms,
            false_groups=self.matched.false_groups,
            alerts=self.alerts.counts(),
            landed=self.outcome,
            disclaimer=DISCLAIMER,
        )
