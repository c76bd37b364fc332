"""The lakehouse: Iceberg tables in a local folder, with a SQLite catalog that Spark's JDBC catalog reads too.

Parquet files are written beside the kernel and then made part of a table by one atomic append, whose snapshot
summary carries what the commit reaches (ADR 0015). PyIceberg's own retries are off: on a conflict the table is
read again, and only if nothing but maintenance came between is the commit repeated on top of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coattail.errors import StoreError, TableBusy
from coattail.tables import Table

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

    from coattail.stores.parquet import Target

NAMESPACE = "coattail"

_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "32",
    "commit.manifest.target-size-bytes": "131072",  # about 300 files: a merge then costs the same after any number
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
    "write.parquet.compression-codec": "zstd",
}
PREFIX = "coattail."
_ATTEMPTS = 6
"""How often a commit is tried while maintenance goes on beside it."""

_PATIENT_ATTEMPTS, _LONGEST_PAUSE_SECONDS = 16, 0.5
"""How often maintenance tries, while rows are written beside it, and how long it waits between two attempts."""

MAINTENANCE = "maintenance"
"""Property of a commit that changed files or metadata but no row; the value says what it did."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Where a table stands: its newest snapshot, the number of that commit, and what it wrote down."""

    snapshot_id: int
    sequence: int
    """What the writer called it (property `commit`), else Iceberg's number; maintenance takes over its parent's."""
    committed_at: datetime
    properties: Mapping[str, str]
    rows: int = 0
    """How many it added."""


