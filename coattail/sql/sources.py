"""What a query may name: tables at a snapshot, their metadata, and views over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from coattail.detectors import MODULE_TABLES
from coattail.errors import StoreError, UsageError
from coattail.sql.bounds import ANY, Bounds
from coattail.sql.dialect import view_text
from coattail.sql.views import ALERTS_VIEW, VIEWS, View
from coattail.stores.current import current_alerts
from coattail.stores.duckdb_files import teach
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake
from coattail.stores.parquet import iceberg_schema, lacking
from coattail.tables import CORE_TABLES, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.types import IcebergType

_OURS: dict[str, Table | None] = {t.name: t for t in (*CORE_TABLES, *MODULE_TABLES)}

METADATA = ("snapshots", "history", "refs", "files", "partitions")
"""Kinds of `"table$kind"`, as Athena has them."""

_SHOWN = 8


@dataclass
class Sources:
    """The tables and views of a lake, defined in a DuckDB connection as a query needs them.

    `snapshots`: table -> the snapshot that was defined. `paths`: the files that the definitions read.
    """

    lake: Lake | None
    """None: there are only definitions, and no rows."""
    hot: HotStore | None
    clock: Callable[[], datetime]
    others: Sequence[str] = ()
    """Tables that are elsewhere, and are not ours."""
    catalog_only: bool = False
    """Whether a query may name only what the lake's catalog has: no views, and no table nothing was written into."""
    bytes: int = 0
    """Of the files that the definitions read."""
    snapshots: dict[str, int] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    alerts_within: Bounds = ANY
    """Between which times the view `alerts` is asked for: other days are not read."""
    _defined: set[str] = field(default_factory=set)

    def tables(self) -> dict[str, Table | None]:
        """Every table: those that coattail defines, and whatever else is in the lake (None)."""
        if self.catalog_only:
            return {name: _OURS.get(name) for name in (self.lake.names() if self.lake else ())}
        return {**dict.fromkeys(self.others), **dict.fromkeys(self.lake.names() if self.lake else ()), **_OURS}

    @staticmethod
    def defined() -> list[str]:
        """The tables and views that coattail defines, whether or not anything was written."""
        return [*_OURS, *VIEWS]

    def names(self) -> list[str]:
        """Tables and views, in alphabetical order."""
        return sorted({*self.tables(), *self._views})

    @property
    def _views(self) -> dict[str, View]:
        return {} if self.catalog_only else VIEWS

    def define(self, connection: DuckDBPyConnection, name: str, place: str = "") -> None:
        """Make `name` known to the connection: a table, a view, or `table$kind`.

        Raises: UsageError: If there is nothing of that name.
        """
        if name in self._defined:
            return
        table, _, kind = name.partition("$")
        if name in self._views:
            if name == ALERTS_VIEW.name and self.lake is not None:
                since, until = self.alerts_within
                current = current_alerts(self.lake, self.hot, now=self.clock(), since=since, until=until)
                _store(connection, name, current.to_arrow())
            else:
                view = VIEWS[name]
                self.define(connection, view.of.name)
                connection.execute(f"CREATE VIEW {quoted(name)} AS {view_text(view.sql)}")
        elif name in self.tables():
            self._define_table(connection, name, None, name)
        elif kind in METADATA and table in self.tables():
            _store(connection, name, self._metadata(table, kind))
        else:
            raise UsageError(
                f"there is no table '{name}'{place}", next_step=f"tables and views here: {', '.join(self.names())}"
            )
        self._defined.add(name)

    def define_as_of(self, connection: DuckDBPyConnection, name: str, snapshot: Snapshot) -> str:
        """Make the table as of a snapshot known; returns the name it has there."""
        alias = f"{name}@{snapshot.snapshot_id}"
        if alias not in self._defined:
            self._define_table(connection, name, snapshot, alias)
            self._defined.add(alias)
        return alias

    def _define_table(self, connection: DuckDBPyConnection, name: str, snapshot: Snapshot | None, alias: str) -> None:
        schema, paths = self._planned(name, snapshot, alias)
        if paths and not self.paths:
            assert self.lake is not None
            teach(self.lake.storage, connection)
        self.paths += paths
        connection.execute(f"CREATE VIEW {quoted(alias)} AS {reading(schema, paths)}")

    def _planned(self, name: str, snapshot: Snapshot | None, alias: str) -> tuple[Schema, list[str]]:
        """The schema and the files of a snapshot (the newest by default)."""
        from pyiceberg.schema import Schema

        known = self.tables().get(name)
        if self.lake is None or not self.lake.has(name):
            assert known is not None
            return iceberg_schema(known), []
        iceberg = self.lake.iceberg(name)
        wanted = snapshot or iceberg.current_snapshot()
        now = iceberg.schema()
        if known is not None:  # one that an older version made is read as the next engine will complete it
            now = Schema(*now.fields, *lacking(known, iceberg))
        if wanted is None:
            return now, []
        files = self.lake.files(name, snapshot_id=wanted.snapshot_id)
        self.snapshots[alias] = wanted.snapshot_id
        self.bytes += sum(file.file_size_in_bytes for file in files)
        old = snapshot is not None and snapshot.schema_id is not None
        schema = iceberg.schemas()[wanted.schema_id or 0] if old else now
        return schema, self.lake.storage.names([file.file_path for file in files])

    def _metadata(self, name: str, kind: str) -> pa.Table:
        if self.lake is None or not self.lake.has(name):
            raise UsageError(f"table '{name}' has no snapshot yet", next_step="land some trades first")
        found: pa.Table = getattr(self.lake.iceberg(name).inspect, kind)()
        for place, column in enumerate(found.schema):
            if pa.types.is_timestamp(column.type) and column.type.tz is None:
                utc = pa.timestamp(column.type.unit, "UTC")
                found = found.set_column(place, column.name, found.column(place).cast(utc))
        return found

    # -- time travel -----------------------------------------------------------------------------------------

    def snapshot_at(self, name: str, when: datetime) -> Snapshot:
        """The newest snapshot kept of those that were current at `when` or before it."""
        iceberg = self._with_history(name)
        found = iceberg.snapshot_as_of_timestamp(int(when.timestamp() * 1000))
        if found is None:
            raise UsageError(
                f"{name} has no snapshot from {when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ} or before",
                next_step=f"kept: {_kept(iceberg)}",
            )
        return found

    def snapshot_named(self, name: str, version: str) -> Snapshot:
        """The snapshot of an id, or of a tag or branch."""
        iceberg = self._with_history(name)
        ref = iceberg.metadata.refs.get(version)
        wanted = ref.snapshot_id if ref else int(version) if version.isdecimal() else None
        found = iceberg.snapshot_by_id(wanted) if wanted is not None else None
        if found is None:
            tags = sorted(iceberg.metadata.refs)
            raise UsageError(
                f"{name} has no snapshot {version}, or it has expired",
                next_step=f"kept: {_kept(iceberg)}; names: {', '.join(tags)}",
            )
        return found

    def _with_history(self, name: str) -> IcebergTable:
        if name in self._views:
            raise UsageError(
                f"{name} is a view, and only tables keep their past", next_step=f"use {VIEWS[name].of.name}"
            )
        if name not in self.tables():
            raise UsageError(
                f"there is no table '{name}'", next_step=f"tables here: {', '.join(sorted(self.tables()))}"
            )
        if self.lake is None or not self.lake.has(name):
            raise UsageError(f"table '{name}' has no snapshot yet", next_step="land some trades first")
        return self.lake.iceberg(name)


def _store(connection: DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("incoming", rows)
    connection.execute(f"CREATE TABLE {quoted(name)} AS FROM incoming")
    connection.unregister("incoming")


def _kept(iceberg: IcebergTable) -> str:
    snapshots = sorted(iceberg.snapshots(), key=lambda s: s.timestamp_ms, reverse=True)
    shown = [
        f"{s.snapshot_id} ({datetime.fromtimestamp(s.timestamp_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ})" for s in snapshots
    ]
    if len(shown) > _SHOWN:
        shown = [*shown[: _SHOWN // 2], f"{len(shown) - _SHOWN} more", *shown[-_SHOWN // 2 :]]
    return ", ".join(shown) or "none"


def reading(schema: Schema, paths: list[str]) -> str:
    """A query for the rows of the files, its columns found by Iceberg's field ids, as the format demands."""
    types = {f.field_id: (f.name, duckdb_type(f.field_type)) for f in schema.fields}
    if not paths:
        columns = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in types.values())
        return f"SELECT {columns} WHERE false"
    ids = ", ".join(
        f"{number}: {{'name': {literal(name)}, 'type': {literal(kind)}, 'default_value': NULL}}"
        for number, (name, kind) in types.items()
    )
    files = ", ".join(literal(path) for path in paths)
    return f"SELECT * FROM read_parquet([{files}], schema=MAP {{{ids}}}, hive_partitioning=false)"


_TYPES = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
}


def empty_like(table: str) -> str:
    """A query without rows that has the columns of a table of ours; in Athena's dialect and in DuckDB's."""
    known = _OURS[table]
    assert known is not None
    types = {f.name: athena_type(duckdb_type(f.field_type)) for f in iceberg_schema(known).fields}
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in types.items())
    return f"SELECT {columns} WHERE false"


def athena_type(kind: str) -> str:
    """Athena's name of a type of DuckDB."""
    if kind.endswith("[]"):
        return f"array({athena_type(kind.removesuffix('[]'))})"
    zoned = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    return "timestamp(6) with time zone" if kind in zoned else kind.lower()


def duckdb_type(kind: IcebergType) -> str:
    """DuckDB's name of an Iceberg type."""
    from pyiceberg.types import DecimalType, ListType

    if isinstance(kind, ListType):
        return f"{duckdb_type(kind.element_type)}[]"
    if isinstance(kind, DecimalType):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if str(kind) not in _TYPES:
        raise StoreError(f"columns of type {kind} cannot be read here", next_step="query the table with Spark")
    return _TYPES[str(kind)]


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
