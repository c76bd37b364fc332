"""R27: a day of two exchanges at many times its speed, with random faults, while producer and engine are killed."""

from __future__ import annotations

import random
import signal
import statistics
import time
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import polars as pl

from coattail.home import Home
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import (
    AnswerWith,
    AnyFault,
    ChangedType,
    Close,
    Drip,
    Drop,
    Duplicate,
    Garbage,
    MutedConnections,
    Refuse,
    RefuseSubscriptions,
    Reorder,
    Reset,
    Shutdown,
    Silence,
    SlowHandshake,
    Stall,
    TruncatedFrame,
    TruncatedJson,
)
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import COVERAGE
from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from faults.soak import look
from tests.harness.line_kills import Producing
from tests.harness.line_runs import SYMBOLS, LineRun, compared, lost, naive_client, truth_of
from tests.harness.line_scripts import FIELDS
from tests.harness.live import public
from tests.harness.running import AT_ONCE, drained, new_home

PATIENCE = 120.0
"""Seconds after the end of the day within which everything has to be there."""


def faults_of(seed: int, seconds: float, number: int) -> list[AnyFault]:
    """Random faults at random moments of the day (its seconds), on either exchange; one is a reset at Binance."""
    rng = random.Random(seed)
    kinds = [
        Reset,
        Close,
        TruncatedFrame,
        Garbage,
        MutedConnections,
        partial(Silence, seconds=10),
        partial(Stall, seconds=2),
        partial(Drip, seconds=3),
        partial(Drop, trades=200),
        partial(Duplicate, trades=200),
        partial(Reorder, trades=50),
        partial(TruncatedJson, trades=10),
        partial(ChangedType, trades=20, to="null"),
        partial(ChangedType, trades=20, to="object"),
        partial(Shutdown, after=2),
        partial(Refuse, seconds=3),
        partial(SlowHandshake, seconds=4, delay=1),
        partial(AnswerWith, seconds=3),
        partial(AnswerWith, seconds=5, on="rest"),
        partial(AnswerWith, seconds=3, status=429, retry_after=2, on="rest"),
        RefuseSubscriptions,
    ]
    found: list[AnyFault] = []
    for place in range(number):
        exchange = rng.choice(sorted(SYMBOLS)) if place else "binance"
        options: dict[str, object] = {"exchange": exchange, "at_second": seconds * rng.uniform(0.05, 0.9)}
        kind = kinds[0] if place == 0 else rng.choice(kinds)
        if getattr(kind, "func", None) is ChangedType:
            options["field"] = rng.choice(list(FIELDS[exchange].values()))
        if kind is RefuseSubscriptions:
            options |= {"seconds": 4, "symbols": [rng.choice(list(SYMBOLS[exchange].values()))]}
        found.append(kind(**options))  # type: ignore[operator]
    return sorted(found, key=lambda fault: fault.at_second or 0.0)


def run(task: Task) -> Outcome:
    """Let the day pass, and compare what landed with it."""
    task.folder.mkdir(exist_ok=True)
    minutes, speed = task.size["minutes"], task.size["speed"]
    market = Market(seed=task.seed, duration=timedelta(minutes=minutes), rate=task.size["percent"] / 100)
    faults = faults_of(task.seed, minutes * 60.0, task.size["faults"])
    home = new_home(task.folder)
    with ExitStack() as stack:
        served = stack.enter_context(serving(market, speed=speed, started=False, faults=faults))
        _point(home, served)
        pair = _Pair(home, task)
        stack.callback(pair.stop)
        naive = stack.enter_context(naive_client("binance", served.binance))
        _subscribed(served, pair)
        begun = {exchange: served.venues[exchange].released for exchange in SYMBOLS}
        served.start()
        pair.live_through(minutes * 60.0 / speed, task.size["kills"], random.Random(task.seed))
        _over(served)
        ended = time.monotonic()
        _settle(served, pair)
        settled = time.monotonic() - ended
        pair.stop()
        drained(home, AT_ONCE)
        struck = sum(len(served.venues[exchange].struck) for exchange in SYMBOLS)
        runs = []
        for exchange in SYMBOLS:
            truth = truth_of(served, exchange, faults)
            runs.append(compared(home, exchange, "a day", truth, begun[exchange], again=0.0))
            if exchange == "binance":
                mine = truth.filter(pl.col("position") >= begun[exchange])
                naively = lost(mine["trade_id"].to_list(), naive.ids)
    wrong = [f"{run.exchange}: {words}" for run in runs for words in _wrong(run)]
    if gaps := _gaps(home):
        wrong.append(f"the ledger still lists {gaps} gaps")
    if struck < len(faults):
        wrong.append(f"only {struck} of {len(faults)} faults struck")
    grown = {name: _growth(values) for name, values in pair.memory.items()}
    limit = task.size["memory_percent"] / 100
    wrong += [f"memory of the {name} grew by {grows:.0%}" for name, grows in grown.items() if grows > limit]
    figures = {
        "lost": sum(run.missing for run in runs),
        "doubled": sum(run.doubled for run in runs),
        "with other values": sum(run.other for run in runs),
        "not heard live": f"{sum(run.not_heard for run in runs):,}",
        "of these listed and fetched": f"{sum(run.listed for run in runs):,}",
        "gaps left": gaps,
        "everything there after the end": f"{settled:.1f} s",
        **{
            f"{name}'s memory, second half against first": f"{grown[name]:+.1%} of {statistics.median(values):.0f} MB"
            for name, values in pair.memory.items()
        },
    }
    trades = sum(run.trades for run in runs)
    size = f"{minutes / 60:g} h at {speed}x, {trades:,} trades, {struck} faults, {pair.kills} kills"
    bad = naively.missing + naively.doubled > 0
    return Outcome(size, dict(figures), wrong, [Control("a naive client, never killed, at Binance", str(naively), bad)])


class _Pair:
    """A producer and an engine, each in its process; one that is killed is started again."""

    def __init__(self, home: Home, task: Task) -> None:
        self._home, self._task = home, task
        self.running = {"producer": Producing.started(home), "engine": Producing.started(home, "land")}
        self.memory: dict[str, list[float]] = {"producer": [], "engine": []}
        """MB, once a second."""
        self.kills = 0

    def live_through(self, seconds: float, kills: int, rng: random.Random) -> None:
        """Wait for so long, and kill one or the other, or both, at random moments."""
        began = time.monotonic()
        moments = sorted(rng.uniform(0.1, 0.9) * seconds for _ in range(kills))
        while (passed := time.monotonic() - began) < seconds:
            for name, process in self.running.items():
                assert process.child.process.poll() is None, f"the {name} ended: {process.child.end().err[-500:]}"
                self.memory[name].append(look(process.child.process.pid, 0, self._task.folder / "none").rss)
            if moments and passed >= moments[0]:
                moments.pop(0)
                self._kill(rng.choice([("producer",), ("engine",), ("producer", "engine")]))
            time.sleep(min(1.0, max(0.05, (moments[0] - passed) if moments else 1.0)))

    def _kill(self, names: tuple[str, ...]) -> None:
        self.kills += 1
        for name in names:
            self.running[name].end(signal.SIGKILL)
        for name in names:
            self.running[name] = Producing.started(self._home, "produce" if name == "producer" else "land")

    def stop(self) -> None:
        """End both in order, the producer first."""
        for process in self.running.values():
            if process.child.process.returncode is None:
                process.end(signal.SIGTERM)


def _point(home: Home, served: Served) -> None:
    lines = ["preset: classic", "live: {least_free: 1 KiB}", "exchanges:"]
    for exchange, names in SYMBOLS.items():
        venue = served.venues[exchange]
        lines += [
            f"  {exchange}:",
            f"    websocket_host: {venue.websocket_url}",
            f"    rest_host: {venue.rest_url}",
            f"    symbols: [{', '.join(names)}]",
        ]
    home.config_file.write_text("\n".join([*lines, ""]))


def _subscribed(served: Served, pair: _Pair) -> None:
    deadline = time.monotonic() + PATIENCE
    wanted = {"binance": 2 * len(SYMBOLS["binance"]), "coinbase": 2 * len(SYMBOLS["coinbase"])}
    while any(served.venues[name].subscriptions < count for name, count in wanted.items()):
        assert time.monotonic() < deadline, pair.running["producer"].state
        time.sleep(0.02)


def _over(served: Served) -> None:
    """Wait until the last trade is public."""
    deadline = time.monotonic() + PATIENCE
    tapes = [(each, each.tape) for each in served.exchanges.venues.values()]
    while not all(tape.complete and each.released == tape.end for each, tape in tapes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _settle(served: Served, pair: _Pair) -> None:
    """Wait until the stream has everything that is public."""
    symbols = {exchange: list(names) for exchange, names in SYMBOLS.items()}
    told = public(served, symbols)
    last = dict(told.group_by("symbol").agg(pl.col("trade_id").max()).iter_rows())
    deadline = time.monotonic() + PATIENCE
    while any(pair.running["producer"].floors.get(symbol, 0) < number for symbol, number in last.items()):
        assert time.monotonic() < deadline, (last, pair.running["producer"].state)
        time.sleep(0.05)


def _wrong(run: LineRun) -> list[str]:
    said = {
        f"{run.missing} lost": run.missing,
        f"{run.doubled} doubled": run.doubled,
        f"{run.other} with other values": run.other,
        f"{run.not_heard - run.listed} of {run.not_heard} not listed": run.not_heard - run.listed,
    }
    return [words for words, bad in said.items() if bad]


def _gaps(home: Home) -> int:
    lake = Lake(embedded(home.path), writable=False)
    try:
        return lake.scan(COVERAGE).filter(pl.col("state") == "gap").height
    finally:
        lake.close()


def _growth(values: list[float]) -> float:
    """By which share of itself the usual memory of the second half is above that of the first."""
    half = len(values) // 2
    first, second = statistics.median(values[:half]), statistics.median(values[half:])
    return second / first - 1


R27 = Experiment(
    id="R27",
    does="a day of two exchanges at many times its speed; random faults strike, producer and engine are killed",
    run=run,
    engines=LOCAL,
    seed=27,
    long={"minutes": 1440, "speed": 60, "percent": 60, "faults": 120, "kills": 10, "memory_percent": 10},
    short=None,
    shortly="tests/endtoend/test_run.py, tests/unit/producer/test_live.py",
)
