"""What goes wrong on the machine: `coattail produce` is killed at bad moments, its stream deleted, its clock set."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coattail.home import Home
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import AnswerWith, AnyFault, Drop, Reset, Shutdown
from tests.harness.commands import Child
from tests.harness.line_runs import RATE, SYMBOLS, LineRun, compared, truth_of
from tests.harness.live import public
from tests.harness.running import AT_ONCE, drained, new_home

_AT = 600
_PATIENCE = 40.0
_TICK = 0.025


@dataclass(frozen=True)
class Kill:
    """What strikes, and how many seconds later the process is killed."""

    faults: Sequence[AnyFault]
    after: float


KILLS: Mapping[str, Kill] = {
    "kill -9 during a reset": Kill([Reset(at_trade=_AT), AnswerWith(at_trade=_AT, seconds=1)], 0.3),
    "kill -9 during a refill": Kill(
        [Drop(at_trade=_AT, trades=300), AnswerWith(at_trade=_AT, seconds=3, on="rest")], 2.5
    ),
    "kill -9 during a rollover": Kill([Shutdown(at_trade=_AT, after=2), Reset(at_trade=_AT + 200)], 0.1),
}
"""`Shutdown` makes Binance's connections roll over; Coinbase's, which are not told of it, are reset."""


@dataclass
class Producing:
    """`coattail produce` in a process of its own; its last state."""

    home: Home
    child: Child
    state: dict[str, Any] = field(default_factory=dict)
    thread: threading.Thread | None = None

    @classmethod
    def started(cls, home: Home) -> Producing:
        """One more process on the home."""
        one = cls(home, Child("produce", "--home", home.path, "--json", folder=home.path.parent))
        one.thread = threading.Thread(target=one._read)
        one.thread.start()
        return one

    def _read(self) -> None:
        assert self.child.process.stdout is not None
        for line in self.child.process.stdout:
            self.state = json.loads(line)

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
    """Play it, start the process again, land what it heard, and compare it with the truth."""
    kill = KILLS[name]
    home = new_home(folder)
    symbols = {exchange: list(SYMBOLS[exchange])}
    with serving(Market(seed=7), faults=kill.faults) as served:
        venue = served.venues[exchange]
        pointed(home, served, exchange)
        producing = Producing.started(home)
        _until(lambda: venue.subscriptions >= len(symbols[exchange]), producing, "it does not subscribe")
        begun = venue.released
        _play(served, exchange, lambda: len(venue.struck) == len(kill.faults))
        _play(served, exchange, _for(kill.after))
        producing.end(signal.SIGKILL)
        again = Producing.started(home)
        try:
            back = _heard(served, exchange, again)
            _play(served, exchange, _for(2.0))
            last = {row[0]: row[1] for row in public(served, symbols).group_by("symbol").agg(_newest()).rows()}
            _until(
                lambda: all(again.floors.get(symbol, 0) >= last[symbol] for symbol in last), again, "it misses trades"
            )
        finally:
            again.end(signal.SIGTERM)
        truth = truth_of(served, exchange, kill.faults)
    drained(home, AT_ONCE)
    return compared(home, exchange, name, truth, begun, again=back)


def _newest() -> Any:
    import polars as pl

    return pl.col("trade_id").max()


def _heard(served: Served, exchange: str, again: Producing) -> float:
    """Seconds until the new process has heard every instrument, while the market goes on."""
    began = time.monotonic()
    wanted = set(SYMBOLS[exchange])
    _play(served, exchange, lambda: {symbol for symbol, newest in again.newest.items() if newest} >= wanted)
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
