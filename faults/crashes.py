"""R2: every step of a batch and of a derived commit fails, just before and just after; what Spark keeps is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import coattail.engines.engine
from coattail.engines.recovery import Position, position
from coattail.home import Home
from coattail.records import Record
from coattail.stores.lake import Lake
from coattail.streams.base import Offsets, Read
from coattail.streams.local import LocalStream
from faults.engines import DERIVED_ALWAYS, drained, fed
from faults.experiment import BOTH, Control, Experiment, Outcome, Task
from tests.harness.crash_points import BATCH, DERIVED, Point, failing, label
from tests.harness.oracle import Expected, expected
from tests.harness.running import Killed, differences, found
from tests.harness.scenes import evenly, market, spoiled, with_duplicates

PIECES = 3


def run(task: Task) -> Outcome:
    """All points, or the first few."""
    records = with_duplicates(spoiled(market(), seed=task.seed), 0.02, seed=task.seed)
    wanted = expected(records)
    points = [(p, n, after) for p in (*BATCH, *DERIVED) for n in (1, 2, 3) for after in (False, True)]
    points = [(p, n, after) for p, n, after in points if n <= task.size["calls"] and _is_met(p, n)]
    points = points[:: task.size.get("every", 1)]
    if task.engine == "spark":  # tasks write the files; one batch of three is enough where each costs a JVM's pace
        from coattail.engines.spark import SparkEngine

        taking: Point = (SparkEngine, "_take", None)
        points = [(taking if p[:2] == (Lake, "write") else p, n, after) for p, n, after in points if n == _in_spark(p)]
    wrong: list[str] = []
    for number, (point, nth, after) in enumerate(points, 1):
        where = f"{'after' if after else 'before'} call {nth} of {label(point)}"
        home = fed(task.folder / f"{number}", evenly(records, PIECES))
        if not _dies(task.engine, home, point, nth=nth, after=after):
            wrong.append(f"{where}: never met")
        wrong += [f"{where}: {line}" for line in _comes_back(task.engine, home, wanted)]
        shutil.rmtree(task.folder / f"{number}")
        if number % 5 == 0 or number == len(points):
            task.say(f"{number} of {len(points)} points, {len(wrong)} differences")
    damages = CHECKPOINT_DAMAGES if task.engine == "spark" else {}
    for name, damage in damages.items():
        wrong += [f"checkpoint {name}: {line}" for line in _with_checkpoint(task, records, wanted, name, damage)]
        task.say(f"checkpoint {name}, {len(wrong)} differences")
    size = f"{len(points)} crash points" + (f", {len(damages)} damaged checkpoints" if damages else "")
    held = len(points) + len(damages) - len({line.split(":")[0] for line in wrong})
    return Outcome(
        size, {"exactly as the oracle says": held}, wrong, [beside(task.folder / "beside", records, wanted, Killed())]
    )


def _in_spark(point: Point) -> int:
    return 1 if point[1] == "put_alerts" else 2


def _is_met(point: Point, nth: int) -> bool:
    """Alerts are not put by every batch."""
    return point[1] != "put_alerts" or nth == 1


def _dies(kind: str, home: Home, point: Point, *, nth: int, after: bool) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        fired = failing(point, nth=nth, after=after, patch=patch)
        with suppress(Killed):
            drained(kind, home, DERIVED_ALWAYS)
    return bool(fired)


def _comes_back(kind: str, home: Home, wanted: Expected) -> list[str]:
    drained(kind, home)
    return differences(wanted, found(home))


# -- what Spark keeps of a run ------------------------------------------------------------------------------------


def _newest_commit_gone(checkpoint: Path) -> None:
    numbers = [path for path in (checkpoint / "commits").iterdir() if path.name.isdigit()]
    newest = max(numbers, key=lambda path: int(path.name))
    newest.unlink()
    newest.with_name(f".{newest.name}.crc").unlink(missing_ok=True)


def _corrupted(checkpoint: Path) -> None:
    for path in (p for p in checkpoint.rglob("*") if p.is_file()):
        path.write_bytes(b"\x00garbage\xff" * 7)


def _truncated(checkpoint: Path) -> None:
    for path in (p for p in (checkpoint / "offsets").iterdir() if p.is_file()):
        path.write_bytes(path.read_bytes()[:5])


def _of_another_version(checkpoint: Path) -> None:
    for path in (p for p in checkpoint.rglob("*") if p.is_file() and p.name.isdigit()):
        path.write_text(path.read_text().replace("v1", "v99", 1))


def _without_metadata(checkpoint: Path) -> None:
    (checkpoint / "metadata").unlink()


def _of_another_query(checkpoint: Path) -> None:
    (checkpoint / "metadata").write_text(json.dumps({"id": "00000000-0000-0000-0000-000000000000"}))
    for path in (p for p in (checkpoint / "offsets").iterdir() if p.name.isdigit()):
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:-1], json.dumps({"segment": "999999"})]))


CHECKPOINT_DAMAGES: dict[str, Callable[[Path], object]] = {
    "as the crash left it": lambda checkpoint: None,
    "without its newest commit": _newest_commit_gone,
    "gone": shutil.rmtree,
    "corrupted": _corrupted,
    "cut short": _truncated,
    "of another version": _of_another_version,
    "without its metadata": _without_metadata,
    "of another query": _of_another_query,
}
"""What may have become of Spark's checkpoint when an engine that died comes back."""


