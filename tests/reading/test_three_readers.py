"""PyIceberg, DuckDB, PyArrow and Spark agree about every table."""

from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pytest

from coattail.detectors import MODULE_TABLES
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import CORE_TABLES, RAW_TRADES

TABLES = (*CORE_TABLES, *MODULE_TABLES)


def row_set(table: pa.Table, names: list[str]) -> list[str]:
    return sorted(repr(list(row.items())) for row in table.select(names).to_pylist())


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_three_readers_find_the_same_rows(filled: Any, table: Any) -> None:
    lake = Lake(embedded(filled.home.path), writable=False)
    iceberg = lake.iceberg(table.name)
    paths = [task.file.file_path.removeprefix("file://") for task in iceberg.scan().plan_files()]
    assert sorted(paths) == sorted(f.file_path.removeprefix("file://") for f in lake.files(table.name))
    names = list(table.schema)
    by_pyiceberg = iceberg.scan().to_arrow()
    by_pyarrow = pa.dataset.dataset(paths, format="parquet").to_table()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = "SELECT * FROM read_parquet($paths, hive_partitioning=false, union_by_name=true)"
        by_duckdb = connection.sql(query, params={"paths": paths}).to_arrow_table()
    lake.close()
    expected = row_set(cast(by_pyiceberg, table), names)
    assert expected
    assert row_set(cast(by_pyarrow, table), names) == expected
    assert row_set(cast(by_duckdb, table), names) == expected


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_spark_finds_the_same_rows(filled: Any, spark: Callable[..., Any], table: Any) -> None:
    by_spark = spark(filled.home).table(table.name).toArrow()
    lake = Lake(embedded(filled.home.path), writable=False)
    by_pyiceberg = lake.iceberg(table.name).scan().to_arrow()
    lake.close()
    assert by_spark.schema.names == list(table.schema)
    kinds = [field.type for field in by_spark.schema if not pa.types.is_list(field.type)]
    assert kinds == [field.type for field in table.arrow if not pa.types.is_list(field.type)]
    expected = row_set(cast(by_pyiceberg, table), list(table.schema))
    assert expected
    assert row_set(cast(by_spark, table), list(table.schema)) == expected


def test_spark_travels_in_time_by_snapshot_and_by_moment(filled: Any, spark: Callable[..., Any]) -> None:
    session = spark(filled.home)
    lake = Lake(embedded(filled.home.path), writable=False)
    trades = lake.iceberg(RAW_TRADES.name)
    first, last = trades.snapshots()[0].snapshot_id, trades.current_snapshot().snapshot_id
    names = list(RAW_TRADES.schema)
    before, now = (row_set(cast(trades.scan(snapshot_id=s).to_arrow(), RAW_TRADES), names) for s in (first, last))
    lake.close()

    def found(clause: str) -> list[str]:
        return row_set(cast(session.sql(f"SELECT * FROM raw_trades {clause}").toArrow(), RAW_TRADES), names)

    assert before != now
    assert found(f"VERSION AS OF {first}") == before
    assert found(f"TIMESTAMP AS OF '{filled.between:%Y-%m-%d %H:%M:%S.%f}'") == before
    assert found("") == now


def test_spark_and_duckdb_add_up_the_same_sums(filled: Any, spark: Callable[..., Any], sql: Any) -> None:
    query = (
        "SELECT exchange, symbol, sum(notional) AS notional, sum(buy_quantity) AS bought, sum(trades) AS trades "
        "FROM bars GROUP BY exchange, symbol ORDER BY exchange, symbol"
    )
    by_spark = spark(filled.home).sql(query).toArrow().to_pylist()
    by_duckdb = sql.query(query).to_pylist()
    assert by_spark
    assert by_spark == by_duckdb


def cast(found: pa.Table, table: Any) -> pa.Table:
    """The types of the table's definition: readers differ in large and small strings, not in values."""
    nullable = pa.schema([field.with_nullable(True) for field in table.arrow])
    return found.select(table.arrow.names).cast(nullable)
