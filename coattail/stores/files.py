"""Rows of the data files that Iceberg lists: by field id, as the format demands, from wherever the files are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from coattail.errors import StoreError
from coattail.stores.storage import Storage
from coattail.tables import Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

FileSize = tuple[str, int]
"""Location of a data file, and how many rows it has."""

_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class TableFiles:
    """Data files of a table, and how their rows are read. May cross processes."""

    table: Table
    storage: Storage
    files: tuple[FileSize, ...]
    field_ids: Mapping[str, int] | None = None
    """Column -> Iceberg's field id, for a table some column of which was ever renamed. None: names are enough."""

    @property
    def locations(self) -> list[str]:
        """Where the files are."""
        return [location for location, _ in self.files]

    def only(self, files: Iterable[FileSize]) -> TableFiles:
        """Some of them."""
        return replace(self, files=tuple(files))

    def rows(self) -> pl.LazyFrame:
        """The rows with the table's columns, file after file; a column that a file lacks is null."""
        if not self.files:
            return self.table.empty().lazy()
        if self.field_ids is None:
            return self._scanned(self.locations)
        return pl.concat([self._by_field_id(location, self.field_ids) for location in self.locations])

    def _scanned(self, locations: list[str], renamed: Mapping[str, str] | None = None) -> pl.LazyFrame:
        names = renamed or {}
        found = pl.scan_parquet(
            self.storage.inputs(locations),
            missing_columns="insert",
            extra_columns="ignore",
            schema={names.get(name, name): kind for name, kind in self.table.schema.items()},
        )
        return found.rename({there: name for name, there in names.items()}).select(self.table.schema.names())

    def _by_field_id(self, location: str, field_ids: Mapping[str, int]) -> pl.LazyFrame:
        import pyarrow.parquet as pq

        (source,) = self.storage.inputs([location])
        there = {
            int(field.metadata[_FIELD_ID]): field.name
            for field in pq.read_schema(source)
            if field.metadata and _FIELD_ID in field.metadata
        }
        # A name that no file can have stands for a column that this one lacks: the name may be another column's here.
        renamed = {name: there.get(field_ids.get(name, -1), f"\0{name}") for name in self.table.schema}
        return self._scanned([location], renamed)


def reading(table: Table, iceberg: IcebergTable, storage: Storage, files: Iterable[DataFile]) -> TableFiles:
    """How the files of a table are read."""
    ids = field_ids(table, iceberg)
    return TableFiles(
        table,
        storage,
        tuple(sizes(files)),
        None if _names_are_enough(iceberg, ids) else ids,
    )


def sizes(files: Iterable[DataFile]) -> list[FileSize]:
    """What must be known of files before they are read."""
    return [(file.file_path, file.record_count) for file in files]


def field_ids(table: Table, iceberg: IcebergTable) -> dict[str, int]:
    """Column -> Iceberg's field id, for those of our columns that the table has.

    One that somebody renamed is found by what it was called before.
    """
    now = {field.field_id: field.name for field in iceberg.schema().fields}
    found = {name: number for number, name in now.items() if name in table.schema}
    for _, schema in sorted(iceberg.schemas().items(), reverse=True):
        for field in schema.fields:
            if field.name in table.schema and now.get(field.field_id, field.name) not in table.schema:
                found.setdefault(field.name, field.field_id)
    return found


def _names_are_enough(iceberg: IcebergTable, ids: Mapping[str, int]) -> bool:
    """Whether no schema that the table ever had gives one of these names to another field, or another name to one."""
    fields = {(f.name, f.field_id) for schema in iceberg.schemas().values() for f in schema.fields}
    ours = set(ids.values())
    return all(ids[name] == number if name in ids else number not in ours for name, number in fields)


def refuse_deletes(name: str) -> StoreError:
    """The error for a table whose files alone do not show which rows it has."""
    return StoreError(
        f"table '{name}' has row-level deletes, which are not applied here",
        next_step=f"`coattail maintain --engine spark --table {name}` rewrites it without them",
    )


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
