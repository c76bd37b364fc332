"""Maintenance step by step on a home between two runs, and whether the home is whole afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from coattail.batch.maintenance import kept_tables
from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.compaction import compact, complete_through
from coattail.stores.lake import Lake, commit_of, is_maintenance
from coattail.stores.orphans import find_orphans, remove
from coattail.stores.repair import read_metadata
from coattail.streams.local import LocalStream
from coattail.tables import RAW_TRADES
from tests.harness.oracle import expected
from tests.harness.running import (
    DERIVED_ALWAYS,
    differences,
    drained,
    feed,
    found,
    new_home,
)
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

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


def half_landed(folder: Path) -> Home:
    folder.mkdir(parents=True, exist_ok=True)
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
