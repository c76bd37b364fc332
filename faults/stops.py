"""R16: SIGTERM at random instants: the command ends in order, and the next one has nothing to do again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from coattail.detectors import MODULE_TABLES
from coattail.home import Home
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from faults.engines import PATIENCE_S, drained
from faults.experiment import BOTH, LOCAL, Control, Experiment, Outcome, Task
from tests.harness.oracle import expected
from tests.harness.processes import ROOT, environment
from tests.harness.running import batches, differences, feed, found, new_home
from tests.harness.scenes import evenly, market, spoiled, with_duplicates

PIECES = 6
"""Segments that arrive around each signal."""
LONGEST_S = {"local": 1.5, "spark": 15.0}
"""Seconds after it is ready within which the command gets the signal to stop; every other one, after a batch."""
SETTINGS = """
preset: classic
engine: {batch_bytes: 1, trigger: 5ms, derived_commit_every: 300ms, keep_snapshots: 10000}
spark: {batch_bytes: 1, cores: 2, driver_memory: 1 GiB}
"""


@dataclass
class Stops:
    """The outcome of a loop: seconds from each signal to the end, and what was not as it must be."""

    seconds: list[float] = field(default_factory=list)
    redone: int = 0
    """Stops that left something to do again: a derived table that is behind raw_trades."""
    commits: int = 0
    """Of raw_trades, before the home was drained."""
    wrong: list[str] = field(default_factory=list)


def stopped(task: Task, folder: Path, number: signal.Signals) -> Stops:
    """Feed pieces to commands that get the signal at random instants, and finish."""
    rng = random.Random(task.seed)
    stops = task.size["stops"]
    records = with_duplicates(spoiled(market(), seed=task.seed), 0.02, seed=task.seed)
    folder.mkdir()
    home = new_home(folder)
    home.config_file.write_text(SETTINGS)
    pieces = evenly(records, stops * PIECES)
    done = Stops()
    for stop in range(stops):
        mine = pieces[stop * PIECES : (stop + 1) * PIECES]
        after = rng.uniform(0, LONGEST_S[task.engine])
        code, seconds = _one(task.engine, home, mine, after, number, after_a_batch=stop % 2 == 0)
        done.seconds.append(seconds)
        if number == signal.SIGTERM and code != 0:
            done.wrong.append(f"stop {stop}: exit code {code}")
        done.commits, left = _left_to_do(home)
        done.redone += left
        if (stop + 1) % 4 == 0:
            task.say(f"{stop + 1} of {stops} with {number.name}, {done.redone} left something to do again")
    drained("local", home, {"engine.batch_bytes": "1 GiB", "engine.keep_snapshots": 10_000})
    done.wrong += differences(expected(records), found(home))
    return done


def _one(
    kind: str, home: Home, pieces: Sequence[Sequence[Record]], after: float, number: signal.Signals, after_a_batch: bool
) -> tuple[int, float]:
    """Start the command, feed it, signal it; its exit code and how long it took to end."""
    stream, before = LocalStream(home.stream), batches(home)
    feed(stream, pieces[:2])
    process = subprocess.Popen(
        [sys.executable, "-m", "coattail", "land", "--engine", kind, "--home", str(home.path)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "landing what arrives" in line:
            break
    while after_a_batch and batches(home) == before and process.poll() is None:  # however slow the machine is
        time.sleep(0.02)
    rest = threading.Thread(target=process.stdout.read)
    rest.start()
    feeders = [threading.Timer(after * n / len(pieces), feed, (stream, [p])) for n, p in enumerate(pieces[2:])]
    for feeder in feeders:
        feeder.start()
    threading.Event().wait(after)
    began = time.monotonic()
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    code = process.wait(120)
    seconds = time.monotonic() - began
    for thread in (*feeders, rest):
        thread.join()
    process.stdout.close()
    return code, seconds


def _left_to_do(home: Home) -> tuple[int, bool]:
    """Commits of raw_trades, and whether a derived table is behind them."""
    reached = batches(home)
    if not reached:
        return 0, False
    names = ("bars", "large_trades", "anomaly_alerts", "coverage", *(t.name for t in MODULE_TABLES))
    with closing(Lake(embedded(home.path), writable=False)) as lake:
        newest = [lake.newest(name) for name in names]
    return reached, any(c is None or int(c.properties["through"]) != reached for c in newest)


def run(task: Task) -> Outcome:
    """The loop with SIGTERM, and with SIGKILL as the control."""
    done = stopped(task, task.folder / "term", signal.SIGTERM)
    if done.redone:
        done.wrong.append(f"{done.redone} stops left something to do again")
    if done.commits < len(done.seconds) // 2:
        done.wrong.append(f"only {done.commits} batches in {len(done.seconds)} stops: the signals came too early")
    slowest = max(done.seconds)
    if slowest > PATIENCE_S[task.engine]:
        done.wrong.append(f"a stop took {slowest:.1f} s")
    controls = []
    if task.size["control"] and task.engine == "local":
        killed = stopped(task, task.folder / "kill", signal.SIGKILL)
        came = f"{killed.redone} of {len(killed.seconds)} ends leave something to do again"
        controls.append(Control("ending at once", came, killed.redone > 0))
    figures = {
        "exit code 0": f"{len(done.seconds)} of {len(done.seconds)}",
        "commits before": done.commits,
        "left to do again": done.redone,
        "slowest": f"{slowest:.1f} s",
    }
    return Outcome(f"{len(done.seconds)} stops", figures, done.wrong, controls)


R16 = Experiment(
    id="R16",
    does="`coattail land` gets SIGTERM at random instants while trades arrive, and is started again",
    run=run,
    engines=BOTH,
    seed=16,
    long={"stops": 8, "control": 1},
    short={"stops": 1, "control": 0},
    short_engines=LOCAL,
)
