"""10-second bars: what detectors read instead of the flood of trades."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from coattail.exact import as_units, half_even
from coattail.tables import BARS

BAR = timedelta(seconds=10)
_KEY = ("exchange", "symbol", "bar_start")
_HISTOGRAM = ("histogram_buckets", "histogram_trades")
_SUMS = ("trades", "quantity", "notional", "notional_squared")


def bars_of(trades: pl.DataFrame, *, histograms: bool = True) -> pl.DataFrame:
    """Bars of these trades alone (schema of `bars`); `histograms=False` leaves those null, which is cheaper.

    Columns in: exchange, symbol, trade_id, last_trade_id, price, side, timestamp, quantity_units,
    notional_units (`with_units`), same_order (`with_neighbours`). Sorted by exchange, symbol, trade_id.
    """
    if trades.is_empty():
        return BARS.empty()
    instrument = ("exchange", "symbol")
    backwards = (pl.col("timestamp") < pl.col("timestamp").shift()) & pl.all_horizontal(
        pl.col(name) == pl.col(name).shift() for name in instrument
    )
    if trades.select(backwards.any()).item():
        trades = trades.sort("exchange", "symbol", "timestamp", "trade_id")
    buy = pl.col("side") == "buy"
    facts = trades.select(
        *instrument,
        pl.col("timestamp").dt.truncate(BAR).alias("bar_start"),
        "trade_id",
        "last_trade_id",
        "timestamp",
        "price",
        buy.fill_null(value=False).alias("buy"),
        "quantity_units",
        "notional_units",
        "same_order",
        half_even(pl.col("notional_units"), 10**4).pow(2).alias("notional_squared_units"),
    )
    units = ("quantity", "notional", "notional_squared")
    grouped = facts.group_by(_KEY, maintain_order=True).agg(
        pl.col("trade_id").first().alias("first_trade_id"),
        pl.col("timestamp").first().alias("first_timestamp"),
        pl.col("price").first().alias("first_price"),
        pl.col("last_trade_id").last(),
        pl.col("timestamp").last().alias("last_timestamp"),
        pl.col("price").last().alias("last_price"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.len().cast(pl.Int64).alias("trades"),
        (~pl.col("same_order")).sum().cast(pl.Int64).alias("orders"),
        *(pl.col(f"{name}_units").sum() for name in units),
        pl.col("buy").sum().cast(pl.Int64).alias("buy_trades"),
        *(pl.col(f"{name}_units").filter(pl.col("buy")).sum().alias(f"buy_{name}_units") for name in units),
    )
    grouped = grouped.with_columns(
        as_units(f"{prefix}{name}_units").alias(f"{prefix}{name}") for prefix in ("", "buy_") for name in units
    )
    if histograms:
        grouped = grouped.join(
            _histogram(facts.select(*_KEY, _bucket().alias("bucket"))), on=_KEY, how="left", maintain_order="left"
        )
    return BARS.conform(grouped)


def without_joints(bars: pl.DataFrame, joints: pl.DataFrame) -> pl.DataFrame:
    """The bars of some trades, with an order less for each that goes on from, or in, a trade of another batch.

    joints: exchange, symbol, timestamp of those orders (`Coverage.joints`), each in one of the bars.
    """
    if joints.is_empty():
        return bars
    fewer = joints.group_by("exchange", "symbol", pl.col("timestamp").dt.truncate(BAR).alias("bar_start")).agg(
        pl.len().cast(pl.Int64).alias("joints")
    )
    counted = bars.join(fewer, on=_KEY, how="left", maintain_order="left")
    return counted.with_columns(pl.col("orders") - pl.col("joints").fill_null(0)).drop("joints")


def _bucket() -> pl.Expr:
    """b with 2^(b/2) <= notional < 2^((b+1)/2); dust, which rounds to nothing, counts as 10^-8."""
    notional = pl.col("notional_units").clip(lower_bound=1).cast(pl.Float64) / 1e8
    return (notional.log(2) * 2).round(9).floor().cast(pl.Int32)


def _histogram(facts: pl.DataFrame) -> pl.DataFrame:
    return (
        facts.group_by(*_KEY, "bucket")
        .agg(pl.len().cast(pl.Int64).alias("in_bucket"))
        .sort("bucket")
        .group_by(_KEY)
        .agg(pl.col("bucket").alias("histogram_buckets"), pl.col("in_bucket").alias("histogram_trades"))
    )


def merge_bars(bars: pl.DataFrame, *, histograms: bool = True) -> pl.DataFrame:
    """One row per bar: partial bars added up. Sorted by exchange, symbol, bar_start.

    `histograms=False` leaves them null, which is cheaper where nobody reads them. `orders` is null where it is null in
    a row that an older version wrote.
    """
    if not histograms:
        bars = bars.with_columns(pl.lit(None, BARS.schema[name]).alias(name) for name in _HISTOGRAM)
    in_parts = bars.select(pl.struct(_KEY).is_duplicated()).to_series()  # few are: only those pay for the adding
    if in_parts.any():
        bars = pl.concat([bars.filter(~in_parts), _added_up(bars.filter(in_parts), histograms=histograms)])
    return BARS.conform(bars).sort(_KEY)


def _added_up(bars: pl.DataFrame, *, histograms: bool) -> pl.DataFrame:
    first = ("first_timestamp", "first_trade_id")
    last = ("last_timestamp", "last_trade_id")
    merged = bars.group_by(_KEY).agg(
        pl.col("first_price").sort_by(first).first(),
        *(pl.col(name).sort_by(first).first() for name in first),
        pl.col("last_price").sort_by(last).last(),
        *(pl.col(name).sort_by(last).last() for name in last),
        pl.col("high").max(),
        pl.col("low").min(),
        *(pl.col(f"{prefix}{name}").sum() for prefix in ("", "buy_") for name in _SUMS),
        pl.when(pl.col("orders").null_count() == 0).then(pl.col("orders").sum()).alias("orders"),
    )
    if histograms:
        counts = (
            bars.select(*_KEY, *_HISTOGRAM)
            .explode(_HISTOGRAM)
            .group_by(*_KEY, pl.col("histogram_buckets").alias("bucket"))
            .agg(pl.col("histogram_trades").sum().alias("in_bucket"))
            .sort("bucket")
            .group_by(_KEY)
            .agg(pl.col("bucket").alias("histogram_buckets"), pl.col("in_bucket").alias("histogram_trades"))
        )
        merged = merged.join(counts, on=_KEY, how="left")
    return BARS.conform(merged).select(bars.columns)
