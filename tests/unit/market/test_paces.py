"""Markets from empty to crowded: as busy as they say, with tails as recorded, cut anywhere, and cheap over months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from coattail.errors import ConfigError
from coattail.market import BY_PACE, CALM, DEFAULT_INSTRUMENTS, LIVELY, QUIET, THIN, Character, Market, long_run
from coattail.market.facts import market_facts
from coattail.market.prices import Ints
from coattail.tables import BARS

pytestmark = pytest.mark.slow

START = datetime(2025, 3, 3, tzinfo=UTC)
BTC, *_, USDT_USD = DEFAULT_INSTRUMENTS
DAYS = {"thin": 100, "quiet": 100, "small": 40, "middle": 15, "busy": 3}
"""A day of a crowded one takes seconds; docs/MARKET.md has its numbers."""


@cache
def bars(character: Character, days: int, seed: int = 5) -> pl.DataFrame:
    return long_run(character, BTC, days, seed=seed, start=START)


def per_minute(found: pl.DataFrame, days: int) -> Ints:
    """Trades of every minute, also of those without one."""
    minute = ((found["bar_start"] - START).dt.total_seconds() // 60).to_numpy()
    return np.bincount(minute, weights=found["trades"].to_numpy(), minlength=days * 1440).astype(np.int64)


@pytest.mark.parametrize("character", BY_PACE[:-1], ids=lambda c: c.name)
def test_it_trades_at_its_pace(character: Character) -> None:
    days = DAYS[character.name]
    traded = per_minute(bars(character, days), days).mean()
    assert traded == pytest.approx(character.pace, rel=0.2 if days > 3 else 0.4)  # hours differ, and days with them


def test_paces_rise_and_their_names_are_known_to_the_command() -> None:
    paces = [character.pace or 0 for character in BY_PACE]
    assert paces == sorted(paces)
    assert (paces[0], paces[-1]) == (0.4, 5_000)


def test_minutes_of_a_quiet_market_have_the_tail_of_recorded_ones() -> None:
    count = per_minute(bars(QUIET, 100), 100)
    assert 0.5 < (count == 0).mean() < 0.7
    assert 0.04 < count.mean() ** 2 / (count.var() - count.mean()) < 0.15
    assert 12 <= np.quantile(count, 0.99) <= 30
    assert 40 <= np.quantile(count, 0.999) <= 110
    assert 190 <= count.max() <= 1_000


def test_a_long_run_is_the_same_market_as_its_chunks_in_other_numbers() -> None:
    market = Market(seed=5, start=START, duration=timedelta(days=5), character=QUIET, planted=(), instruments=(BTC,))
    facts = market_facts(market)
    chunked, long = per_minute(facts.bars.filter(pl.col("bar_start") >= START), 5), per_minute(bars(QUIET, 100), 100)
    assert chunked.mean() == pytest.approx(long.mean(), rel=0.35)
    assert (chunked == 0).mean() == pytest.approx((long == 0).mean(), abs=0.08)
    for share, tolerance in ((0.9, 0.5), (0.99, 0.5), (0.999, 0.6)):
        assert np.quantile(chunked, share) == pytest.approx(np.quantile(long, share), rel=tolerance)
    for name in ("notional", "quantity", "orders"):
        mean = [(f[name].cast(pl.Float64).sum() / f["trades"].sum()) for f in (facts.bars, bars(QUIET, 100))]
        assert mean[0] == pytest.approx(mean[1], rel=0.35)


def test_a_long_run_has_the_columns_of_bars_rising_ids_and_the_same_bytes_each_time() -> None:
    found = bars(QUIET, 3)
    assert found.schema == BARS.empty().schema
    assert found["bar_start"].is_sorted()
    assert found["first_trade_id"].to_list() == [1, *(found["last_trade_id"][:-1] + 1).to_list()]
    assert long_run(QUIET, BTC, 3, seed=5, start=START).equals(found)
    assert found.equals(bars(QUIET, 100).filter(pl.col("bar_start") < START + timedelta(days=3)))
    assert not found.equals(bars(QUIET, 3, seed=6))


@pytest.mark.parametrize(("character", "start"), [(CALM, START), (QUIET, START + timedelta(hours=1))])
def test_a_long_run_is_of_whole_days_and_not_of_a_steady_market(character: Character, start: datetime) -> None:
    with pytest.raises(ConfigError, match="midnight UTC"):
        long_run(character, BTC, 1, start=start)


def test_a_thin_market_may_be_cut_anywhere() -> None:
    begin = START + timedelta(hours=22)  # over a midnight, where the hours of another day begin
    cut = begin + timedelta(hours=2, minutes=7, microseconds=123_457)
    one, other = (Market(start=begin, duration=timedelta(hours=3), character=THIN, planted=()) for _ in range(2))
    assert [*other.frames(begin, cut), *other.frames(cut, other.end)] == list(one.frames())


def test_every_instrument_of_a_market_has_the_pace_of_its_character_and_a_lively_one_its_own() -> None:
    assert {i.trades_per_minute for i in Market(character=THIN).traded} == {THIN.pace}
    assert Market(character=LIVELY).traded == DEFAULT_INSTRUMENTS
    scaled = Market(character=THIN).traded[-1]
    assert scaled.order_size == pytest.approx(USDT_USD.order_size * THIN.order_scale)


def test_the_hours_of_a_market_are_its_own_and_change_slowly() -> None:
    hourly = np.log(per_minute(bars(QUIET, 100), 100).reshape(-1, 60).sum(1) + 1)
    assert 0.35 < np.corrcoef(hourly[1:], hourly[:-1])[0, 1] < 0.7
    assert 0.7 < hourly.std() < 1.2
