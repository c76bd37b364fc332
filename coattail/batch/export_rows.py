"""The rows that an export is about, a batch at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import duckdb
import pyarrow as pa
from pyiceberg.manifest import DataFile

from coattail.errors import StoreError, UsageError
from coattail.sql.sources import Sources, literal, quoted, reading
from coattail.sql.views import VIEWS
from coattail.stores.duckdb_files import teach
from coattail.stores.files import day_meets
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake

PAYLOAD = "raw_event_payload"
"""What the exchange sent, word for word: exported only when it is asked for."""
BATCH_ROWS = 50_000

_FILES_AT_ONCE = 16
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET threads = 2",
    "SET memory_limit = '400MB'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a table at a snapshot, or of a view now, with since <= its time < until.

    Raises: UsageError: If it lacks a column that is asked for, or has no time where one is needed.
    """

    lake: Lake
    hot: HotStore | None
    name: str
    now: datetime
    snapshot_id: int | None = None
    """None: the newest; a view has no other."""
    since: datetime | None = None
    until: datetime | None = None
    symbol: str | None = None
    exchange: str | None = None
    columns: tuple[str, ...] | None = None
    """None: all, but for the payload."""
    with_payload: bool = False

    def between(self, since: datetime, until: datetime) -> Rows:
        """Those of them in this range; the same snapshot."""
        begin = since if self.since is None else max(since, self.since)
        return replace(self, since=begin, until=until if self.until is None else min(until, self.until))

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the columns that are exported, in their order."""
        with self._connected() as connection:
            self._define(connection, [])
            known = connection.sql(f"SELECT * FROM {quoted(self.name)} LIMIT 0").to_arrow_reader(1).schema
        return pa.schema([known.field(name) for name in self._chosen(known.names)])

    def _chosen(self, known: list[str]) -> list[str]:
        wanted = self.columns or [name for name in known if name != PAYLOAD or self.with_payload]
        for name in (*wanted, *self._conditions()):
            if name not in known:
                raise UsageError(f"{self.name} has no column '{name}'", next_step=f"columns: {', '.join(known)}")
        if PAYLOAD in wanted and not self.with_payload:
            raise UsageError(f"{PAYLOAD} is what exchanges sent, word for word", next_step="add --with-payload")
        return list(dict.fromkeys(wanted))

    @property
    def time(self) -> str | None:
        """The column that says when; None for what has no time of the market."""
        if self.name in VIEWS:
            return VIEWS[self.name].of.day_of
        table = self._sources.tables().get(self.name)
        return table.day_of if table is not None else None

    @property
    def total(self) -> int | None:
        """Rows that will be looked at; None if that is not known before."""
        return None if self.name in VIEWS else sum(file.record_count for file in self._files)

    def days(self) -> list[date]:
        """The days (UTC) that have rows, oldest first."""
        if self.time is None:
            raise UsageError(f"{self.name} has no time, so it has no days", next_step="export it into one file")
        found: set[date] = set()
        with self._connected() as connection:
            for files in self._portions():
                self._define(connection, files)
                query = f"SELECT DISTINCT CAST({quoted(self.time)} AS DATE) FROM {self._from()}"
                found.update(day for (day,) in connection.execute(query).fetchall() if day is not None)
        return sorted(found)

    def batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """(rows looked at since the one before, batch): files by day, their rows as they are stored."""
        columns = ", ".join(quoted(name) for name in self.schema.names)
        with self._connected() as connection:
            for files in self._portions():
                self._define(connection, files)
                looked_at = sum(file.record_count for file in files)
                reader = connection.sql(f"SELECT {columns} FROM {self._from()}").to_arrow_reader(BATCH_ROWS)
                for batch in reader:
                    yield (0 if files else batch.num_rows), batch.cast(self.schema)
                yield looked_at, pa.RecordBatch.from_pylist([], self.schema)

    # -- planning --------------------------------------------------------------------------------------------

    @cached_property
    def _sources(self) -> Sources:
        return Sources(self.lake, self.hot, lambda: self.now)

    @cached_property
    def _files(self) -> list[DataFile]:
        files = self.lake.files(self.name, snapshot_id=self.snapshot_id)
        if self.time is not None:
            last = None if self.until is None else self.until - timedelta(microseconds=1)
            files = [file for file in files if day_meets(file, self.since, last)]
        return sorted(files, key=lambda file: (str(file.partition), file.file_path))

    def _portions(self) -> list[list[DataFile]]:
        """The files in groups that are read together; one empty group for a view."""
        if self.name in VIEWS:
            return [[]]
        return [self._files[i : i + _FILES_AT_ONCE] for i in range(0, len(self._files), _FILES_AT_ONCE)]

    def _define(self, connection: duckdb.DuckDBPyConnection, files: list[DataFile]) -> None:
        if self.name in VIEWS:
            Sources(self.lake, self.hot, lambda: self.now).define(connection, self.name)
            return
        iceberg = self.lake.iceberg(self.name)
        snapshot = iceberg.snapshot_by_id(self.snapshot_id) if self.snapshot_id is not None else None
        number = snapshot.schema_id if snapshot is not None else None
        schema = iceberg.schema() if number is None else iceberg.schemas()[number]
        text = reading(schema, self.lake.storage.names([file.file_path for file in files]))
        connection.execute(f"CREATE OR REPLACE VIEW {quoted(self.name)} AS {text}")

    def _from(self) -> str:
        conditions = " AND ".join(self._conditions().values())
        return f"{quoted(self.name)} WHERE {conditions or 'true'}"

    def _conditions(self) -> dict[str, str]:
        """Column -> what must hold for it."""
        equal = {"symbol": self.symbol, "exchange": self.exchange}
        found = {name: f"{quoted(name)} = {literal(value)}" for name, value in equal.items() if value is not None}
        bounds = [(">=", self.since), ("<", self.until)]
        limits = [(sign, bound) for sign, bound in bounds if bound is not None]
        if limits and self.time is None:
            raise UsageError(f"{self.name} has no time", next_step="leave --since and --until out")
        if limits and self.time is not None:
            column = quoted(self.time)
            found[self.time] = " AND ".join(
                f"{column} {sign} TIMESTAMPTZ {literal(bound.astimezone(UTC).isoformat())}" for sign, bound in limits
            )
        return found

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        spill = os.path.join(tempfile.gettempdir(), f"coattail-export-{os.getpid()}")
        with closing(duckdb.connect(":memory:")) as connection:
            for setting in (*_SETTINGS, f"SET temp_directory = {literal(spill)}"):
                connection.execute(setting)
            teach(self.lake.storage, connection)
            try:
                yield connection
            except duckdb.Error as error:
                raise StoreError(
                    f"{self.name} cannot be read ({str(error).splitlines()[0]})",
                    next_step="`coattail doctor` looks whether the files are whole",
                ) from error
