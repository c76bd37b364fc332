"""The course of a demo: two hours at once, then the market goes on while the engine runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from coattail.cli.app import Session
from coattail.cli.firing import AlertLog, fields_of
from coattail.cli.landed import Outcome, Stopped, outcome
from coattail.cli.screen import Screen
from coattail.cli.stopping import stop_on_signals
from coattail.connectors import CONNECTORS
from coattail.engines.engine import Engine
from coattail.home import Home
from coattail.market import Frame, Market, Matched, match
from coattail.packing import Packer
from coattail.streams.local import LocalStream

PACE = 20
"""Simulated seconds per second, once the baselines are there."""

_HISTORY = timedelta(hours=2)
_TRIGGER = "500ms"
_LINGER_SECONDS = 0.1
_STATUS_EVERY = 0.25
_SHOWN_FIRST = 5
_NOTICED_WITHIN = timedelta(minutes=2)
"""An event that began later than this before the end may not have been noticeable yet; whales always are."""


class Show:
    """One demo. `run` fills in the rest."""

    outcome: Outcome
    matched: Matched
    planted: list[dict[str, Any]]

    def __init__(
        self, home: Home, session: Session, screen: Screen, kind: type[Engine], *, seed: int, began: float
    ) -> None:
        self.home, self.seed, self.began, self._kind = home, seed, began, kind
        self.market = Market(seed=seed, duration=_HISTORY)
        self.live_from = self.end = self.market.end
        self.first_trades = self.live_trades = 0
        self.landing_seconds = self.live_seconds = self.first_alert_seconds = 0.0
        self.complete = False
        """Whether the two hours have landed, so that there is something to judge."""
        self.alerts = AlertLog(screen, show=False)
        self._settings = session.settings({"engine.trigger": _TRIGGER})
        self._screen = screen
        self._stream = LocalStream(home.stream)
        self._packer = Packer()
        self._connectors = {name: CONNECTORS[name]() for name in self.market.exchanges}
        self._fed = 0
        self._waiting: deque[tuple[int, float]] = deque()
        """(trades fed so far, when) of what has not landed yet."""
        self._failure: BaseException | None = None

    def run(self, seconds: float) -> None:
        """Play it; a signal ends it early, with everything fed committed."""
        say = self._screen.say
        since = datetime.now(UTC)
        with stop_on_signals() as stop:
            for batch in self.market.batches():
                self._feed(batch)
                self._flush_if_full()
            self._flush()
            self.first_trades = self._fed
            slow = "Spark takes some seconds to start. " if self._kind.name == "spark" else ""
            say(f"Two hours of it, {self._fed:,} trades, wait in the stream. {slow}Landing them …")
            started = time.monotonic()
            engine = self._kind(
                self.home, self._settings, command="demo", stream=self._stream, on_alerts=self.alerts.fired
            )
            with engine:
                before = engine.totals
                try:
                    engine.drain(lambda at: _stop_if(stop))
                    self.complete = True
                except Stopped:
                    say("stopped before the two hours had landed")
                self.landing_seconds = time.monotonic() - started
                if self.complete:
                    self._tell_history()
                if self.complete and seconds and not stop.is_set():
                    self._go_on(engine, seconds, stop)
            self.outcome = outcome(
                self.home, self._settings, before, engine.totals, since=since, waiting_bytes=engine.waiting_bytes
            )
        self._judge()

    def _tell_history(self) -> None:
        standing = self.alerts.current()
        self.first_alert_seconds = time.monotonic() - self.began
        say = self._screen.say
        say(f"Checked, deduplicated, committed and judged in {self.landing_seconds:.1f} s. {self.alerts.sentence()}.")
        for alert in standing[-_SHOWN_FIRST:]:
            say(self.alerts.line(alert))
        if len(standing) > _SHOWN_FIRST:
            say(f"  (the newest {_SHOWN_FIRST} of {len(standing)})")

    # -- live ------------------------------------------------------------------------------------------------

    def _go_on(self, engine: Engine, seconds: float, stop: threading.Event) -> None:
        self._screen.say(f"Now the market goes on for {seconds:g} s, at {PACE} times its pace; alerts as they fire:")
        self.alerts.show = True
        began = time.monotonic()
        done, ended = threading.Event(), threading.Event()
        feeder = threading.Thread(target=self._play, args=(seconds, stop, done), name="market")
        teller = threading.Thread(target=self._tell, args=(engine, ended), name="status", daemon=True)
        feeder.start()
        teller.start()
        try:
            engine.run(done)
        except BaseException:
            stop.set()
            raise
        finally:
            feeder.join()
            ended.set()
            teller.join()
            self._screen.status("")
        if self._failure is not None:
            raise self._failure
        engine.drain()
        self.live_seconds = time.monotonic() - began
        self.live_trades = self._fed - self.first_trades
        self._screen.say(
            f"{self.live_trades:,} more trades in {self.live_seconds:.1f} s; the simulated clock stands at "
            f"{self.end:%H:%M:%S}. {self.alerts.sentence()}."
        )

    def _play(self, seconds: float, stop: threading.Event, done: threading.Event) -> None:
        try:
            began = time.monotonic()
            until = self.live_from + timedelta(seconds=seconds * PACE)
            due: list[Frame] = []
            for frame in self.market.frames(self.live_from, until):
                ahead = frame.received / 1e9 - self.live_from.timestamp()
                wait = began + ahead / PACE - time.monotonic()
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

    def _tell(self, engine: Engine, ended: threading.Event) -> None:
        seen: deque[tuple[float, int]] = deque([(time.monotonic(), engine.totals.received)], maxlen=12)
        while not ended.wait(_STATUS_EVERY):
            now, received = time.monotonic(), engine.totals.received
            seen.append((now, received))
            rate = (received - seen[0][1]) / (now - seen[0][0])
            while self._waiting and self._waiting[0][0] <= received:
                self._waiting.popleft()
            lag = now - self._waiting[0][1] if self._waiting else 0.0
            self._screen.status(
                f"{self.end:%H:%M:%S} simulated | {rate:,.0f} trades/s | lag {lag:.1f} s | "
                f"{len(self.alerts.current())} alerts"
            )

    # -- feeding ---------------------------------------------------------------------------------------------

    def _feed(self, frames: Iterable[Frame]) -> None:
        add, connectors, session = self._packer.add, self._connectors, f"demo:{self.seed}"
        for frame in frames:
            for record in connectors[frame.exchange].records(
                frame.data, frame.received // 1000, source="replay", session=session
            ):
                add(record)
                self._fed += 1

    def _flush_if_full(self) -> None:
        if self._packer.full:
            self._flush()

    def _flush(self) -> None:
        self._stream.append(self._packer.take())

    # -- the end ---------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        rows = [fields_of(alert) for alert in self.alerts.current()]
        names = ("alert_type", "symbol", "exchange", "severity")
        schema: dict[str, Any] = {**dict.fromkeys(names, pl.String), "detected_at": pl.Datetime("us", "UTC")}
        frame = pl.DataFrame([{n: row[n] for n in schema} for row in rows], schema=schema).with_columns(
            pl.Series("details", [alert.details for alert in self.alerts.current()], dtype=pl.String)
        )
        self.matched = match(self.market.truth(self.market.start, self.end), frame)
        over = (pl.col("kind") == "whale") | (pl.col("start") <= self.end - _NOTICED_WITHIN)
        self.planted = self.matched.planted.with_columns(over.alias("over")).to_dicts()


def _stop_if(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped
