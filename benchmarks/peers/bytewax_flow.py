"""The same live work as a Bytewax dataflow: parse, check, deduplicate, 10-second bars, whales. Nothing is stored.

Run it as a program, alone or as one of several processes that share the files (one file per instrument):

    python -m benchmarks.peers.bytewax_flow FOLDER OUTPUT [ADDRESS ADDRESS NUMBER]

Each process writes OUTPUT-<number>: JSON with the clean trades, bars, trades in bars and whales that it saw.
"""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
import msgspec
from bytewax.connectors.files import DirSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main, run_main

BAR = timedelta(seconds=10)
LATENESS = timedelta(seconds=10)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


class Line(msgspec.Struct, gc=False):
    """A record of the stream."""

    event_id: str
    exchange: str
    symbol: str
    trade_id: int
    price: str
    quantity: str
    side: str
    timestamp: int
    received: int


class Trade(msgspec.Struct, gc=False):
    """A clean trade."""

    trade_id: int
    price: float
    quantity: float
    side: str
    timestamp: int


class Bar(msgspec.Struct, gc=False):
    """What trades of ten seconds come to."""

    first: float = 0.0
    last: float = 0.0
    high: float = 0.0
    low: float = math.inf
    quantity: float = 0.0
    notional: float = 0.0
    trades: int = 0


_decode = msgspec.json.Decoder(Line).decode


def parse(lines: list[str]) -> list[tuple[str, Trade]]:
    """(instrument, trade) of each line that passes the checks."""
    found = []
    for text in lines:
        line = _decode(text)
        price, quantity = float(line.price), float(line.quantity)
        plausible = price > 0 and quantity > 0 and line.timestamp <= line.received + 60_000_000
        if plausible and line.side in ("buy", "sell"):
            key = f"{line.exchange}:{line.symbol}"
            found.append((key, Trade(line.trade_id, price, quantity, line.side, line.timestamp)))
    return found


class Unseen(StatefulBatchLogic):
    """Lets each trade id of an instrument through once."""

    def __init__(self, seen: set[int] | None) -> None:
        self._seen = seen or set()

    def on_batch(self, values: list[Trade]) -> tuple[list[Trade], bool]:
        fresh = []
        for trade in values:
            if trade.trade_id not in self._seen:
                self._seen.add(trade.trade_id)
                fresh.append(trade)
        return fresh, StatefulBatchLogic.RETAIN

    def snapshot(self) -> set[int]:
        return set(self._seen)


class Orders(StatefulBatchLogic):
    """Notional of orders above 100,000: fills with adjacent ids, equal side and time."""

    def __init__(self, state: tuple[Trade | None, float] | None) -> None:
        self._last, self._notional = state or (None, 0.0)

    def on_batch(self, values: list[Trade]) -> tuple[list[float], bool]:
        large = []
        for trade in values:
            last = self._last
            if (
                last is None
                or trade.trade_id != last.trade_id + 1
                or trade.timestamp != last.timestamp
                or trade.side != last.side
            ):
                if self._notional > 100_000:
                    large.append(self._notional)
                self._notional = 0.0
            self._notional += trade.price * trade.quantity
            self._last = trade
        return large, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[float], bool]:
        return [self._notional] if self._notional > 100_000 else [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> tuple[Trade | None, float]:
        return self._last, self._notional


def when(trade: Trade) -> datetime:
    """Event time."""
    return datetime.fromtimestamp(trade.timestamp / 1e6, UTC)


def fold(bar: Bar, trade: Trade) -> Bar:
    """The bar with one more trade."""
    if not bar.trades:
        bar.first = trade.price
    bar.last = trade.price
    bar.high, bar.low = max(bar.high, trade.price), min(bar.low, trade.price)
    bar.quantity += trade.quantity
    bar.notional += trade.price * trade.quantity
    bar.trades += 1
    return bar


def merge(a: Bar, b: Bar) -> Bar:
    """Two parts of a bar."""
    return Bar(
        a.first, b.last, max(a.high, b.high), min(a.low, b.low), a.quantity + b.quantity, a.notional + b.notional,
        a.trades + b.trades,
    )  # fmt: skip


class Tally(DynamicSink):
    """Counts what arrives under a name, and how many trades it holds."""

    def __init__(self, counts: dict[str, int], name: str) -> None:
        self.counts, self.name = counts, name

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition:
        return _TallyPartition(self.counts, self.name)


class _TallyPartition(StatelessSinkPartition):
    def __init__(self, counts: dict[str, int], name: str) -> None:
        self._counts, self._name = counts, name

    def write_batch(self, items: list[tuple[str, object]]) -> None:
        self._counts[self._name] = self._counts.get(self._name, 0) + len(items)
        if self._name == "bars":
            trades = sum(bar.trades for _, (_, bar) in items)
            self._counts["trades_in_bars"] = self._counts.get("trades_in_bars", 0) + trades


def dataflow(folder: Path, counts: dict[str, int]) -> Dataflow:
    """The flow, from the files of a folder to counts."""
    flow = Dataflow("trades")
    lines = op.input("lines", flow, DirSource(folder, "*.json"))
    keyed = op.flat_map_batch("parse", lines, parse)
    clean = op.stateful_batch("dedup", keyed, Unseen)
    clock = win.EventClock(ts_getter=when, wait_for_system_duration=LATENESS)
    windower = win.TumblingWindower(length=BAR, align_to=BEGIN)
    bars = win.fold_window("bars", clean, clock, windower, Bar, fold, merge, ordered=False)
    op.output("trades out", clean, Tally(counts, "trades"))
    op.output("bars out", bars.down, Tally(counts, "bars"))
    op.output("whales out", op.stateful_batch("whales", clean, Orders), Tally(counts, "whales"))
    return flow


def main(folder: str, output: str, *cluster: str) -> None:
    """Run to the end of the files and write the counts."""
    counts: dict[str, int] = {}
    flow = dataflow(Path(folder), counts)
    number = int(cluster[-1]) if cluster else 0
    if cluster:
        cluster_main(flow, list(cluster[:-1]), number)
    else:
        run_main(flow)
    Path(f"{output}-{number}").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
