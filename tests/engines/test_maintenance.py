"""Maintenance beside a running engine, and between a kill and a restart; plainer designs under the same check."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import coattail.engines.engine
import coattail.engines.recovery
import coattail.engines.reduction
import coattail.engines.timeline
import coattail.stores.lake
import coattail.stores.swap
from coattail.batch.beside import maintained
from coattail.batch.maintenance import maintain
from coattail.detectors import MODULE_TABLES
from coattail.engines.local import LocalEngine
from coattail.engines.recovery import through
from coattail.errors import HomeError, StoreError
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.commits import Commit, is_maintenance
from coattail.stores.compaction import compact, complete_through
from coattail.stores.dlq_folder import FolderDeadLetters
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import ALERTS, BARS, CORE_TABLES, ORDERS, QUALITY_METRICS, RAW_TRADES, Table
from tests.harness.maintaining import (
    NOBODY,
    between,
    broken_metadata,
    derived_rows,
    differing_after_compaction,
    differing_after_tearing,
    half_landed,
    rest_landed,
    scene,
    torn,
)
from tests.harness.oracle import expected
from tests.harness.processes import ROOT, started
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
from tests.harness.scenes import evenly, market

SEED = 20_250_305
DERIVED = [t for t in (*CORE_TABLES, *MODULE_TABLES) if t.derived_from]


# -- R9: two writers and compaction at once ------------------------------------------------------------------


# -- R10: maintenance between a kill and a restart ------------------------------------------------------------


def test_r10_control_a_position_that_compaction_does_not_copy_is_lost_by_expiry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coattail.stores.swap, "_position", lambda table: {})
    home = half_landed(tmp_path)
    lake = Lake(embedded(home.path))
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

    def by_number(lake: Lake, mark: int, reached: int) -> Any:
        table = lake.iceberg(RAW_TRADES.name)
        snapshot = table.current_snapshot()
        assert snapshot is not None
        files = [
            (entry.data_file.file_path, entry.data_file.record_count)
            for manifest in snapshot.manifests(table.io)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            if (entry.sequence_number or 0) > mark
        ]
        return coattail.engines.recovery._Lacking(files, anew=False)

    naive = partial(monkeypatch.setattr, coattail.engines.recovery, "_lacking", by_number)
    assert differing_after_compaction(tmp_path, naive=naive)


def test_the_same_without_a_naive_part_is_right(tmp_path: Path) -> None:
    assert differing_after_compaction(tmp_path) == []


# -- whatever falls back in time is derived again ---------------------------------------------------------------


@pytest.mark.parametrize("steps", [("compact trades",), ("compact trades", "expire trades", "orphans")], ids="+".join)
def test_every_derived_table_that_falls_back_is_whole_again_after_the_next_start(
    steps: tuple[str, ...], tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Files of raw_trades were merged and snapshots forgotten since the state that it falls back to."""
    assert differing_after_tearing(tmp_path, [t.name for t in DERIVED], steps) == []
    again = derived_rows(Home.open(tmp_path / "home"))
    if "expire trades" in steps:  # the commits that these were derived from are gone
        assert set(again.pop(QUALITY_METRICS.name)) <= set(undisturbed[QUALITY_METRICS.name])
    assert again == {name: rows for name, rows in undisturbed.items() if name in again}


def test_a_table_that_fell_back_before_an_expiry_forgets_what_was_removed_since(tmp_path: Path) -> None:
    """Its metadata names snapshots whose files are gone; `coattail snapshots` ended in a traceback."""
    home = half_landed(tmp_path)
    lake = Lake(embedded(home.path))
    with lake.iceberg(RAW_TRADES.name).manage_snapshots() as manage:
        oldest = min(lake.iceberg(RAW_TRADES.name).snapshots(), key=lambda s: s.sequence_number or 0)
        manage.create_tag(oldest.snapshot_id, "held")
    between(home, "expire")
    between(home, "orphans")
    torn(home, RAW_TRADES.name)
    lake = Lake(embedded(home.path))
    known = lake.iceberg(RAW_TRADES.name)
    assert lake.storage.missing([snapshot.manifest_list for snapshot in known.snapshots()]) == []
    assert len(known.snapshots()) == 2, "the newest, and the one with a tag, whose files are there"
    assert "held" in known.metadata.refs
    lake.close()
    between(home, "orphans")
    drained(home, DERIVED_ALWAYS)
    rest_landed(home)
    assert differences(expected(market()), found(home), counts=False) + broken_metadata(home) == []


