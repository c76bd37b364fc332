"""Processes that work on one home at the same time; each reports in one line of JSON when it ends.

python -m tests.harness.beside land HOME RECORDS    an engine, until RECORDS records have been received
python -m tests.harness.beside maintain HOME        compaction and expiry of all tables, until its input closes
python -m tests.harness.beside mortal HOME RECORDS  a live engine with maintenance, which says when a file is compacted
                                                    and waits there, so that it can be killed before the commit
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from coattail.batch import beside, maintenance
from coattail.batch.beside import maintained
from coattail.batch.maintenance import kept_tables
from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.stores import compaction
from coattail.stores.catalog import embedded
from coattail.stores.compaction import compact, complete_through
from coattail.stores.expiry import expire
from coattail.stores.lake import Lake
from coattail.tables import RAW_TRADES
from tests.harness.processes import started

LANDING: dict[str, object] = {
    "preset": "classic",
    "engine.batch_bytes": 1,
    "engine.trigger": "20ms",
    "engine.derived_commit_every": "400ms",
    "engine.keep_snapshots": 10,
}


class Attempts:
    """Counts how often changes of tables were tried, over the life of the process."""

    def __init__(self) -> None:
        self.changes = self.tries = self.most = 0
        original: Callable[..., Any] = Lake.change

        def counted(lake: Lake, name: str, change: Callable[[Any], object], **options: Any) -> Any:
            tried = 0

            def once(known: Any) -> object:
                nonlocal tried
                tried += 1
                return change(known)

            try:
                return original(lake, name, once, **options)
            finally:
                self.changes += 1
                self.tries += tried
                self.most = max(self.most, tried)

        Lake.change = counted  # type: ignore[method-assign]

    def report(self) -> dict[str, int]:
        return {"changes": self.changes, "conflicts": self.tries - self.changes, "most_attempts": self.most}


def land(home: Home, records: int) -> dict[str, int]:
    attempts = Attempts()
    trigger = 0.02
    with LocalEngine(home, load_settings(None, overrides=LANDING)) as engine:
        while engine.totals.received < records:
            began = time.monotonic()
            engine.step()
            time.sleep(max(0.0, trigger - (time.monotonic() - began)))  # a trigger, as in `run`
    return attempts.report()


def maintain(home: Home) -> dict[str, int]:
    attempts = Attempts()
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    lake = Lake(embedded(home.path))
    done = {"compactions": 0, "files_replaced": 0, "put_off": 0, "snapshots_forgotten": 0}
    while not closed.wait(0.1):
        for table in kept_tables(lake):
            through = complete_through(lake) if table is RAW_TRADES else None
            result = compact(lake, table, through=through)
            done["compactions"] += result.commits
            done["files_replaced"] += result.files_before
            done["put_off"] += len(result.skipped)
            newest = lake.newest(table.name)
            needed = complete_through(lake) if table is RAW_TRADES else newest.sequence if newest else 0
            done["snapshots_forgotten"] += len(expire(lake, table.name, keep=5, needed_after=needed))
    lake.close()
    return {**done, **attempts.report()}


def mortal(home: Home, records: int) -> dict[str, int]:
    """Ends only by being killed."""
    settings = load_settings(None, overrides={**LANDING, "maintenance.every": "10ms"})
    landed, original = threading.Event(), compaction._rewritten

    def slow(*arguments: Any) -> Any:
        for file in original(*arguments):
            landed.wait()
            print("a file is written", flush=True)
            threading.Event().wait()
            yield file

    compaction._rewritten = slow
    beside.maintain = maintenance.maintain  # in this process, which is the one that is killed

    class Watched(LocalEngine):
        def step(self) -> bool:
            more = super().step()
            if self.totals.received >= records:
                landed.set()
            return more

    with Watched(home, settings, beside=partial(maintained, home, settings, by="land")) as engine:
        engine.run(threading.Event())
    return {}


def start(*arguments: object) -> subprocess.Popen[str]:
    """One of these processes."""
    return started("tests.harness.beside", *arguments, stdin=subprocess.PIPE)


def outcome(process: subprocess.Popen[str], *, timeout: float) -> dict[str, int]:
    """What it reported; its input is closed, which ends maintenance."""
    out, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, f"a process beside ended with {process.returncode}"
    report: dict[str, int] = json.loads(out)
    return report


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    opened = Home.open(folder)
    done = {"land": land, "maintain": maintain, "mortal": mortal}[command](opened, *map(int, rest))
    print(json.dumps(done), flush=True)
