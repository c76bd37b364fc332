"""Tumbling windows over bars, and which of them the feed saw whole."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from coattail.tables import UTC_MICROS

_INSTRUMENT = ("exchange", "symbol")


def windows_of(
    bars: pl.DataFrame, spans: pl.DataFrame, every: timedelta, since: datetime, until: datetime
) -> pl.DataFrame:
    """Windows of length `every` per instrument that end in since…until (both included).

    Columns: exchange, symbol, window_start, window_end, trades, quantity_units, notional_units (Int128, 10^-8),
    first_trade_id, last_trade_id, `covered` (no trade id is missing from before it began until after it ended),
    `begun` (no id is missing from before it began up to some trade in it). Windows without a trade are there only
    if they are covered. Sorted by exchange, symbol, window_start.
    """
    inside = (pl.col("window_end") >= since) & (pl.col("window_end") <= until)
    traded = (
        bars.with_columns(pl.col("bar_start").dt.truncate(every).alias("window_start"))
        .with_columns((pl.col("window_start") + every).alias("window_end"))
        .filter(inside)
        .group_by(*_INSTRUMENT, "window_start", "window_end")
        .agg(
            pl.col("trades").sum(),
            pl.col("quantity").to_physical().sum().alias("quantity_units"),
            pl.col("notional").to_physical().sum().alias("notional_units"),
            pl.col("first_trade_id").min(),
            pl.col("last_trade_id").max(),
        )
    )
    covered = _covered(spans, every, since, until)
    joined = covered.join(traded, on=(*_INSTRUMENT, "window_start", "window_end"), how="full", coalesce=True)
    begun = joined.sort("window_start").join_asof(
        spans.sort("first_ts").select(*_INSTRUMENT, "first_ts", pl.col("last_ts").cum_max().over(_INSTRUMENT)),
        left_on="window_start",
        right_on="first_ts",
        by=list(_INSTRUMENT),
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return begun.select(
        *_INSTRUMENT,
        "window_start",
        "window_end",
        pl.col("trades").fill_null(0),
        pl.col("quantity_units", "notional_units").fill_null(0),
        "first_trade_id",
        "last_trade_id",
        pl.col("covered").fill_null(value=False),
        (pl.col("last_ts") >= pl.col("window_start")).fill_null(value=False).alias("begun"),
    ).sort(*_INSTRUMENT, "window_start")


def _covered(spans: pl.DataFrame, every: timedelta, since: datetime, until: datetime) -> pl.DataFrame:
    """The windows that lie inside a span: a trade before it, a trade at its end or later, no hole between."""
    early = pl.max_horizontal(pl.col("first_ts").dt.truncate(every) + every, pl.lit(since - every, UTC_MICROS))
    # `since - every` may lie inside a window: round it up to the next start.
    first = pl.when(early.dt.truncate(every) < early).then(early.dt.truncate(every) + every).otherwise(early)
    last = pl.min_horizontal(pl.col("last_ts"), pl.lit(until, UTC_MICROS)).dt.truncate(every) - every
    return (
        spans.select(*_INSTRUMENT, first.alias("first"), last.alias("last"))
        .filter(pl.col("first") <= pl.col("last"))
        .with_columns(pl.datetime_ranges("first", "last", interval=every).alias("window_start"))
        .drop("first", "last")
        .explode("window_start")
        .unique()
        .with_columns((pl.col("window_start") + every).alias("window_end"), pl.lit(value=True).alias("covered"))
    )
