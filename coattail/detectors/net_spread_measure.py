"""Two venues' average prices of one asset, and how far apart they are once the stablecoin's rate is taken out. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from coattail.detectors.base import Facts
from coattail.detectors.spread import PAIR
from coattail.symbols import USD_QUOTES, base_of, is_perpetual, quote_of

if TYPE_CHECKING:
    from coattail.detectors.net_spread import NetSpreadDetector

PAR = "par"
"""The other side of a stablecoin's own row: the dollar it promises to be."""


def legs_in_dollars(windows: pl.DataFrame, facts: Facts, rules: NetSpreadDetector) -> pl.DataFrame:
    """Spot markets against dollars: average price, its relative standard error, how far off the farthest print."""
    symbols = windows["symbol"].unique().sort().to_list()
    spot = {s: s for s in symbols if not is_perpetual(s) and quote_of(s) in USD_QUOTES}
    known = pl.col("covered") | ((pl.col("window_end") > facts.watermark) & pl.col("begun"))
    squares, notional = pl.col("squares").cast(pl.Float64), pl.col("notional_units").cast(pl.Float64) / 1e8
    spots = windows.filter(pl.col("symbol").is_in(list(spot)))
    vwap = pl.col("notional_units").cast(pl.Float64) / pl.col("quantity_units").cast(pl.Float64)
    parts = {name: {s: part(s) for s in spot} for name, part in (("base", base_of), ("quote", quote_of))}
    return spots.join(_ranges(facts, rules), on=["exchange", "symbol", "window_start"], how="left").select(
        "exchange",
        "symbol",
        *(pl.col("symbol").replace_strict(names, return_dtype=pl.String).alias(n) for n, names in parts.items()),
        "window_start",
        "window_end",
        "trades",
        known.alias("known"),
        vwap.alias("vwap"),
        (pl.col("sigma") * squares.sqrt() / notional).alias("error"),
        pl.max_horizontal(pl.col("high") / vwap - 1, 1 - pl.col("low") / vwap).alias("off"),
    )


def pairs_of(coins: pl.DataFrame, rates: pl.DataFrame, rules: NetSpreadDetector) -> pl.DataFrame:
    """A row per window of each two venues' markets of one asset."""
    legs = _priced(coins, rates, rules)
    on = ("base", "window_start")
    own = [name for name in legs.columns if name not in (*on, "window_end")]
    a, b = (legs.rename({name: f"{name}_{end}" for name in own}) for end in "ab")
    pairs = a.join(b.drop("window_end"), on=on).filter(pl.col("exchange_a") < pl.col("exchange_b"))
    ratio = (pl.col("vwap_a") / pl.col("vwap_b")).log() * 100
    basis = (pl.col("rate_b") / pl.col("rate_a")).log() * 100
    error = ((pl.col("error_a") ** 2 + pl.col("error_b") ** 2).sqrt() * 100 * rules.errors).round(6)
    thin = pl.min_horizontal("trades_a", "trades_b") < rules.minimum_trades
    state = (
        pl.when(~(pl.col("known_a") & pl.col("known_b"))).then(pl.lit("partial"))
        .when(basis.is_null()).then(pl.lit("no_rate"))
        .when(thin).then(pl.lit("thin"))
        .when(pl.max_horizontal("off_a", "off_b") > rules.outlier_pct / 100).then(pl.lit("outlier"))
        .when((ratio - basis).abs().is_between(rules.limit_pct(), error)).then(pl.lit("noisy"))
        .otherwise(pl.lit("judged"))
    )  # fmt: skip
    return _columns(
        pairs.with_columns(
            ((pl.col("vwap_a") - pl.col("vwap_b")) / pl.col("vwap_b") * 100).alias("spread_pct"),
            (pl.col("fresh_a") & pl.col("fresh_b")).alias("fresh"),
            basis.round(6).alias("basis_pct"),
            (ratio - basis).round(6).alias("net_pct"),
            pl.lit(2 * rules.fee_pct).alias("fees_pct"),
            error.alias("error_pct"),
            state.alias("state"),
        )
    )


