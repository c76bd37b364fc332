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
from coattail.workspace.coverage import coverage, gaps, instruments
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
        document = coverage(stores, symbol="sol-usdt", with_gaps=True)
        with pytest.raises(UsageError, match="exchange 'mtgox' has no trades here; known: binance, coinbase"):
            instruments(stores, exchange="mtgox")
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
