"""The lakehouse: Iceberg tables, their files and their catalog wherever the properties say.

Parquet files are written beside the kernel and then made part of a table by one atomic append, whose snapshot
summary carries what the commit reaches (ADR 0015). PyIceberg's own retries are off: on a conflict the table is
read again, and only if nothing but maintenance came between is the commit repeated on top of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from coattail.errors import StoreError, TableBusy
from coattail.stores.catalog import NAMESPACE, shelf_of
from coattail.stores.commits import (
    PREFIX,
    Commit,
    commit_of,
    is_written,
    newest_commit,
    only_maintenance_since,
    written_commits,
)
from coattail.stores.fence import EPOCH, refuse_superseded
from coattail.stores.files import TableFiles, day_meets, field_ids, reading, refuse_deletes
from coattail.tables import Table

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

    from coattail.stores.parquet import Target

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
_ATTEMPTS = 6
"""How often a commit is tried while maintenance goes on beside it."""

_PATIENT_ATTEMPTS, _LONGEST_PAUSE_SECONDS = 16, 0.5
"""How often maintenance tries, while rows are written beside it, and how long it waits between two attempts."""


class Lake:
    """The tables of one place. Delivery: a commit is all or nothing, and visible when the call returns.

    properties: What PyIceberg's `load_catalog` takes: `type`, `uri`, `warehouse` and whatever its FileIO needs.
    writable: Whether tables may be made and changed. The catalog itself is made with the first table.
    """

    def __init__(self, properties: Mapping[str, str], *, writable: bool = True) -> None:
        self.properties = properties
        self._shelf = shelf_of(properties, writable=writable)
        self.storage = self._shelf.storage
        self._tables: dict[str, IcebergTable] = {}
        self._own: set[str] = set()
        """Tables that were looked at, and are coattail's."""
        self.epoch: int | None = None
        """The number of the engine that this is, where a fence stands (`stores.fence`)."""

    @property
    def catalog(self) -> Catalog:
        """PyIceberg's catalog, for tables that are not coattail's own too.

        Raises: StoreError: If it is missing and cannot be made, or cannot be used.
        """
        loaded: Catalog = self._shelf.loaded
        return loaded

    @property
    def is_served(self) -> bool:
        """Whether a commit waits for answers of services, rather than for a disk here."""
        return not self.storage.is_local

    def forget(self, name: str) -> None:
        """Forget what was read of a table, because it was dropped."""
        self._tables.pop(name, None)
        self._own.discard(name)

    def close(self) -> None:
        """Close the catalog's connections."""
        self._shelf.close()

    # -- reading ---------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of the tables that exist; none where nothing has landed yet."""
        return sorted(self.locations())

    def locations(self) -> dict[str, str]:
        """Table -> the metadata file that the catalog names, whether or not it can be read."""
        return self._shelf.locations()

    def has(self, name: str) -> bool:
        """Whether the table exists."""
        return name in self._tables or name in self.names()

    def iceberg(self, name: str) -> IcebergTable:
        """PyIceberg's table as of now.

        Raises: StoreError: If there is no such table or its metadata cannot be read.
        """
        from pyiceberg.exceptions import NoSuchIcebergTableError, NoSuchPropertyException, NoSuchTableError

        try:
            with self._shelf.errors():
                self._tables[name] = self.catalog.load_table((NAMESPACE, name))
        except NoSuchTableError as error:
            raise StoreError(
                f"there is no table '{name}'", next_step=f"tables here: {', '.join(self.names()) or 'none yet'}"
            ) from error
        except (NoSuchPropertyException, NoSuchIcebergTableError) as error:
            raise StoreError(
                f"{name} in the catalog is no table of Iceberg ({error})",
                next_step="give coattail a catalog of its own: nothing was changed",
            ) from error
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
        return [commit for commit in written_commits(self.iceberg(name)) if commit.sequence > sequence]

    def files(self, name: str, *, snapshot_id: int | None = None, since: int = 0) -> list[DataFile]:
        """Data files of a snapshot (newest by default); with `since`, only those that later commits wrote.

        Files that maintenance rewrote hold rows of earlier commits, and count as those.

        Raises: StoreError: If rows were deleted by files of their own: then the data files say too much.
        """
        from pyiceberg.manifest import ManifestContent

        table = self.iceberg(name)
        snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
        if snapshot is None:
            return []
        later = {c.snapshot_id for c in written_commits(table) if c.sequence > since} if since else None
        low = min((s.sequence_number or 0 for s in table.snapshots() if later and s.snapshot_id in later), default=0)
        found = []
        for manifest in snapshot.manifests(table.io) if later is None or later else ():
            if manifest.content != ManifestContent.DATA:
                raise refuse_deletes(name)
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
        rows = self.reading(table, [f for f in files if day_meets(f, since, until)]).rows()
        if table.day_of is not None and since is not None:
            rows = rows.filter(pl.col(table.day_of) >= since)
        if table.day_of is not None and until is not None:
            rows = rows.filter(pl.col(table.day_of) < until)
        if where is not None:
            rows = rows.filter(where)
        return rows.select(names).collect()

    def reading(self, table: Table, files: Iterable[DataFile] = ()) -> TableFiles:
        """How the rows of some of the table's files are read, here or in another process."""
        return reading(table, self._tables.get(table.name) or self.iceberg(table.name), self.storage, files)

    # -- writing ---------------------------------------------------------------------------------------------

    def create(self, table: Table) -> None:
        """Make the table if it is not there; one that an older version made gets the columns that it lacks.

        Raises: StoreError: If a table of that name is somebody else's.
        """
        if self.has(table.name):
            self._complete(table)
            return
        from pyiceberg.exceptions import TableAlreadyExistsError

        from coattail.stores.parquet import iceberg_schema, partition_spec

        schema = iceberg_schema(table)
        try:
            with self._shelf.errors():
                self.catalog.create_table(
                    (NAMESPACE, table.name),
                    schema=schema,
                    partition_spec=partition_spec(table, schema),
                    properties={**_PROPERTIES, "comment": table.doc},
                )
        except TableAlreadyExistsError:  # somebody made it meanwhile, or it is none of Iceberg
            self._complete(table)

    def _complete(self, table: Table) -> None:
        """Add the optional columns that a table of an older version lacks."""
        known = self._tables.get(table.name) or self.iceberg(table.name)
        here = field_ids(table, known)
        if table.name not in self._own:
            lacking_required = any(c.required and c.name not in here for c in table.columns)
            if lacking_required or (known.current_snapshot() is not None and not is_written(known)):
                raise _of_somebody_else(known, table.name)
            self._own.add(table.name)
        if all(c.required or c.name in here for c in table.columns):
            return
        from coattail.stores.parquet import lacking

        def add(iceberg: IcebergTable) -> None:
            with iceberg.update_schema() as update:
                for column in lacking(table, iceberg):
                    update.add_column(column.name, column.field_type, doc=column.doc)

        self.change(table.name, add, beside_writers=True)

    def write(self, table: Table, frame: pl.DataFrame) -> list[DataFile]:
        """Parquet files with the frame's rows, one per partition, not yet part of the table."""
        from coattail.stores.parquet import write_files

        target = self.target(table)
        with self._shelf.errors():
            return [file.data_file() for file in write_files(target, table, frame)]

    def delete(self, location: str) -> bool:
        """Delete a file that no snapshot needs; False if it is gone already. Raises: StoreError: If it may not be."""
        with self._shelf.errors():
            return self.storage.delete(location)

    def target(self, table: Table) -> Target:
        """Where files of the table go; the table is made if it is not there."""
        from coattail.stores.parquet import Target

        self.create(table)
        return Target.of(table, self._tables.get(table.name) or self.iceberg(table.name), self.storage)

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
        commit is not number `after`. Superseded: If a later engine has the place.
        """
        from coattail.stores.transaction import LeanTransaction

        self.create(table)
        numbered = {**properties, EPOCH: str(self.epoch)} if self.epoch is not None else properties
        written = {f"{PREFIX}{key}": value for key, value in numbered.items()}
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

        known = self._tables.get(name) or self.iceberg(name)
        attempts = _PATIENT_ATTEMPTS if beside_writers else _ATTEMPTS
        for attempt in range(attempts):
            if self.epoch is not None:
                refuse_superseded(known, self.epoch)
            base = known.current_snapshot()
            try:
                with self._shelf.errors():
                    change(known)
            except CommitFailedException as error:
                last = attempt == attempts - 1
                if last and beside_writers:
                    raise _busy(name) from error
                if beside_writers and attempt % 2:  # at once first: who has just committed, does not at once again
                    time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
                known = self.iceberg(name)
                if self.epoch is not None:
                    refuse_superseded(known, self.epoch)
                if last or not (beside_writers or only_maintenance_since(known, base)):
                    raise _another_writer(name) from error
            else:
                break
        self._tables[name] = known
        return known


def _another_writer(name: str) -> StoreError:
    return StoreError(
        f"somebody else has committed to {name} meanwhile",
        next_step="stop the other writer and start again: this engine continues from the committed offsets",
    )


def _of_somebody_else(table: IcebergTable, name: str) -> StoreError:
    return StoreError(
        f"the table {name} at {table.location()} was not written by coattail",
        next_step="give coattail a warehouse and catalog of its own: nothing was changed",
    )


def _busy(name: str) -> TableBusy:
    return TableBusy(
        f"{name} is written faster than maintenance can commit", next_step="run it again when less is being landed"
    )
