"""Markets that detectors should survive are as odd as they say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from coattail.market import Market, market_facts
from tests.harness.odd_markets import (
    ODD,
    START,
    all_stalled,
    minute_prices,
    new_at_noon,
    one_trade_a_day,
    stablecoin_stops,
    thousand_at_one_time,
    three_days_missing,
)

pytestmark = pytest.mark.slow


def bars(market: Market) -> pl.DataFrame:
    return market_facts(market).bars.filter(pl.col("bar_start") >= START)


def times(found: pl.DataFrame) -> pl.Series:
    return (found["bar_start"] - START).dt.total_seconds() / 3_600


def test_a_market_trades_about_once_a_day() -> None:
    assert 1 <= bars(one_trade_a_day())["trades"].sum() <= 40


def test_a_market_appears_at_noon_without_a_missing_id() -> None:
    facts = market_facts(new_at_noon())
    here = facts.bars.filter(symbol="SOL-USDT")
    assert times(here).min() >= 12  # type: ignore[operator]
    assert here["trades"].sum() > 1_000
    assert facts.spans.filter(symbol="SOL-USDT").height == 1
    assert times(facts.bars.filter(symbol="SOL-USD").filter(pl.col("bar_start") >= START)).min() < 1  # type: ignore[operator]


def test_three_days_are_missing_and_their_ids_with_them() -> None:
    facts = market_facts(three_days_missing())
    days = set(facts.bars["bar_start"].dt.day().to_list())
    assert days == {3, 4, 8, 9}
    assert facts.spans.height == 2


def test_a_price_has_one_digit() -> None:
    found = bars(minute_prices())
    assert found["trades"].sum() > 100
    ticks = found["last_price"] * 1e8
    assert (ticks - ticks.round()).abs().max() < 1e-6  # type: ignore[operator]
    assert 1 <= ticks.min() <= ticks.median() <= 4  # type: ignore[operator]
    assert found["notional"].cast(pl.Float64).min() > 0  # type: ignore[operator]


def test_the_stablecoin_stops_and_the_coins_go_on() -> None:
    found = bars(stablecoin_stops())
    assert times(found.filter(symbol="USDT-USD")).max() < 2  # type: ignore[operator]
    assert times(found.filter(symbol="SOL-USDT")).max() > 3.9  # type: ignore[operator]


def test_both_venues_stand_still_at_once_and_no_id_is_missing() -> None:
    facts = market_facts(all_stalled())
    inside = times(facts.bars).is_between(1, 1 + 10 / 60, closed="left")
    assert facts.bars.filter(inside).is_empty()
    assert facts.spans.group_by("exchange", "symbol").len()["len"].to_list() == [1, 1, 1]


def test_a_thousand_trades_are_one_order_at_one_moment() -> None:
    facts = market_facts(thousand_at_one_time())
    bar = facts.bars.filter(symbol="SOL-USDT", bar_start=START + timedelta(hours=1)).row(0, named=True)
    assert bar["trades"] >= 1_000 > 100 > bar["orders"]
    hour = START + timedelta(hours=1)
    frames = list(thousand_at_one_time().frames(hour, hour + timedelta(seconds=1)))
    assert len(frames) >= 1_000
    assert [f.received for f in frames] == sorted(f.received for f in frames)


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_each_says_what_it_is(make: Callable[[], Market]) -> None:
    assert make.__doc__
    assert make() == make()
