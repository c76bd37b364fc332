"""What a quote asset is worth in dollars, from what traded. Pure."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from coattail.detectors.grid import BAR
from coattail.symbols import quote_of


def dollars_per_quote(rows: pl.DataFrame, bars: pl.DataFrame, *, within: timedelta) -> pl.DataFrame:
    """`rows` (symbol, timestamp) with `rate`: dollars for one unit of the symbol's quote; 1 for USD itself.

    The average price of QUOTE-USD at all venues in the newest 10-second bar that ended before the row's time, at most
    `within` before it; null where there is none.
    """
    quotes = {s: quote_of(s) for s in rows["symbol"].unique()}
    marked = rows.with_columns(pl.col("symbol").replace_strict(quotes, return_dtype=pl.String).alias("quote"))
    wanted = [f"{quote}-USD" for quote in set(quotes.values()) - {"USD", ""}]
    sums = [pl.col(name).to_physical().sum().cast(pl.Float64) for name in ("notional", "quantity")]
    rates = (
        bars.filter(pl.col("symbol").is_in(wanted))
        .group_by(pl.col("symbol").str.strip_suffix("-USD").alias("quote"), pl.col("bar_start") + BAR)
        .agg((sums[0] / sums[1]).alias("rate"))
        .rename({"bar_start": "known_at"})
        .sort("known_at")
    )
    joined = marked.sort("timestamp").join_asof(
        rates,
        left_on="timestamp",
        right_on="known_at",
        by="quote",
        strategy="backward",
        tolerance=within,
        check_sortedness=False,
    )
    rate = pl.when(pl.col("quote") == "USD").then(1.0).otherwise(pl.col("rate"))
    return joined.with_columns(rate.alias("rate")).drop("quote", "known_at", strict=False)
