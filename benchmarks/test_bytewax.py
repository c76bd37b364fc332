"""The local engine against a Bytewax dataflow that parses, deduplicates, sums bars and finds whales."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from benchmarks import inputs, report
from benchmarks.conftest import Size
from benchmarks.engines import drained
from benchmarks.measuring import Spent, cpu_ratio, interleaved, ratio, seconds, spread, timed
from coattail.engines.local import LocalEngine
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import BARS, ORDERS

pytest.importorskip("bytewax", reason="make bench installs it")


def counted(stream: Path, folder: Path) -> Counter[str]:
    """What the flow must find, from the tables that our engine writes."""
    home = drained(LocalEngine, stream, folder).home
    lake = Lake(embedded(home.path))
    bars, orders = merge_bars(lake.scan(BARS), histograms=False), join_orders(lake.scan(ORDERS))
    lake.close()
    trades = int(bars["trades"].sum())
    whales = orders.filter(pl.col("notional").cast(pl.Float64) > 100_000).height
    return Counter(trades=trades, trades_in_bars=trades, bars=bars.height, whales=whales)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def flow(files: Path, output: Path, processes: int) -> Counter[str]:
    """Run the flow in `processes` processes; what they counted together."""
    addresses = [free_address() for _ in range(processes)] if processes > 1 else []
    commands = [
        [sys.executable, "-m", "benchmarks.peers.bytewax_flow", str(files), str(output), *addresses]
        + ([str(number)] if addresses else [])
        for number in range(processes)
    ]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait() for process in running] == [0] * processes
    parts = [json.loads(Path(f"{output}-{number}").read_text()) for number in range(processes)]
    return sum((Counter(part) for part in parts), Counter())


@pytest.mark.parametrize("processes", [1, 2])
def test_drain_against_bytewax(processes: int, backlog: Callable[[float], Path], size: Size, tmp_path: Path) -> None:
    stream = backlog(1)
    files = inputs.json_by_instrument(stream, tmp_path / "json")
    truth = counted(stream, tmp_path / "truth")

    def ours(folder: Path) -> Spent:
        return drained(LocalEngine, stream, folder).spent

    def theirs(folder: Path) -> Spent:
        found: list[Counter[str]] = []
        spent = timed(lambda: found.append(flow(files, folder / "counts", processes)))
        assert found == [truth]
        return spent

    mine, other = interleaved(tmp_path, size.rounds, ours, theirs)
    trades = truth["trades"]
    report.row(
        f"drain against Bytewax, {processes} process{'es' * (processes > 1)}",
        ours=trades / seconds(mine) / 1e3,
        peer=trades / seconds(other) / 1e3,
        unit="thousand trades/s",
        ratio=ratio(other, mine),
        must=1.0,
        aim=1.5,
        note="local engine, tables and alerts included; peer: parse, dedup, bars and whales, nothing stored, its start "
        f"included; equal counts of trades, bars and whales; {cpu_ratio(other, mine)}; {spread(other)}",
    )