class Lake:
    """Tables under `warehouse`. Delivery: a commit is all or nothing, and visible when the call returns."""

    def __init__(self, warehouse: Path, catalog_db: Path, *, writable: bool = True) -> None:
        self.warehouse = warehouse
        self._catalog_db = catalog_db
        self._writable = writable
        self._tables: dict[str, IcebergTable] = {}

    @cached_property
    def _catalog(self) -> SqlCatalog:
        from pyiceberg.catalog.sql import SqlCatalog
        from sqlalchemy.exc import SQLAlchemyError

        if not self._catalog_db.exists() and (not self._writable or any(self.warehouse.glob("*/*/metadata"))):
            raise StoreError(
                f"{self._catalog_db} is missing",
                next_step="`coattail doctor --repair` rebuilds it from the tables' metadata",
            )
        uri = f"sqlite:///{self._catalog_db}"
        if not self._writable:
            # A writer that was killed inside a transaction left its journal: only who may write can roll it back.
            killed = self._catalog_db.with_name(f"{self._catalog_db.name}-journal").exists()
            mode = "rw" if killed and os.access(self._catalog_db, os.W_OK) else "ro"
            uri = f"sqlite:///file:{self._catalog_db}?mode={mode}&uri=true"
        try:
            catalog = SqlCatalog(
                NAMESPACE,
                uri=uri,
                warehouse=f"file://{self.warehouse}",
                init_catalog_tables=str(self._writable).lower(),
            )
            if self._writable:
                catalog.create_namespace_if_not_exists(NAMESPACE)
            return catalog
        except (SQLAlchemyError, sqlite3.DatabaseError) as error:
            raise _damaged_catalog(self._catalog_db, error) from error

    @property
    def catalog(self) -> SqlCatalog:
        """PyIceberg's catalog, for tables that are not coattail's own."""
        return self._catalog

    def forget(self, name: str) -> None:
        """Let go of what was read of a table, because it was dropped."""
        self._tables.pop(name, None)

    def close(self) -> None:
        """Let go of the catalog's connections."""
        if "_catalog" in self.__dict__:
            self._catalog.engine.dispose()

    # -- reading ---------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of the tables that exist."""
        from sqlalchemy.exc import SQLAlchemyError

        if not self._writable and not self._catalog_db.exists() and not any(self.warehouse.glob("*")):
            return []  # a home where nothing has landed yet
        try:
            return sorted(name for _, name in self._catalog.list_tables(NAMESPACE))
        except SQLAlchemyError as error:
            raise _damaged_catalog(self._catalog_db, error) from error

    def locations(self) -> dict[str, str]:
        """Table -> the metadata file that the catalog names, read or not."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        query = text("SELECT table_name, metadata_location FROM iceberg_tables WHERE table_namespace = :namespace")
        try:
            with self._catalog.engine.connect() as connection:
                return {name: location for name, location in connection.execute(query, {"namespace": NAMESPACE})}
        except SQLAlchemyError as error:
            raise _damaged_catalog(self._catalog_db, error) from error

    def has(self, name: str) -> bool:
        """Whether the table exists."""
        return name in self._tables or name in self.names()

    def iceberg(self, name: str) -> IcebergTable:
        """PyIceberg's table as of now.

        Raises: StoreError: If there is no such table or its metadata cannot be read.
        """
        from pyiceberg.exceptions import NoSuchTableError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._tables[name] = self._catalog.load_table((NAMESPACE, name))
        except NoSuchTableError as error:
            raise StoreError(
                f"there is no table '{name}'", next_step=f"tables here: {', '.join(self.names()) or 'none yet'}"
            ) from error
        except SQLAlchemyError as error:
            raise _damaged_catalog(self._catalog_db, error) from error
        except (FileNotFoundError, ValueError) as error:
            raise StoreError(
                f"the metadata of table '{name}' cannot be read ({error})",
                next_step="restore the warehouse folder from a backup",
            ) from error
        return self._tables[name]

    def newest(self, name: str) -> Commit | None:
        """The newest commit that carries coattail's properties, or None for a table that is missing or empty."""
        if not self.has(name):
            return None
        return newest_commit(self.iceberg(name))

    def commits_since(self, name: str, sequence: int) -> list[Commit]:
        """Commits after number `sequence`, oldest first, as far as they have not expired."""
        if not self.has(name):
            return []
        return [commit for commit in _written(self.iceberg(name)) if commit.sequence > sequence]

    def files(self, name: str, *, snapshot_id: int | None = None, since: int = 0) -> list[DataFile]:
        """Data files of a snapshot (newest by default); with `since`, only those that later commits wrote.

        Files that maintenance rewrote hold rows of earlier commits, and count as those.
        """
        table = self.iceberg(name)
        snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
        if snapshot is None:
            return []
        later = {c.snapshot_id for c in _written(table) if c.sequence > since} if since else None
        low = min((s.sequence_number or 0 for s in table.snapshots() if later and s.snapshot_id in later), default=0)
        found = []
        for manifest in snapshot.manifests(table.io) if later is None or later else ():
            if manifest.sequence_number < low:
                continue
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                if later is None or entry.snapshot_id in later:
                    found.append(entry.data_file)
        return found

    def scan(
        self,
        table: Table,
        *,
        columns: Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after_commit: int = 0,
        snapshot_id: int | None = None,
        where: pl.Expr | None = None,
    ) -> pl.DataFrame:
        """Rows of a snapshot (newest by default) with since <= time column < until, added after a commit number.

        The time column is `table.day_of`; files whose day is outside are not opened. Of the rest, only rows that
        `where` is true of are kept (all by default).
        """
        names = list(columns) if columns is not None else list(table.schema)
        if not self.has(table.name):
            return table.empty().select(names)
        files = self.files(table.name, snapshot_id=snapshot_id, since=after_commit)
        paths = [path_of(f) for f in files if day_meets(f, since, until)]
        if not paths:
            return table.empty().select(names)
        rows = table.in_files(paths)
        if table.day_of is not None and since is not None:
            rows = rows.filter(pl.col(table.day_of) >= since)
        if table.day_of is not None and until is not None:
            rows = rows.filter(pl.col(table.day_of) < until)
        if where is not None:
            rows = rows.filter(where)
        return rows.select(names).collect()

    # -- writing ---------------------------------------------------------------------------------------------

    def create(self, table: Table) -> None:
        """Make the table if it is not there; one that an older version made gets the columns that it lacks."""
        if self.has(table.name):
            self._complete(table)
            return
        from pyiceberg.exceptions import TableAlreadyExistsError

        from coattail.stores.parquet import iceberg_schema, partition_spec

        schema = iceberg_schema(table)
        with contextlib.suppress(TableAlreadyExistsError):
            self._catalog.create_table(
                (NAMESPACE, table.name),
                schema=schema,
                partition_spec=partition_spec(table, schema),
                properties={**_PROPERTIES, "comment": table.doc},
            )

    def _complete(self, table: Table) -> None:
        """Add the optional columns that a table of an older version lacks."""
        known = self._tables.get(table.name) or self.iceberg(table.name)
        here = {f.name for f in known.schema().fields}
        lacking = [c for c in table.columns if c.name not in here and not c.required]
        if not lacking:
            return
        from coattail.stores.parquet import iceberg_schema

        whole = iceberg_schema(table)

        def add(iceberg: IcebergTable) -> None:
            with iceberg.update_schema() as update:
                for column in lacking:
                    update.add_column(column.name, whole.find_field(column.name).field_type, doc=column.doc)

        self.change(table.name, add, beside_writers=True)

    def write(self, table: Table, frame: pl.DataFrame) -> list[DataFile]:
        """Parquet files with the frame's rows, one per partition, not yet part of the table."""
        from coattail.stores.parquet import write_files

        return [file.data_file() for file in write_files(self.target(table), table, frame)]

    def target(self, table: Table) -> Target:
        """Where files of the table go; the table is made if it is not there."""
        from coattail.stores.parquet import Target

        self.create(table)
        return Target.of(self._tables.get(table.name) or self.iceberg(table.name))

    def commit(
        self,
        table: Table,
        files: Iterable[DataFile],
        properties: Mapping[str, str],
        *,
        replace: bool = False,
        after: int | None = None,
    ) -> Commit:
        """Append the files, or `replace` all of the table by them, with the properties in the snapshot summary.

        Raises: StoreError: If somebody else has written rows since the table was last read here, or the newest
        commit is not number `after`.
        """
        from coattail.stores.transaction import LeanTransaction

        self.create(table)
        written = {f"{PREFIX}{key}": value for key, value in properties.items()}
        files = list(files)

        def change(known: IcebergTable) -> None:
            if after is not None:
                newest = newest_commit(known)
                if (newest.sequence if newest is not None else 0) != after:
                    raise _another_writer(table.name)
            old = self.files(table.name) if replace else []
            with LeanTransaction(known) as transaction:
                update = transaction.update_snapshot(snapshot_properties=written)
                with update.overwrite() if old else update.merge_append() as append:
                    for file in old:
                        append.delete_data_file(file)
                    for file in files:
                        append.append_data_file(file)

        snapshot = self.change(table.name, change).current_snapshot()
        assert snapshot is not None
        return commit_of(snapshot)

    def change(
        self, name: str, change: Callable[[IcebergTable], object], *, beside_writers: bool = False
    ) -> IcebergTable:
        """Commit what `change` does to the table; again, on the newest state, if only maintenance came between.

        With `beside_writers` it is done again whatever came between: for changes that leave the rows as they are.

        Raises: StoreError: If somebody else has written rows since the table was last read here. TableBusy: If
        `beside_writers`, and there was no moment between two commits of others.
        """
        from pyiceberg.exceptions import CommitFailedException
        from sqlalchemy.exc import SQLAlchemyError

        known = self._tables.get(name) or self.iceberg(name)
        attempts = _PATIENT_ATTEMPTS if beside_writers else _ATTEMPTS
        for attempt in range(attempts):
            base = known.current_snapshot()
            try:
                change(known)
            except CommitFailedException as error:
                last = attempt == attempts - 1
                if last and beside_writers:
                    raise _busy(name) from error
                if beside_writers and attempt % 2:  # at once first: who has just committed, does not at once again
                    time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
                known = self.iceberg(name)
                if last or not (beside_writers or _only_maintenance_since(known, base)):
                    raise _another_writer(name) from error
            except SQLAlchemyError as error:
                raise _damaged_catalog(self._catalog_db, error) from error
            else:
                break
        self._tables[name] = known
        return known

    def expire(self, name: str, *, keep: int, needed_after: int) -> int:
        """Forget snapshots that nobody needs, see `coattail.stores.expiry`; returns how many."""
        from coattail.stores.expiry import expire

        return len(expire(self, name, keep=keep, needed_after=needed_after))

    def tag(self, name: str, tag: str, *, keep_days: int) -> None:
        """Hold the newest snapshot under a name, so that expiry passes it by; the tag itself lapses in time."""
        from coattail.stores.expiry import hold

        hold(self, name, tag, keep_days=keep_days)

    def drop_lapsed_tags(self, name: str, now: datetime) -> list[str]:
        """Remove tags whose snapshot is older than the tag's own age limit."""
        from coattail.stores.expiry import drop_lapsed_tags

        return drop_lapsed_tags(self, name, now)


