"""R9 and R10: maintenance beside a running engine, and between a crash and the restart."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import coattail.engines.recovery
import coattail.stores.lake
import coattail.stores.repair
import coattail.stores.swap
from coattail.detectors import MODULE_TABLES
from coattail.engines.local import LocalEngine
from coattail.engines.recovery import Position
from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.commits import Commit, commit_of
from coattail.stores.files import sizes
from coattail.stores.lake import Lake
from coattail.stores.repair import Found
from coattail.streams.local import LocalStream
from coattail.tables import BARS, CORE_TABLES, COVERAGE, RAW_TRADES, SESSIONS
from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from tests.harness.beside import outcome, start
from tests.harness.maintaining import (
    between,
    broken_metadata,
    differing_after_compaction,
    differing_after_tearing,
    scene,
)
from tests.harness.oracle import expected
from tests.harness.running import (
    EVERY_SEGMENT,
    differences,
    drained,
    feed,
    found,
    interrupted,
    landed,
    new_home,
    settings_of,
)
from tests.harness.scenes import evenly, market

STEPS = ("roll back", "compact", "expire", "orphans")
ORDERS = (
    STEPS,
    ("compact", "expire", "orphans"),
    ("compact", "roll back", "expire", "orphans"),
    ("compact", "compact"),
)
"""What is done between a crash and the restart, in this order."""
TORN = tuple(t.name for t in (RAW_TRADES, *(t for t in (*CORE_TABLES, *MODULE_TABLES) if t.derived_from)))
"""Tables whose newest metadata is torn."""


def run_r9(task: Task) -> Outcome:
    """An engine commits while another process compacts and expires, and a second writer tries to.

    Every trade is there once, every alert is the oracle's, no metadata is broken, no stale commit was accepted, and no
    commit took more attempts than are allowed.
    """
    home, commits = new_home(task.folder), task.size["commits"]
    records = scene(task.seed)
    feed(LocalStream(home.stream), evenly(records, commits))
    engine = start("land", home.path, len(records))
    maintenance = start("maintain", home.path)
    refused, accepted = _second_writer(home, engine.poll)
    landed, maintained = outcome(engine, timeout=600), outcome(maintenance, timeout=120)
    wrong = differences(expected(records), found(home), counts=False) + broken_metadata(home)
    if accepted:
        wrong.append(f"{accepted} commits of a stale second writer were accepted")
    if not refused or not maintained["compactions"]:
        wrong.append("no stale commit was tried, or nothing was compacted: they did not meet")
    if landed["most_attempts"] > 6 or maintained["most_attempts"] > 16:
        wrong.append("a commit was tried more often than it may be")
    figures = {
        "stale commits refused": refused,
        "accepted": accepted,
        "compactions": maintained["compactions"],
        "attempts at one commit at most": landed["most_attempts"],
    }
    return _of_problems(f"{commits} commits", figures, wrong, _own_retries(task.folder / "control"))


def _second_writer(home: Home, ended: Callable[[], int | None]) -> tuple[int, int]:
    """Reads the table, waits until the engine has committed, and then tries to append what it has read."""
    refused = accepted = 0
    watching = Lake(embedded(home.path))
    while ended() is None and watching.newest(RAW_TRADES.name) is None:
        time.sleep(0.02)
    while ended() is None:
        mine = Lake(embedded(home.path))
        at_first = mine.newest(RAW_TRADES.name)
        assert at_first is not None
        rows = mine.scan(RAW_TRADES).head(5)
        mine.iceberg(RAW_TRADES.name)
        files = mine.write(RAW_TRADES, rows)
        before = mine.newest(RAW_TRADES.name)
        assert before is not None
        while ended() is None and _number(watching) <= before.sequence:
            time.sleep(0.02)
        if _number(watching) > before.sequence:
            with suppress(StoreError):
                mine.commit(RAW_TRADES, files, dict(before.properties), after=before.sequence)
                accepted += 1
            refused += 1
        mine.close()
    watching.close()
    return refused - accepted, accepted


def _number(lake: Lake) -> int:
    newest = lake.newest(RAW_TRADES.name)
    assert newest is not None
    return newest.sequence


def _own_retries(folder: Path) -> Control:
    """The number of rows after a stale writer appends through PyIceberg, which tries again by itself."""
    folder.mkdir()
    home = landed(folder, evenly(market()[:400], 2))
    lake = Lake(embedded(home.path))
    rows = lake.iceberg(RAW_TRADES.name).scan().to_arrow()
    lake.iceberg(RAW_TRADES.name).transaction().set_properties(
        {"commit.retry.num-retries": "4", "commit.retry.min-wait-ms": "1"}
    ).commit_transaction()
    other = Lake(embedded(home.path))
    stale = other.iceberg(RAW_TRADES.name)
    lake.commit(RAW_TRADES, [], {"note": "the first writer goes on"})
    stale.append(rows)
    other.close()
    doubled = lake.iceberg(RAW_TRADES.name).scan().to_arrow().num_rows == 2 * rows.num_rows
    lake.close()
    came_of_it = "a stale append goes through and every row is there twice" if doubled else "nothing"
    return Control("PyIceberg's own retries", came_of_it, failed=doubled)


def run_r10(task: Task) -> Outcome:
    """Maintenance between a crash and the restart: every order of steps, from each seed."""
    problems: list[str] = []
    rounds = [(seed, steps) for seed in range(task.seed, task.seed + task.size["seeds"]) for steps in ORDERS]
    for number, (seed, steps) in enumerate(rounds):
        folder = task.folder / f"{number}"
        folder.mkdir()
        problems += [f"{', '.join(steps)}: {line}" for line in _crashed(seed, folder, steps, task.size["crashes"])]
        task.say(f"{number + 1} of {len(rounds)} rounds, {len(problems)} problems")
    torn = TORN[: task.size.get("torn")]
    for name in torn:
        steps = ("compact trades",) if name == RAW_TRADES.name else ("compact trades", "expire trades", "orphans")
        said = differing_after_tearing(task.folder / f"torn {name}", [name], steps, task.size["pieces"])
        problems += [f"{', '.join(steps)}, {name} torn and repaired: {line}" for line in said]
        task.say(f"{name} torn, {len(problems)} problems")
    controls = [_newest_marker_only(task.folder / "control"), _kept_where_it_fell_back(task.folder / "kept")]
    size = f"{task.size['crashes'] * len(rounds)} crashes, {len(torn)} torn tables"
    return Outcome(size, {"problems": len(problems)}, problems, controls)


def _crashed(seed: int, folder: Path, steps: tuple[str, ...], crashes: int) -> list[str]:
    """An engine dies between two derived commits; these steps are done; it goes on. Several times over.

    Empty if no row is doubled or lost and every alert is the oracle's.
    """
    rng = random.Random(seed)
    home = new_home(folder)
    records = scene(seed)
    pieces = evenly(records, 4 * crashes)
    for turn in range(crashes):
        feed(LocalStream(home.stream), pieces[4 * turn : 4 * turn + 4])
        derived_after = rng.randrange(1, 3)

        def work(engine: LocalEngine, derived_after: int = derived_after) -> None:
            for number in range(4):
                engine.step()
                if number == derived_after - 1:
                    engine.commit_derived()

        interrupted(home, EVERY_SEGMENT, work)
        for step in steps:
            between(home, step)
    drained(home, EVERY_SEGMENT)
    said = differences(expected(records), found(home), counts=False) + broken_metadata(home)
    with LocalEngine(home, settings_of({})) as engine:
        if engine.totals.received != len(records):
            said.append(f"{engine.totals.received} records counted of {len(records)}")
    return said


def _newest_marker_only(folder: Path) -> Control:
    """Derived tables then seem to know nothing after a compaction, and their bars are added a second time."""

    def newest_only(table: Any) -> Commit | None:
        snapshot = table.current_snapshot()
        commit = commit_of(snapshot) if snapshot is not None else None
        return commit if commit is not None and set(commit.properties) - {"maintenance"} else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coattail.stores.swap, "_position", lambda table: {})
        patch.setattr(coattail.stores.lake, "newest_commit", newest_only)
        with pytest.raises(StoreError, match="coverage knows commit"):
            differing_after_compaction(folder / "guarded", pieces=4)
        far = Position(sequence=10**9)
        patch.setattr(coattail.engines.recovery, "position", lambda lake: far if lake.has("raw_trades") else Position())
        derived_anew = coattail.engines.recovery._all
        patch.setattr(coattail.engines.recovery, "_all", lambda lake: derived_anew(lake)._replace(anew=False))
        doubled = any(line.startswith("bar") for line in differing_after_compaction(folder / "unguarded", pieces=4))
    came_of_it = "compaction hides it and bars count twice" if doubled else "nothing"
    return Control("a marker on the newest snapshot only", came_of_it, failed=doubled)


def _kept_where_it_fell_back(folder: Path) -> Control:
    """Files that were merged since count as commits that the table has, so it claims to be complete and is not."""

    def unreadable_only(found: Sequence[Found], reached: int) -> set[str]:
        outdated = {t.name for t in found if t.metadata is None or t.through > reached}
        return outdated | {COVERAGE.name, SESSIONS.name}

    def later_files(lake: Lake, mark: int, reached: int) -> coattail.engines.recovery._Lacking:
        files = lake.files(RAW_TRADES.name, since=mark) if mark < reached else []
        return coattail.engines.recovery._Lacking(sizes(files), anew=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coattail.stores.repair, "_outdated", unreadable_only)
        patch.setattr(coattail.engines.recovery, "_lacking", later_files)
        said = differing_after_tearing(folder, [BARS.name], ["compact trades"], pieces=4)
    lost = any(line.startswith("bar") for line in said)
    came_of_it = "bars are lost in silence" if lost else "nothing"
    return Control("a derived table that fell back is kept", came_of_it, failed=lost)


def _of_problems(size: str, figures: dict[str, object], problems: list[str], control: Control) -> Outcome:
    return Outcome(size, {"problems": len(problems), **figures}, problems, [control])


R9 = Experiment(
    id="R9",
    does="an engine commits while another process compacts and expires and a second writer tries to commit",
    run=run_r9,
    engines=LOCAL,
    seed=9,
    long={"commits": 100},
    short={"commits": 10},
    short_engines=LOCAL,
)
R10 = Experiment(
    id="R10",
    does="tables are compacted, expired, rolled back, torn and repaired between a crash and the restart",
    run=run_r10,
    engines=LOCAL,
    seed=10,
    long={"seeds": 4, "crashes": 3, "pieces": 8},
    short={"seeds": 1, "crashes": 1, "torn": 2, "pieces": 4},
    short_engines=LOCAL,
)
