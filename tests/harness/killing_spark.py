"""`kill -9` at random instants of a live Spark engine: driver, JVM and Python workers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from coattail.streams.local import LocalStream
from tests.harness.oracle import expected
from tests.harness.processes import started
from tests.harness.running import batches, differences, feed, found, new_home
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

MORTAL = "tests.harness.mortal_spark"
LONGEST = 4.0
"""Seconds within which an engine is killed, after its start or after its first batch, by turns."""


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


def killed_again_and_again(folder: Path, *, kills: int, seed: int) -> Killed:
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
        process = started(MORTAL, home.path, start_new_session=True)
        assert process.stdout is not None
        reader = threading.Thread(target=process.stdout.read)  # so that it never waits to be heard
        if kill == 0:  # in the middle of its start
            threading.Event().wait(rng.uniform(0.5, 3))
            done.before_ready += 1
        else:
            assert process.stdout.readline() == "ready\n"
            done.recovery_s.append(time.monotonic() - began)
            feed(stream, mine[2:])
            before = batches(home)
            while kill % 2 and batches(home) == before and process.poll() is None:  # however slow the machine is
                time.sleep(0.05)
            threading.Event().wait(rng.uniform(0, LONGEST))
        reader.start()
        os.killpg(process.pid, signal.SIGKILL)  # the driver, its JVM and all Python workers
        assert process.wait(30) == -signal.SIGKILL
        reader.join(30)
        process.stdout.close()
        if kill == 0:
            feed(stream, mine[2:])
    done.batches = batches(home)
    process = started(MORTAL, home.path, len(records), start_new_session=True)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    done.differences = differences(expected(records), found(home))
    return done
