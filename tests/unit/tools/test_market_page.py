"""Statistics of tapes that are known, and the table of docs/MARKET.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coattail.errors import UsageError
from coattail.market import DEFAULT_INSTRUMENTS, LIVELY
from coattail.market.clusters import natural_per_day
from tools import market_page
from tools.market_page import NAME, RECORDED, ROWS, SIMULATED, main, recorded, simulated
from tools.market_statistics import STATISTICS, basis, hill, memory, orders, statistics
from tools.page_tables import MarketColumn, columns_of, texts

pytestmark = pytest.mark.slow

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "MARKET.md"


def tape(seconds: list[float], sides: str, notionals: list[float], price: float = 100.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "trade_id": range(len(seconds)),
            "timestamp": [START + timedelta(seconds=s) for s in seconds],
            "side": ["buy" if s == "b" else "sell" for s in sides],
            "price": [price] * len(seconds),
            "quantity": [n / price for n in notionals],
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )


def test_fills_of_one_time_and_side_are_one_order() -> None:
    found = orders(tape([0, 0, 0, 1, 2], "bbsss", [10, 20, 30, 40, 50]))
    assert found["notional"].round(6).to_list() == [30, 30, 40, 50]
    assert found["fills"].to_list() == [2, 1, 1, 1]


def test_the_numbers_of_a_tape_that_can_be_counted_by_hand() -> None:
    found = statistics(tape([0, 0, 0, 1, 60], "bbsbb", [100, 100, 100, 100, 600]))
    assert set(found) == set(STATISTICS)
    assert found["trades_per_minute"] == pytest.approx(5)
    assert found["orders_per_minute"] == pytest.approx(4)
    assert found["busiest_second_pct"] == pytest.approx(60)
    assert found["fills_per_order"] == pytest.approx(1.25)
    assert found["single_fill_pct"] == pytest.approx(75)
    assert found["imbalance_pct"] == pytest.approx(80)
    assert found["top_1_pct"] == pytest.approx(60)
    assert found["minute_memory"] is None


def test_the_tail_exponent_of_a_pareto_tail_is_its_power() -> None:
    values = (1 - np.random.default_rng(1).random(200_000)) ** (-1 / 1.7)
    assert hill(pl.Series(values).sort(descending=True), 4_000) == pytest.approx(1.7, abs=0.1)
    assert hill(pl.Series([3.0, 2.0, 1.0]), 3) is None


def test_memory_is_the_correlation_with_the_next_value() -> None:
    noise = np.random.default_rng(2).standard_normal(50_000)
    values = [0.0]
    for shock in noise:
        values.append(0.6 * values[-1] + shock)
    assert memory(pl.Series(values)) == pytest.approx(0.6, abs=0.02)
    assert memory(pl.Series([1.0])) is None


def test_the_basis_of_two_venues_is_in_basis_points() -> None:
    found = basis(tape([0, 1, 2], "bbb", [1, 1, 1], price=101.0), tape([0, 1, 2], "bbb", [1, 1, 1]))
    assert found["mean_bps"] == pytest.approx(99.5, abs=0.1)
    assert found["std_bps"] == pytest.approx(0, abs=1e-9)


@cache
def columns_simulated() -> Mapping[str, MarketColumn]:
    return simulated()


def same(shown: str, number: str) -> bool:
    """Whether two shown numbers differ by no more than another processor's last digit may."""
    if not shown or not number:
        return shown == number
    return float(shown.replace(",", "")) == pytest.approx(float(number.replace(",", "")), rel=0.02)


def test_the_simulated_columns_of_the_page_are_what_the_market_gives() -> None:
    page = columns_of(PAGE.read_text(), NAME, ROWS)
    assert list(page) == [*RECORDED, *SIMULATED]
    for name, column in columns_simulated().items():
        shown = texts(column)
        assert [n for n in page[name] if not same(page[name][n], shown[n])] == []


def test_the_page_says_how_many_whales_the_market_has_by_itself() -> None:
    said = dict(re.findall(r"((?:binance|coinbase):[A-Z-]+) (\d+)", PAGE.read_text()))
    assert said == {i.key: f"{natural_per_day(LIVELY, i):.0f}" for i in DEFAULT_INSTRUMENTS}


def test_the_recorded_columns_of_the_page_are_what_the_recordings_give(recordings: Path) -> None:
    page = columns_of(PAGE.read_text(), NAME, ROWS)
    for name, column in recorded(recordings).items():
        assert page[name] == texts(column)


def test_the_table_is_written_into_the_page_and_columns_of_recordings_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_page, "simulated", columns_simulated)
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    main([str(page)])
    assert list(columns_of(page.read_text(), NAME, ROWS)) == [*RECORDED, *SIMULATED]
    assert (
        columns_of(page.read_text(), NAME, ROWS)[next(iter(RECORDED))]
        == columns_of(PAGE.read_text(), NAME, ROWS)[next(iter(RECORDED))]
    )
    with pytest.raises(UsageError):
        main([])
    with pytest.raises(UsageError):
        columns_of("no table", NAME, ROWS)
