"""How many taker orders traded in a bar: exact, whatever the batches, and whoever adds up the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coattail.landing import Coverage, Landed
from coattail.landing.bars import merge_bars
from coattail.records import Trade

NOON = 1_741_089_600_000_000
TEN_SECONDS = 10_000_000
NOW = datetime(2025, 3, 4, tzinfo=UTC)

fills = st.tuples(
    st.sampled_from([1, 1, 1, 1, 1, 2, 9]),  # ids from one trade to the next: 1 is adjacent
    st.sampled_from([1, 1, 1, 4]),  # ids in it: an aggregated trade has several
    st.sampled_from([0, 0, 0, 1, 3_000_000, -1]),  # µs from one trade to the next
    st.sampled_from(["buy", "buy", "sell", None]),
    st.sampled_from(["a", "a", "b"]),  # session
    st.integers(0, 3),  # batch
)
Fill = tuple[int, int, int, str | None, str, int]
ONE_ORDER: list[Fill] = [(1, 1, 0, "buy", "a", batch) for batch in (0, 1, 0, 2, 1, 0)]
"""Fills of one order that land in three batches: the second joins what the first left apart."""


def traded(steps: Sequence[Fill], exchange: str, make_trade: Callable[..., Trade]) -> list[tuple[int, Trade]]:
    """(batch, trade), in the order of ids."""
    found, last, when = [], 0, NOON
    for step, ids, later, side, session, batch in steps:
        first, when = last + step, when + later
        last = first + ids - 1
        trade = make_trade(
            first, exchange=exchange, last_trade_id=last, timestamp=when, received=when, side=side, session=session
        )
        found.append((batch, trade))
    return found


def counted(trades: Sequence[Trade], *, by_id: bool) -> dict[int, int]:
    """Orders by the start of their bar (µs), one trade after the other."""
    orders: dict[int, int] = {}
    before: Trade | None = None
    for trade in trades:
        assert trade.timestamp is not None
        goes_on = (
            by_id
            and before is not None
            and (before.last_trade_id or 0) + 1 == trade.trade_id
            and (before.timestamp, before.side) == (trade.timestamp, trade.side)
        )
        start = trade.timestamp // TEN_SECONDS * TEN_SECONDS
        orders[start] = orders.get(start, 0) + (not goes_on)
        before = trade
    return orders


def shown(bars: pl.DataFrame) -> dict[int, int]:
    return dict(bars.select(pl.col("bar_start").dt.epoch("us"), "orders").iter_rows())


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(fills, min_size=1, max_size=30),
    restarts=st.lists(st.booleans(), min_size=4, max_size=4),
    exchange=st.sampled_from(["binance", "binance", "binance", "kraken"]),
)
@example(steps=ONE_ORDER, restarts=[False] * 4, exchange="binance")
@example(steps=ONE_ORDER, restarts=[True] * 4, exchange="binance")
@example(steps=ONE_ORDER, restarts=[True] * 4, exchange="kraken")
def test_orders_of_rows_of_any_batches_add_up_to_those_of_all_trades_at_once(
    steps: list[Fill],
    restarts: list[bool],
    exchange: str,
    make_trade: Callable[..., Trade],
    landing: Callable[..., Landed],
) -> None:
    """Batches hold any of the trades, so each refills holes of those before; the ledger may have been restored."""
    trades = traded(steps, exchange, make_trade)
    whole = landing([trade for _, trade in trades])
    wanted = counted([trade for _, trade in trades], by_id=exchange == "binance")
    assert shown(whole.bars) == wanted
    coverage, rows = Coverage(), []
    for number, restart in enumerate(restarts):
        landed = landing([trade for batch, trade in trades if batch == number], coverage=coverage)
        coverage = landed.coverage
        if restart:
            coverage = Coverage.restored(coverage.table(NOW), coverage.sessions())
        rows.append(landed.bars)
    together = pl.concat(rows)
    assert merge_bars(together).equals(merge_bars(whole.bars))
    assert shown(together.group_by("bar_start").agg(pl.col("orders").sum())) == wanted, "a plain sum, as in SQL"
    if exchange == "binance":
        assert coverage == whole.coverage


def test_a_row_of_an_older_version_leaves_the_orders_of_its_bar_unknown(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    trades: list[dict[str, Any]] = [{"timestamp": NOON}, {"timestamp": NOON + 1}, {"timestamp": NOON + TEN_SECONDS}]
    first, *rest = [make_trade(n, received=NOON, **fields) for n, fields in enumerate(trades, 1)]
    old = landing([first])
    new = landing(rest, coverage=old.coverage)
    merged = merge_bars(pl.concat([old.bars.with_columns(orders=pl.lit(None, pl.Int64)), new.bars]))
    assert merged["orders"].to_list() == [None, 1]
    assert merged["trades"].to_list() == [2, 1]
