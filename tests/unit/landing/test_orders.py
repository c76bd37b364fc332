"""Taker orders: fragments joined by id are the orders of the whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.landing import Coverage, Landed
from coattail.landing.orders import LARGE_NOTIONAL, join_orders
from coattail.records import Trade
from coattail.tables import ORDERS

NOON = 1_741_089_600_000_000
fills = st.tuples(st.sampled_from([1, 1, 1, 1, 2]), st.integers(0, 1), st.booleans(), st.sampled_from(["10", "6000"]))


def large(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.filter(pl.col("notional") >= LARGE_NOTIONAL).sort("trade_id")


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(fills, min_size=1, max_size=25), cuts=st.lists(st.integers(0, 25), max_size=5), random=st.randoms()
)
def test_large_orders_of_any_parts_join_to_those_of_the_whole(
    steps: list[tuple[int, int, bool, str]],
    cuts: list[int],
    random: object,
    make_trade: Callable[..., Trade],
    landing: Callable[..., Landed],
) -> None:
    trades, identity, second = [], 0, 0
    for step, later, buy, quantity in steps:
        identity, second = identity + step, second + later
        when = NOON + second * 1_000_000
        side = "buy" if buy else "sell"
        trades.append(make_trade(identity, timestamp=when, received=when, price="1", quantity=quantity, side=side))
    whole = landing(trades)
    places = [0, *sorted(min(c, len(trades)) for c in cuts), len(trades)]
    pieces = [trades[a:b] for a, b in itertools.pairwise(places)]
    random.shuffle(pieces)  # type: ignore[attr-defined]
    joined, coverage = ORDERS.empty(), Coverage()
    for piece in pieces:
        landed = landing(piece, coverage=coverage)
        coverage = landed.coverage
        joined = join_orders(pl.concat([joined, landed.orders]))
    assert large(joined).equals(large(whole.orders))
    assert join_orders(joined).equals(joined)


def test_small_orders_are_kept_only_at_the_edges_of_a_stretch(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    orders = landing([make_trade(n) for n in (1, 2, 3, 4, 9)]).orders
    assert orders["trade_id"].to_list() == [1, 4, 9]


def test_no_trades_no_orders() -> None:
    assert join_orders(ORDERS.empty()).equals(ORDERS.empty())
