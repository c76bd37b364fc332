"""R15: the disk is full, the home is read-only, metadata is torn: one sentence with its remedy, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from coattail.home import Home
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.stores.repair import find_tables
from coattail.stores.storage import Storage
from coattail.streams.local import LocalStream
from faults.crashes import CHECKPOINT_DAMAGES, beside, left_behind
from faults.engines import DERIVED_ALWAYS, PATIENCE_S, drained, fed
from faults.experiment import BOTH, Experiment, Outcome, Task
from tests.harness.oracle import Expected, expected
from tests.harness.processes import ROOT
from tests.harness.running import differences, feed, found
from tests.harness.scenes import evenly, market

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
"""Bytecode written with little space would be cut, and every later import would fail."""
SIZES = (0, 10, 5_000, 50_000, 120_000)
"""The longest file, in bytes, that the command may write."""
TABLES = ("raw_trades", "bars", "anomaly_alerts", "sessions", "coverage", "quality_metrics", "whale_trades")

_LIMITED = """
import resource, signal, sys
from coattail.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""
_AS_NOBODY = """
import contextlib, io, os, sys
import coattail.cli.logs, coattail.recordings.chosen, coattail.engines.local, coattail.workspace.landing
from coattail.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["doctor"])  # imports what root may read and the other user perhaps not
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


class Commands:
    """The command line in children; how long the slowest refusal took, and what was wrong with any."""

    def __init__(self, home: Home, engine: str) -> None:
        self._home, self._engine = home, engine
        self.slowest = 0.0
        self.refusals = 0

    def land(self, *, code: str = "", first: Sequence[str] = ()) -> tuple[int, str]:
        """`coattail land --drain`, or the code that runs it: exit code and what it said."""
        start = ["-c", code, *first] if code else ["-m", "coattail"]
        return self._run(*start, "land", "--drain", "--engine", self._engine, "--home", str(self._home.path))

    def doctor(self, *options: str) -> tuple[int, str]:
        return self._run("-m", "coattail", "doctor", *options, "--home", str(self._home.path))

    def _run(self, *arguments: str) -> tuple[int, str]:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True, text=True, timeout=180, check=False, env={**os.environ, **ENVIRONMENT}, cwd="/",
        )  # fmt: skip
        if done.returncode:
            self.refusals += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
        return done.returncode, done.stderr or done.stdout

    def judge(self, what: str, said: tuple[int, str], *words: str) -> list[str]:
        """What is wrong with a refusal."""
        code, text = said
        if code != 1 or text.count("\n") != 1 or not all(word in text for word in words):
            return [f"{what}: exit code {code}, {text[-300:]!r}"]
        return []


def run(task: Task) -> Outcome:
    """Every damage that applies to this engine."""
    records = list(market())
    wanted = expected(records)
    wrong: list[str] = []
    sizes = SIZES[: task.size["sizes"]] if task.engine == "local" else SIZES[2 : 2 + task.size["sizes"]]
    slowest, refusals = 0.0, 0
    for size in sizes:
        home = fed(task.folder / f"full-{size}", evenly(records, 3))
        commands = Commands(home, task.engine)
        wrong += commands.judge(
            f"files of {size} bytes at most", commands.land(code=_LIMITED, first=[str(size)]), "disk"
        )
        wrong += _goes_on(task, home, wanted, f"after files of {size} bytes at most")
        slowest, refusals = max(slowest, commands.slowest), refusals + commands.refusals
        task.say(f"a disk full at files of {size} bytes, {len(wrong)} faults")
    damaged = [_read_only(task, records), *(_torn(task, records, wanted, t) for t in TABLES[: task.size["tables"]])]
    if task.engine == "spark":
        damaged.append((_cut_checkpoint(task, records, wanted), 0.0, 0))
    for said, seconds, count in damaged:
        wrong += said
        slowest, refusals = max(slowest, seconds), refusals + count
    task.say(f"read-only, and {task.size['tables']} tables with torn metadata, {len(wrong)} faults")
    if slowest > PATIENCE_S[task.engine]:
        wrong.append(f"a refusal took {slowest:.1f} s")
    size_words = f"{len(sizes)} full disks, a read-only home, {task.size['tables']} torn tables"
    figures = {
        "refused in a sentence": refusals,
        "slowest refusal": f"{slowest:.1f} s",
        "differences after": len(wrong),
    }
    control = beside(task.folder / "acknowledged", records, wanted, OSError(28, "No space left on device"))
    control.plainer = "a disk that is full after an early acknowledgement"
    return Outcome(size_words, figures, wrong, [control])


def _goes_on(task: Task, home: Home, wanted: Expected, what: str) -> list[str]:
    drained(task.engine, home)
    return [f"{what}: {line}" for line in differences(wanted, found(home), counts=False)]


def _read_only(task: Task, records: Sequence[Record]) -> tuple[list[str], float, int]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        home = fed(Path(name) / "closed", evenly(records, 3)[:1])
        for path in [home.path, *home.path.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        commands = Commands(home, task.engine)
        said = commands.judge("a read-only home", commands.land(code=_AS_NOBODY), "is read-only", "permissions")
        return said, commands.slowest, commands.refusals


def _torn(task: Task, records: Sequence[Record], wanted: Expected, table: str) -> tuple[list[str], float, int]:
    """The newest metadata of a table is cut; `doctor --repair` mends it, and nothing is missing."""
    home = fed(task.folder / f"torn-{table}", evenly(records, 3)[:2])
    drained(task.engine, home, DERIVED_ALWAYS)
    newest = next(t for t in find_tables(Storage(embedded(home.path))) if t.name == table).metadata
    assert newest is not None
    path = Path(newest.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:700])
    commands = Commands(home, task.engine)
    wrong = [] if commands.doctor()[0] == 1 else [f"{table}: doctor did not see it"]
    if table == "raw_trades":
        wrong += commands.judge("torn raw_trades", commands.land(), "raw_trades")
    if commands.doctor("--repair")[0] != 0:
        wrong.append(f"{table}: not repaired")
    feed(LocalStream(home.stream), evenly(records, 3)[2:])
    wrong += _goes_on(task, home, wanted, f"after the repair of {table}")
    shutil.rmtree(home.path)
    return wrong, commands.slowest, commands.refusals


def _cut_checkpoint(task: Task, records: Sequence[Record], wanted: Expected) -> list[str]:
    folder = task.folder / "cut-checkpoint"
    home = fed(folder, evenly(records, 4))
    if not left_behind(task.engine, home, folder / "aside"):
        return ["there was no checkpoint to cut"]
    CHECKPOINT_DAMAGES["cut short"](home.checkpoint)
    return _goes_on(task, home, wanted, "a checkpoint cut short")


R15 = Experiment(
    id="R15",
    does="the disk is full, the home read-only, the newest metadata of a table (and Spark's checkpoint) cut short",
    run=run,
    engines=BOTH,
    seed=15,
    long={"sizes": 5, "tables": 7},
    short=None,
    shortly="tests/endtoend/test_bad_home.py",
)
