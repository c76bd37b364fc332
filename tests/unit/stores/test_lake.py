"""The lake: atomic commits with their properties, refused when stale, forgotten by count, held by tags."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from coattail.errors import StoreError
from coattail.stores.catalog import embedded
from coattail.stores.expiry import drop_lapsed_tags, expire, tag_newest
from coattail.stores.lake import Lake
from coattail.stores.storage import local
from coattail.tables import BARS, CORE_TABLES, ORDERS, SESSIONS, Table

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path)
    yield opened
    opened.close()


def open_lake(folder: Path) -> Lake:
    (folder / "warehouse").mkdir(exist_ok=True)
    return Lake(embedded(folder))


def orders(*days: int, symbol: str = "BTC-USDT") -> pl.DataFrame:
    """One order per day from noon."""
    rows = [
        {"exchange": "binance", "symbol": symbol, "trade_id": d, "last_trade_id": d,
         "timestamp": NOON + timedelta(days=d), "side": "buy", "fills": 1, "quantity": Decimal("1.5"),
         "notional": Decimal("12345678901234567890.12345678")}
        for d in days
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides=ORDERS.schema).pipe(ORDERS.conform)


def commit(lake: Lake, *days: int, **properties: str) -> None:
    lake.commit(ORDERS, lake.write(ORDERS, orders(*days)), {"note": "x", **properties})


def ids(lake: Lake, **scan: object) -> list[int]:
    return sorted(lake.scan(ORDERS, **scan)["trade_id"].to_list())  # type: ignore[arg-type]


def test_what_was_committed_is_read_back_exactly_by_three_readers(lake: Lake) -> None:
    commit(lake, 1, 2)
    wanted = orders(1, 2)
    assert lake.scan(ORDERS).sort("trade_id").equals(wanted)
    table = lake.iceberg(ORDERS.name)
    arrow = table.scan().to_arrow()
    assert ORDERS.conform(pl.DataFrame(arrow)).sort("trade_id").equals(wanted)
    paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    with duckdb.connect() as connection:
        total = connection.execute("SELECT sum(notional), count(*) FROM read_parquet(?)", [paths]).fetchone()
    assert total == (Decimal("24691357802469135780.24691356"), 2)


@pytest.mark.parametrize("table", CORE_TABLES, ids=lambda t: t.name)
def test_every_core_table_can_be_made_and_be_empty(lake: Lake, table: Table) -> None:
    assert lake.newest(table.name) is None
    assert lake.scan(table).equals(table.empty())
    lake.commit(table, lake.write(table, table.empty()), {"note": "nothing"})
    assert lake.scan(table).equals(table.empty())
    newest = lake.newest(table.name)
    assert newest is not None
    assert newest.properties["note"] == "nothing"


def test_files_without_a_commit_are_not_in_the_table(lake: Lake) -> None:
    commit(lake, 1)
    lake.write(ORDERS, orders(2))
    assert ids(lake) == [1]


def test_commits_are_numbered_and_say_what_they_reached(lake: Lake, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        commit(lake, day, offset=str(day))
    newest = open_lake(tmp_path).newest(ORDERS.name)
    assert newest is not None
    assert (newest.sequence, newest.properties["offset"]) == (3, "3")
    assert [c.properties["offset"] for c in lake.commits_since(ORDERS.name, 1)] == ["2", "3"]
    assert lake.commits_since(ORDERS.name, 3) == []
    assert lake.commits_since("nothing", 0) == []


def test_rows_can_be_read_from_a_commit_on_even_after_manifests_were_merged(lake: Lake) -> None:
    for day in range(25):
        commit(lake, day)
    assert ids(lake, after_commit=22) == [22, 23, 24]
    assert ids(lake, after_commit=0) == list(range(25))


def test_a_range_of_time_reads_the_rows_in_it(lake: Lake) -> None:
    commit(lake, 1, 2, 3)
    assert ids(lake, since=NOON + timedelta(days=2), until=NOON + timedelta(days=3)) == [2]


def test_a_stale_second_writer_is_refused_and_its_rows_are_not_doubled_in(lake: Lake, tmp_path: Path) -> None:
    commit(lake, 1)
    other = open_lake(tmp_path)
    other.scan(ORDERS)
    commit(lake, 2)
    with pytest.raises(StoreError, match="somebody else"):
        other.commit(ORDERS, other.write(ORDERS, orders(9)), {"note": "stale"})
    other.close()
    assert ids(lake) == [1, 2]


def test_a_newest_commit_is_found_behind_one_that_says_nothing(lake: Lake) -> None:
    commit(lake, 1, offset="7")
    table = lake.iceberg(ORDERS.name)
    table.append(table.scan().to_arrow().slice(0, 0))
    newest = lake.newest(ORDERS.name)
    assert newest is not None
    assert newest.properties["offset"] == "7"


def sessions(*names: str) -> pl.DataFrame:
    rows = [{"exchange": "binance", "symbol": "BTC-USDT", "session": n, "first_id": 1, "last_id": 2} for n in names]
    return pl.DataFrame(rows, schema=SESSIONS.schema)


def test_a_table_can_be_replaced_as_a_whole(lake: Lake) -> None:
    for names in (("a",), ("a", "b"), (), ("c",)):
        lake.commit(SESSIONS, lake.write(SESSIONS, sessions(*names)), {"note": "x"}, replace=True)
        assert sorted(lake.scan(SESSIONS)["session"]) == list(names)


def test_expiry_keeps_the_newest_the_tagged_and_what_somebody_needs(lake: Lake) -> None:
    for day in range(10):
        commit(lake, day, offset=str(day))
        if day == 2:
            tag_newest(lake, ORDERS.name, "held", keep_days=1)
    assert len(expire(lake, ORDERS.name, keep=3, needed_after=5)) == 4
    left = [c.properties["offset"] for c in lake.commits_since(ORDERS.name, 0)]
    assert left == ["2", "5", "6", "7", "8", "9"]
    assert ids(lake) == list(range(10))
    table = lake.iceberg(ORDERS.name)
    held = table.snapshot_by_name("held")
    assert held is not None
    assert table.scan(snapshot_id=held.snapshot_id).to_arrow().num_rows == 3
    commit(lake, 10)
    assert ids(lake) == list(range(11))


def test_a_tag_lapses_by_its_own_age_and_another_stays(lake: Lake) -> None:
    commit(lake, 1)
    tag_newest(lake, ORDERS.name, "short", keep_days=1)
    tag_newest(lake, ORDERS.name, "long", keep_days=30)
    tag_newest(lake, ORDERS.name, "long", keep_days=30)
    assert drop_lapsed_tags(lake, ORDERS.name, datetime.now(UTC) + timedelta(days=2)) == ["short"]
    assert set(lake.iceberg(ORDERS.name).metadata.refs) == {"main", "long"}


def test_a_value_from_outside_never_names_a_folder_outside(lake: Lake, tmp_path: Path) -> None:
    from coattail.detectors.whale import WHALE_TRADES

    rows = [{"exchange": "binance", "symbol": s, "trade_id": 1, "last_trade_id": 1, "timestamp": NOON,
             "preset": "classic", "revision": 1} for s in ("../../../etc", "a/b", "x" * 300)]  # fmt: skip
    frame = WHALE_TRADES.conform(pl.DataFrame(rows))
    lake.create(replace(WHALE_TRADES, also_by=("symbol",)))
    lake.commit(WHALE_TRADES, lake.write(WHALE_TRADES, frame), {"note": "x"})
    assert sorted(lake.scan(WHALE_TRADES)["symbol"]) == sorted(r["symbol"] for r in rows)
    written = [p.resolve() for p in tmp_path.rglob("*.parquet")]
    assert len(written) == 3
    assert all(p.is_relative_to(tmp_path / "warehouse") for p in written)


def test_lists_and_missing_values_survive(lake: Lake) -> None:
    bar = {"exchange": "e", "symbol": "A-USD", "bar_start": NOON, "trades": 1, "histogram_buckets": [-3, 7],
           "histogram_trades": [1, 2]}  # fmt: skip
    frame = BARS.conform(pl.DataFrame([bar, {**bar, "histogram_buckets": None, "histogram_trades": []}]))
    lake.commit(BARS, lake.write(BARS, frame), {"note": "x"})
    assert lake.scan(BARS)["histogram_buckets"].to_list() == [[-3, 7], None]


def test_an_unknown_table_is_named_with_the_known_ones(lake: Lake) -> None:
    commit(lake, 1)
    with pytest.raises(StoreError, match="no table 'nothing'; tables here: large_trades"):
        lake.iceberg("nothing")


def test_a_damaged_catalog_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"this is not a database, and long enough to tell" * 40)
    with pytest.raises(StoreError, match=r"catalog\.db"):
        open_lake(tmp_path).names()


def test_a_table_of_an_older_version_goes_on_as_it_is_partitioned(lake: Lake) -> None:
    """Modules' tables were once divided by symbol too."""
    lake.create(replace(ORDERS, also_by=("symbol",)))
    rows = pl.concat([orders(1), orders(2).with_columns(pl.lit("ETH-USDT").alias("symbol"))])
    lake.commit(ORDERS, lake.write(ORDERS, rows), {})
    paths = [file.file_path for file in lake.files(ORDERS.name)]
    assert sorted(path.split("symbol=")[1].split("/")[0] for path in paths) == ["BTC-USDT", "ETH-USDT"]
    assert lake.scan(ORDERS).sort("trade_id").equals(rows)
    assert lake.iceberg(ORDERS.name).scan(row_filter="symbol = 'ETH-USDT'").to_arrow().num_rows == 1


def test_a_file_that_finds_no_room_says_so(lake: Lake, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            lake.storage.write_parquet(local(tmp_path / "trades.parquet"), orders(*range(1, 200)).to_arrow())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize(
    "columns", [["exchange", "price"], list(ORDERS.schema)], ids=["other columns", "the same ones"]
)
def test_a_table_of_somebody_else_is_refused_and_left_as_it_is(lake: Lake, columns: list[str]) -> None:
    theirs = orders(1).rename({"symbol": "price"}).select("exchange", "price") if "price" in columns else orders(1)

    made = lake.catalog.create_table(("coattail", ORDERS.name), schema=theirs.to_arrow().schema)
    made.append(theirs.to_arrow())
    with pytest.raises(StoreError, match="was not written by coattail; give coattail a warehouse"):
        commit(lake, 2)
    there = lake.catalog.load_table(("coattail", ORDERS.name))
    assert (there.schema().column_names, there.scan().to_arrow().num_rows) == (columns, 1)
