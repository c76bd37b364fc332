"""R18: millions of trades in one run: memory, files, threads and the ledger stay as they are."""

from __future__ import annotations

import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from coattail.home import Home
from coattail.landing import Coverage
from coattail.market import Market, write
from coattail.producer.replay import replay
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import COVERAGE, SESSIONS
from faults.experiment import BOTH, LOCAL, Control, Experiment, LeftOut, Outcome, Task
from tests.harness.processes import ROOT, environment
from tests.harness.running import new_home

MINUTES_PER_MILLION = 109.0
"""Simulated minutes at rate 6 that hold about a million trades."""
OTHER_LIMIT = 0.02
JVM_LIMITS = {"fds": 1_500, "threads": 500, "files": 50}
"""With Spark no line is drawn through these: its pools fill and empty (the block manager alone may have 2 x 128)."""

_DRAIN = """
import os, sys
from coattail.engines.kinds import engine_class
from coattail.config import load_settings
from coattail.home import Home
home = Home.open(sys.argv[2])
with engine_class(sys.argv[1])(home, load_settings(home)) as engine:
    print("ready", flush=True)
    engine.drain(lambda at: print(at.totals.received, flush=True))
    print("drained", flush=True)
    sys.stdin.readline()
"""


@dataclass(frozen=True)
class Sample:
    """One look at the process (and its JVM)."""

    received: int
    rss: float
    """MB."""
    fds: int
    threads: int
    files: int
    """In its temporary folder."""


def look(process: int, received: int, folder: Path) -> Sample:
    """The process and its children now."""
    rss = fds = threads = 0.0
    for pid in (process, *_children(process)):
        try:
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            fds += len(os.listdir(f"/proc/{pid}/fd"))
        except (FileNotFoundError, PermissionError):
            continue  # a Python worker of Spark that has just ended
        values = {line.split(":")[0]: line.split()[1] for line in status if line.startswith(("VmRSS", "Threads"))}
        rss, threads = rss + int(values.get("VmRSS", 0)) / 1024, threads + int(values["Threads"])
    return Sample(received, rss, int(fds), int(threads), sum(len(files) for _, _, files in os.walk(folder)))


def _children(process: int) -> list[int]:
    found, waiting = [], [process]
    while waiting:
        for path in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                mine = [int(word) for word in path.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
            found += mine
            waiting += mine
    return found


def filled(task: Task) -> Home:
    """A home whose stream holds the trades."""
    millions = task.size["thousand"] / 1e3 / (1.5 if task.engine == "spark" else 1)
    market = Market(rate=6.0, seed=task.seed, duration=timedelta(minutes=MINUTES_PER_MILLION * millions))
    written = write(market, task.folder / "recordings")
    home = new_home(task.folder)
    replay(list(written.recordings.values()), LocalStream(home.stream))
    shutil.rmtree(task.folder / "recordings")
    return home


def watched(kind: str, home: Home) -> list[Sample]:
    """One drain in a process of its own, looked at after every batch."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", _DRAIN, kind, str(home.path)], text=True, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment(TMPDIR=folder),
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            if line.strip().isdigit():
                samples.append(look(process.pid, int(line), Path(folder)))
            elif line == "drained\n":
                break
        process.stdin.close()
        process.stdout.close()
        if code := process.wait(120):
            raise RuntimeError(f"the drain ended with exit code {code}")
    return samples


def growth(values: Sequence[float]) -> float:
    """By which share of itself a value grows over the samples, by a straight line through them."""
    line = statistics.linear_regression(range(len(values)), values)
    return line.slope * (len(values) - 1) / statistics.fmean(values)


def run(task: Task) -> Outcome:
    """The drain, and its second half looked at."""
    if not Path("/proc/self/status").exists():
        raise LeftOut("there is no /proc here")
    home = filled(task)
    batch = f"batch_bytes: {task.size['batch_kib']} KiB"
    home.config_file.write_text(f"preset: classic\nengine: {{{batch}}}\nspark: {{{batch}, driver_memory: 1 GiB}}\n")
    task.say("the stream is filled")
    began = time.monotonic()
    samples = watched(task.engine, home)
    seconds = time.monotonic() - began
    half = samples[len(samples) // 2 :]
    grows = growth([s.rss for s in half])
    wrong = [] if grows <= task.size.get("percent", 2) / 100 else [f"memory grows by {grows:.1%} in the second half"]
    for name in ("fds", "threads", "files"):
        values = [getattr(s, name) for s in half]
        spread = max(values) - min(values)
        if task.engine == "spark":
            if max(values) > JVM_LIMITS[name]:
                wrong.append(f"{max(values)} {name}")
        elif growth([v + 1 for v in values]) > OTHER_LIMIT and spread > 2:
            wrong.append(f"{name} grow from {values[0]} to {values[-1]} in the second half")
    ledger, intervals, trades = _ledger(home)
    if intervals > 100:
        wrong.append(f"the ledger has {intervals} intervals where no id is missing")
    last = half[-1]
    figures = {
        "memory in the second half": f"{grows:+.1%} of {statistics.fmean(s.rss for s in half):.0f} MB",
        "files open": f"{half[0].fds} to {last.fds}", "threads": f"{half[0].threads} to {last.threads}",
        "temporary files": f"{half[0].files} to {last.files}",
        "ledger": f"{ledger:,} bytes, {intervals} intervals", "trades/s": f"{trades / seconds:,.0f}",
    }  # fmt: skip
    return Outcome(f"{trades:,} trades, {len(samples)} batches", figures, wrong, [_set_of_ids(trades, ledger)])


def _ledger(home: Home) -> tuple[int, int, int]:
    """Bytes and intervals of the coverage state, and the trades it stands for."""
    lake = Lake(embedded(home.path), writable=False)
    try:
        coverage = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS))
        intervals = sum(len(ledger.landed) for ledger in coverage.ledgers.values())
        trades = sum(b - a + 1 for ledger in coverage.ledgers.values() for a, b in ledger.landed)
        return len(pickle.dumps(coverage)), intervals, trades
    finally:
        lake.close()


def _set_of_ids(trades: int, ledger: int) -> Control:
    """What a set of all ids would hold, by what it holds for a hundred thousand."""
    some = {f"binance:BTC-USDT:{n}" for n in range(100_000)}
    held = (sys.getsizeof(some) + sum(map(sys.getsizeof, some))) * trades // 100_000
    return Control("a set of all ids", f"{held:,} bytes and growing, against {ledger:,}", held > 100 * ledger)


R18 = Experiment(
    id="R18",
    does="millions of trades in one run",
    run=run,
    engines=BOTH,
    seed=18,
    long={"thousand": 3_000, "batch_kib": 2_048},
    short={"thousand": 400, "batch_kib": 64, "percent": 60},
    short_engines=LOCAL,
)
