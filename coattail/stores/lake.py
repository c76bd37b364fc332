"""The lakehouse: Iceberg tables in a local folder, with a SQLite catalog that Spark's JDBC catalog reads too.

Parquet files are written beside the kernel and then made part of a table by one atomic append, whose snapshot
summary carries what the commit reaches (ADR 0015). PyIceberg's own retries are off: on a conflict the offsets
must be read again before anyone decides.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coattail.errors import StoreError
from coattail.tables import Table

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

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
_PREFIX = "coattail."


@dataclass(frozen=True, slots=True)
class Commit:
    """Where a table stands: its newest snapshot, the number of that commit, and what it wrote down."""

    snapshot_id: int
    sequence: int
    committed_at: datetime
    properties: Mapping[str, str]


class Lake:
    """Tables under `warehouse`. Delivery: a commit is all or nothing, and visible when the call returns."""

    def __init__(self, warehouse: Path, catalog_db: Path, *, writable: bool = True) -> None:
        self._warehouse = warehouse
        self._catalog_db = catalog_db
        self._writable = writable
        self._tables: dict[str, IcebergTable] = {}

    @cached_property
    def _catalog(self) -> SqlCatalog:
        from pyiceberg.catalog.sql import SqlCatalog
        from sqlalchemy.exc import SQLAlchemyError

        if not self._catalog_db.exists() and (not self._writable or any(self._warehouse.glob("*/*/metadata"))):
            raise StoreError(
                f"{self._catalog_db} is missing",
                next_step="`coattail doctor --repair` rebuilds it from the tables' metadata",
            )
        uri = f"sqlite:///{self._catalog_db}"
        if not self._writable:
            uri = f"sqlite:///file:{self._catalog_db}?mode=ro&uri=true"
        try:
            catalog = SqlCatalog(
                NAMESPACE,
                uri=uri,
                warehouse=f"file://{self._warehouse}",
                init_catalog_tables=str(self._writable).lower(),
            )
            if self._writable:
                catalog.create_namespace_if_not_exists(NAMESPACE)
            return catalog
        except (SQLAlchemyError, sqlite3.DatabaseError) as error:
            raise _damaged_catalog(self._catalog_db, error) from error

    def close(self) -> None:
        """Let go of the catalog's connections."""
        if "_catalog" in self.__dict__:
            self._catalog.engine.dispose()

    # -- reading ---------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of the tables that exist."""
        from sqlalchemy.exc import SQLAlchemyError

        if not self._writable and not self._catalog_db.exists() and not any(self._warehouse.glob("*")):
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
        found = [_commit_of(s) for s in self.iceberg(name).snapshots()]
        return sorted((c for c in found if c.sequence > sequence), key=lambda c: c.sequence)

    def files(self, name: str, *, snapshot_id: int | None = None, since: int = 0) -> list[DataFile]:
        """Data files of a snapshot (newest by default) that were added after commit number `since`."""
        table = self.iceberg(name)
        snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
        if snapshot is None:
            return []
        found = []
        for manifest in snapshot.manifests(table.io):
            if manifest.sequence_number <= since:
                continue
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                if (entry.sequence_number or 0) > since:
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
    ) -> pl.DataFrame:
        """Rows of the newest snapshot with since <= time column < until, added after a commit number.

        The time column is `table.day_of`; files whose day is outside are not opened.
        """
        names = list(columns) if columns is not None else list(table.schema)
        if not self.has(table.name):
            return table.empty().select(names)
        files = self.files(table.name, since=after_commit)
        paths = [f.file_path.removeprefix("file://") for f in files if _day_meets(f, since, until)]
        if not paths:
            return table.empty().select(names)
        rows = pl.scan_parquet(paths, missing_columns="insert", extra_columns="ignore", schema=table.schema)
        if table.day_of is not None and since is not None:
            rows = rows.filter(pl.col(table.day_of) >= since)
        if table.day_of is not None and until is not None:
            rows = rows.filter(pl.col(table.day_of) < until)
        return rows.select(names).collect()

    # -- writing ---------------------------------------------------------------------------------------------

    def create(self, table: Table) -> None:
        """Make the table if it is not there."""
        if self.has(table.name):
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

    def write(self, table: Table, frame: pl.DataFrame) -> list[DataFile]:
        """Parquet files with the frame's rows, one per partition, not yet part of the table."""
        from coattail.stores.parquet import write_files

        self.create(table)
        known = self._tables.get(table.name) or self.iceberg(table.name)
        return write_files(known, table, frame)

    def commit(
        self, table: Table, files: Iterable[DataFile], properties: Mapping[str, str], *, replace: bool = False
    ) -> Commit:
        """Append the files, or `replace` all of the table by them, with the properties in the snapshot summary.

        Raises: StoreError: If somebody else has committed to the table since it was last read here.
        """
        from pyiceberg.exceptions import CommitFailedException
        from sqlalchemy.exc import SQLAlchemyError

        from coattail.stores.transaction import LeanTransaction

        self.create(table)
        known = self._tables.get(table.name) or self.iceberg(table.name)
        written = {f"{_PREFIX}{key}": value for key, value in properties.items()}
        old = self.files(table.name) if replace else []
        try:
            with LeanTransaction(known) as transaction:
                update = transaction.update_snapshot(snapshot_properties=written)
                with update.overwrite() if old else update.merge_append() as append:
                    for file in old:
                        append.delete_data_file(file)
                    for file in files:
                        append.append_data_file(file)
        except CommitFailedException as error:
            raise StoreError(
                f"somebody else has committed to {table.name} meanwhile ({error})",
                next_step="stop the other writer; this engine continues from the committed offsets when restarted",
            ) from error
        except SQLAlchemyError as error:
            raise _damaged_catalog(self._catalog_db, error) from error
        self._tables[table.name] = known
        snapshot = known.current_snapshot()
        assert snapshot is not None
        return _commit_of(snapshot)

    def expire(self, name: str, *, keep: int, needed_after: int) -> int:
        """Forget snapshots beyond the newest `keep` that no tag holds; those after commit `needed_after` stay."""
        from pyiceberg.table.update.snapshot import ExpireSnapshots

        from coattail.stores.transaction import LeanTransaction

        known = self._tables.get(name) or self.iceberg(name)
        held = {ref.snapshot_id for ref in known.metadata.refs.values()}
        snapshots = sorted(known.snapshots(), key=lambda s: s.sequence_number or 0)
        old = [s for s in snapshots[:-keep] if s.snapshot_id not in held and (s.sequence_number or 0) <= needed_after]
        if old:
            with LeanTransaction(known) as transaction:
                ExpireSnapshots(transaction).by_ids([s.snapshot_id for s in old]).commit()
        return len(old)

    def tag(self, name: str, tag: str, *, keep_days: int) -> None:
        """Hold the newest snapshot under a name, so that expiry passes it by; the tag itself lapses in time."""
        known = self._tables.get(name) or self.iceberg(name)
        snapshot = known.current_snapshot()
        if snapshot is not None and tag not in known.metadata.refs:
            manage = known.manage_snapshots()
            manage.create_tag(snapshot.snapshot_id, tag, max_ref_age_ms=keep_days * 86_400_000).commit()

    def drop_lapsed_tags(self, name: str, now: datetime) -> list[str]:
        """Remove tags whose snapshot is older than the tag's own age limit."""
        known = self._tables.get(name) or self.iceberg(name)
        lapsed = []
        for tag, ref in known.metadata.refs.items():
            snapshot = known.snapshot_by_id(ref.snapshot_id)
            age = now.timestamp() * 1000 - snapshot.timestamp_ms if snapshot else 0
            if ref.snapshot_ref_type == "tag" and ref.max_ref_age_ms and age > ref.max_ref_age_ms:
                lapsed.append(tag)
        for tag in lapsed:
            known.manage_snapshots().remove_tag(tag).commit()
        return lapsed


