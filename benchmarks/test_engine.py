"""The local engine against its budgets: drain, growth, steady state, memory."""

from __future__ import annotations

import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import coattail.stores.parquet  # noqa: F401  (imported before the clock starts)
from benchmarks import plain, report
from coattail.config import load_settings
from coattail.connectors import CONNECTORS
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.market import Market, write
from coattail.packing import Packer
from coattail.producer import replay
from coattail.streams.local import LocalStream

MINUTES_PER_MILLION = 109.0
"""Simulated minutes at rate 6 that hold about a million trades."""


def filled(folder: Path, trades: int) -> Path:
    """A stream folder that holds about `trades` simulated trades."""
    market = Market(rate=6.0, duration=timedelta(minutes=MINUTES_PER_MILLION * trades / 1e6))
    written = write(market, folder / "recordings")
    replay(list(written.recordings.values()), LocalStream(folder / "stream"))
    shutil.rmtree(folder / "recordings")
    return folder / "stream"


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Streams of 1/4, 1/2, 1 and 2 million trades."""
    return {n: filled(tmp_path_factory.mktemp(f"s{n}"), n) for n in (250_000, 500_000, 1_000_000, 2_000_000)}


def home_with(stream: Path, folder: Path) -> Home:
    home = Home.open(folder / ".coattail", create=True)
    shutil.rmtree(home.stream)
    shutil.copytree(stream, home.stream, copy_function=os.link)
    return home


def drained(stream: Path, folder: Path) -> tuple[int, float]:
    """(trades landed, seconds of wall time) of one drain, tables and alerts included."""
    home = home_with(stream, folder)
    with LocalEngine(home, load_settings(home)) as engine:
        began = time.perf_counter()
        totals = engine.drain()
        engine.commit_derived()
        seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return totals.landed, seconds


def rounds(tmp_path: Path, count: int) -> Iterator[Path]:
    for number in range(count):
        folder = tmp_path / f"round{number}"
        folder.mkdir()
        yield folder


def test_drain_against_a_plain_script(streams: dict[int, Path], tmp_path: Path) -> None:
    stream = streams[1_000_000]
    batch = load_settings(None).engine.batch_bytes
    ours, peers = [], []
    for folder in rounds(tmp_path, 4):
        landed, seconds = drained(stream, folder / "ours")
        ours.append(landed / seconds)
        (folder / "peer").mkdir()
        began = time.perf_counter()
        assert plain.drain(LocalStream(stream), folder / "peer", batch_bytes=batch) == landed
        peers.append(landed / (time.perf_counter() - began))
        shutil.rmtree(folder)
    ours, peers = ours[1:], peers[1:]  # the first round warms up
    report.row(
        "drain",
        ours=statistics.median(ours) / 1e3,
        peer=statistics.median(peers) / 1e3,
        unit="thousand trades/s",
        ratio=statistics.median(o / p for o, p in zip(ours, peers, strict=True)),
        must=200,
        aim=400,
        judged="ours",
        note="peer: plain Polars + PyIceberg script without checks, gaps, detectors (benchmarks/plain.py); "
        f"best {max(ours) / 1e3:.0f}",
    )


def test_eight_times_the_data(streams: dict[int, Path], tmp_path: Path) -> None:
    points = []
    for number, (trades, stream) in enumerate(sorted(streams.items()) * 2):
        landed, seconds = drained(stream, tmp_path / f"{trades}-{number}")
        points.append((math.log(landed), math.log(seconds)))
    best = {}
    for x, y in points:
        best[x] = min(y, best.get(x, math.inf))
    xs, ys = list(best), list(best.values())
    slope = statistics.linear_regression(xs, ys).slope
    report.row(
        "data x 8",
        ours=math.exp(ys[-1]),
        peer=math.exp(ys[0]),
        unit="s",
        ratio=slope,
        must=1.10,
        aim=1.03,
        judged="ratio",
        less_is_better=True,
        note="log-log slope of drain time over 0.25 to 2 M trades; peer: a quarter million",
    )


_MEMORY = """
import sys
from pathlib import Path
from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
home = Home.open(sys.argv[1])
with LocalEngine(home, load_settings(home)) as engine:
    engine.drain()
lines = Path("/proc/self/status").read_text().splitlines()  # getrusage counts the parent's memory before exec too
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)
"""


def test_memory_of_a_drain(streams: dict[int, Path], tmp_path: Path) -> None:
    peaks = []
    for trades in (500_000, 2_000_000):
        home = home_with(streams[trades], tmp_path / str(trades))
        done = subprocess.run([sys.executable, "-c", _MEMORY, home.path], capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
    report.row(
        "memory of a drain",
        ours=peaks[1],
        peer=peaks[0],
        unit="MB",
        ratio=peaks[1] / peaks[0],
        must=1000,
        aim=500,
        judged="ours",
        less_is_better=True,
        note="peak of a process that drains 2 M trades; peer: half a million",
    )


def test_two_thousand_commits(tmp_path: Path) -> None:
    home = Home.open(tmp_path / ".coattail", create=True)
    settings = load_settings(home, overrides={"engine.derived_commit_every": "10s"})
    stream = LocalStream(home.stream)
    connectors = {name: CONNECTORS[name]() for name in ("binance", "coinbase")}
    packer, last = Packer(), None
    times: list[float] = []
    with LocalEngine(home, settings) as engine:
        for frame in Market(duration=timedelta(hours=5)).frames():
            last = last or frame.received
            for trade in connectors[frame.exchange].normalize(frame.data, frame.received // 1000, session="bench"):
                packer.add(trade)
            if frame.received - last < 8_000_000_000:
                continue
            last = frame.received
            stream.append(packer.take())
            began = time.perf_counter()
            engine.step()
            times.append(time.perf_counter() - began)
            if len(times) == 2000:
                break
    first, final = (statistics.quantiles(part, n=20)[-1] * 1e3 for part in (times[:100], times[-100:]))
    report.row(
        "2,000 commits",
        ours=final,
        peer=first,
        unit="ms a batch, p95",
        ratio=final / first,
        must=1.5,
        aim=1.2,
        judged="ratio",
        less_is_better=True,
        note="the last hundred batches of about 180 trades; peer: the first hundred",
    )


def test_demo_to_its_first_alert(tmp_path: Path) -> None:
    times = []
    for number in range(3):
        command = [
            sys.executable,
            "-m",
            "coattail",
            "demo",
            "--seconds",
            "0",
            "--json",
            "--home",
            tmp_path / f"{number}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(report.decoded(done.stdout)["seconds_to_first_alert"])
    report.row(
        "demo to first alert",
        ours=statistics.median(times),
        peer=None,
        unit="s",
        ratio=None,
        must=20,
        aim=8,
        judged="ours",
        less_is_better=True,
        note="from the process's start, everything installed",
    )
