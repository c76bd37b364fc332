"""Coverage: ids here and missing, and how many trades they are without reading what is not needed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.lake import Lake
from coattail.tables import BARS, RAW_TRADES
from coattail.workspace.coverage import CoverageQuery, coverage, gaps, instruments, timeline
from coattail.workspace.opening import open_stores
from tests.harness.running import landed
from tests.harness.scenes import START, make_trade


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tables whose rows were read."""
    names: list[str] = []
    scan = Lake.scan

    def noting(lake: Lake, table: Any, **how: Any) -> pl.DataFrame:
        names.append(table.name)
        return scan(lake, table, **how)

    monkeypatch.setattr(Lake, "scan", noting)
    return names


def test_where_every_trade_has_an_id_of_its_own_no_bar_is_read(day: Home, scanned: list[str]) -> None:
    with open_stores(day) as stores:
        found = instruments(stores)
        assert BARS.name not in scanned
        rows = stores.lake.scan(RAW_TRADES).group_by("exchange", "symbol").agg(pl.len().cast(pl.Int64).alias("trades"))
    assert found.select("exchange", "symbol", "trades").equals(rows.sort("exchange", "symbol"))
    assert found.height == 3
    assert set(found["coverage_pct"]) == {100.0}


def test_aggregated_trades_are_counted_from_bars_of_their_exchange_only(tmp_path: Path, scanned: list[str]) -> None:
    def at(seconds: int) -> Any:
        return START + timedelta(seconds=seconds)

    records = [make_trade(i, at(i)) for i in range(1, 6)]
    records += [
        make_trade(10 * i, at(i), exchange="binance", symbol="SOL-USDT", last_trade_id=10 * i + 9) for i in (1, 2, 4)
    ]
    home = landed(tmp_path, [records])
    with open_stores(home) as stores:
        found = {row["symbol"]: row for row in instruments(stores).iter_rows(named=True)}
        holes = gaps(stores).to_dicts()
        document = coverage(stores, CoverageQuery(symbol="sol-usdt"), with_gaps=True)
        with pytest.raises(UsageError, match="exchange 'mtgox' has no trades here; known: binance, coinbase"):
            instruments(stores, CoverageQuery(exchange="mtgox"))
    assert (found["SOL-USD"]["trades"], found["SOL-USD"]["landed"]) == (5, 5)
    aggregated = found["SOL-USDT"]
    assert (aggregated["trades"], aggregated["landed"], aggregated["missing"], aggregated["gaps"]) == (3, 30, 10, 1)
    assert aggregated["coverage_pct"] == 75.0
    assert [(hole["symbol"], hole["first_id"], hole["last_id"], hole["missing"]) for hole in holes] == [
        ("SOL-USDT", 30, 39, 10)
    ]
    assert (holes[0]["after"], holes[0]["before"]) == (at(2), at(4))
    assert [i.symbol for i in document.instruments] == ["SOL-USDT"]
    assert document.gaps is not None
    assert document.gaps[0].missing == 10


def test_an_empty_home_has_no_instruments(home: Home) -> None:
    with open_stores(home) as stores:
        assert coverage(stores, with_gaps=True).instruments == []
        assert instruments(stores).height == gaps(stores).height == 0


def test_a_time_has_its_own_figures_and_drawing(tmp_path: Path) -> None:
    def at(minutes: float) -> Any:
        return START + timedelta(minutes=minutes)

    records = [make_trade(i, at(i)) for i in [*range(10), *range(15, 30)]]
    fetched = [make_trade(i, at(i), source="backfill") for i in range(10, 13)]
    home = landed(tmp_path, [records, fetched])
    with open_stores(home) as stores:
        (whole,) = instruments(stores).to_dicts()
        late = CoverageQuery(since=at(20))
        (part,) = instruments(stores, late).to_dicts()
        around = instruments(stores, CoverageQuery(since=at(5), until=at(14))).to_dicts()[0]
        assert gaps(stores, late).is_empty()
        assert gaps(stores, CoverageQuery(until=at(20))).height == 1
        assert instruments(stores, CoverageQuery(since=at(100))).is_empty()
        with pytest.raises(UsageError, match="is not before until"):
            CoverageQuery(since=at(2), until=at(1))
        drawn = timeline(stores).words().splitlines()
        assert timeline(stores, CoverageQuery(since=at(100))).words() == "nothing is known about this time"
    assert (whole["landed"], whole["fetched"], whole["missing"], whole["trades"]) == (28, 3, 2, 28)
    assert (part["first_id"], part["last_id"], part["landed"], part["fetched"]) == (20, 29, 10, 0)
    assert (part["first_trade"], part["last_trade"], part["trades"]) == (at(20), at(29), 10)
    assert (around["landed"], around["fetched"], around["missing"], around["trades"]) == (8, 3, 2, 8)
    row = drawn[0].removeprefix("coinbase SOL-USD").strip()
    assert set(row) == set("█▒\u2573")
    assert row.index("▒") < row.index("\u2573") < row.rindex("█")
