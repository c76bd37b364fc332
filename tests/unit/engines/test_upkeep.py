"""What an engine writes down besides trades: since when a range of ids has been as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.engines.upkeep import Noticed
from coattail.landing.coverage import Coverage
from coattail.landing.ledger import Run
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, BARS, COVERAGE, RAW_TRADES, SESSIONS, Table
from tests.harness.running import landed as landed_home
from tests.harness.scenes import evenly, steady

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


@pytest.mark.parametrize("served", [False, True])
def test_coverage_is_committed_when_all_other_derived_tables_are(
    served: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    at_once = threading.Barrier(2, timeout=20)
    commit = Lake.commit

    def heard(self: Lake, table: Table, *args: Any, **more: Any) -> Any:
        if served and table in (BARS, ALERTS):
            at_once.wait()  # neither is committed before the other has begun
        done = commit(self, table, *args, **more)
        order.append(table.name)
        return done

    monkeypatch.setattr(Lake, "is_served", served)
    monkeypatch.setattr(Lake, "commit", heard)
    landed_home(tmp_path, evenly(steady(), 1))
    derived = [name for name in order if name != RAW_TRADES.name]
    assert derived[-2:] == [SESSIONS.name, COVERAGE.name]
    assert len(derived) == len(set(derived)) == 9
