"""A whole exchange, twice: thousands of instruments of which few are busy, and most trade once in minutes.

python -m benchmarks.whole_exchange drain|live HOME PRESET

`drain` lands all that waits in a home, `live` lands its segments one by one, as a live engine's trigger does; each in a
process of its own, which prints what it took as JSON. Trades are drawn in bulk: what is measured is not how they came.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.packing import SEGMENT_RECORDS, Packer
from coattail.records import Row, Shared
from coattail.streams.base import Stream

SECOND = 1_000_000
START = 1_741_046_400 * SECOND
"""2025-03-04, midnight UTC, in µs."""
VENUES = (("binance", "USDT"), ("coinbase", "USD"))
_DERIVED_EVERY = 30
"""Batches of two seconds in the minute after which a live engine commits what it derives."""

Numbers = NDArray[Any]


@dataclass
class Exchange:
    """Two venues with the same symbols, the n-th of them traded 1/n as often as the first (Zipf's law).

    A third of the trades are a further fill of the order before. Prices keep within hundredths of a percent of one
    that the venues share; amounts are lognormal around 100 dollars. The same seed gives the same trades, if they are
    asked for in the same pieces.
    """

    symbols: int
    """At each venue."""
    seed: int = 17

    def __post_init__(self) -> None:
        self._draw = np.random.default_rng(self.seed)
        self._names = [
            (venue, f"C{number:04d}-{quote}") for venue, quote in VENUES for number in range(1, self.symbols + 1)
        ]
        shares = np.tile(1 / np.arange(1, self.symbols + 1), len(VENUES))
        self._shares = shares / shares.sum()
        self._ids = np.ones(len(self._names), np.int64)
        self._price = np.tile(self._draw.lognormal(1, 3, self.symbols), len(VENUES))

    def feed(self, stream: Stream, since: int, until: int, trades: int) -> None:
        """Append `trades` trades between two times (µs), in as many segments as they fill."""
        pieces = -(-trades // SEGMENT_RECORDS)
        for number in range(pieces):
            low, high = (since + (until - since) * place // pieces for place in (number, number + 1))
            first, end = (trades * place // pieces for place in (number, number + 1))
            packer = Packer()
            for shared, rows, payloads in self._traded(low, high, end - first):
                packer.add_rows(shared, rows, payloads)
            stream.append(packer.take())

    def _traded(self, since: int, until: int, trades: int) -> Iterator[tuple[Shared, list[Row], list[bytes]]]:
        """The trades of a stretch of time, instrument by instrument."""
        of = np.sort(self._draw.choice(len(self._names), trades, p=self._shares))
        starts = np.append(np.flatnonzero(np.append(True, of[1:] != of[:-1])), trades) if trades else np.zeros(1, int)
        times = self._draw.integers(since, until, trades)
        further = self._draw.random(trades) < 1 / 3
        buys = self._draw.random(trades) < 0.5
        all_prices = self._price[of] * (1 + 1e-4 * self._draw.standard_normal(trades))
        dollars = self._draw.lognormal(np.log(100), 1.5, trades)
        for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            place, count = int(of[begin]), end - begin
            last_new = np.maximum.accumulate(np.where(further[begin:end], 0, np.arange(count)))
            when = np.sort(times[begin:end])[last_new].tolist()
            sides = np.where(buys[begin:end][last_new], "buy", "sell").tolist()
            prices, first = all_prices[begin:end], int(self._ids[place])
            self._ids[place] += count
            amounts = [f"{amount:.8g}" for amount in (dollars[begin:end] / prices).tolist()]
            rows = [
                Row(at + 40_000, number, None, f"{price:.6g}", amount, None, side, at)
                for number, at, price, amount, side in zip(
                    range(first, first + count), when, prices.tolist(), amounts, sides, strict=True
                )
            ]
            venue, symbol = self._names[place]
            payloads = [
                f'{{"e":"trade","E":{r.received},"s":"{symbol}","t":{r.trade_id},"p":"{r.price}","q":"{r.quantity}"}}'
                for r in rows
            ]
            yield Shared(venue, symbol, f"{venue}-bench", "live"), rows, [text.encode() for text in payloads]


def drain(home: Home, preset: str) -> dict[str, Any]:
    """Land all that waits, with the derived tables; the engine's start is not counted."""
    with LocalEngine(home, load_settings(home, overrides={"preset": preset})) as engine:
        before, began, cpu = engine.totals.landed, time.perf_counter(), time.process_time()
        engine.drain()
        engine.commit_derived()
        took, busy = time.perf_counter() - began, time.process_time() - cpu
        return {"landed": engine.totals.landed - before, "seconds": took, "cpu": busy}


def live(home: Home, preset: str) -> dict[str, Any]:
    """Land segment by segment; the derived tables in every thirtieth batch, which is one a minute."""
    overrides = {"preset": preset, "engine.batch_bytes": 1, "engine.derived_commit_every": "1d"}
    seconds: list[float] = []
    cpu: list[float] = []
    with LocalEngine(home, load_settings(home, overrides=overrides)) as engine:
        before = engine.totals.landed
        while engine.waiting_bytes:
            began, busy = time.perf_counter(), time.process_time()
            engine.step()
            if len(seconds) % _DERIVED_EVERY == _DERIVED_EVERY - 1:
                engine.commit_derived()
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - busy)
        landed = engine.totals.landed - before
    return {"landed": landed, "seconds": seconds, "cpu": cpu}


def _peak_memory() -> float:
    """Of this process so far, MB; `getrusage` counts the parent's before exec too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    import coattail.stores.parquet  # noqa: F401  (imported before any clock starts)

    what, folder, preset = sys.argv[1:]
    took = {"drain": drain, "live": live}[what](Home.open(folder), preset)
    print(json.dumps({**took, "memory": _peak_memory()}))
