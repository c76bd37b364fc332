"""`kill -9` at random instants of a live engine, in a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coattail.detectors import MODULE_TABLES
from coattail.stores.lake import Lake
from coattail.stores.opening import open_lake
from coattail.streams.opening import open_stream
from tests.harness.oracle import expected
from tests.harness.processes import started
from tests.harness.running import differences, feed, found, new_home, settings_of
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

LONGEST = 0.9
"""Seconds that an engine lives at most: it starts in about 0.2 and commits its derived tables every 0.2."""
LONGEST_THERE = 4.0
"""The same on an emulated place of AWS, where every commit asks services over loopback."""


@dataclass
class Killed:
    """What a loop of kills came to."""

    kills: int
    died: Counter[str] = field(default_factory=Counter)
    """Where the tables stood."""
    recovery_s: list[float] = field(default_factory=list)
    """From the order to start until the engine was ready, of those that got so far."""
    differences: list[str] = field(default_factory=list)


class Mortal:
    """The child process, spoken to in lines."""

    def __init__(self) -> None:
        self._process = started("tests.harness.mortal", stdin=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def order(self, **order: object) -> tuple[int, float | None]:
        """Exit status of the engine that this order started, and after how many seconds it was ready."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["ready"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)


@contextmanager
def mortal() -> Iterator[Mortal]:
    process = Mortal()
    try:
        yield process
    finally:
        process.close()


def instants(rng: random.Random, kills: int, longest: float = LONGEST) -> list[float]:
    """Spread over the whole life of an engine, in random order, from its first milliseconds on."""
    spread = [longest * (i + rng.random()) / kills for i in range(kills)]
    rng.shuffle(spread)
    return spread


def where_it_died(lake: Lake) -> str:
    """Between which commits the tables stand."""
    raw = lake.newest("raw_trades")
    if raw is None or raw.sequence == 0:
        return "before the first commit"
    tables = ["bars", "large_trades", "quality_metrics", "anomaly_alerts", "sessions", "coverage"]
    tables += [t.name for t in MODULE_TABLES]
    through = {int(c.properties["through"]) if (c := lake.newest(t)) else 0 for t in tables}
    if len(through) > 1:
        return "inside a derived commit"
    return "after a derived commit" if through == {raw.sequence} else "between derived commits"


def killed_again_and_again(
    folder: Path, *, kills: int, seed: int, beside: bool = False, place: Mapping[str, object] | None = None
) -> Killed:
    """Feed a scene piece by piece to live engines that are killed; then finish it.

    beside: Of the plainer design. place: Settings that say where the stores are; None: in the home.
    """
    records = with_duplicates(
        spoiled(with_gap_refilled(market(), "binance", at(71), at(73.5)), seed=seed), 0.02, seed=seed
    )
    home, settings = new_home(folder), settings_of(dict(place or {}))
    stream = open_stream(settings.stream.url, home.stream)
    longest = LONGEST if place is None else LONGEST_THERE
    pieces = evenly(records, 3 * kills)
    done = Killed(kills)
    with mortal() as process:
        for kill, seconds in enumerate(instants(random.Random(seed), kills, longest)):
            mine = pieces[3 * kill : 3 * kill + 3]
            feed(stream, mine[:1])
            feeder = threading.Timer(seconds / 2, feed, (stream, mine[1:]))
            feeder.start()
            status, ready = process.order(home=str(home.path), seconds=seconds, beside=beside, place=place)
            feeder.join()
            assert os.WTERMSIG(status) == signal.SIGKILL, f"kill {kill} after {seconds:.3f} s: it had ended by itself"
            done.recovery_s += [] if ready is None else [ready]
            with closing(open_lake(home, settings)) as lake:
                done.died[where_it_died(lake)] += 1
        status, ready = process.order(home=str(home.path), records=len(records), beside=beside, place=place)
        assert status == 0
        done.recovery_s += [] if ready is None else [ready]
    done.differences = differences(expected(records), found(home, settings))
    return done
