"""A process with a Spark engine that gets killed, JVM and all: `python mortal_spark.py HOME [RECORDS]`.

Without RECORDS the live loop runs until somebody kills it; with it, until that many records have been received,
then it stops in order. It prints `ready` when the engine is.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from coattail.config import load_settings
from coattail.engines.spark import SparkEngine
from coattail.home import Home

OVERRIDES: dict[str, object] = {
    "preset": "classic",
    "spark.batch_bytes": 1,
    "spark.cores": 2,
    "engine.trigger": "5ms",
    "engine.derived_commit_every": "1s",
    "engine.keep_snapshots": 10_000,  # each one's counts are added up afterwards
}


def main(home: Path, records: int | None) -> None:
    stop = threading.Event()

    with SparkEngine(Home.open(home), load_settings(None, overrides=OVERRIDES)) as engine:
        print("ready", flush=True)
        if records is None:
            engine.run(stop)
        while engine.totals.received < (records or 0):
            engine.drain()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
