"""The schema drill: what happens to data and readers when columns and partitions change, tried on a scratch table.

Each step changes the table as Iceberg does it, in metadata only, and writes rows under the new schema. After each,
every reader must give exactly what a plain Polars copy of the rows says, for the newest state and for every earlier
snapshot, and no data file that was there before may have changed by a byte. raw_trades is only read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import polars as pl
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import SetCurrentSchemaUpdate, SetDefaultSpecUpdate
from pyiceberg.transforms import DayTransform
from pyiceberg.types import DoubleType, LongType, StringType

from coattail.batch.drill_readers import TableReader, readers
from coattail.batch.drill_rows import drill_rows
from coattail.config import Settings
from coattail.errors import StoreError, UsageError
from coattail.home import Home
from coattail.stores.catalog import NAMESPACE
from coattail.stores.lake import Lake
from coattail.stores.opening import open_lake

TABLE = "schema_drill"
TAG = "before-the-drill"
_OURS = "coattail.drill"
"""Property of a table that may be dropped by the next drill."""
_PARTS = 6
LEAST_ROWS = _PARTS


@dataclass(frozen=True)
class ReaderVerdict:
    """What a reader was asked for, and whether it was right; `ok` is None where it was left out."""

    reader: str
    ok: bool | None
    detail: str


@dataclass
class SchemaChange:
    """One change of the table, and what was found after it. File counts are of files that were there before it."""

    name: str
    rows: int = 0
    files_before: int = 0
    files_untouched: int = 0
    checks: list[ReaderVerdict] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return self.files_untouched == self.files_before and all(check.ok is not False for check in self.checks)


@dataclass
class Drilled:
    """The drill, step by step; `source` says whose rows it was done with."""

    source: str
    rows: int
    steps: list[SchemaChange]

    @property
    def ok(self) -> bool:
        """Whether every check of every step passed."""
        return all(step.ok for step in self.steps)


def schema_drill(
    home: Home,
    settings: Settings,
    *,
    rows: int = 6_000,
    keep: bool = False,
    said: Callable[[str], None] = lambda _: None,
    spark: bool = True,
) -> Drilled:
    """Run the drill with `rows` trades of the home, or simulated ones; an engine may run meanwhile.

    The scratch table is dropped afterwards unless `keep`. Without `spark`, or where it cannot run, it is left out.

    Raises: UsageError: If `rows` are too few. StoreError: If somebody else has a table of that name.
    """
    if rows < LEAST_ROWS:
        raise UsageError(f"--rows {rows} is too few", next_step=f"give {LEAST_ROWS} or more: each step writes some")
    with ExitStack() as stack:
        stack.enter_context(home.maintenance_lock("schema-drill"))
        lake = open_lake(home, settings, writable=True)
        stack.callback(lake.close)
        data, source = drill_rows(lake, rows)
        _drop(lake)
        if not keep:
            stack.callback(_drop, lake)
        if spark:
            said("starting the readers")
        drill = _Drill(lake, data, stack.enter_context(readers(lake, TABLE, spark=spark)))
        done = Drilled(source, data.height, [])
        for step in drill.steps():
            said(step.name)
            done.steps.append(step)
        return done


class _Drill:
    """The table, and beside it what it must hold: `model` now, `past` by snapshot."""

    def __init__(self, lake: Lake, data: pl.DataFrame, asked: Sequence[TableReader]) -> None:
        self._lake = lake
        size = -(-data.height // _PARTS)
        self._parts = [data.slice(i * size, size) for i in range(_PARTS)]
        self._readers = asked
        self._past: dict[int, pl.DataFrame] = {}
        table = lake.catalog.create_table(
            (NAMESPACE, TABLE), schema=data.to_arrow().schema, properties={_OURS: "yes", "format-version": "2"}
        )
        with table.update_spec() as spec:
            spec.add_field("timestamp", DayTransform(), "timestamp_day")
        self._model = data.clear()

    def steps(self) -> Iterator[SchemaChange]:
        """Each step as soon as it was done and checked."""
        yield self._step("write rows", self._nothing, self._write(0))
        self._table().manage_snapshots().create_tag(self._newest(), TAG).commit()
        yield self._step("add a column", self._add_column, self._write(1))
        yield self._step("rename a column", self._rename, self._write(2))
        yield self._step("widen int to long, float to double", self._widen, self._write(3))
        yield self._step("partition by exchange too", self._repartition, self._write(4))
        yield self._step("roll back to the tag, rows and schema", self._roll_back, self._nothing)
        yield self._step("write on after the rollback", self._nothing, self._write(5))

    # -- changes ---------------------------------------------------------------------------------------------

    def _nothing(self) -> None:
        """Change nothing."""

    def _write(self, part: int) -> Callable[[], None]:
        def write() -> None:
            new = self._parts[part]
            names = set(self._model.columns)
            if "taker_side" in names:
                new = new.rename({"side": "taker_side"})
            if "note" in names:
                new = new.with_columns((pl.lit("note ") + pl.col("event_id")).alias("note"))
            if self._model.schema["stream_lane"] == pl.Int64:  # values that the column could not hold before
                new = new.with_columns(
                    pl.col("stream_lane").cast(pl.Int64) + 2**40, pl.col("quantity").cast(pl.Float64)
                )
            new = new.select(self._model.columns)
            self._table().append(new.to_arrow())
            self._model = pl.concat([self._model, new])

        return write

    def _add_column(self) -> None:
        with self._table().update_schema() as schema:
            schema.add_column("note", StringType(), "what nobody had thought of before")
        self._model = self._model.with_columns(pl.lit(None, pl.String).alias("note"))

    def _rename(self) -> None:
        with self._table().update_schema() as schema:
            schema.rename_column("side", "taker_side")
        self._model = self._model.rename({"side": "taker_side"})

    def _widen(self) -> None:
        with self._table().update_schema() as schema:
            schema.update_column("stream_lane", field_type=LongType())
            schema.update_column("quantity", field_type=DoubleType())
        self._model = self._model.with_columns(
            pl.col("stream_lane").cast(pl.Int64), pl.col("quantity").cast(pl.Float64)
        )

    def _repartition(self) -> None:
        with self._table().update_spec() as spec:
            spec.add_identity("exchange")

    def _roll_back(self) -> None:
        table = self._table()
        snapshot = table.snapshot_by_name(TAG)
        assert snapshot is not None
        assert snapshot.schema_id is not None
        with table.transaction() as transaction:
            updates, requirements = transaction._set_ref_snapshot(snapshot.snapshot_id, MAIN_BRANCH, "branch")
            first_day = min(spec_id for spec_id, spec in table.specs().items() if spec.fields)
            more = (
                SetCurrentSchemaUpdate.model_validate({"schema-id": snapshot.schema_id}),
                SetDefaultSpecUpdate.model_validate({"spec-id": first_day}),
            )
            transaction._apply((*updates, *more), requirements)
        self._model = self._past[snapshot.snapshot_id]

    # -- checks ----------------------------------------------------------------------------------------------

    def _step(self, name: str, change: Callable[[], None], write: Callable[[], None]) -> SchemaChange:
        before = self._hashes()
        change()
        write()
        after = self._hashes()
        self._past[self._newest()] = self._model
        step = SchemaChange(name, self._model.height, len(before))
        step.files_untouched = sum(after.get(path) == digest for path, digest in before.items())
        for reader in self._readers:
            step.checks += self._asked(reader)
        return step

    def _asked(self, reader: TableReader) -> Iterator[ReaderVerdict]:
        if reader.left_out:
            yield ReaderVerdict(reader.name, None, reader.left_out)
            return
        wrong = [text for text in (self._compared(reader, None, self._model),) if text]
        for snapshot_id, model in self._past.items():
            said = self._compared(reader, snapshot_id, model)
            wrong += [f"snapshot {snapshot_id}: {said}"] if said else []
        yield ReaderVerdict(reader.name, not wrong, "; ".join(wrong) or f"now and at {len(self._past)} snapshots")

    def _compared(self, reader: TableReader, snapshot_id: int | None, model: pl.DataFrame) -> str | None:
        """In words, what the reader got wrong; None for nothing."""
        try:
            found = reader.read(snapshot_id)
        except Exception as error:  # whatever a reader fails with is what the drill is to find
            return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        return difference(found, model)

    def _hashes(self) -> dict[str, str]:
        """Every data file in the table's folder, with the hash of its content."""
        storage = self._lake.storage
        files = (entry.location for entry in storage.listed(f"{self._table().location()}/data"))
        return {location: hashlib.sha256(storage.read(location)).hexdigest() for location in files}

    def _table(self) -> IcebergTable:
        return self._lake.iceberg(TABLE)

    def _newest(self) -> int:
        snapshot = self._table().current_snapshot()
        assert snapshot is not None
        return snapshot.snapshot_id


def difference(found: pl.DataFrame, model: pl.DataFrame) -> str | None:
    """In words, how the rows differ from those of the model, whatever their order; None if they do not."""
    if found.columns != model.columns:
        return f"columns {found.columns} instead of {model.columns}"
    types = {n: (found.schema[n], t) for n, t in model.schema.items() if found.schema[n] != t}
    if types:
        return f"types {types}"
    if found.height != model.height:
        return f"{found.height} rows instead of {model.height}"
    left, right = found.sort("event_id"), model.sort("event_id")
    differing = [name for name in model.columns if not left[name].equals(right[name], null_equal=True)]
    return f"other values in {', '.join(differing)}" if differing else None


def _drop(lake: Lake) -> None:
    """Remove the table of an earlier drill, files and all.

    Raises: StoreError: If a table of that name is somebody else's.
    """
    if TABLE not in lake.names():
        return
    table = lake.iceberg(TABLE)
    if table.properties.get(_OURS) != "yes" or not lake.storage.inside(table.location()):
        raise StoreError(f"there is a table '{TABLE}' that no drill made", next_step="rename or drop it first")
    lake.catalog.drop_table((NAMESPACE, TABLE))
    lake.forget(TABLE)
    lake.storage.drop_folder(table.location())
