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
    end = pl.col("window_start") + every
    inside = bars.select(
        *_INSTRUMENT,
        pl.col("bar_start").dt.truncate(every).alias("window_start"),
        "trades",
        "quantity",
        "notional",
        "first_trade_id",
        "last_trade_id",
    ).filter((end >= since) & (end <= until))
    markets = _markets(inside, spans)
    traded = (
        inside.join(markets, on=_INSTRUMENT, how="left")
        .group_by("market", "window_start")
        .agg(
            pl.col("trades").sum(),
            pl.col("quantity").to_physical().sum().alias("quantity_units"),
            pl.col("notional").to_physical().sum().alias("notional_units"),
            pl.col("first_trade_id").min(),
            pl.col("last_trade_id").max(),
        )
    )
    numbered = spans.join(markets, on=_INSTRUMENT, how="left")
    covered = _covered(numbered, every, since, until)
    begun = (
        covered.join(traded, on=["market", "window_start"], how="full", coalesce=True)
        .sort("market", "window_start")
        .join_asof(
            numbered.sort("first_ts").select("market", "first_ts", pl.col("last_ts").cum_max().over("market")),
            left_on="window_start",
            right_on="first_ts",
            by="market",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
    )
    return begun.join(markets, on="market", how="left", maintain_order="left").select(
        *_INSTRUMENT,
        "window_start",
        end.alias("window_end"),
        pl.col("trades").fill_null(0),
        pl.col("quantity_units", "notional_units").fill_null(0),
        "first_trade_id",
        "last_trade_id",
        pl.col("covered").fill_null(value=False),
        (pl.col("last_ts") >= pl.col("window_start")).fill_null(value=False).alias("begun"),
    )


def _markets(bars: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """A number for each instrument, in their order: cheaper to group, join and sort by than two names."""
    known = [frame.select(_INSTRUMENT).unique() for frame in (bars, spans)]
    return pl.concat(known).unique().sort(_INSTRUMENT).with_row_index("market")


def _covered(spans: pl.DataFrame, every: timedelta, since: datetime, until: datetime) -> pl.DataFrame:
    """The windows that lie inside a span: a trade before it, a trade at its end or later, no hole between."""
    early = pl.max_horizontal(pl.col("first_ts").dt.truncate(every) + every, pl.lit(since - every, UTC_MICROS))
    # `since - every` may lie inside a window: round it up to the next start.
    first = pl.when(early.dt.truncate(every) < early).then(early.dt.truncate(every) + every).otherwise(early)
    last = pl.min_horizontal(pl.col("last_ts"), pl.lit(until, UTC_MICROS)).dt.truncate(every) - every
    return (
        spans.select("market", first.alias("first"), last.alias("last"))
        .filter(pl.col("first") <= pl.col("last"))
        .with_columns(pl.datetime_ranges("first", "last", interval=every).alias("window_start"))
        .drop("first", "last")
        .explode("window_start")
        .unique()
        .with_columns(pl.lit(value=True).alias("covered"))
    )
