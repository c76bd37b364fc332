"""Thin markets and pumps, beside recorded ones: the tables of docs/MARKET.md, and how near the simulated ones come."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coattail.errors import UsageError
from tools.market_picture import HEIGHT, WIDTH, Course, Drawing, panels, picture
from tools.page_tables import MarketColumn, columns_of, table, texts, written
from tools.thin_markets import (
    PUMP,
    RECORDED,
    SIMULATED,
    main,
    pumps_recorded,
    pumps_simulated,
    quiet_recorded,
    quiet_simulated,
)
from tools.thin_statistics import PUMPS, QUIET_DAYS, pump_statistics, quiet_statistics

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs" / "MARKET.md"
PICTURE = PAGE.parent / "img" / "markets.svg"


@cache
def simulated() -> tuple[dict[str, MarketColumn], dict[str, MarketColumn]]:
    return quiet_simulated(), pumps_simulated()


def tape(seconds: list[float], price: float | list[float] = 100.0, quantity: float = 1.0) -> pl.DataFrame:
    prices = price if isinstance(price, list) else [price] * len(seconds)
    rows = [(START + timedelta(seconds=s), "buy", p, quantity) for s, p in zip(seconds, prices, strict=True)]
    names = {"timestamp": pl.Datetime("us", "UTC"), "side": pl.String, "price": pl.Float64, "quantity": pl.Float64}
    return pl.DataFrame(rows, schema=names, orient="row")


def same(shown: str, number: str) -> bool:
    """Whether two shown numbers differ by no more than another processor's last digit may."""
    if not shown or not number:
        return shown == number
    return float(shown.replace(",", "")) == pytest.approx(float(number.replace(",", "")), rel=0.03, abs=0.02)


def page(name: str, rows: dict[str, str]) -> dict[str, dict[str, float]]:
    found = columns_of(PAGE.read_text(), name, rows)
    return {column: {n: float(v.replace(",", "")) for n, v in cells.items()} for column, cells in found.items()}


def test_numbers_of_quiet_days_that_can_be_counted_by_hand() -> None:
    hours = [h * 3_600.0 for h in range(4)]
    seconds = sorted([*hours, *(h + 0.5 for h in hours), 30.0, 30.0])
    found = quiet_statistics(tape(seconds), [(START, START + timedelta(hours=4))])
    assert set(found) == set(QUIET_DAYS)
    assert found["pace"] == pytest.approx(10 / 240)
    assert found["empty_pct"] == pytest.approx(100 * 236 / 240)
    assert (found["most_1"], found["p50_60"], found["p50_5"]) == (4, 2, 0)
    assert found["longest"] == pytest.approx(3_599.5 / 60)
    assert found["fills"] == pytest.approx(10 / 9)


def test_what_is_left_out_is_neither_silence_nor_empty_minutes() -> None:
    trades = tape([60.0 * m for m in (*range(60), *range(600, 660))])
    stretches = [(START, START + timedelta(hours=1)), (START + timedelta(hours=10), START + timedelta(hours=11))]
    found = quiet_statistics(trades, stretches)
    assert (found["pace"], found["empty_pct"], found["longest"]) == (1.0, 0.0, 1.0)


def test_numbers_of_a_pump_that_can_be_counted_by_hand() -> None:
    before = list(np.arange(-3_600.0, 0.0, 60.0))
    crowd = [5.0 + i / 100 for i in range(100)]
    later = [100.0, 1_000.0]
    prices = [*[100.0] * 30, *[101.0] * 30, *np.linspace(101, 120, 100), 115.0, 110.0]
    announced = START + timedelta(hours=1)
    trades = tape([3_600 + s for s in (*before, *crowd, *later)], [float(p) for p in prices])
    found = pump_statistics(trades, announced, pace=1.0, volume=100.0)
    assert set(found) == set(PUMPS)
    assert found["n_b30"] == pytest.approx(1.0)
    assert found["n_m1"] == 100
    assert found["n_s10"] == 600
    assert (found["crowd"], found["drift"]) == (5.0, pytest.approx(1.0))
    assert (found["highest"], found["highest_s"]) == (pytest.approx(20.0), pytest.approx(5.99))
    assert (found["p_m5"], found["p_h1"]) == (pytest.approx(15.0), pytest.approx(10.0))


