"""What an engine writes down besides trades: since when a range of ids has been as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from coattail.engines.upkeep import Noticed
from coattail.landing.coverage import Coverage
from coattail.landing.ledger import Run
from coattail.tables import COVERAGE, Table

FIRST = datetime(2025, 3, 4, 12, tzinfo=UTC)
LATER = FIRST + timedelta(minutes=1)


class KeptLake:
    """A lake whose table of coverage holds these rows, and that says how often they were read."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows
        self.reads = 0

    def scan(self, table: Table, *, columns: Sequence[str]) -> pl.DataFrame:
        assert table is COVERAGE
        self.reads += 1
        return self.rows.select(columns)


def landed(coverage: Coverage, first: int, last: int) -> Coverage:
    return coverage.with_changes([Run("binance", "BTC-USDT", "a", first, last, first, last)])[0]


def noticed(rows: pl.DataFrame) -> dict[tuple[int, str], Any]:
    return {(row["first_id"], row["state"]): row["noticed_at"] for row in rows.iter_rows(named=True)}


def test_a_range_keeps_the_time_it_was_first_noticed_and_the_table_is_read_once() -> None:
    lake: Any = KeptLake(COVERAGE.empty())
    kept = Noticed(lake)
    coverage = landed(landed(Coverage(), 1, 10), 21, 30)
    before = kept.rows(coverage, FIRST)
    after = kept.rows(landed(coverage, 41, 50), LATER)
    assert noticed(before) == {(1, "live"): FIRST, (11, "gap"): FIRST, (21, "live"): FIRST}
    assert noticed(after) == {**noticed(before), (31, "gap"): LATER, (41, "live"): LATER}
    assert lake.reads == 1


def test_what_the_table_says_holds_after_a_restart() -> None:
    coverage = landed(landed(Coverage(), 1, 10), 21, 30)
    empty: Any = KeptLake(COVERAGE.empty())
    lake: Any = KeptLake(Noticed(empty).rows(coverage, FIRST))
    assert set(noticed(Noticed(lake).rows(coverage, LATER)).values()) == {FIRST}
