"""Maintenance beside a running engine, and between a kill and a restart; plainer designs under the same check."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException

import coattail.engines.recovery
import coattail.stores.lake
import coattail.stores.swap
from coattail.batch.beside import maintained
from coattail.batch.maintenance import kept_tables, maintain
from coattail.engines.local import LocalEngine
from coattail.engines.recovery import Position
from coattail.errors import HomeError, StoreError
from coattail.home import Home
from coattail.stores.compaction import compact, complete_through
from coattail.stores.dlq import DeadLetters
from coattail.stores.lake import Commit, Lake, commit_of, is_maintenance
from coattail.stores.orphans import find_orphans, remove
from coattail.stores.repair import read_metadata
from coattail.streams.local import LocalStream
from coattail.tables import RAW_TRADES
from tests.harness.beside import ROOT, outcome, start
from tests.harness.oracle import expected
from tests.harness.running import (
    DERIVED_ALWAYS,
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
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

SEED = 20_250_305
STEPS = ("roll back", "compact", "expire", "orphans")
NOBODY = timedelta(0)


def scene(seed: int) -> list[Any]:
    refilled = with_gap_refilled(market(), "binance", at(71), at(73.5))
    return with_duplicates(spoiled(refilled, seed=seed), 0.02, seed=seed)


def broken_metadata(home: Home) -> list[str]:
    """What is wrong with the metadata of any table, its manifests, or the files they name."""
    lake = Lake(home.warehouse, home.catalog_db)
    said = []
    for name, location in lake.locations().items():
        try:
            read_metadata(Path(location.removeprefix("file://")))
        except StoreError as error:
            said.append(f"{name}: {error}")
    lake.close()
    return said


# -- R9: two writers and compaction at once ------------------------------------------------------------------


def run_r9(seed: int, commits: int, folder: Path | None = None) -> dict[str, Any]:
    """An engine makes so many commits while another process compacts and expires, and a second writer tries.

    Returns what each of them did, and `problems`: empty if every trade is there once, every alert is the oracle's, no
    metadata is broken, no stale commit was accepted, and no commit took more attempts than are allowed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        home = new_home(folder or Path(temporary))
        records = scene(seed)
        feed(LocalStream(home.stream), evenly(records, commits))
        engine = start("land", home.path, len(records))
        compaction = start("maintain", home.path)
        refused, accepted = second_writer(home, engine.poll)
        report: dict[str, Any] = {
            "seed": seed,
            "commits": commits,
            "engine": outcome(engine, timeout=600),
            "maintenance": outcome(compaction, timeout=120),
            "second_writer": {"refused": refused, "accepted": accepted},
        }
        problems = differences(expected(records), found(home), counts=False) + broken_metadata(home)
        if accepted:
            problems.append(f"{accepted} commits of a stale second writer were accepted")
        if report["engine"]["most_attempts"] > 6 or report["maintenance"]["most_attempts"] > 16:
            problems.append("a commit was tried more often than it may be")
        return {**report, "problems": problems}


def second_writer(home: Home, ended: Callable[[], int | None]) -> tuple[int, int]:
    """Reads the table, waits until the engine has committed, and then tries to append what it has read."""
    refused = accepted = 0
    watching = Lake(home.warehouse, home.catalog_db)
    while ended() is None and watching.newest(RAW_TRADES.name) is None:
        time.sleep(0.02)
    while ended() is None:
        mine = Lake(home.warehouse, home.catalog_db)
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


def test_r9_a_writer_a_second_writer_and_compaction_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    report = run_r9(SEED, 25, tmp_path)
    print(report)
    assert report["problems"] == []
    assert report["second_writer"]["refused"] > 0
    assert report["maintenance"]["compactions"] > 0


def test_r9_control_with_pyicebergs_own_retries_a_stale_second_writer_doubles_rows(tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(market()[:400], 2))
    lake = Lake(home.warehouse, home.catalog_db)
    rows = lake.iceberg(RAW_TRADES.name).scan().to_arrow()
    for retries, outcome_rows in (("0", rows.num_rows), ("4", 2 * rows.num_rows)):
        lake.iceberg(RAW_TRADES.name).transaction().set_properties(
            {"commit.retry.num-retries": retries, "commit.retry.min-wait-ms": "1"}
        ).commit_transaction()
        other = Lake(home.warehouse, home.catalog_db)
        stale = other.iceberg(RAW_TRADES.name)
        lake.commit(RAW_TRADES, [], {"note": "the first writer goes on"})
        with suppress(CommitFailedException):
            stale.append(rows)
        other.close()
        assert lake.iceberg(RAW_TRADES.name).scan().to_arrow().num_rows == outcome_rows
    lake.close()


