"""Exported files hold what the table holds, and nothing else gets a file's name."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coattail.batch.export import export_days, export_file
from coattail.batch.export_rows import Rows
from coattail.errors import StoreError, UsageError
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import BARS, COVERAGE, RAW_TRADES

START = datetime(2025, 3, 4, 22, tzinfo=UTC)
NOW = datetime(2025, 3, 6, tzinfo=UTC)


def trades(first: int, count: int, symbol: str = "BTC-USDT") -> pl.DataFrame:
    """One trade an hour from START on."""
    ids = pl.DataFrame({"trade_id": pl.int_range(first, first + count, eager=True)})
    same: dict[str, Any] = {
        "event_id": symbol, "exchange": "binance", "symbol": symbol, "price": 60_000.5, "quantity": 1e-7,
        "quote_volume": 0.1, "side": "buy", "ingestion_timestamp": START, "source": "live", "late": False,
        "inconsistent": False, "inexact": False, "session": "s", "stream_lane": 1, "stream_offset": "0.0",
        "stream_index": 0, "raw_event_payload": "secret",
    }  # fmt: skip
    time = pl.lit(START) + pl.duration(hours=pl.col("trade_id"), microseconds=1)
    frame = ids.with_columns(pl.col("trade_id").alias("last_trade_id"), time.alias("timestamp"))
    return RAW_TRADES.conform(frame.with_columns(pl.lit(value).alias(name) for name, value in same.items()))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    (tmp_path / "warehouse").mkdir()
    lake = Lake(embedded(tmp_path))
    for number, rows in enumerate((trades(0, 5), trades(5, 40), trades(45, 3, "=cmd()|' /C calc'!A0")), start=1):
        lake.commit(RAW_TRADES, lake.write(RAW_TRADES, rows), {"commit": str(number)})
    yield lake
    lake.close()


def rows_of(lake: Lake, name: str = "raw_trades", **options: Any) -> Rows:
    return Rows(lake=lake, hot=None, name=name, now=NOW, **options)


def test_exported_parquet_equals_the_table(lake: Lake, tmp_path: Path) -> None:
    done = export_file(rows_of(lake, with_payload=True), tmp_path / "t.parquet")
    table = lake.iceberg("raw_trades").scan().to_arrow().sort_by("trade_id")
    found = pq.read_table(done.files[0]).sort_by("trade_id")
    assert done.rows == 48
    assert found.schema.names == table.schema.names
    assert found.to_pylist() == table.to_pylist()
    assert found.schema.field("timestamp").type == pa.timestamp("us", "UTC")


def test_decimals_and_lists_survive_both_formats(lake: Lake, tmp_path: Path) -> None:
    amount = pl.lit(Decimal("123456789012345678.00000001"), pl.Decimal(38, 8))
    row = {"exchange": "e", "symbol": "S", "bar_start": START, "histogram_buckets": [1, 2], "histogram_trades": [3, 4]}
    bar = BARS.conform(pl.DataFrame([row]).with_columns(quantity=amount))
    lake.commit(BARS, lake.write(BARS, bar), {"through": "1"})
    parquet, text = (export_file(rows_of(lake, "bars"), tmp_path / f"b.{kind}") for kind in ("parquet", "csv"))
    assert pl.read_parquet(parquet.files[0]).equals(bar)
    with open(text.files[0], newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["quantity"], row["histogram_trades"]) == ("123456789012345678.00000001", "[3,4]")
    assert (row["bar_start"], row["high"]) == ("2025-03-04T22:00:00.000000Z", "")


def test_csv_has_times_in_utc_exact_numbers_and_no_formula(lake: Lake, tmp_path: Path) -> None:
    export_file(rows_of(lake), tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 48
    assert {row["symbol"] for row in found} == {"BTC-USDT", "'=cmd()|' /C calc'!A0"}
    assert found[0]["timestamp"] == "2025-03-04T22:00:00.000001Z"
    assert {float(row["quantity"]) for row in found} == {1e-7}


def test_every_beginning_of_a_formula_is_guarded(lake: Lake, tmp_path: Path) -> None:
    texts = [f"{start}1+1" for start in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"] + ["1+1", "'=1", "a=1"]
    rows = pl.concat([trades(100, 1, text) for text in texts])
    lake.commit(RAW_TRADES, lake.write(RAW_TRADES, rows), {"commit": "4"})
    wanted = rows_of(lake, since=START + timedelta(hours=100), columns=("symbol",))
    export_file(wanted, tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        found = {row["symbol"] for row in csv.DictReader(file)}
    assert found == {*(f"'{text}" for text in texts[:11]), *texts[11:]}


def test_the_payload_leaves_only_when_it_is_asked_for(lake: Lake, tmp_path: Path) -> None:
    export_file(rows_of(lake), tmp_path / "t.parquet")
    assert "raw_event_payload" not in pq.read_schema(tmp_path / "t.parquet").names
    with pytest.raises(UsageError, match="--with-payload"):
        export_file(rows_of(lake, columns=("price", "raw_event_payload")), tmp_path / "u.parquet")
    assert not (tmp_path / "u.parquet").exists()


def test_a_range_of_time_a_symbol_and_columns_narrow_it(lake: Lake, tmp_path: Path) -> None:
    wanted = rows_of(
        lake, since=START + timedelta(hours=2), until=START + timedelta(hours=4), columns=("trade_id", "symbol"),
        symbol="BTC-USDT", exchange="binance",
    )  # fmt: skip
    export_file(wanted, tmp_path / "t.parquet")
    found = pl.read_parquet(tmp_path / "t.parquet")
    assert (found.columns, found["trade_id"].to_list()) == (["trade_id", "symbol"], [2, 3])


def test_a_snapshot_is_exported_as_it_was(lake: Lake, tmp_path: Path) -> None:
    first = lake.iceberg("raw_trades").snapshots()[0].snapshot_id
    assert export_file(rows_of(lake, snapshot_id=first), tmp_path / "t.parquet").rows == 5


def test_a_folder_gets_one_file_per_day_and_together_they_are_the_table(lake: Lake, tmp_path: Path) -> None:
    heard: list[int] = []
    done = export_days(rows_of(lake), tmp_path / "out", advance=heard.append)
    days = [date(2025, 3, 4) + timedelta(days=n) for n in range(3)]
    assert done.files == [tmp_path / "out" / f"dt={day}" / "raw_trades.parquet" for day in days]
    for day, file in zip(days, done.files, strict=True):
        assert pl.read_parquet(file, hive_partitioning=False)["timestamp"].dt.date().unique().to_list() == [day]
    together = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in done.files])
    assert sorted(together["trade_id"]) == list(range(48))
    assert sum(heard) == 48


def test_what_exists_is_replaced_only_by_force(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        export_file(rows_of(lake), out)
    assert out.read_text() == "mine"
    assert export_file(rows_of(lake), out, force=True).rows == 48
    export_days(rows_of(lake), tmp_path / "out")
    with pytest.raises(UsageError, match=r"exists already \(and 2 more\)"):
        export_days(rows_of(lake), tmp_path / "out")


def test_what_came_meanwhile_is_not_replaced(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(UsageError, match="exists already"):
        export_file(rows_of(lake), out, advance=lambda _: None if out.exists() else void(out.write_text("theirs")))
    assert out.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def void(_: object) -> None:
    return None


def test_nothing_is_left_of_an_export_that_fails(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, batch: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coattail.batch.export_files._Csv.write", full)
    with pytest.raises(StoreError, match="No space left on device"):
        export_file(rows_of(lake), tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".t", "t."))] == []


def test_more_files_than_are_read_together_come_out_whole(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coattail.batch.export_rows._FILES_AT_ONCE", 2)
    monkeypatch.setattr("coattail.batch.export_rows.BATCH_ROWS", 7)
    export_file(rows_of(lake), tmp_path / "t.parquet")
    assert sorted(pl.read_parquet(tmp_path / "t.parquet")["trade_id"]) == list(range(48))


def test_no_rows_make_a_file_with_its_columns(lake: Lake, tmp_path: Path) -> None:
    assert export_file(rows_of(lake, symbol="ETH-USDT"), tmp_path / "t.parquet").rows == 0
    assert pq.read_schema(tmp_path / "t.parquet").names == [n for n in RAW_TRADES.schema if n != "raw_event_payload"]
    assert export_file(rows_of(lake, until=START), tmp_path / "t.csv").rows == 0
    assert (tmp_path / "t.csv").read_text().startswith("event_id,exchange,")


def test_what_has_no_time_has_no_range_and_no_days(lake: Lake, tmp_path: Path) -> None:
    row = {"exchange": "e", "symbol": "S", "first_id": 1, "last_id": 2, "state": "live"}
    lake.commit(COVERAGE, lake.write(COVERAGE, COVERAGE.conform(pl.DataFrame([row]))), {"through": "1"})
    with pytest.raises(UsageError, match="no time"):
        export_file(rows_of(lake, "coverage", since=START), tmp_path / "t.csv")
    with pytest.raises(UsageError, match="no days"):
        export_days(rows_of(lake, "coverage"), tmp_path / "out")
    assert export_file(rows_of(lake, "coverage"), tmp_path / "t.csv").rows == 1


def test_unknown_columns_and_formats_are_named(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column 'prise'"):
        export_file(rows_of(lake, columns=("prise",)), tmp_path / "t.csv")
    with pytest.raises(UsageError, match=r"neither \.parquet nor \.csv"):
        export_file(rows_of(lake), tmp_path / "t.xlsx")
