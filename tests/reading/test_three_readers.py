"""PyIceberg, DuckDB and PyArrow agree about every table."""

from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pytest

from coattail.detectors import DETECTORS
from coattail.stores.lake import Lake
from coattail.tables import CORE_TABLES

TABLES = (*CORE_TABLES, *(d.table for d in DETECTORS.values()))


def row_set(table: pa.Table, names: list[str]) -> list[str]:
    return sorted(repr(list(row.items())) for row in table.select(names).to_pylist())


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_three_readers_find_the_same_rows(filled: Any, table: Any) -> None:
    lake = Lake(filled.home.warehouse, filled.home.catalog_db, writable=False)
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


def cast(found: pa.Table, table: Any) -> pa.Table:
    """The types of the table's definition: readers differ in large and small strings, not in values."""
    nullable = pa.schema([field.with_nullable(True) for field in table.arrow])
    return found.select(table.arrow.names).cast(nullable)
