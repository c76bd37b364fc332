"""`kill -9` at random instants of a live Spark engine, driver and JVM: nothing is lost, doubled or changed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coattail.streams.local import LocalStream
from tests.harness.oracle import expected
from tests.harness.running import differences, feed, found, new_home
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
SEED = 20_261_121
LONGEST = 4.0
"""Seconds after its start within which an engine is killed: batches follow each other every half second."""


@dataclass
class Killed:
    """What a loop of kills came to."""

    kills: int
    before_ready: int = 0
    batches: int = 0
    """Batches that the killed engines had finished."""
    recovery_s: list[float] = field(default_factory=list)
    """From the start of a process until its engine was ready, JVM included."""
    differences: list[str] = field(default_factory=list)


def started(home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.harness.mortal_spark", str(home), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def killed_again_and_again(folder: Path, *, kills: int, seed: int = SEED) -> Killed:
    """Feed a scene piece by piece to live engines that are killed, the first while it starts; then finish it."""
    rng = random.Random(seed)
    records = with_duplicates(
        spoiled(with_gap_refilled(market(), "binance", at(71), at(73.5)), seed=seed), 0.02, seed=seed
    )
    home = new_home(folder)
    stream = LocalStream(home.stream)
    pieces = evenly(records, 4 * kills)
    done = Killed(kills)
    for kill in range(kills):
        mine = pieces[4 * kill : 4 * kill + 4]
        feed(stream, mine[:2])
        began = time.monotonic()
        process = started(home.path)
        assert process.stdout is not None
        reader = threading.Thread(target=process.stdout.read)  # so that it never waits to be heard
        if kill == 0:  # in the middle of its start
            threading.Event().wait(rng.uniform(0.5, 3))
            done.before_ready += 1
        else:
            assert process.stdout.readline() == "ready\n"
            done.recovery_s.append(time.monotonic() - began)
            feed(stream, mine[2:])
            threading.Event().wait(rng.uniform(0, LONGEST))
        reader.start()
        os.killpg(process.pid, signal.SIGKILL)  # the driver, its JVM and all Python workers
        assert process.wait(30) == -signal.SIGKILL
        reader.join(30)
        process.stdout.close()
        if kill == 0:
            feed(stream, mine[2:])
    began = time.monotonic()
    process = started(home.path, str(len(records)))
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    done.batches = output.count("batch")
    done.differences = differences(expected(records), found(home))
    return done


def test_kills_at_random_instants_lose_nothing_double_nothing_and_change_no_alert(
    spark_installation: None, tmp_path: Path
) -> None:
    done = killed_again_and_again(tmp_path, kills=3)
    print(f"seed {SEED}: {done}")
    assert done.differences == []