# -- R10: maintenance between a kill and a restart ------------------------------------------------------------


def run_r10(seed: int, folder: Path | None = None, steps: tuple[str, ...] = STEPS) -> dict[str, Any]:
    """An engine dies between two derived commits; these steps are done; it goes on. Three times over.

    Returns the steps and `problems`: empty if no row is doubled or lost and every alert is the oracle's.
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        home = new_home(folder or Path(temporary))
        records = scene(seed)
        pieces = evenly(records, 12)
        for round_ in range(3):
            feed(LocalStream(home.stream), pieces[4 * round_ : 4 * round_ + 4])
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
        problems = differences(expected(records), found(home), counts=False) + broken_metadata(home)
        return {"seed": seed, "steps": list(steps), "problems": problems, "totals": totals(home)}


def between(home: Home, step: str) -> None:
    lake = Lake(home.warehouse, home.catalog_db)
    try:
        for table in kept_tables(lake):
            through = complete_through(lake) if table is RAW_TRADES else None
            newest = lake.newest(table.name)
            assert newest is not None
            if step == "compact":
                assert compact(lake, table, through=through).skipped == []
            elif step == "expire":
                lake.expire(table.name, keep=1, needed_after=newest.sequence if through is None else through)
            elif step == "orphans":
                later = datetime.now(UTC) + timedelta(minutes=1)
                remove(find_orphans(lake, table.name, older_than=NOBODY, now=later))
            elif step == "roll back" and table is RAW_TRADES:
                roll_back_one(lake)
    finally:
        lake.close()


def roll_back_one(lake: Lake) -> None:
    """To the engine's commit before its newest one, which no derived table knows yet."""
    table = lake.iceberg(RAW_TRADES.name)
    newest = lake.newest(RAW_TRADES.name)
    assert newest is not None
    assert newest.sequence > complete_through(lake)
    wanted = next(
        s.snapshot_id
        for s in table.snapshots()
        if not is_maintenance(s) and commit_of(s).sequence == newest.sequence - 1
    )
    with table.manage_snapshots() as manage:
        manage.set_current_snapshot(snapshot_id=wanted)


def totals(home: Home) -> dict[str, int]:
    with LocalEngine(home, settings_of({})) as engine:
        return {name: getattr(engine.totals, name) for name in ("received", "landed", "rejected", "duplicates")}


@pytest.mark.parametrize(
    "steps", [STEPS, ("compact", "roll back", "expire", "orphans"), ("compact", "compact")], ids=str
)
def test_r10_maintenance_between_kill_and_restart_changes_nothing(steps: tuple[str, ...], tmp_path: Path) -> None:
    report = run_r10(SEED, tmp_path, steps)
    assert report["problems"] == []
    assert report["totals"]["received"] == len(scene(SEED))


def test_r10_control_a_marker_on_the_newest_snapshot_only_is_lost_by_compaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Derived tables then seem to know nothing, and their bars are added a second time."""

    def newest_only(table: Any) -> Commit | None:
        snapshot = table.current_snapshot()
        commit = commit_of(snapshot) if snapshot is not None else None
        return commit if commit is not None and set(commit.properties) - {"maintenance"} else None

    monkeypatch.setattr(coattail.stores.swap, "_position", lambda table: {})
    monkeypatch.setattr(coattail.stores.lake, "newest_commit", newest_only)
    with pytest.raises(StoreError, match="coverage knows commit"):
        differing_after_compaction(tmp_path / "guarded")
    monkeypatch.setattr(coattail.engines.recovery, "position", lambda lake: Position(sequence=10**9))  # no guard
    assert any(line.startswith("bar") for line in differing_after_compaction(tmp_path / "unguarded"))


def test_r10_control_a_position_that_compaction_does_not_copy_is_lost_by_expiry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coattail.stores.swap, "_position", lambda table: {})
    home = half_landed(tmp_path)
    lake = Lake(home.warehouse, home.catalog_db)
    compact(lake, RAW_TRADES, through=complete_through(lake))
    table = lake.iceberg(RAW_TRADES.name)
    head = table.current_snapshot()
    assert head is not None
    table.maintenance.expire_snapshots().by_ids(
        [s.snapshot_id for s in table.snapshots() if s.snapshot_id != head.snapshot_id]
    ).commit()
    lake.close()
    with pytest.raises(KeyError, match="offsets"):
        drained(home)


def test_r10_control_rebuilding_by_icebergs_sequence_numbers_doubles_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What compaction wrote looks new by its sequence number, whoever traded it when."""
    original = Lake.files

    def by_number(self: Lake, name: str, *, snapshot_id: int | None = None, since: int = 0) -> Any:
        if not since:
            return original(self, name, snapshot_id=snapshot_id)
        table = self.iceberg(name)
        snapshot = table.current_snapshot()
        assert snapshot is not None
        return [
            entry.data_file
            for manifest in snapshot.manifests(table.io)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            if (entry.sequence_number or 0) > since
        ]

    assert differing_after_compaction(tmp_path, naive=lambda: monkeypatch.setattr(Lake, "files", by_number))