def newest_commit(table: IcebergTable) -> Commit | None:
    """The newest commit that carries coattail's properties, or None for a table without one."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        commit = _commit_of(snapshot)
        if commit.properties:
            return commit
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return None


def _commit_of(snapshot: Snapshot) -> Commit:
    summary = snapshot.summary.additional_properties if snapshot.summary is not None else {}
    return Commit(
        snapshot.snapshot_id,
        snapshot.sequence_number or 0,
        datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        {key.removeprefix(_PREFIX): value for key, value in summary.items() if key.startswith(_PREFIX)},
    )


def _day_meets(file: DataFile, since: datetime | None, until: datetime | None) -> bool:
    """Whether the file's day partition (its first field, days since 1970) meets the range."""
    if len(file.partition) == 0 or (since is None and until is None):
        return True
    day = file.partition[0]
    if not isinstance(day, int):
        return True
    first = -(10**9) if since is None else int(since.timestamp() // 86_400)
    last = 10**9 if until is None else int(until.timestamp() // 86_400)
    return first <= day <= last


def _damaged_catalog(path: Path, error: Exception) -> StoreError:
    reason = str(getattr(error, "orig", error)).splitlines()[0]
    return StoreError(
        f"the catalog {path} cannot be used ({reason})",
        next_step="if it is damaged, `coattail doctor --repair` rebuilds it from the tables' metadata",
    )
