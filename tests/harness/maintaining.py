"""Maintenance step by step on a home between two runs, and whether the home is whole afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from coattail.batch.maintenance import kept_tables
from coattail.detectors import MODULE_TABLES
from coattail.errors import StoreError
from coattail.home import Home
from coattail.landing.orders import join_orders
from coattail.stores.catalog import embedded
from coattail.stores.commits import commit_of, is_maintenance
from coattail.stores.compaction import compact, complete_through
from coattail.stores.expiry import expire
from coattail.stores.lake import Lake
from coattail.stores.orphans import find_orphans, remove
from coattail.stores.repair import Repaired, find_tables, read_metadata, rebuild_catalog
from coattail.stores.storage import Storage
from coattail.streams.local import LocalStream
from coattail.tables import COVERAGE, ORDERS, QUALITY_METRICS, RAW_TRADES, SESSIONS
from tests.harness.oracle import expected
from tests.harness.running import (
    DERIVED_ALWAYS,
    EVERY_SEGMENT,
    differences,
    drained,
    feed,
    found,
    new_home,
    settings_of,
)
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

NOBODY = timedelta(0)


def scene(seed: int) -> list[Any]:
    refilled = with_gap_refilled(market(), "binance", at(71), at(73.5))
    return with_duplicates(spoiled(refilled, seed=seed), 0.02, seed=seed)


def broken_metadata(home: Home) -> list[str]:
    """What is wrong with the metadata of any table, its manifests, or the files they name."""
    lake = Lake(embedded(home.path))
    said = []
    for name, location in lake.locations().items():
        try:
            read_metadata(lake.storage, location)
        except StoreError as error:
            said.append(f"{name}: {error}")
    lake.close()
    return said


def between(home: Home, step: str) -> None:
    """A step of maintenance with every table; one that ends in `trades`, with raw_trades alone."""
    of_trades, step = step.endswith(" trades"), step.removesuffix(" trades")
    lake = Lake(embedded(home.path))
    try:
        for table in kept_tables(lake):
            if of_trades and table is not RAW_TRADES:
                continue
            through = complete_through(lake) if table is RAW_TRADES else None
            newest = lake.newest(table.name)
            assert newest is not None
            if step == "compact":
                assert compact(lake, table, through=through).skipped == []
            elif step == "expire":
                expire(lake, table.name, keep=1, needed_after=newest.sequence if through is None else through)
            elif step == "orphans":
                later = datetime.now(UTC) + timedelta(minutes=1)
                remove(lake, find_orphans(lake, table.name, older_than=NOBODY, now=later))
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


def torn(home: Home, name: str) -> list[str]:
    """Cut the newest metadata of a table short, and mend the home; what the repair said."""
    newest = next(t.metadata for t in find_tables(Storage(embedded(home.path))) if t.name == name)
    assert newest is not None
    path = Path(newest.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:700])
    repaired = Repaired(home.path / "aside" / name)
    rebuild_catalog(home, settings_of({}), repaired)
    return repaired.done


def differing_after_tearing(folder: Path, names: Iterable[str], steps: Sequence[str], pieces: int = 8) -> list[str]:
    """What is not as it should be after half a market; for each table these steps, its metadata torn, a repair and a
    start of the engine; and then the other half.
    """
    home = half_landed(folder, pieces)
    for name in names:
        for step in steps:
            between(home, step)
        torn(home, name)
        drained(home, DERIVED_ALWAYS)
    rest_landed(home, pieces)
    return differences(expected(market()), found(home), counts=False) + broken_metadata(home)


def derived_rows(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """What the derived tables show, however often they were written: joined, newest revisions, without the clock."""
    lake = Lake(embedded(home.path), writable=False)
    try:
        shown = {ORDERS.name: join_orders(lake.scan(ORDERS)), QUALITY_METRICS.name: lake.scan(QUALITY_METRICS)}
        shown |= {t.name: lake.scan(t) for t in (COVERAGE, SESSIONS)}
        for table in MODULE_TABLES:
            shown[table.name] = lake.scan(table).sort("revision").unique(table.latest_by, keep="last")
    finally:
        lake.close()
    passing = ("revision", "recorded_at", "snapshot_id", "noticed_at")
    return {name: sorted(rows.drop(passing, strict=False).rows(), key=str) for name, rows in shown.items()}


def half_landed(folder: Path, pieces: int = 8) -> Home:
    """A home in which one half of the market's pieces has landed, with a commit of the derived tables for each."""
    folder.mkdir(parents=True, exist_ok=True)
    home = new_home(folder)
    feed(LocalStream(home.stream), evenly(market(), pieces)[: pieces // 2])
    drained(home, DERIVED_ALWAYS)
    return home


def rest_landed(home: Home, pieces: int = 8) -> None:
    """The other half, with one commit of the derived tables at the end."""
    feed(LocalStream(home.stream), evenly(market(), pieces)[pieces // 2 :])
    drained(home, EVERY_SEGMENT)


def differing_after_compaction(folder: Path, naive: Callable[[], None] = lambda: None, pieces: int = 8) -> list[str]:
    home = half_landed(folder, pieces)
    between(home, "compact")
    naive()
    rest_landed(home, pieces)
    return differences(expected(market()), found(home), counts=False)
