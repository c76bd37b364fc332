"""What goes wrong on the machine: `coattail produce` is killed at bad moments, its stream deleted, its clock set."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from coattail.config import load_settings
from coattail.home import Home
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import AnswerWith, AnyFault, Drop, Reset, Shutdown
from coattail.workspace.backfill import backfill
from coattail.workspace.loading import Wish
from tests.harness.commands import Child
from tests.harness.line_runs import RATE, SYMBOLS, LineRun, compared, truth_of
from tests.harness.live import public
from tests.harness.processes import ROOT
from tests.harness.running import AT_ONCE, drained, new_home

_AT = 600
_PATIENCE = 40.0
_TICK = 0.025


@dataclass(frozen=True)
class Kill:
    """What strikes, and how many seconds later the process is killed."""

    faults: Sequence[AnyFault]
    after: float


_KILLS: Mapping[str, Kill] = {
    "kill -9 during a reset": Kill([Reset(at_trade=_AT), AnswerWith(at_trade=_AT, seconds=1)], 0.3),
    "kill -9 during a refill": Kill(
        [Drop(at_trade=_AT, trades=300), AnswerWith(at_trade=_AT, seconds=3, on="rest")], 2.5
    ),
    "kill -9 during a rollover": Kill([Shutdown(at_trade=_AT, after=2), Reset(at_trade=_AT + 200)], 0.1),
}
"""By name. `Shutdown` makes Binance's connections roll over; Coinbase's, which are not told of it, are reset."""


@dataclass
class Producing:
    """`coattail produce` (or `land`) in a process of its own; its last state."""

    home: Home
    child: Child
    state: dict[str, Any] = field(default_factory=dict)
    thread: threading.Thread | None = None

    @classmethod
    def started(cls, home: Home, command: str = "produce", **variables: str) -> Producing:
        """One more process on the home."""
        one = cls(home, Child(command, "--home", home.path, "--json", folder=home.path.parent, **variables))
        one.thread = threading.Thread(target=one._read)
        one.thread.start()
        return one

    def _read(self) -> None:
        assert self.child.process.stdout is not None
        for line in self.child.process.stdout:
            said = json.loads(line)
            if said["event"] == "state":
                self.state = said

    @property
    def newest(self) -> dict[str, int]:
        """Symbol -> newest id heard live by this process."""
        return {
            instrument["symbol"]: instrument["last_id"] or 0
            for exchange in self.state.get("exchanges", ())
            for instrument in exchange["instruments"]
        }

    @property
    def floors(self) -> dict[str, int]:
        """Symbol -> id up to which nothing is missing in the stream."""
        return {
            instrument["symbol"]: instrument["floor"] or 0
            for exchange in self.state.get("exchanges", ())
            for instrument in exchange["instruments"]
        }

    def end(self, signal_number: int) -> None:
        """Stop or kill it."""
        self.child.process.send_signal(signal_number)
        assert self.thread is not None
        self.thread.join()
        code = self.child.process.wait(30)
        assert self.child.process.stdout is not None
        assert self.child.process.stderr is not None
        said = self.child.process.stderr.read()
        self.child.process.stdout.close()
        self.child.process.stderr.close()
        assert code in (0, -signal_number), said


def pointed(home: Home, served: Served, exchange: str) -> None:
    """Let the settings of a home name an exchange that is served."""
    venue = served.venues[exchange]
    home.config_file.write_text(
        f"preset: classic\nlive: {{least_free: 1 KiB}}\nexchanges:\n  {exchange}:\n"
        f"    websocket_host: {venue.websocket_url}\n    rest_host: {venue.rest_url}\n"
        f"    symbols: [{', '.join(SYMBOLS[exchange])}]\n"
    )


def run_kill(exchange: str, name: str, folder: Path) -> LineRun:
    """Play it, land what was heard, and compare it with the truth."""
    return MISHAPS[name](exchange, name, folder)


def _killed(exchange: str, name: str, folder: Path) -> LineRun:
    kill, home = _KILLS[name], new_home(folder)
    with serving(Market(seed=7), faults=kill.faults) as served:
        venue = served.venues[exchange]
        pointed(home, served, exchange)
        with _producing(served, exchange, home) as producing:
            begun = venue.released
            _play(served, exchange, lambda: len(venue.struck) == len(kill.faults))
            _play(served, exchange, _for(kill.after))
            producing.end(signal.SIGKILL)
        with _producing(served, exchange, home, wait=False) as again:
            back = _heard(served, exchange, again)
            _play(served, exchange, _for(2.0))
            _settle(served, exchange, again)
        truth = truth_of(served, exchange, kill.faults)
    drained(home, AT_ONCE)
    return compared(home, exchange, name, truth, begun, again=back)


def _deleted(exchange: str, name: str, folder: Path) -> LineRun:
    """The folder of the stream is deleted under the producer; the ledger lists what was lost, and a backfill has it."""
    home = new_home(folder)
    with serving(Market(seed=7)) as served:
        venue = served.venues[exchange]
        pointed(home, served, exchange)
        with _producing(served, exchange, home) as producing:
            begun = venue.released
            _play(served, exchange, _for(2.0))
            _settle(served, exchange, producing)
            drained(home, AT_ONCE)
            _play(served, exchange, _for(2.0))
            home.stream.rename(folder / "gone")  # at once: what is deleted file by file is written to meanwhile
            shutil.rmtree(folder / "gone")
            back = _heard(served, exchange, producing)
            _play(served, exchange, _for(2.0))
            _settle(served, exchange, producing)
        drained(home, AT_ONCE)
        truth = truth_of(served, exchange, ())
        before = compared(home, exchange, name, truth, begun, again=back)
        assert before.missing > 0, "nothing was lost"
        backfill(home, load_settings(home), Wish(gaps=True))
    after = compared(home, exchange, name, truth, begun, again=back)
    return replace(after, listed=before.listed, not_heard=before.not_heard)


def _set_back(exchange: str, name: str, folder: Path) -> LineRun:
    """The system's clock is set back by more than a day, to before the trades that are told of."""
    home, moved = new_home(folder), folder / "moved"
    (folder / "sitecustomize.py").write_text(_CLOCK)
    start = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
    with serving(Market(seed=7, start=start)) as served:
        venue = served.venues[exchange]
        pointed(home, served, exchange)
        variables = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "SET_BACK_IF": str(moved)}
        with _producing(served, exchange, home, **variables) as producing:
            begun = venue.released
            _play(served, exchange, _for(2.0))
            moved.touch()
            back = _heard(served, exchange, producing)
            _play(served, exchange, _for(3.0))
            _settle(served, exchange, producing)
        truth = truth_of(served, exchange, ())
    drained(home, AT_ONCE)
    return compared(home, exchange, name, truth, begun, again=back)


