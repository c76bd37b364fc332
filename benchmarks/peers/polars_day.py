"""One day of stored trades to alerts as a Polars script: three detectors, straight from the trades, in floats.

It takes every trade id for granted: no window abstains because of a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

COLUMNS = ("exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "side", "timestamp")
KEY = ["exchange", "symbol"]
LATENESS = timedelta(seconds=10)


def alerts(paths: Sequence[str]) -> set[tuple[str, str | None, str, int]]:
    """(type, exchange, symbol, µs: start of the window, or time of the order) of closed windows and orders."""
    trades = (
        pl.scan_parquet(list(paths))
        .select(COLUMNS)
        .with_columns((pl.col("price") * pl.col("quantity")).alias("notional"))
        .collect()
    )
    newest = trades.group_by("exchange").agg(pl.col("timestamp").max())
    closed = newest.select(pl.col("timestamp").min() - LATENESS).item()
    half_minutes = trades.group_by(*KEY, pl.col("timestamp").dt.truncate("30s").alias("start")).agg(
        pl.col("notional", "quantity").sum(), pl.col("timestamp").min().alias("first"), pl.col("timestamp").max()
    )
    spans = half_minutes.group_by(KEY).agg(pl.col("first").min(), pl.col("timestamp").max().alias("last"))
    found = [_volume(half_minutes, spans, closed), _whales(trades, closed), _spreads(half_minutes, spans, closed)]
    return set(pl.concat(found).with_columns(pl.col("at").dt.epoch("us")).iter_rows())


def _volume(half_minutes: pl.DataFrame, spans: pl.DataFrame, closed: datetime) -> pl.DataFrame:
    """Minutes whose volume is far from that of the sixty before; minutes without trades count as zero."""
    whole = spans.select(
        *KEY,
        pl.datetime_ranges(
            pl.col("first").dt.truncate("1m") + timedelta(minutes=1),
            pl.col("last").dt.truncate("1m") - timedelta(minutes=1),
            interval="1m",
        ).alias("start"),
    ).explode("start")
    minutes = half_minutes.group_by(*KEY, pl.col("start").dt.truncate("1m")).agg(pl.col("notional").sum())
    scored = (
        whole.join(minutes, on=(*KEY, "start"), how="left")
        .with_columns(pl.col("notional").fill_null(0.0))
        .sort(*KEY, "start")
        .with_columns(
            pl.col("notional").shift().rolling_mean(60, min_samples=30).over(KEY).alias("mean"),
            pl.col("notional").shift().rolling_std(60, min_samples=30, ddof=0).over(KEY).alias("deviation"),
        )
    )
    z = (pl.col("notional") - pl.col("mean")) / pl.col("deviation")
    kind = pl.when(z > 0).then(pl.lit("volume_spike")).otherwise(pl.lit("volume_drop"))
    unusual = (z.abs() > 2.5) & (pl.col("deviation") > 0) & (pl.col("start") + timedelta(minutes=1) <= closed)
    return scored.filter(unusual).select(kind.alias("type"), *KEY, pl.col("start").alias("at"))


def _whales(trades: pl.DataFrame, closed: datetime) -> pl.DataFrame:
    """Orders above 100,000: fills with adjacent ids, equal side and equal time."""
    fills = trades.sort(*KEY, "trade_id")
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in (*KEY, "timestamp", "side")) & (
        pl.col("trade_id") == pl.col("last_trade_id").shift() + 1
    )
    orders = fills.group_by((~same).fill_null(value=True).cum_sum().alias("order")).agg(
        pl.col(*KEY, "timestamp").first(), pl.col("notional").sum()
    )
    large = (pl.col("notional") > 100_000) & (pl.col("timestamp") <= closed)
    return orders.filter(large).select(pl.lit("whale_trade").alias("type"), *KEY, pl.col("timestamp").alias("at"))


def _spreads(half_minutes: pl.DataFrame, spans: pl.DataFrame, closed: datetime) -> pl.DataFrame:
    """Half minutes in which the average prices of two venues were more than half a percent apart."""
    end = pl.col("start") + timedelta(seconds=30)
    inside = (pl.col("start") > pl.col("first_right")) & (end <= pl.col("last")) & (end <= closed)
    legs = (
        half_minutes.join(spans.rename({"first": "first_right"}), on=KEY)
        .filter(inside & (pl.col("quantity") > 0))
        .select(
            "exchange",
            "symbol",
            pl.col("symbol").str.split("-").list.first().alias("base"),
            "start",
            (pl.col("notional") / pl.col("quantity")).alias("price"),
        )
    )
    pairs = legs.join(legs, on=("base", "start"), suffix="_b").filter(pl.col("exchange") < pl.col("exchange_b"))
    spread = (pl.col("price") - pl.col("price_b")) / pl.col("price_b") * 100
    return pairs.filter(spread.abs() > 0.5).select(
        pl.lit("spread_divergence").alias("type"),
        pl.lit(None, pl.String).alias("exchange"),
        (pl.col("base") + "-USD").alias("symbol"),
        pl.col("start").alias("at"),
    )