def half_landed(folder: Path) -> Home:
    folder.mkdir(exist_ok=True)
    home = new_home(folder)
    feed(LocalStream(home.stream), evenly(market(), 8)[:4])
    drained(home, DERIVED_ALWAYS)
    return home


def differing_after_compaction(folder: Path, naive: Callable[[], None] = lambda: None) -> list[str]:
    home = half_landed(folder)
    between(home, "compact")
    naive()
    feed(LocalStream(home.stream), evenly(market(), 8)[4:])
    drained(home, DERIVED_ALWAYS)
    return differences(expected(market()), found(home), counts=False)


def test_the_same_without_a_naive_part_is_right(tmp_path: Path) -> None:
    assert differing_after_compaction(tmp_path) == []


# -- homes of before, and rollbacks too far -------------------------------------------------------------------


def test_a_home_whose_commits_have_no_number_of_their_own_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As homes of version 0.1 are: there the number of a commit was Iceberg's."""
    original: Callable[..., Commit] = Lake.commit

    def unnumbered(self: Lake, table: Any, files: Any, properties: dict[str, str], **options: Any) -> Commit:
        kept = {key: value for key, value in properties.items() if key != "commit"}
        return original(self, table, files, kept, **options)

    pieces = evenly(market(), 8)
    home = new_home(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "commit", unnumbered)
        feed(LocalStream(home.stream), pieces[:4])
        interrupted(home, EVERY_SEGMENT, lambda engine: (engine.step(), engine.commit_derived(), engine.drain()))
    between(home, "compact")
    between(home, "expire")
    feed(LocalStream(home.stream), pieces[4:])
    drained(home, EVERY_SEGMENT)
    assert differences(expected(market()), found(home), counts=False) == []


def test_an_engine_refuses_raw_trades_that_lack_what_coverage_knows(tmp_path: Path) -> None:
    """Those trades would count as duplicates for ever."""
    home = half_landed(tmp_path)
    lake = Lake(home.warehouse, home.catalog_db)
    table = lake.iceberg(RAW_TRADES.name)
    with table.manage_snapshots() as manage:
        manage.set_current_snapshot(snapshot_id=table.snapshots()[0].snapshot_id)
    lake.close()
    with pytest.raises(StoreError, match="rolled back too far"):
        drained(home)


# -- the whole maintenance ------------------------------------------------------------------------------------


def test_maintenance_of_a_home_changes_no_row_and_a_second_one_finds_nothing(tmp_path: Path) -> None:
    records = scene(SEED)
    home = landed(tmp_path, evenly(records, 12), {**DERIVED_ALWAYS, "hot.ttl": "30d"})
    wanted = expected(records)
    later = datetime.now(UTC) + timedelta(days=4)
    settings = settings_of({"engine.keep_snapshots": 2})
    dry = maintain(home, settings, now=later, older_than=NOBODY, dry_run=True)
    first = maintain(home, settings, now=later, older_than=NOBODY)
    assert [u.compacted.files_before for u in dry.tables] == [u.compacted.files_before for u in first.tables]
    assert first.tables[0].table == RAW_TRADES.name
    assert (first.tables[0].compacted.files_before, first.tables[0].compacted.files_after) == (12, 1)
    assert [u.notes for u in first.tables if u.notes] == []
    assert sum(u.orphan_bytes for u in first.tables) > 0
    again = maintain(home, settings, now=later, older_than=NOBODY)
    assert [(u.compacted.commits, u.snapshots_forgotten, u.orphans) for u in again.tables] == [(0, 0, [])] * len(
        again.tables
    )
    assert differences(wanted, found(home), counts=False) == []
    assert broken_metadata(home) == []
    drained(home)
    assert differences(wanted, found(home), counts=False) == []


