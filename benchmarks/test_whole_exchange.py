"""A whole exchange: 2,500 symbols at two venues, drained and live."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.conftest import Size
from benchmarks.whole_exchange import SECOND, START, Exchange
from coattail.home import Home
from coattail.streams.local import LocalStream

SYMBOLS, HOURS, RATE = 2_500, 2, 1_000
"""At each venue; of the backlog; trades a second while it is live."""
TRIGGER = 2


def asked(what: str, home: Home, preset: str) -> dict[str, Any]:
    """What a process of `benchmarks.whole_exchange` printed."""
    command = [sys.executable, "-m", "benchmarks.whole_exchange", what, str(home.path), preset]
    return report.decoded(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_whole_exchange(preset: str, size: Size, tmp_path: Path) -> None:
    """A backlog is drained, and what comes after it lands in batches of two seconds."""
    symbols, minutes = (SYMBOLS, 2) if size.rounds > 1 else (SYMBOLS // 10, 1)
    home = Home.open(tmp_path / ".coattail", create=True)
    stream, exchange = LocalStream(home.stream), Exchange(symbols)
    end = START + HOURS * 3600 * SECOND
    exchange.feed(stream, START, end, size.million)
    drained = asked("drain", home, preset)
    for number in range(minutes * 60 // TRIGGER):
        since = end + number * TRIGGER * SECOND
        exchange.feed(stream, since, since + TRIGGER * SECOND, RATE * TRIGGER)
    live = asked("live", home, preset)
    assert (drained["landed"], live["landed"]) == (size.million, minutes * 60 * RATE)
    where = f"{2 * symbols:,} instruments of two venues, the n-th symbol traded 1/n as often"
    each = drained["seconds"] / drained["landed"] * 1e6
    report.row(
        f"a whole exchange drained{report.under(preset)}",
        ours=each,
        peer=None,
        unit="µs a trade",
        ratio=None,
        must=25,
        aim=15,
        judged="ours",
        less_is_better=True,
        note=f"{drained['landed']:,} trades of {HOURS} hours; {where}; "
        f"{drained['cpu'] / drained['landed'] * 1e6:.1f} µs of processor time; peak {drained['memory']:,.0f} MB",
    )
    p50, p99 = np.percentile(live["seconds"], [50, 99])
    by_cpu = np.percentile(live["cpu"], [50, 99])
    note = f"{len(live['seconds'])} batches of {TRIGGER} s at {RATE:,} trades/s, after the backlog; {where}; "
    report.row(
        f"batch of a whole exchange, p99{report.under(preset)}",
        ours=p99,
        peer=p50,
        unit="s",
        ratio=p99 / p50,
        must=1.0,
        aim=0.5,
        judged="ours",
        less_is_better=True,
        note=f"{note}peer: p50; every thirtieth commits the derived tables; the longest {max(live['seconds']):.2f} s; "
        f"of processor time {by_cpu[0]:.2f} and {by_cpu[1]:.2f} s",
    )
    report.row(
        f"memory of a whole exchange live{report.under(preset)}",
        ours=live["memory"],
        peer=None,
        unit="MB",
        ratio=None,
        must=1000,
        aim=700,
        judged="ours",
        less_is_better=True,
        note=f"{note}peak of the process, its start included",
    )
