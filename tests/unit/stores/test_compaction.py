"""Compaction: the same rows in fewer files, sorted, within limits, and never over what somebody else did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

import coattail.stores.compaction
from coattail.errors import StoreError
from coattail.stores.catalog import embedded
from coattail.stores.commits import MAINTENANCE
from coattail.stores.compaction import compact, complete_through, plan
from coattail.stores.lake import Lake
from coattail.stores.swap import FilesGone, carry_position, swap
from coattail.tables import BARS, COVERAGE, ORDERS, QUALITY_METRICS, SESSIONS

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
SYMBOLS = ("ADA-USDT", "BTC-USDT", "ETH-USDT")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    (tmp_path / "warehouse").mkdir()
    opened = Lake(embedded(tmp_path))
    yield opened
    opened.close()


def orders(first: int, count: int, *, day: int = 0) -> pl.DataFrame:
    """`count` orders per symbol, ids from `first`; BTC-USDT has ten times as many."""
    rows = [
        {"exchange": "binance", "symbol": s, "trade_id": i, "last_trade_id": i, "timestamp": NOON + timedelta(days=day)}
        for s in SYMBOLS
        for i in range(first, first + count * (10 if s == "BTC-USDT" else 1))
    ]
    return ORDERS.conform(pl.DataFrame(rows))


def filled(lake: Lake, commits: int = 6, *, days: int = 1) -> pl.DataFrame:
    """A table of as many commits; returns its rows."""
    frames = [orders(1_000 * n, 4, day=n % days) for n in range(commits)]
    for number, frame in enumerate(frames, start=1):
        lake.commit(ORDERS, lake.write(ORDERS, frame), {"commit": str(number), "offsets": str(number), "counts": "9"})
    return pl.concat(frames).sort("symbol", "trade_id")


def rows_of(lake: Lake) -> pl.DataFrame:
    return lake.scan(ORDERS).sort("symbol", "trade_id")


def test_many_files_become_one_with_the_same_rows_in_the_sort_order(lake: Lake) -> None:
    wanted = filled(lake)
    done = compact(lake, ORDERS)
    assert (done.files_before, done.files_after, done.rows, done.commits, done.skipped) == (6, 1, wanted.height, 1, [])
    assert rows_of(lake).equals(wanted)
    (file,) = lake.files(ORDERS.name)
    assert pl.read_parquet(file.file_path.removeprefix("file://")).sort(ORDERS.sorted_by).equals(lake.scan(ORDERS))
    assert compact(lake, ORDERS).commits == 0


def test_the_commit_says_replace_and_carries_the_position_but_not_the_counts(lake: Lake) -> None:
    filled(lake)
    compact(lake, ORDERS)
    snapshot = lake.iceberg(ORDERS.name).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation.value == "replace"
    assert snapshot.summary.additional_properties["total-records"] == str(6 * 48)
    newest = lake.newest(ORDERS.name)
    assert newest is not None
    assert newest.properties == {"commit": "6", "offsets": "6", MAINTENANCE: "compaction"}
    assert [c.sequence for c in lake.commits_since(ORDERS.name, 0)] == [1, 2, 3, 4, 5, 6]


def test_every_partition_keeps_its_own_files(lake: Lake) -> None:
    wanted = filled(lake, 9, days=3)
    done = compact(lake, ORDERS)
    assert (done.files_before, done.files_after, done.commits) == (9, 3, 1)
    assert {file.partition[0] for file in lake.files(ORDERS.name)} == {20151, 20152, 20153}
    assert rows_of(lake).equals(wanted)


def test_rows_beyond_one_file_are_cut_along_the_sort_order(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = filled(lake)
    monkeypatch.setattr(coattail.stores.compaction, "FILE_ROWS", 100)
    assert compact(lake, ORDERS).files_after == 3
    assert rows_of(lake).equals(wanted)
    keys = []
    for file in lake.files(ORDERS.name):
        rows = pl.read_parquet(file.file_path.removeprefix("file://")).select("symbol", "trade_id")
        assert rows.height <= 100
        keys.append((rows.row(0), rows.row(-1)))
    keys.sort()
    assert all(before[1] < after[0] for before, after in pairwise(keys)), "ranges overlap"
    assert compact(lake, ORDERS).commits == 0


def test_files_of_commits_that_derived_tables_lack_stay_as_they_are(lake: Lake) -> None:
    filled(lake)
    later = {f.file_path for f in lake.files(ORDERS.name, since=4)}
    done = compact(lake, ORDERS, through=4)
    assert (done.files_before, done.files_after) == (4, 1)
    assert later <= {f.file_path for f in lake.files(ORDERS.name)}
    assert {f.file_path for f in lake.files(ORDERS.name, since=4)} == later
    assert lake.scan(ORDERS, after_commit=4).height == 2 * 48
    assert compact(lake, ORDERS, through=0).commits == 0


def test_complete_through_is_that_of_the_table_furthest_behind(lake: Lake) -> None:
    tables = (BARS, ORDERS, QUALITY_METRICS, COVERAGE, SESSIONS)
    for number, table in enumerate(tables):
        assert complete_through(lake) == 0
        lake.commit(table, [], {"through": str(9 - number)})
    assert complete_through(lake) == 5


def test_a_commit_in_between_is_kept_and_the_swap_goes_on_top_of_it(lake: Lake, tmp_path: Path) -> None:
    wanted = filled(lake)
    jobs = plan(lake, ORDERS)
    merged = lake.write(ORDERS, rows_of(lake))
    other = Lake(embedded(tmp_path))
    more = orders(90_000, 1)
    other.commit(ORDERS, other.write(ORDERS, more), {"commit": "7", "offsets": "7"})
    swap(lake, ORDERS.name, jobs[0].files, merged, why="compaction")
    assert rows_of(lake).equals(pl.concat([wanted, more]).sort("symbol", "trade_id"))
    newest = lake.newest(ORDERS.name)
    assert newest is not None
    assert newest.properties["offsets"] == "7"
    other.commit(ORDERS, other.write(ORDERS, orders(95_000, 1)), {"commit": "8"}, after=7)
    other.close()


def test_files_that_somebody_else_replaced_are_not_replaced_again(lake: Lake, tmp_path: Path) -> None:
    wanted = filled(lake)
    (job,) = plan(lake, ORDERS)
    other = Lake(embedded(tmp_path))
    compact(other, ORDERS)
    other.close()
    with pytest.raises(FilesGone, match="somebody else"):
        swap(lake, ORDERS.name, job.files, lake.write(ORDERS, wanted), why="compaction")
    assert rows_of(lake).equals(wanted)


def test_a_file_with_fewer_rows_than_it_should_have_stops_the_table(lake: Lake, tmp_path: Path) -> None:
    filled(lake)
    path = Path(lake.files(ORDERS.name)[0].file_path.removeprefix("file://"))
    before = {p for p in tmp_path.rglob("*.parquet")}
    pl.read_parquet(path).head(3).write_parquet(path)
    done = compact(lake, ORDERS)
    assert done.commits == 0
    assert "should hold 288 rows, and 243 were read" in done.skipped[0]
    assert {p for p in tmp_path.rglob("*.parquet")} == before, "files that never counted were left over"


def test_a_table_with_other_columns_is_left_alone(lake: Lake) -> None:
    from pyiceberg.types import StringType

    filled(lake)
    with lake.iceberg(ORDERS.name).update_schema() as schema:
        schema.add_column("mine", StringType())
    (said,) = compact(lake, ORDERS).skipped
    assert "other columns" in said
    with pytest.raises(StoreError, match="--engine spark"):
        plan(lake, ORDERS)


def test_a_position_can_be_said_again_without_any_file(lake: Lake) -> None:
    wanted = filled(lake)
    lake.iceberg(ORDERS.name).append(ORDERS.empty().to_arrow().cast(lake.iceberg(ORDERS.name).schema().as_arrow()))
    carry_position(lake, ORDERS.name)
    snapshot = lake.iceberg(ORDERS.name).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.additional_properties["coattail.offsets"] == "6"
    assert rows_of(lake).equals(wanted)