def left_behind(kind: str, home: Home, aside: Path) -> bool:
    """Let an engine die after its second commit, with Spark's checkpoint as it was then; whether there was one."""
    commit: Callable[..., Any] = Lake.commit
    calls: list[str] = []

    def dying(self: Lake, table: Any, *args: Any, **kwargs: Any) -> Any:
        result = commit(self, table, *args, **kwargs)
        calls.append(table.name)
        if calls.count("raw_trades") == 2:
            if home.checkpoint.exists():
                shutil.copytree(home.checkpoint, aside, ignore=shutil.ignore_patterns("*.tmp", "*.tmp.crc"))
            raise Killed
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "commit", dying)
        with suppress(Killed):
            drained(kind, home)
    if not aside.exists():
        return False
    shutil.rmtree(home.checkpoint, ignore_errors=True)
    shutil.move(aside, home.checkpoint)
    return True


def _with_checkpoint(
    task: Task, records: Sequence[Record], wanted: Expected, name: str, damage: Callable[[Path], object]
) -> list[str]:
    folder = task.folder / name.replace(" ", "-")
    home = fed(folder, evenly(records, PIECES + 1))
    if not left_behind(task.engine, home, folder / "aside"):
        return ["there was no checkpoint to damage"]
    damage(home.checkpoint)
    said = _comes_back(task.engine, home, wanted)
    shutil.rmtree(folder)
    return said


# -- the plainer design ------------------------------------------------------------------------------------------


def beside(folder: Path, records: Sequence[Record], wanted: Expected, error: Exception) -> Control:
    """Progress kept in a file beside the table, written when the batch has been read: one failed commit is enough."""
    noted: dict[str, Offsets] = {"offsets": {}}
    read: Callable[..., Read] = LocalStream.read
    commit: Callable[..., Any] = Lake.commit
    commits: list[str] = []

    def noting(self: LocalStream, after: Offsets, **kwargs: Any) -> Read:
        result = read(self, after, **kwargs)
        noted["offsets"] = result.offsets
        return result

    def kept_beside(lake: Lake) -> Position:
        at = position(lake)
        return Position(dict(noted["offsets"]), at.sequence, at.stream_id, at.totals)

    def failing_once(self: Lake, table: Any, *args: Any, **kwargs: Any) -> Any:
        commits.append(table.name)
        if commits.count("raw_trades") == 2:
            raise error
        return commit(self, table, *args, **kwargs)

    home = fed(folder, evenly(records, PIECES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStream, "read", noting)
        patch.setattr(coattail.engines.engine, "position", kept_beside)
        patch.setattr(Lake, "commit", failing_once)
        with suppress(type(error)):
            drained("local", home)
        commits.append("raw_trades")
        drained("local", home)
    said = [line for line in differences(wanted, found(home)) if line.startswith("trades")]
    return Control("a checkpoint written before the commit", said[0].split(";")[0] if said else "nothing", bool(said))


R2 = Experiment(
    id="R2",
    does="every step of a batch and of the derived commits fails just before and just after it is done; what Spark "
    "keeps of a run is deleted, cut, corrupted or of another version",
    run=run,
    engines=BOTH,
    seed=5,
    long={"calls": 2},
    short=None,
    shortly="tests/engines/test_crash_windows.py, tests/engines/test_spark.py",
)
