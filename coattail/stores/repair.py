"""Mending a home: the catalog from the tables' own metadata, the hot store from the alerts in the lakehouse.

Nothing is deleted: what cannot be read is moved into `aside/<time>/` of the home. raw_trades is the truth. A table
that is derived from it and falls back in time, or is ahead of it, is set aside, and the next engine start writes it
anew: what it lacks may not be told apart any more from what it has, because files of raw_trades were merged and
snapshots expired since. A table that keeps more of the past than its sources do (`Table.keeps`) goes back to its newest
readable state that is not ahead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coattail.alerts import Alert
from coattail.detectors import MODULE_TABLES
from coattail.errors import CoattailError, StoreError
from coattail.stores.hot import HotStore
from coattail.stores.lake import NAMESPACE, Commit, newest_commit
from coattail.stores.opening import open_hot, open_lake
from coattail.tables import ALERTS, CORE_TABLES, COVERAGE, RAW_TRADES, SESSIONS

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.home import Home

_ANEW = frozenset(t.name for t in (*CORE_TABLES, *MODULE_TABLES) if t.derived_from and t.keeps is None)
_SQLITE_FILES = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Unreadable:
    """A metadata file that cannot be used, and why."""

    path: Path
    why: str


@dataclass(frozen=True)
class Found:
    """A table as its folder has it: the newest metadata that can be read, and the newer ones that cannot."""

    name: str
    folder: Path
    metadata: Path | None
    commit: Commit | None
    """The newest commit that `metadata` knows."""
    unreadable: tuple[Unreadable, ...] = ()
    """Newer metadata that cannot be used: damaged, or (once it is known how far raw_trades is) ahead of it."""

    @property
    def through(self) -> int:
        """The commit of raw_trades that it is complete through; 0 for a table that says nothing of the kind."""
        return int(self.commit.properties.get("through", 0)) if self.commit is not None else 0

    @property
    def anew(self) -> bool:
        """Whether an engine derives all of it anew at any time."""
        return self.name in _ANEW


@dataclass
class Repaired:
    """What was done, as sentences; where things were moved to."""

    aside: Path
    done: list[str] = field(default_factory=list)


def has_tables(warehouse: Path) -> bool:
    """Whether a table was ever made there."""
    return any(warehouse.glob(f"{NAMESPACE}/*/metadata/*.metadata.json"))


def find_tables(warehouse: Path) -> list[Found]:
    """Every table of the warehouse, by name; looks for the newest whole metadata of each."""
    return [_found(folder) for folder in sorted((warehouse / NAMESPACE).glob("*")) if (folder / "metadata").is_dir()]


def _found(folder: Path, *, most: int | None = None) -> Found:
    """`most`: the last commit of raw_trades that it may know; None: any."""
    unreadable: list[Unreadable] = []
    files = (folder / "metadata").glob("*.metadata.json")
    # The number counts commits; of equal numbers, the later file belongs to the commit that succeeded.
    for path in sorted(files, key=lambda p: (_number(p), p.stat().st_mtime_ns), reverse=True):
        try:
            found = Found(folder.name, folder, path, read_metadata(path), tuple(unreadable))
        except StoreError as error:
            unreadable.append(Unreadable(path, error.message))
            continue
        if most is None or found.through <= most:
            return found
        unreadable.append(Unreadable(path, f"{path.name} is ahead of raw_trades"))
    return Found(folder.name, folder, None, None, tuple(unreadable))


def _number(path: Path) -> int:
    digits = path.name.partition("-")[0]
    return int(digits) if digits.isdigit() else -1


def read_metadata(path: Path) -> Commit | None:
    """The newest commit of a metadata file; None for a table without one.

    Raises: StoreError: If the file, or a manifest of its newest snapshot, cannot be read, or a data file is gone.
    """
    from pyiceberg.table import StaticTable

    try:
        table = StaticTable.from_metadata(f"file://{path}")
        snapshot = table.current_snapshot()
        missing = [
            entry.data_file.file_path
            for manifest in (snapshot.manifests(table.io) if snapshot else [])
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            if not os.path.exists(entry.data_file.file_path.removeprefix("file://"))
        ]
    except Exception as error:  # a torn file fails in as many ways as it has readers
        reason = (str(error).splitlines() or [""])[0][:120]
        raise StoreError(f"{path.name} cannot be read ({type(error).__name__}: {reason})") from error
    if missing:
        raise StoreError(f"{path.name} names {len(missing)} data files that are gone, first {missing[0]}")
    return newest_commit(table)


# -- the catalog ---------------------------------------------------------------------------------------------


def rebuild_catalog(home: Home, repaired: Repaired) -> None:
    """A new catalog with the newest readable metadata of every table; the engine must not run.

    Raises: StoreError: If raw_trades cannot be read at all: then nothing is changed.
    """
    found = find_tables(home.warehouse)
    raw = next((table for table in found if table.name == RAW_TRADES.name), None)
    if raw is not None and raw.metadata is None:
        raise StoreError(
            f"no metadata of raw_trades can be read ({raw.unreadable[0].why if raw.unreadable else 'there is none'})",
            next_step="restore the warehouse folder from a backup, or start a new home and replay the recordings",
        )
    reached = raw.commit.sequence if raw is not None and raw.commit is not None else 0
    found = [_found(t.folder, most=reached) if t.through > reached and not t.anew else t for t in found]
    outdated = _outdated(found, reached)
    kept = [table for table in found if table.name not in outdated]
    fresh = home.path / "catalog.db.new"
    fresh.unlink(missing_ok=True)
    _register(home.warehouse, fresh, kept)
    for table in found:
        for file in table.unreadable:
            if table.name not in outdated:
                _move(file.path, repaired.aside)
        if table.name in outdated:
            _move(table.folder, repaired.aside)
    for suffix in _SQLITE_FILES:
        _move(Path(f"{home.catalog_db}{suffix}"), repaired.aside)
    os.replace(fresh, home.catalog_db)
    repaired.done.append(f"rebuilt catalog.db with {len(kept)} tables, each at its newest readable metadata")
    repaired.done += [_fallback(table) for table in kept if table.unreadable]
    if outdated:
        repaired.done.append(
            f"set aside {', '.join(sorted(outdated))}: derived from raw_trades, written anew by the next engine"
        )


def _outdated(found: Sequence[Found], reached: int) -> set[str]:
    """Tables that are derived anew: those of which nothing can be used, and of those that can be derived at any time,
    what fell back or is ahead of raw_trades. If anything went back at all, the ledger too.

    The ledger is what an engine compares raw_trades with to see what is lacking elsewhere; without it, all is judged
    again.
    """
    outdated = {t.name for t in found if t.metadata is None}
    outdated |= {t.name for t in found if t.anew and (t.unreadable or t.through > reached)}
    if outdated or any(table.unreadable for table in found):
        outdated |= {t.name for t in found if t.name in (COVERAGE.name, SESSIONS.name)}
    return outdated


def _fallback(table: Found) -> str:
    since = f"{table.commit.committed_at:%Y-%m-%d %H:%M:%S}Z" if table.commit else "its creation"
    what = f"{table.name} is back at the commit of {since}: {table.unreadable[0].why}"
    if table.name == RAW_TRADES.name:
        return (
            f"{what}. Trades committed after it land again from the stream as far as it still holds them; "
            "replay the recordings of that time to be sure, nothing counts twice"
        )
    return f"{what}. What it lacks is derived again as far as its sources still hold it"


def _register(warehouse: Path, database: Path, tables: Sequence[Found]) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog(NAMESPACE, uri=f"sqlite:///{database}", warehouse=f"file://{warehouse}")
    try:
        catalog.create_namespace(NAMESPACE)
        for table in tables:
            catalog.register_table((NAMESPACE, table.name), f"file://{table.metadata}")
    finally:
        catalog.engine.dispose()


# -- the hot store -------------------------------------------------------------------------------------------


def rebuild_hot_store(home: Home, settings: Settings, repaired: Repaired, *, now: datetime | None = None) -> None:
    """A new hot store with the alerts that it would still hold; provisional ones are not in the lake."""
    for suffix in _SQLITE_FILES:
        _move(Path(f"{home.hot_db}{suffix}"), repaired.aside)
    hot = open_hot(home, settings, writable=True)
    try:
        filled = _refill(home, settings, hot, (now or datetime.now(UTC)) - settings.hot.ttl)
    except CoattailError as error:
        repaired.done.append(f"made an empty hot.db; its alerts could not be read back ({error.message})")
        return
    finally:
        hot.close()
    repaired.done.append(
        f"rebuilt hot.db with {filled:,} alerts of anomaly_alerts; provisional ones come back with new trades"
    )


def _refill(home: Home, settings: Settings, hot: HotStore, since: datetime) -> int:
    if not home.catalog_db.exists():
        return 0
    lake = open_lake(home, settings)
    try:
        rows = lake.scan(ALERTS).filter(pl.col("recorded_at") > since)
    finally:
        lake.close()
    newest = rows.sort("revision").unique("alert_id", keep="last")
    for (recorded_at,), group in newest.group_by("recorded_at"):
        assert isinstance(recorded_at, datetime)
        alerts = [Alert(**row) for row in group.drop("recorded_at").iter_rows(named=True)]
        hot.put_alerts(alerts, now=recorded_at)
    return newest.height


def _move(path: Path, aside: Path) -> None:
    """Into the folder, under a name that says where it was."""
    if not path.exists():
        return
    aside.mkdir(parents=True, exist_ok=True)
    name = path.name if path.suffix != ".json" else f"{path.parent.parent.name}-{path.name}"
    shutil.move(path, aside / name)
