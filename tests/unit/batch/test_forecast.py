"""How growth is measured, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from coattail.batch.forecast import Forecast, Growth, forecast
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.compaction import compact
from coattail.stores.lake import Lake
from coattail.stores.outline import Outlines
from coattail.tables import ORDERS

DAY = datetime(2025, 3, 4, tzinfo=UTC)


def outlines(home: Home) -> Outlines:
    return Outlines(embedded(home.path))


def commit(lake: Lake, rows: int) -> None:
    frame = pl.DataFrame({"trade_id": pl.int_range(rows, eager=True)}).with_columns(
        last_trade_id="trade_id", exchange=pl.lit("e"), symbol=pl.lit("S"), timestamp=pl.lit(DAY)
    )
    lake.commit(ORDERS, lake.write(ORDERS, ORDERS.conform(frame)), {"through": "1"})


def oldest(lake: Lake) -> datetime:
    return min(datetime.fromtimestamp(s.timestamp_ms / 1000, UTC) for s in lake.iceberg(ORDERS.name).snapshots())


def test_growth_is_rows_since_the_oldest_snapshot_at_what_a_row_takes_now(home: Home, lake: Lake) -> None:
    commit(lake, 100)
    commit(lake, 200)
    (table,) = forecast(Outlines(embedded(home.path)), free_bytes=10**9, now=oldest(lake) + timedelta(hours=12)).tables
    assert (table.rows, table.method, table.measured) == (300, "snapshots", timedelta(hours=12))
    assert table.bytes_per_day == pytest.approx(400 * table.live_bytes / 300)
    assert table.disk_bytes > table.live_bytes > 0


def test_compaction_is_neither_growth_nor_shrinking(home: Home, lake: Lake) -> None:
    for _ in range(4):
        commit(lake, 50)
    now = oldest(lake) + timedelta(hours=12)
    (before,) = forecast(outlines(home), free_bytes=10**9, now=now).tables
    assert compact(lake, ORDERS).commits == 1
    (after,) = forecast(outlines(home), free_bytes=10**9, now=now).tables
    assert after.live_bytes < before.live_bytes
    assert after.bytes_per_day == pytest.approx(300 * after.live_bytes / 200)


def test_under_six_hours_of_snapshots_it_says_that_it_cannot_tell(home: Home, lake: Lake) -> None:
    commit(lake, 100)
    coming = forecast(Outlines(embedded(home.path)), free_bytes=10**9, now=oldest(lake) + timedelta(hours=5))
    assert (coming.bytes_per_day, coming.days_until_full) == (None, None)
    assert coming.words().startswith("too little history to tell")


def test_of_an_empty_lake_it_says_that_nothing_has_landed(home: Home, lake: Lake) -> None:
    assert forecast(outlines(home), free_bytes=10**9, now=DAY).words() == "nothing has landed yet"


def growth(table: str, daily: float | None, *, size: int = 1000, hours: float = 48) -> Growth:
    measured = timedelta(hours=hours)
    return Growth(table, 10, size, size, measured, daily, "snapshots" if daily is not None else "none")


@pytest.mark.parametrize(
    ("free", "daily", "days", "said"),
    [
        (86_000_000_000, 2e9, 43.0, "2,000.0 MB a day, as in the last 2 days: full in about 43 days"),
        (1_000_000, 1e6, 1.0, "1.0 MB a day, as in the last 2 days: full in about 24 h"),
        (10**15, 1e6, 10**9, "1.0 MB a day, as in the last 2 days: enough for more than ten years"),
        (1000, 0.0, None, "the tables do not grow"),
        (1000, -5.0, None, "the tables do not grow"),
    ],
)
def test_the_forecast_in_words(free: int, daily: float, days: float | None, said: str) -> None:
    coming = Forecast(free, [growth("raw_trades", daily)])
    assert coming.days_until_full == days
    assert coming.words() == said


def test_one_table_of_unknown_growth_makes_the_whole_unknown() -> None:
    assert Forecast(1000, [growth("raw_trades", 5.0), growth("bars", None)]).bytes_per_day is None
