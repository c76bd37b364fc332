"""A process that runs engines and lets itself be killed; `test_kill.py` talks to it in lines of JSON.

    {"home": "/…", "seconds": 0.31}      run the live loop on the home, SIGKILL after that time
    {"home": "/…", "records": 7600}      run until that many records have been received, then stop in order
    … "place": {"lake": …}               settings that say where the stores are
    … "beside": true                     keep the offsets in a file beside the tables, as a plainer design would

It answers {"status": …, "ready": seconds from the order until the engine was ready, or null}. Imports are done once,
then each engine is a fork that had not run a query before: a Polars query, then a fork, hangs.
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
from typing import Any

import pyiceberg.catalog.sql
import pyiceberg.io.pyarrow  # noqa: F401

import coattail.engines.engine
import coattail.engines.local
import coattail.stores.parquet
from coattail.config import load_settings
from coattail.engines.recovery import Position, position
from coattail.home import Home
from coattail.stores.lake import Lake
from coattail.streams.base import Offsets, Read
from coattail.streams.local import LocalStream

OVERRIDES: dict[str, object] = {
    "preset": "classic",
    "engine.batch_bytes": 1,
    "engine.trigger": "5ms",
    "engine.derived_commit_every": "200ms",
    "engine.keep_snapshots": 10_000,  # each one's counts are added up afterwards
}


def run(home: Path, records: int | None, place: dict[str, object], ready: int) -> None:
    stop = threading.Event()
    settings = load_settings(None, overrides={**OVERRIDES, **place})
    with coattail.engines.local.LocalEngine(Home.open(home), settings) as engine:
        os.write(ready, b"%f" % time.monotonic())
        if records is None:
            engine.run(stop)
            return
        while engine.totals.received < records and engine.waiting_bytes:
            engine.step()


def keep_offsets_beside(home: Path) -> None:
    """The plainer design: progress is noted in a file of its own when a batch has been read."""
    note = home / "offsets.json"
    read = LocalStream.read

    def noting(self: LocalStream, after: Offsets, **kwargs: Any) -> Read:
        result = read(self, after, **kwargs)
        note.write_text(json.dumps(dict(result.offsets)))
        return result

    def noted(lake: Lake) -> Position:
        at = position(lake)
        return Position(json.loads(note.read_text()) if note.exists() else {}, at.sequence, at.stream_id, at.totals)

    LocalStream.read = noting  # type: ignore[method-assign]
    coattail.engines.engine.position = noted


def child(order: dict[str, Any], ready: int) -> int:
    try:
        if order.get("beside"):
            keep_offsets_beside(Path(order["home"]))
        run(Path(order["home"]), order.get("records"), order.get("place") or {}, ready)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os._exit(child(order, writing))
        os.close(writing)
        if "seconds" in order:
            time.sleep(max(0.0, order["seconds"] - (time.monotonic() - began)))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        ready = os.read(reading, 100)
        os.close(reading)
        print(json.dumps({"status": status, "ready": float(ready) - began if ready else None}), flush=True)


if __name__ == "__main__":
    main()