@pytest.mark.slow
def test_the_simulated_columns_are_what_the_market_gives() -> None:
    for name, rows, columns in zip(("quiet", "pumps"), (QUIET_DAYS, PUMPS), simulated(), strict=True):
        shown = columns_of(PAGE.read_text(), name, rows)
        assert list(shown) == [*RECORDED, *columns]
        for column, found in columns.items():
            now = texts(found)
            assert [n for n in rows if not same(shown[column][n], now[n])] == []
    assert list(simulated()[0]) == [character.name for character, _ in SIMULATED]


def test_the_recorded_columns_are_what_the_recordings_give(recordings: Path) -> None:
    for name, rows, made in (("quiet", QUIET_DAYS, quiet_recorded), ("pumps", PUMPS, pumps_recorded)):
        shown = columns_of(PAGE.read_text(), name, rows)
        for column, found in made(recordings).items():
            assert shown[column] == texts(found)


def test_a_quiet_market_is_as_near_to_the_recorded_ones_as_they_are_to_each_other() -> None:
    found = page("quiet", QUIET_DAYS)
    for statistic in QUIET_DAYS:
        recorded = [found[column][statistic] for column in RECORDED]
        assert min(recorded) / 1.5 <= found["quiet"][statistic] <= max(recorded) * 1.5, statistic


def test_a_planted_pump_is_as_near_to_the_recorded_ones_as_they_are_to_each_other() -> None:
    found = page("pumps", PUMPS)
    for statistic in PUMPS:
        recorded = [found[column][statistic] for column in RECORDED]
        planted = found[PUMP][statistic]
        if statistic.startswith(("n_", "v_")):
            assert min(recorded) / 2 <= planted <= max(recorded) * 2, statistic
        elif statistic in {"crowd", "drift", "highest_s"}:
            assert min(recorded) <= planted <= max(recorded), statistic


def test_tables_are_written_in_their_place_and_columns_of_recordings_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools import thin_markets

    quiet, pumps = (dict.fromkeys(rows, 1.0) for rows in (QUIET_DAYS, PUMPS))
    monkeypatch.setattr(thin_markets, "quiet_simulated", lambda: {"quiet": quiet})
    monkeypatch.setattr(thin_markets, "pumps_simulated", lambda: {PUMP: pumps})
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text())
    main([str(copy)])
    found = columns_of(copy.read_text(), "quiet", QUIET_DAYS)
    assert list(found) == [*RECORDED, "quiet"]
    assert set(found["quiet"].values()) == {"1"}
    assert found["BRD-BTC, 2018"] == columns_of(PAGE.read_text(), "quiet", QUIET_DAYS)["BRD-BTC, 2018"]
    empty = "before\n<!-- t -->\n<!-- end -->\nafter\n"
    once = written(empty, "t", table({"a": {"x": "2"}}, {"x": "what"}))
    assert once == "before\n<!-- t -->\n| | a |\n|---|---|\n| what | 2 |\n<!-- end -->\nafter\n"
    assert columns_of(once, "t", {"x": "what"}) == {"a": {"x": "2"}}
    with pytest.raises(UsageError):
        main([])
    with pytest.raises(UsageError):
        columns_of("no table", "quiet", QUIET_DAYS)


def test_a_panel_draws_its_lines_between_its_lowest_and_its_highest_value_and_leaves_holes_out() -> None:
    shown = [Drawing("up", [Course(np.array([0.0, np.nan, 100.0]), "a")], ("1", "2", "3"), unit=" %")]
    drawn = picture(shown)
    assert f"M0.0 {HEIGHT:.1f}L{WIDTH:.1f} 0.0" in drawn
    assert ">100 %<" in drawn
    assert not re.search(r"\bnan\b", drawn)


@pytest.mark.slow
def test_the_picture_of_the_page_is_what_the_markets_give() -> None:
    one, other = (re.split(r"-?\d[\d,.]*", text) for text in (PICTURE.read_text(), picture(panels())))
    assert one == other
    assert "](img/markets.svg)" in PAGE.read_text()