def _only_maintenance_since(table: IcebergTable, base: Snapshot | None) -> bool:
    """Whether every commit on top of `base` left all rows as they were."""
    snapshot = table.current_snapshot()
    while snapshot is not None and (base is None or snapshot.snapshot_id != base.snapshot_id):
        if MAINTENANCE not in commit_of(snapshot).properties:
            return False
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return (snapshot is None) == (base is None)


def is_maintenance(snapshot: Snapshot) -> bool:
    """Whether the snapshot has the same rows as the one before: marked so by us, or `replace` in Iceberg's words."""
    summary = snapshot.summary
    if summary is None:
        return False
    return summary.operation.value == "replace" or f"{PREFIX}{MAINTENANCE}" in summary.additional_properties


def _written(table: IcebergTable) -> list[Commit]:
    """The commits that wrote rows, oldest first, as far as they have not expired; not those of other branches, nor
    what a rollback took back."""
    snapshots = {snapshot.snapshot_id: snapshot for snapshot in table.snapshots()}
    behind: set[int] = set()
    oldest, snapshot = 0, table.current_snapshot()
    while snapshot is not None:
        behind.add(snapshot.snapshot_id)
        oldest = snapshot.sequence_number or 0
        snapshot = snapshots.get(snapshot.parent_snapshot_id or 0)
    found = [
        commit_of(s)
        for s in snapshots.values()
        if not is_maintenance(s) and (s.snapshot_id in behind or (s.sequence_number or 0) < oldest)
    ]
    return sorted(found, key=lambda c: c.sequence)