def test_raw_trades_that_fall_back_take_what_was_derived_from_them_along(
    tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """What was committed since lands again from the stream."""
    assert differing_after_tearing(tmp_path, [RAW_TRADES.name], ["compact trades"]) == []
    assert derived_rows(Home.open(tmp_path / "home")) == undisturbed


def test_tables_that_keep_more_than_their_sources_go_back_with_raw_trades_only_as_far_as_they_must(
    tmp_path: Path,
) -> None:
    home = half_landed(tmp_path)
    said = torn(home, RAW_TRADES.name)
    lake = Lake(embedded(home.path), writable=False)
    raw = lake.newest(RAW_TRADES.name)
    assert raw is not None
    assert raw.sequence == 3
    assert sorted(lake.names()) == sorted(t.name for t in (RAW_TRADES, ALERTS, QUALITY_METRICS))
    assert [through(lake, table) for table in (ALERTS, QUALITY_METRICS)] == [3, 3]
    lake.close()
    assert any("anomaly_alerts is back at the commit of" in line and "ahead of raw_trades" in line for line in said)
    drained(home)
    assert torn(home, BARS.name)[-1].startswith("set aside bars, coverage, sessions")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    home = landed(tmp_path_factory.mktemp("undisturbed"), evenly(market(), 8), EVERY_SEGMENT)
    return derived_rows(home)


def test_every_table_says_what_it_is_derived_from_and_an_engine_completes_it(tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(market()[:500], 2))
    lake = Lake(embedded(home.path), writable=False)
    known = {t.name: t for t in (*CORE_TABLES, *MODULE_TABLES)}
    assert [t.name for t in known.values() if not t.derived_from] == [RAW_TRADES.name]
    assert all(set(t.derived_from) <= known.keys() for t in known.values())
    assert {t.name: through(lake, t) for t in DERIVED} == {t.name: 2 for t in DERIVED}
    lake.close()


@pytest.mark.parametrize(
    "steps", [(), ("compact trades",), ("expire trades",)], ids=lambda steps: "".join(steps) or "-"
)
@pytest.mark.parametrize("table", [BARS, ORDERS], ids=lambda table: table.name)
def test_a_table_that_somebody_rolled_back_is_whole_again_after_the_next_start(
    table: Table, steps: tuple[str, ...], tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Only where the commits that it lacks can still be told apart are they added; else it is derived anew."""
    home = half_landed(tmp_path)
    for step in steps:
        between(home, step)
    lake = Lake(embedded(home.path))
    with lake.iceberg(table.name).manage_snapshots() as manage:
        manage.set_current_snapshot(snapshot_id=lake.iceberg(table.name).snapshots()[1].snapshot_id)
    assert through(lake, table) == 2
    lake.close()
    rest_landed(home)
    assert differences(expected(market()), found(home), counts=False) == []
    assert derived_rows(home)[ORDERS.name] == undisturbed[ORDERS.name]


def test_what_is_judged_again_in_many_pieces_is_the_same(
    tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a repair of a home of weeks: verdicts and alerts are written down before all of them are known."""
    home = landed(tmp_path, evenly(market(), 8), DERIVED_ALWAYS)
    torn(home, BARS.name)
    written: list[int] = []
    original = coattail.engines.engine.commit_judged

    def counting(lake: Lake, *, judge: Any, **stores: Any) -> None:
        written.append(judge.waiting_rows)
        original(lake, judge=judge, **stores)

    with monkeypatch.context() as patch:
        patch.setattr(coattail.engines.timeline, "ONE_DAY", timedelta(minutes=20))
        patch.setattr(coattail.engines.engine, "_MOST_WAITING_ROWS", 50)
        patch.setattr(coattail.engines.engine, "commit_judged", counting)
        patch.setattr(coattail.engines.reduction, "_PART_ROWS", 1000)
        interrupted(home, EVERY_SEGMENT, lambda engine: None)  # it dies with all of it written, and none complete
        drained(home, EVERY_SEGMENT)
    assert len(written) > 6
    assert differences(expected(market()), found(home), counts=False) == []
    assert derived_rows(home) == undisturbed


def test_what_is_derived_anew_is_held_in_few_parts_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many months of trades a home has, its restart after a repair fits into memory."""
    home = landed(tmp_path, evenly(market(), 8), DERIVED_ALWAYS)
    torn(home, BARS.name)
    results: list[weakref.ref[Any]] = []
    held: list[int] = []
    original = coattail.engines.recovery.facts_of_part

    def watched(part: Any, **options: Any) -> Any:
        facts = original(part, **options)
        results.append(weakref.ref(facts[0]))
        held.append(sum(result() is not None for result in results))
        return facts

    monkeypatch.setattr(coattail.engines.reduction, "_PART_ROWS", 200)
    monkeypatch.setattr(coattail.engines.reduction, "_MOST_ROWS", 200)
    monkeypatch.setattr(coattail.engines.recovery, "facts_of_part", watched)
    drained(home)
    assert len(held) > 20
    assert max(held) <= coattail.engines.reduction._SIDE_BY_SIDE + 3  # those at work, the one waited for, the one used


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
    """Those trades would count as duplicates forever."""
    home = half_landed(tmp_path)
    lake = Lake(embedded(home.path))
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
    lake = Lake(embedded(home.path), writable=False)
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
    letters = FolderDeadLetters(home.dlq)
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
    with started("tests.harness.beside", "mortal", home.path, len(records)) as process:
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
