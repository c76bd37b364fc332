"""How far a stablecoin's average price was off the dollar it promises to be, by half minutes. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from coattail.detectors.base import Facts
from coattail.detectors.episodes import opening
from coattail.detectors.spread import PAIR
from coattail.detectors.windows import windows_of
from coattail.symbols import USD_QUOTES

if TYPE_CHECKING:
    from coattail.detectors.net_spread import NetSpreadDetector

PAR = "par"
"""The other side of a stablecoin's own row: the dollar it promises to be."""
_COINS = sorted(USD_QUOTES - {"USD"})
_LEAST_TRADES = 2
"""An average of fewer is a print."""


def pegs_of(facts: Facts, rules: NetSpreadDetector) -> pl.DataFrame:
    """A row per half minute of each stablecoin against the dollar it promises to be, with `alarm` and `opens`.

    The error is `rules.errors` standard errors of the average: sigma / sqrt(n), n = (sum w)^2 / sum w^2 of the
    notionals, sigma from the bars' ranges (Parkinson 1980).
    """
    since = facts.since - rules.cooldown - 2 * rules.window
    mine = pl.col("symbol").is_in([f"{coin}-USD" for coin in _COINS])
    bars, spans = facts.bars.filter(mine), facts.spans.filter(mine)
    windows = windows_of(bars, spans, rules.window, since, facts.until)
    known = pl.col("covered") | ((pl.col("window_end") > facts.watermark) & pl.col("begun"))
    vwap = pl.col("notional_units").cast(pl.Float64) / pl.col("quantity_units").cast(pl.Float64)
    error = pl.col("sigma") * pl.col("squares").sqrt() / (pl.col("notional_units").cast(pl.Float64) / 1e8)
    state = (
        pl.when(~known).then(pl.lit("partial"))
        .when(pl.col("trades") < _LEAST_TRADES).then(pl.lit("thin"))
        .otherwise(pl.lit("judged"))
    )  # fmt: skip
    rows = (
        windows.filter((pl.col("quantity_units") > 0) & (pl.col("window_end") < facts.until))
        .join(_ranges(bars, rules), on=["exchange", "symbol", "window_start"], how="left")
        .with_columns(vwap.alias("vwap"), state.alias("state"))
        .select(
            pl.col("symbol").str.strip_suffix("-USD").alias("base"),
            pl.col("exchange").alias("exchange_a"),
            pl.col("symbol").alias("symbol_a"),
            pl.lit(PAR).alias("exchange_b"),
            pl.lit("USD").alias("symbol_b"),
            "window_start",
            "window_end",
            pl.col("vwap").alias("vwap_a"),
            pl.lit(1.0).alias("vwap_b"),
            pl.col("trades").alias("trades_a"),
            pl.lit(0, pl.Int64).alias("trades_b"),
            pl.when(pl.col("state") != "partial").then((pl.col("vwap") - 1) * 100).round(6).alias("spread_pct"),
            "state",
            pl.col("vwap").round(8).alias("rate_a"),
            pl.lit(1.0).alias("rate_b"),
            (pl.col("vwap").log() * 100).round(6).alias("basis_pct"),
            (error * 100 * rules.errors).round(6).alias("error_pct"),
        )
        .sort(*PAIR, "window_start")
    )
    off = (pl.col("state") == "judged") & (
        pl.col("basis_pct").abs() > pl.max_horizontal(pl.lit(rules.depeg_pct), "error_pct")
    )
    rows = rows.with_columns(pl.when(off).then(pl.col("basis_pct").sign().cast(pl.Int8)).alias("far"))
    adjacent = pl.col("window_start").shift(1).over(PAIR) == pl.col("window_start") - rules.window
    again = (pl.col("far") == pl.col("far").shift(1).over(PAIR)) & adjacent
    rows = rows.with_columns(again.fill_null(value=False).alias("alarm"))
    ways = [pl.col("alarm") & (pl.col("far") == way) for way in (1, -1)]
    opens = [opening(way.fill_null(value=False), over=PAIR, cooldown=rules.cooldown) for way in ways]
    return rows.with_columns(pl.any_horizontal(opens).alias("opens")).filter(pl.col("window_end") >= facts.since)


def _ranges(bars: pl.DataFrame, rules: NetSpreadDetector) -> pl.DataFrame:
    """Per window: sum of squared notionals, and sigma of ln price from each bar's range."""
    span = (pl.col("high") / pl.col("low")).log()
    return (
        bars.sort("bar_start")  # a mean of floats depends on their order
        .group_by("exchange", "symbol", pl.col("bar_start").dt.truncate(rules.window).alias("window_start"))
        .agg(
            (pl.col("notional_squared").to_physical().sum().cast(pl.Float64) / 1e8).alias("squares"),
            ((span * span).mean() / (4 * math.log(2))).sqrt().alias("sigma"),
        )
    )
