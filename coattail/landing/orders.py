"""Taker orders: fills adjacent in id, with equal side and exchange time, are one order."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from coattail.connectors import ids_remembered
from coattail.exact import as_units
from coattail.tables import ORDERS

LARGE_NOTIONAL = 10_000
"""Orders of this many quote units are kept; far below every detector's floor, and about 1 % of BTC's orders."""


def with_neighbours(trades: pl.DataFrame, only_unique: Collection[str] | None = None) -> pl.DataFrame:
    """The trades and what `bars_of` and `orders_of` must know of the trade before each, found once for both.

    Columns in: exchange, symbol, trade_id, last_trade_id, side, timestamp. Sorted by exchange, symbol, trade_id.
    Columns added: `neighbourly` (its id tells which trades are next to it), `adjacent` (it goes on where the row
    before ends), `same_order` (and belongs to the order of that row).

    Of the exchanges `only_unique` (by default as their connectors say) no id tells a neighbour: each fill is an order.
    """
    loose = ids_remembered() if only_unique is None else only_unique
    neighbourly = ~pl.col("exchange").is_in(list(loose)) if loose else pl.lit(value=True)
    return trades.with_columns(neighbourly.alias("neighbourly"), (neighbourly & _goes_on()).alias("adjacent")).pipe(
        _with_same_order
    )


def orders_of(trades: pl.DataFrame) -> pl.DataFrame:
    """Large orders, and every fragment at the edge of a stretch of ids (schema of `large_trades`).

    Columns in: exchange, symbol, trade_id, last_trade_id, price, side, timestamp, quantity_units, notional_units, and
    those of `with_neighbours`. Sorted by exchange, symbol, trade_id.
    """
    if trades.is_empty():
        return ORDERS.empty()
    fills = trades.select(
        "exchange",
        "symbol",
        "trade_id",
        "last_trade_id",
        "timestamp",
        "side",
        pl.lit(1, pl.Int64).alias("fills"),
        "quantity_units",
        "notional_units",
        pl.col("price").alias("first_price"),
        pl.col("price").alias("last_price"),
        pl.col("neighbourly").alias("open_left"),
        pl.col("neighbourly").alias("open_right"),
        "adjacent",
        "same_order",
    )
    return _joined(fills)


def join_orders(fragments: pl.DataFrame) -> pl.DataFrame:
    """Fragments of one order joined by id; small ones whose neighbours are all known are left out.

    In and out: schema of `large_trades`. Idempotent; the order of rows does not matter.
    """
    if fragments.is_empty():
        return ORDERS.empty()
    return _joined(
        fragments.unique(subset=("exchange", "symbol", "trade_id"), keep="any")
        .sort("exchange", "symbol", "trade_id")
        .with_columns(
            pl.col("quantity").to_physical().alias("quantity_units"),
            pl.col("notional").to_physical().alias("notional_units"),
            (pl.col("open_left") & pl.col("open_right").shift(fill_value=False) & _goes_on()).alias("adjacent"),
        )
        .pipe(_with_same_order)
    )


def _goes_on() -> pl.Expr:
    """Whether a row's ids go on where those of the row before end."""
    return (
        (pl.col("exchange") == pl.col("exchange").shift())
        & (pl.col("symbol") == pl.col("symbol").shift())
        & (pl.col("trade_id") == pl.col("last_trade_id").shift() + 1)
    ).fill_null(value=False)


def _with_same_order(fills: pl.DataFrame) -> pl.DataFrame:
    return fills.with_columns(
        (
            pl.col("adjacent")
            & (pl.col("timestamp") == pl.col("timestamp").shift()).fill_null(value=False)
            & pl.col("side").eq_missing(pl.col("side").shift())
        ).alias("same_order")
    )


def _joined(fills: pl.DataFrame) -> pl.DataFrame:
    marked = fills.with_columns(
        (pl.col("open_left") & ~pl.col("adjacent")).alias("open_left"),
        (pl.col("open_right") & ~pl.col("adjacent").shift(-1, fill_value=False)).alias("open_right"),
        (pl.col("same_order") | pl.col("same_order").shift(-1, fill_value=False)).alias("several"),
    )
    worth_keeping = (pl.col("notional_units") >= LARGE_NOTIONAL * 10**8) | pl.col("open_left") | pl.col("open_right")
    alone = marked.filter(~pl.col("several") & worth_keeping)  # most fills are an order each: no group for those
    together = (
        marked.filter("several")
        .group_by((~pl.col("same_order")).cum_sum().alias("order"), maintain_order=True)
        .agg(
            pl.col("exchange", "symbol", "trade_id").first(),
            pl.col("last_trade_id").last(),
            pl.col("timestamp", "side").first(),
            pl.col("fills").sum(),
            pl.col("quantity_units", "notional_units").sum(),
            pl.col("first_price").first(),
            pl.col("last_price").last(),
            pl.col("open_left").first(),
            pl.col("open_right").last(),
        )
        .filter(worth_keeping)
        .drop("order")
    )
    kept = pl.concat([alone.select(together.columns), together]).sort("exchange", "symbol", "trade_id")
    return ORDERS.conform(
        kept.with_columns(as_units("quantity_units").alias("quantity"), as_units("notional_units").alias("notional"))
    )