def pegs_of(rates: pl.DataFrame, rules: NetSpreadDetector) -> pl.DataFrame:
    """A row per window of each stablecoin against the dollar it promises to be."""
    off = (pl.col("vwap").log() * 100).round(6)
    thin = pl.col("trades") < 2
    state = (
        pl.when(~pl.col("known")).then(pl.lit("partial")).when(thin).then(pl.lit("thin")).otherwise(pl.lit("judged"))
    )
    return _columns(
        rates.with_columns(
            *(pl.col(name).alias(f"{name}_a") for name in ("exchange", "symbol", "vwap", "trades")),
            pl.lit(PAR).alias("exchange_b"),
            pl.lit("USD").alias("symbol_b"),
            pl.lit(1.0).alias("vwap_b"),
            pl.lit(0, pl.Int64).alias("trades_b"),
            pl.lit(value=False).alias("fresh"),
            ((pl.col("vwap") - 1) * 100).alias("spread_pct"),
            pl.col("vwap").alias("rate_a"),
            pl.lit(1.0).alias("rate_b"),
            off.alias("basis_pct"),
            pl.lit(None, pl.Float64).alias("net_pct"),
            pl.lit(0.0).alias("fees_pct"),
            (pl.col("error") * 100 * rules.errors).round(6).alias("error_pct"),
            state.alias("state"),
        )
    )


def _ranges(facts: Facts, rules: NetSpreadDetector) -> pl.DataFrame:
    """Per window: sum of squared notionals, highest and lowest price, sigma of ln price from each bar's range."""
    inside = (pl.col("bar_start") >= facts.since - rules.lookback - rules.window) & (pl.col("bar_start") < facts.until)
    span = (pl.col("high") / pl.col("low")).log()
    return (
        facts.bars.select("exchange", "symbol", "bar_start", "high", "low", "notional_squared")
        .filter(inside)
        .sort("bar_start")  # a mean of floats depends on their order
        .group_by("exchange", "symbol", pl.col("bar_start").dt.truncate(rules.window).alias("window_start"))
        .agg(
            (pl.col("notional_squared").to_physical().sum().cast(pl.Float64) / 1e8).alias("squares"),
            pl.col("high").max(),
            pl.col("low").min(),
            ((span * span).mean() / (4 * math.log(2))).sqrt().alias("sigma"),
        )
    )


def _priced(coins: pl.DataFrame, rates: pl.DataFrame, rules: NetSpreadDetector) -> pl.DataFrame:
    """The legs with `rate`, dollars for one unit of their quote, known by the window's end; null without one."""
    rate = (
        rates.filter("known")
        .sort("exchange", "symbol", "window_start")
        .group_by(pl.col("base").alias("quote"), "window_start")
        .agg(((pl.col("vwap") * pl.col("trades")).sum() / pl.col("trades").sum()).alias("rate"))
        .sort("window_start")
        .with_columns(pl.col("window_start").alias("rated"))
    )
    joined = coins.sort("window_start").join_asof(
        rate, on="window_start", by="quote", strategy="backward", tolerance=rules.rate_age, check_sortedness=False
    )
    dollars = pl.col("quote") == "USD"
    return joined.with_columns(
        pl.when(dollars).then(1.0).otherwise("rate").alias("rate"),
        (dollars | (pl.col("rated") == pl.col("window_start"))).fill_null(value=False).alias("fresh"),
    )


def _columns(rows: pl.DataFrame) -> pl.DataFrame:
    judged = pl.col("state") == "judged"
    return rows.select(
        "base", *PAIR, "window_start", "window_end", "vwap_a", "vwap_b", "trades_a", "trades_b",
        pl.when(pl.col("state") != "partial").then("spread_pct").alias("spread_pct"),
        "state", "rate_a", "rate_b", "basis_pct",
        pl.when(pl.col("state") != "partial").then("net_pct").alias("net_pct"),
        "fees_pct", "error_pct", "fresh",
        pl.when(judged).then("net_pct").alias("usable"),
    )  # fmt: skip
