"""The schema drill: every reader right after every step, no file touched, and a naive reader caught."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import polars as pl
import pytest

from coattail.batch.drill import TABLE, TableReader, _Drill, difference, schema_drill
from coattail.batch.drill_rows import drill_rows
from coattail.errors import StoreError, UsageError
from coattail.home import Home
from coattail.stores.catalog import NAMESPACE
from coattail.stores.lake import Lake
from coattail.tables import RAW_TRADES
from tests.harness.places import warehouse
from tests.harness.running import settings_of

pytestmark = pytest.mark.slow

ROWS = 120


def test_every_reader_is_right_after_every_step_and_no_file_is_touched(home: Home) -> None:
    done = schema_drill(home, settings_of({}), rows=ROWS, spark=False)
    assert [s.name for s in done.steps if not s.ok] == []
    assert done.ok
    assert (done.source, done.rows, len(done.steps)) == ("simulated trades", ROWS, 7)
    assert all(s.files_before == s.files_untouched > 0 for s in done.steps[1:])
    for step in done.steps:
        assert [c.ok for c in step.checks] == [True, True, None]
        assert "not asked for" in step.checks[2].detail


def test_the_scratch_table_is_gone_afterwards_unless_it_is_kept(home: Home) -> None:
    folder = warehouse(home) / NAMESPACE / TABLE
    schema_drill(home, settings_of({}), rows=ROWS, spark=False)
    assert not folder.exists()
    schema_drill(home, settings_of({}), rows=ROWS, spark=False, keep=True)
    assert folder.exists()
    schema_drill(home, settings_of({}), rows=ROWS, spark=False)
    assert not folder.exists()


def test_rows_come_from_the_home_and_its_tables_are_not_touched(home: Home, lake: Lake) -> None:
    simulated, _ = drill_rows(lake, 60)
    trades = RAW_TRADES.conform(
        simulated.with_columns(
            pl.col("trade_id").alias("last_trade_id"), pl.lit(1.0).alias("quote_volume"),
            pl.col("timestamp").alias("ingestion_timestamp"), pl.lit("replay").alias("source"),
            *(pl.lit(value=False).alias(n) for n in ("late", "inconsistent", "inexact")), pl.lit("s").alias("session"),
            pl.lit("1").alias("stream_offset"), pl.lit(1).alias("stream_index"),
        )
    )  # fmt: skip
    lake.commit(RAW_TRADES, lake.write(RAW_TRADES, trades), {"commit": "1"})
    before = lake.locations()[RAW_TRADES.name]
    done = schema_drill(home, settings_of({}), rows=40, spark=False)
    assert (done.source, done.rows, done.ok) == ("trades of this home", 40, True)
    assert lake.locations()[RAW_TRADES.name] == before


def test_a_table_of_that_name_that_no_drill_made_is_left_alone(home: Home, lake: Lake) -> None:
    lake.catalog.create_namespace_if_not_exists(NAMESPACE)
    lake.catalog.create_table((NAMESPACE, TABLE), schema=pl.DataFrame({"precious": ["x"]}).to_arrow().schema)
    with pytest.raises(StoreError, match="no drill made"):
        schema_drill(home, settings_of({}), rows=ROWS, spark=False)
    assert TABLE in lake.names()


def test_too_few_rows_are_refused(home: Home) -> None:
    with pytest.raises(UsageError, match="too few"):
        schema_drill(home, settings_of({}), rows=5)


def by_position(paths: list[str]) -> pl.DataFrame:
    """As a reader does that takes the first file's columns for those of all."""
    frames = [pl.read_parquet(path) for path in paths]
    first = frames[0]
    return pl.concat([pl.DataFrame(f.get_columns()[: first.width], schema=first.schema) for f in frames])


def by_name(paths: list[str]) -> pl.DataFrame:
    """As a reader does that matches columns by their names in the files."""
    query = "SELECT * FROM read_parquet($paths, union_by_name=true, hive_partitioning=false)"
    with duckdb.connect() as connection:
        return pl.DataFrame(connection.sql(query, params={"paths": paths}).to_arrow_table())


@pytest.mark.parametrize(("naive", "right_before"), [(by_position, "add a column"), (by_name, "rename a column")])
def test_control_a_reader_that_knows_no_field_ids_is_caught(
    naive: Callable[[list[str]], pl.DataFrame], right_before: str, lake: Lake
) -> None:
    def read(snapshot_id: int | None) -> pl.DataFrame:
        newest_first = lake.files(TABLE, snapshot_id=snapshot_id)
        found = naive([f.file_path.removeprefix("file://") for f in reversed(newest_first)])
        times = [name for name, kind in found.schema.items() if isinstance(kind, pl.Datetime)]
        return found.with_columns(pl.col(times).cast(pl.Datetime("us", "UTC")))

    data, _ = drill_rows(lake, ROWS)
    steps = list(_Drill(lake, data, [TableReader("naive", read)]).steps())
    names = [s.name for s in steps]
    first_wrong = names.index(right_before)
    assert [s.checks[0].ok for s in steps[:5]] == [place < first_wrong for place in range(5)]
    said = steps[first_wrong].checks[0].detail
    assert "Error" not in said, "it is wrong without noticing"
    assert "Warning" not in said
    assert all(s.files_untouched == s.files_before for s in steps)


def test_a_touched_file_is_counted(home: Home, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = drill_rows(lake, ROWS)
    drill = _Drill(lake, data, [])
    steps = drill.steps()
    next(steps)

    def meddling() -> None:
        path = next((warehouse(home) / NAMESPACE / TABLE / "data").rglob("*.parquet"))
        path.write_bytes(path.read_bytes() + b"x")

    monkeypatch.setattr(drill, "_add_column", meddling)
    monkeypatch.setattr(drill, "_write", lambda part: lambda: None)
    step = next(steps)
    assert step.files_untouched == step.files_before - 1
    assert not step.ok


def test_differences_are_said_in_words() -> None:
    model = pl.DataFrame({"event_id": ["a", "b"], "x": [1.0, 2.0]})
    assert difference(model.reverse(), model) is None
    assert difference(model.head(1), model) == "1 rows instead of 2"
    assert difference(model.with_columns(pl.col("x") + 1), model) == "other values in x"
    assert "columns" in (difference(model.rename({"x": "y"}), model) or "")
    assert "types" in (difference(model.with_columns(pl.col("x").cast(pl.Float32)), model) or "")