def newest_commit(table: IcebergTable) -> Commit | None:
    """The newest commit that carries coattail's properties, or None for a table without one."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        commit = commit_of(snapshot)
        if commit.properties:
            return commit
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return None


def commit_of(snapshot: Snapshot) -> Commit:
    """What a snapshot's summary says of its commit."""
    summary = snapshot.summary.additional_properties if snapshot.summary is not None else {}
    properties = {key.removeprefix(PREFIX): value for key, value in summary.items() if key.startswith(PREFIX)}
    return Commit(
        snapshot.snapshot_id,
        int(properties.get("commit", snapshot.sequence_number or 0)),
        datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        properties,
        int(summary.get("added-records", 0)),
    )


def path_of(file: DataFile) -> str:
    """Where the file lies."""
    return file.file_path.removeprefix("file://")


def day_meets(file: DataFile, since: datetime | None, until: datetime | None) -> bool:
    """Whether the file's day partition (its first field, days since 1970) meets the range."""
    if len(file.partition) == 0 or (since is None and until is None):
        return True
    day = file.partition[0]
    if not isinstance(day, int):
        return True
    first = -(10**9) if since is None else int(since.timestamp() // 86_400)
    last = 10**9 if until is None else int(until.timestamp() // 86_400)
    return first <= day <= last


def _another_writer(name: str) -> StoreError:
    return StoreError(
        f"somebody else has committed to {name} meanwhile",
        next_step="stop the other writer and start again: this engine continues from the committed offsets",
    )


def _busy(name: str) -> TableBusy:
    return TableBusy(
        f"{name} is written faster than maintenance can commit", next_step="run it again when less is being landed"
    )


def _damaged_catalog(path: Path, error: Exception) -> StoreError:
    reason = str(getattr(error, "orig", error)).splitlines()[0]
    return StoreError(
        f"the catalog {path} cannot be used ({reason})",
        next_step="if it is damaged, `coattail doctor --repair` rebuilds it from the tables' metadata",
    )
