"""A process that runs engines and lets itself be killed; `test_kill.py` talks to it in lines of JSON.

    {"home": "/…", "seconds": 0.31}      run the live loop on the home, SIGKILL after so long
    {"home": "/…", "records": 7600}      run until so many records have been received, then stop in order

Imports are done once, then each engine is a fork that had not run a query before: a Polars query, then a fork, hangs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import pyiceberg.catalog.sql
import pyiceberg.io.pyarrow  # noqa: F401

import coattail.engines.local
import coattail.stores.parquet
from coattail.config import load_settings
from coattail.home import Home

OVERRIDES: dict[str, object] = {
    "engine.batch_bytes": 1,
    "engine.trigger": "5ms",
    "engine.derived_commit_every": "200ms",
    "engine.keep_snapshots": 10_000,  # each one's counts are added up afterwards
}


def run(home: Path, records: int | None) -> None:
    stop = threading.Event()
    with coattail.engines.local.LocalEngine(Home.open(home), load_settings(None, overrides=OVERRIDES)) as engine:
        if records is None:
            engine.run(stop)
            return
        while engine.totals.received < records:
            engine.step()


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run(Path(order["home"]), order.get("records"))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        if "seconds" in order:
            time.sleep(max(0.0, order["seconds"] - (time.monotonic() - began)))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": status}), flush=True)


if __name__ == "__main__":
    main()
