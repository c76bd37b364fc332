"""Those who read the table of a schema drill: PyIceberg, `coattail sql` on DuckDB, and Spark where it can run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from coattail.errors import SparkError
from coattail.sql import Sql
from coattail.stores.catalog import NAMESPACE
from coattail.stores.lake import Lake
from coattail.tables import UTC_MICROS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TableReader:
    """A program that reads the table, now (None) or at a snapshot; `left_out` says why it cannot."""

    name: str
    read: Callable[[int | None], pl.DataFrame]
    left_out: str = ""


@contextmanager
def readers(lake: Lake, table: str, *, spark: bool) -> Iterator[list[TableReader]]:
    """The three readers; a Spark session lives as long as the context."""
    with ExitStack() as stack:
        yield [_pyiceberg(lake, table), _duckdb(lake, table), _spark(lake, table, stack, wanted=spark)]


def _pyiceberg(lake: Lake, table: str) -> TableReader:
    def read(snapshot_id: int | None) -> pl.DataFrame:
        return _frame(lake.iceberg(table).scan(snapshot_id=snapshot_id).to_arrow())

    return TableReader("PyIceberg", read)


def _duckdb(lake: Lake, table: str) -> TableReader:
    sql = Sql(lake)

    def read(snapshot_id: int | None) -> pl.DataFrame:
        past = "" if snapshot_id is None else f" FOR VERSION AS OF {snapshot_id}"
        return _frame(sql.query(f"SELECT * FROM {table}{past}"))

    return TableReader("DuckDB", read)


def _spark(lake: Lake, table: str, stack: ExitStack, *, wanted: bool) -> TableReader:
    from coattail.spark.session import spark_session, stop_session

    try:
        if not wanted:
            raise SparkError("not asked for")
        session = spark_session("coattail schema-drill", lake=lake.properties, quick=True)
    except SparkError as error:
        reason = str(error)
        return TableReader("Spark", lambda _: pl.DataFrame(), left_out=reason)
    stack.callback(stop_session, session)

    def read(snapshot_id: int | None) -> pl.DataFrame:
        past = "" if snapshot_id is None else f" VERSION AS OF {snapshot_id}"
        return _frame(session.sql(f"SELECT * FROM {NAMESPACE}.{NAMESPACE}.{table}{past}").toArrow())

    return TableReader("Spark", read)


def _frame(rows: pa.Table) -> pl.DataFrame:
    """Polars' types for them; every reader's times are UTC microseconds."""
    frame = pl.DataFrame(rows)
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    return frame.with_columns(pl.col(name).cast(UTC_MICROS) for name in times)
