"""Mending a home: the catalog from the tables' own metadata, the hot store from the alerts in the lakehouse.

Nothing is deleted: what cannot be read is moved into `aside/<time>/` of the home. raw_trades is the truth. A table
that is derived from it and falls back in time, or is ahead of it, is set aside, and the next engine start writes it
anew: what it lacks can perhaps no longer be told apart from what it has, because files of raw_trades were merged and
snapshots expired since. A table that keeps more of the past than its sources do (`Table.keeps`) goes back to its newest
readable state that is not ahead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coattail.alerts import Alert
from coattail.detectors import MODULE_TABLES
from coattail.errors import CoattailError, StoreError
from coattail.stores.catalog import NAMESPACE, EmbeddedCatalog
from coattail.stores.commits import Commit, newest_commit, through_of
from coattail.stores.current import newest_of
from coattail.stores.expiry import last_commit
from coattail.stores.hot import HotStore
from coattail.stores.opening import lake_properties, open_hot, open_lake
from coattail.stores.storage import METADATA, Entry, Storage, name_of
from coattail.tables import ALERTS, CORE_TABLES, COVERAGE, RAW_TRADES, SESSIONS

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

    from coattail.config import Settings
    from coattail.home import Home

_ANEW = frozenset(t.name for t in (*CORE_TABLES, *MODULE_TABLES) if t.derived_from and t.keeps is None)
_SQLITE_FILES = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Unreadable:
    """A metadata file that cannot be used, and why."""

    location: str
    why: str


@dataclass(frozen=True)
class Found:
    """A table as its folder has it: the newest metadata that can be read, and the newer ones that cannot."""

    name: str
    folder: str
    files: tuple[Entry, ...]
    """All its metadata files."""
    metadata: str | None
    commit: Commit | None
    """The newest commit that `metadata` knows."""
    unreadable: tuple[Unreadable, ...] = ()
    """Newer metadata that cannot be used: damaged, or (once it is known how far raw_trades is) ahead of it."""

    @property
    def through(self) -> int:
        """The commit of raw_trades that it is complete through; 0 for a table that says nothing of the kind."""
        return through_of(self.commit)

    @property
    def anew(self) -> bool:
        """Whether an engine derives all of it anew at any time."""
        return self.name in _ANEW


@dataclass
class Repaired:
    """What was done, as sentences; where things were moved to."""

    aside: Path
    done: list[str] = field(default_factory=list)


def find_tables(storage: Storage) -> list[Found]:
    """Every table of the warehouse, by name; looks for the newest whole metadata of each."""
    root = f"{storage.warehouse}/{NAMESPACE}/"
    metadata: dict[str, list[Entry]] = {}
    for file in storage.listed(root):
        table, _, rest = file.location.removeprefix(root).partition("/")
        files = metadata.setdefault(table, [])
        if rest.startswith("metadata/") and rest.endswith(METADATA):
            files.append(file)
    return [_found(storage, root + table, files) for table, files in sorted(metadata.items())]


def _found(storage: Storage, folder: str, files: Sequence[Entry], *, most: int | None = None) -> Found:
    """`most`: the last commit of raw_trades that it may know; None: any."""
    unreadable: list[Unreadable] = []
    name = name_of(folder)
    # The number counts commits; of equal numbers, the later file belongs to the commit that succeeded.
    for file in sorted(files, key=lambda f: (_number(f), f.written_at), reverse=True):
        try:
            commit = read_metadata(storage, file.location)
        except StoreError as error:
            unreadable.append(Unreadable(file.location, error.message))
            continue
        found = Found(name, folder, tuple(files), file.location, commit, tuple(unreadable))
        if most is None or found.through <= most:
            return found
        unreadable.append(Unreadable(file.location, f"{file.name} is ahead of raw_trades"))
    return Found(name, folder, tuple(files), None, None, tuple(unreadable))


def _number(file: Entry) -> int:
    digits = file.name.partition("-")[0]
    return int(digits) if digits.isdigit() else -1


def read_metadata(storage: Storage, location: str) -> Commit | None:
    """The newest commit of a metadata file; None for a table without one.

    Raises: StoreError: If the file, or a manifest of its newest snapshot, cannot be read, or a data file is gone.
    """
    from pyiceberg.table import StaticTable

    try:
        table = StaticTable.from_metadata(location, storage.properties)
        snapshot = table.current_snapshot()
        missing = _missing(table, snapshot, storage) if snapshot is not None else []
    except Exception as error:  # a torn file fails in as many ways as it has readers
        reason = (str(error).splitlines() or [""])[0][:120]
        raise StoreError(f"{name_of(location)} cannot be read ({type(error).__name__}: {reason})") from error
    if missing:
        raise StoreError(f"{name_of(location)} names {len(missing)} data files that are gone, first {missing[0]}")
    return newest_commit(table)


# -- the catalog ---------------------------------------------------------------------------------------------


def rebuild_catalog(home: Home, settings: Settings, repaired: Repaired) -> None:
    """A new catalog with the newest readable metadata of every table; the engine must not run.

    Raises: StoreError: If raw_trades cannot be read at all: then nothing is changed.
    """
    catalog = EmbeddedCatalog(lake_properties(home, settings), writable=True)
    storage = catalog.storage
    found = find_tables(storage)
    raw = next((table for table in found if table.name == RAW_TRADES.name), None)
    if raw is not None and raw.metadata is None:
        raise StoreError(
            f"no metadata of raw_trades can be read ({raw.unreadable[0].why if raw.unreadable else 'there is none'})",
            next_step="restore the warehouse folder from a backup, or start a new home and replay the recordings",
        )
    reached = raw.commit.sequence if raw is not None and raw.commit is not None else 0
    found = [
        _found(storage, t.folder, t.files, most=reached) if t.through > reached and not t.anew else t for t in found
    ]
    outdated = _outdated(found, reached)
    kept = [table for table in found if table.name not in outdated]
    fresh = catalog.path.with_name(f"{catalog.path.name}.new")
    fresh.unlink(missing_ok=True)
    _register(catalog.anew(fresh), kept)
    aside = storage.aside(repaired.aside)
    for table in found:
        for file in table.unreadable:
            if table.name not in outdated:
                storage.move(file.location, f"{aside}/{table.name}-{name_of(file.location)}")
        if table.name in outdated:
            storage.move(table.folder, f"{aside}/{table.name}")
    for suffix in _SQLITE_FILES:
        _move(Path(f"{catalog.path}{suffix}"), repaired.aside)
    os.replace(fresh, catalog.path)
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


def _register(catalog: EmbeddedCatalog, tables: Sequence[Found]) -> None:
    with closing(catalog):
        for table in tables:
            assert table.metadata is not None
            registered = catalog.loaded.register_table((NAMESPACE, table.name), table.metadata)
            if table.unreadable:
                _forget_removed(registered, catalog.storage)


def _forget_removed(table: IcebergTable, storage: Storage) -> None:
    """Forget snapshots that lack files: the damaged metadata had let go of them, and maintenance has removed what only
    they named. Nobody could travel to them, and to list them would fail."""
    kept = last_commit(table)
    gone = [s.snapshot_id for s in table.snapshots() if s.snapshot_id not in kept and not _is_whole(table, s, storage)]
    if not gone:
        return
    named = {name: ref for name, ref in table.metadata.refs.items() if ref.snapshot_id in gone}
    manage = table.manage_snapshots()
    for name, ref in named.items():
        manage = manage.remove_tag(name) if ref.snapshot_ref_type == "tag" else manage.remove_branch(name)
    if named:
        manage.commit()
    table.maintenance.expire_snapshots().by_ids(gone).commit()


def _is_whole(table: IcebergTable, snapshot: Snapshot, storage: Storage) -> bool:
    try:
        return not _missing(table, snapshot, storage)
    except (OSError, ValueError):  # a manifest is gone, or is none
        return False


def _missing(table: IcebergTable, snapshot: Snapshot, storage: Storage) -> list[str]:
    """Data files of a snapshot that are gone."""
    return storage.missing(
        [
            entry.data_file.file_path
            for manifest in snapshot.manifests(table.io)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
        ]
    )


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
    lake = open_lake(home, settings)
    try:
        rows = lake.scan(ALERTS).filter(pl.col("recorded_at") > since)
    finally:
        lake.close()
    newest = newest_of(rows)
    for (recorded_at,), group in newest.group_by("recorded_at"):
        assert isinstance(recorded_at, datetime)
        alerts = [Alert(**row) for row in group.drop("recorded_at").iter_rows(named=True)]
        hot.put_alerts(alerts, now=recorded_at)
    return newest.height


def _move(path: Path, aside: Path) -> None:
    """Into the folder, if it is there."""
    if not path.exists():
        return
    aside.mkdir(parents=True, exist_ok=True)
    shutil.move(path, aside / path.name)