def test_young_files_are_removed_only_while_no_engine_runs(tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(market()[:500], 2))
    with home.engine_lock("land"):
        with pytest.raises(HomeError, match="needs the home for itself"):
            maintain(home, settings_of({}), now=datetime.now(UTC), older_than=timedelta(minutes=59))
        done = maintain(home, settings_of({}), now=datetime.now(UTC), older_than=timedelta(hours=1))
    assert [u.orphans for u in done.tables] == [[]] * len(done.tables)


def test_two_maintenances_do_not_run_at_once(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with home.maintenance_lock("maintain"), pytest.raises(HomeError, match="already runs"):
        maintain(home, settings_of({}), now=datetime.now(UTC))


# -- maintenance in the background of a live engine ------------------------------------------------------------

OFTEN: dict[str, object] = {
    **EVERY_SEGMENT, "engine.trigger": "20ms", "engine.derived_commit_every": "200ms", "maintenance.every": "100ms",
}  # fmt: skip


def test_a_live_engine_maintains_its_home_and_lands_the_same(tmp_path: Path) -> None:
    home, records, settings = new_home(tmp_path), market()[:2000], settings_of(OFTEN)
    pieces, stop, landed_all = evenly(records, 8), threading.Event(), threading.Event()
    feed(LocalStream(home.stream), pieces)

    class Watched(LocalEngine):
        def step(self) -> bool:
            more = super().step()
            if self.totals.received == len(records):
                landed_all.set()
            return more

    with Watched(home, settings, beside=partial(maintained, home, settings, by="land")) as engine:
        running = threading.Thread(target=engine.run, args=(stop,))
        running.start()
        assert landed_all.wait(60)
        seen = compacted_files(home)
        deadline = time.monotonic() + 30
        while not seen and time.monotonic() < deadline:
            time.sleep(0.05)
            seen = compacted_files(home)
        stop.set()
        running.join(30)
        assert not running.is_alive()
    assert seen > 0
    assert differences(expected(records), found(home), counts=False) == []
    assert broken_metadata(home) == []


def compacted_files(home: Home) -> int:
    """How many compactions raw_trades still shows."""
    lake = Lake(home.warehouse, home.catalog_db, writable=False)
    try:
        return sum(is_maintenance(s) for s in lake.iceberg(RAW_TRADES.name).snapshots())
    finally:
        lake.close()


def test_a_drain_that_is_not_live_leaves_maintenance_alone(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    feed(LocalStream(home.stream), evenly(market()[:500], 4))
    entered: list[str] = []

    @contextmanager
    def noting() -> Iterator[None]:
        entered.append("run")
        yield

    with LocalEngine(home, settings_of(OFTEN), beside=noting) as engine:
        engine.drain()
        assert entered == []
        stop = threading.Event()
        stop.set()
        engine.run(stop)
    assert entered == ["run"]


def test_dlq_and_hot_store_keep_their_time_beside_an_engine(tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(scene(SEED), 2))
    letters = DeadLetters(home.dlq)
    assert list(letters.rows())
    with home.engine_lock("land"):
        soon = maintain(home, settings_of({}), now=datetime.now(UTC))
        late = maintain(home, settings_of({}), now=datetime.now(UTC) + timedelta(days=9))
    assert soon.retained is not None
    assert soon.retained.hot is not None
    assert (soon.retained.dlq_days, soon.retained.hot.alerts) == (0, 0)
    assert late.retained is not None
    assert late.retained.hot is not None
    assert late.retained.dlq_days > 0
    assert late.retained.hot.alerts > 0
    assert list(letters.rows()) == []


def test_kill_9_in_the_middle_of_background_maintenance_leaves_a_healthy_home(tmp_path: Path) -> None:
    """Killed while compaction holds files that no commit names yet; the next engine finishes the scene."""
    home, records = new_home(tmp_path), market()[:2000]
    feed(LocalStream(home.stream), evenly(records, 4))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.harness.beside", "mortal", str(home.path), str(len(records))],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "a file is written\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert broken_metadata(home) == []
    findings = json.loads(
        subprocess.run(
            [sys.executable, "-m", "coattail", "--home", str(home.path), "doctor", "--json"],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        ).stdout
    )  # fmt: skip
    assert [f for f in findings["findings"] if f["state"] == "broken"] == []
    drained(home)
    maintain(home, settings_of({}), now=datetime.now(UTC))
    assert differences(expected(records), found(home), counts=False) == []
