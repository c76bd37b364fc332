"""`kill -9` at twenty instants of a live engine: nothing is lost, nothing is doubled, the alerts are the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coattail.detectors import DETECTORS
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.engines.oracle import expected
from tests.engines.running import differences, feed, found, new_home
from tests.engines.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

KILLS = 20
SEED = 20_250_304
LONGEST = 0.9
"""Seconds that an engine lives at most: it starts in about 0.2 and commits its derived tables every 0.2."""
ROOT = Path(__file__).parents[2]


class Mortal:
    """The child process, spoken to in lines."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.mortal"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def order(self, **order: object) -> int:
        """Exit status of the engine that this order started."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status: int = json.loads(self._process.stdout.readline())["status"]
        return status

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    process = Mortal()
    yield process
    process.close()


def instants() -> list[float]:
    """Spread over the whole life of an engine, in random order, from its first milliseconds on."""
    rng = random.Random(SEED)
    spread = [LONGEST * (i + rng.random()) / KILLS for i in range(KILLS)]
    rng.shuffle(spread)
    return spread


def where_it_died(home_folder: Path, lake: Lake) -> str:
    """Between which commits the tables stand."""
    raw = lake.newest("raw_trades")
    if raw is None:
        return "before the first commit"
    tables = ["bars", "large_trades", "quality_metrics", "anomaly_alerts", "sessions", "coverage"]
    tables += [d.table.name for d in DETECTORS.values()]
    through = {int(c.properties["through"]) if (c := lake.newest(t)) else 0 for t in tables}
    if len(through) > 1:
        return "inside a derived commit"
    return "after a derived commit" if through == {raw.sequence} else "between derived commits"


def test_twenty_kills_at_random_instants_lose_nothing_double_nothing_and_change_no_alert(
    mortal: Mortal, tmp_path: Path
) -> None:
    records = with_duplicates(
        spoiled(with_gap_refilled(market(), "binance", at(71), at(73.5)), seed=SEED), 0.02, seed=SEED
    )
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    pieces = evenly(records, 3 * KILLS)
    died: dict[str, int] = {}
    for kill, seconds in enumerate(instants()):
        mine = pieces[3 * kill : 3 * kill + 3]
        feed(stream, mine[:1])
        feeder = threading.Timer(seconds / 2, feed, (stream, mine[1:]))
        feeder.start()
        status = mortal.order(home=str(home.path), seconds=seconds)
        feeder.join()
        assert os.WTERMSIG(status) == signal.SIGKILL, f"kill {kill} after {seconds:.3f} s: it had ended by itself"
        lake = Lake(home.warehouse, home.catalog_db)
        where = where_it_died(home.path, lake)
        lake.close()
        died[where] = died.get(where, 0) + 1
    assert mortal.order(home=str(home.path), records=len(records)) == 0
    print(f"seed {SEED}, {KILLS} kills: {died}")
    assert differences(expected(records), found(home)) == []
