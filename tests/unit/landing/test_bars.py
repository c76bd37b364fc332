"""10-second bars: partial ones add up to the whole."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.landing import Coverage, Landed
from coattail.landing.bars import bars_of, merge_bars
from coattail.records import Trade
from coattail.tables import BARS

fills = st.tuples(
    st.integers(0, 40_000_000),
    st.sampled_from(["0.00001", "1", "2.5", "61837.63"]),
    st.sampled_from(["0.00000001", "0.5", "3", "1000"]),
    st.sampled_from(["buy", "sell", None]),
)
NOON = 1_741_089_600_000_000


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(fills, min_size=1, max_size=30), parts=st.integers(1, 4), random=st.randoms())
def test_bars_of_any_parts_merge_to_the_bars_of_the_whole(
    rows: list[tuple[int, str, str, str | None]],
    parts: int,
    random: object,
    make_trade: Callable[..., Trade],
    landing: Callable[..., Landed],
) -> None:
    trades = [
        make_trade(n, timestamp=NOON + when, received=NOON + when, price=price, quantity=quantity, side=side)
        for n, (when, price, quantity, side) in enumerate(rows)
    ]
    whole = landing(trades).bars
    random.shuffle(trades)  # type: ignore[attr-defined]
    partial, coverage = [], Coverage()
    for i in range(parts):
        landed = landing(trades[i::parts], coverage=coverage)
        coverage = landed.coverage
        partial.append(landed.bars)
    assert merge_bars(pl.concat(partial)).equals(whole.sort("exchange", "symbol", "bar_start"))
    assert merge_bars(whole).equals(whole.sort("exchange", "symbol", "bar_start"))


def test_a_bar_says_everything_about_its_ten_seconds(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    trades = [
        make_trade(2, timestamp=NOON + 1, received=NOON, price="101", quantity="2", side="sell"),
        make_trade(1, timestamp=NOON + 9_999_999, received=NOON, price="99", quantity="1", side="buy"),
        make_trade(3, timestamp=NOON + 10_000_000, received=NOON, price="500", quantity="1"),
    ]
    (bar, _) = landing(trades).bars.to_dicts()
    assert (bar["first_trade_id"], bar["first_price"], bar["last_trade_id"], bar["last_price"]) == (2, 101, 1, 99)
    assert (bar["high"], bar["low"], bar["trades"], bar["buy_trades"]) == (101, 99, 2, 1)
    assert (bar["quantity"], bar["notional"], bar["buy_notional"]) == (Decimal(3), Decimal(301), Decimal(99))
    assert bar["notional_squared"] == Decimal(202**2 + 99**2)
    assert dict(zip(bar["histogram_buckets"], bar["histogram_trades"], strict=True)) == {13: 1, 15: 1}


def test_buckets_are_powers_of_the_root_of_two(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    sizes = {"1": 0, "1.41421356": 0, "1.41421357": 1, "2": 2, "0.5": -2, "1024": 20, "1023.99999": 19}
    for notional, bucket in sizes.items():
        (bar,) = landing([make_trade(price="1", quantity=notional)]).bars.to_dicts()
        assert bar["histogram_buckets"] == [bucket], notional


def test_dust_that_rounds_to_nothing_has_a_bar(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    (bar,) = landing([make_trade(price="0.00001", quantity="0.0001")]).bars.to_dicts()
    assert (bar["trades"], bar["notional"], bar["histogram_trades"]) == (1, Decimal(0), [1])


def test_no_trades_no_bars(landing: Callable[..., Landed]) -> None:
    assert landing([]).bars.equals(BARS.empty())
    assert merge_bars(BARS.empty()).equals(BARS.empty())
    assert bars_of(pl.DataFrame(schema={"exchange": pl.String})).equals(BARS.empty())