_CLOCK = """
import os, time
def back(): return 2 * 86400 if os.path.exists(os.environ["SET_BACK_IF"]) else 0
real, real_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: real() - back(), lambda: real_ns() - back() * 10**9
"""
"""What sets the clock of a process back, as its first module."""

MISHAPS: Mapping[str, Callable[[str, str, Path], LineRun]] = {
    **dict.fromkeys(_KILLS, _killed),
    "the stream's folder deleted, then backfill --gaps": _deleted,
    "the system's clock set back by two days": _set_back,
}
"""What goes wrong -> how it is played."""


@contextmanager
def _producing(
    served: Served, exchange: str, home: Home, *, wait: bool = True, **variables: str
) -> Iterator[Producing]:
    """A producer that is subscribed to everything, stopped at the end if it has not ended."""
    producing = Producing.started(home, **variables)
    try:
        if wait:
            venue = served.venues[exchange]
            _until(lambda: venue.subscriptions >= len(SYMBOLS[exchange]), producing, "it does not subscribe")
        yield producing
    finally:
        if producing.child.process.returncode is None:
            producing.end(signal.SIGTERM)


def _settle(served: Served, exchange: str, producing: Producing) -> None:
    """Wait until the stream has everything that is public."""
    told = public(served, {exchange: list(SYMBOLS[exchange])})
    last = dict(told.group_by("symbol").agg(pl.col("trade_id").max()).iter_rows())
    _until(
        lambda: all(producing.floors.get(symbol, 0) >= last[symbol] for symbol in last), producing, "trades are missing"
    )


def _heard(served: Served, exchange: str, again: Producing) -> float:
    """Seconds until the new process has heard every instrument, while the market goes on."""
    began, before = time.monotonic(), again.newest
    _play(
        served, exchange,
        lambda: all(again.newest.get(symbol, 0) > before.get(symbol, 0) for symbol in SYMBOLS[exchange]),
    )  # fmt: skip
    return round(time.monotonic() - began, 2)


def _for(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _until(condition: Callable[[], bool], producing: Producing, otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        ended = producing.child.process.poll()
        if ended is not None or time.monotonic() > deadline:
            producing.child.process.kill()
            assert producing.child.process.stderr is not None
            raise AssertionError(f"{otherwise} ({ended}): {producing.child.process.stderr.read()} {producing.state}")
        time.sleep(0.02)


def _play(served: Served, exchange: str, over: Callable[[], bool]) -> None:
    """Let the market go on until it is over."""
    deadline, next_at = time.monotonic() + _PATIENCE, time.monotonic()
    while not over():
        assert time.monotonic() < deadline, f"not over after {_PATIENCE} s"
        served.venues[exchange].release(int(RATE * _TICK))
        next_at += _TICK
        time.sleep(max(0.0, next_at - time.monotonic()))
