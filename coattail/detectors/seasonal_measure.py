"""How unusual each minute of a market was: its activity, less season, against the hours before it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from coattail.detectors.robust import ewma, rolling_baseline

if TYPE_CHECKING:
    from coattail.detectors.seasonal_volume import SeasonalVolumeDetector

KEY = ("exchange", "symbol")
CHANNELS = ("spike", "sustained", "drop")
MINUTES = 1440
"""Of a day."""
STALL_LOOKBACK = timedelta(hours=1)
_USUALLY = 0.9
"""A venue stands still only if some market of it traded in this share of the minutes of `STALL_LOOKBACK` before."""
_LOWEST, _HIGHEST = -3.0, 6.0
"""Between these a score counts in the sustained channel: one wild minute is not a sustained shift, and in a market that
trades a few times a minute an empty one says little."""


def activity(windows: pl.DataFrame, rules: SeasonalVolumeDetector) -> pl.DataFrame:
    """The windows with `volume` and `x`, null where ids are missing."""
    judged = pl.col("covered") if "closed" not in windows.columns else known()
    volume = pl.col("notional_units").cast(pl.Float64) / 1e8
    share = rules.trades_weight
    busy = (1 - share) * volume.log1p() + share * pl.col("trades").cast(pl.Float64).log1p()
    return windows.with_columns(pl.when(judged).then(volume).alias("volume"), pl.when(judged).then(busy).alias("x"))


def measured(windows: pl.DataFrame, season: pl.DataFrame, rules: SeasonalVolumeDetector) -> pl.DataFrame:
    """The windows on a grid without holes, with `season`, the baseline before each, `z` and `sustained`.

    They come and go sorted by exchange, symbol, window_start.
    """
    minute = pl.col("window_start").dt.hour().cast(pl.Int64) * 60 + pl.col("window_start").dt.minute()
    grid = (
        windows.group_by(KEY, maintain_order=True)
        .agg(pl.col("window_start").min().alias("low"), pl.col("window_start").max().alias("high"))
        .with_columns(pl.datetime_ranges("low", "high", interval=rules.window).alias("window_start"))
        .drop("low", "high")
        .explode("window_start")
    )
    rows = (
        grid.join(windows, on=[*KEY, "window_start"], how="left", maintain_order="left")
        .with_columns(minute.alias("minute"))
        .join(season, on=[*KEY, "minute"], how="left", maintain_order="left")
        .drop("minute")
    )
    traded = (pl.col("trades") > 0).cast(pl.Float64)
    often = traded.rolling_mean_by("window_start", window_size=STALL_LOOKBACK, closed="left").over(KEY)
    rows = (
        rows.with_columns(often.alias("often"))
        .with_columns(_stalled().alias("stalled"))
        .with_columns(pl.when(~pl.col("stalled")).then(pl.col("x") - pl.col("season").fill_null(0.0)).alias("r"))
    )
    based = rolling_baseline(
        rows, "r", over=KEY, span=rules.baseline, least=rules.minimum_windows, floor=rules.scale_floor
    )
    usual = pl.col("volume").rolling_median_by("window_start", window_size=rules.baseline, closed="left").over(KEY)
    away = (pl.col("r") - pl.col("baseline_median")).alias("away")
    level = (pl.col("away") / pl.col("baseline_scale")).clip(_LOWEST, _HIGHEST)
    place = pl.int_range(pl.len()).over(KEY).alias("place")  # once: each of the thirty terms of the averages asks
    scored = based.with_columns(usual.alias("usual"), away, place).with_columns(
        pl.when(pl.col("closed")).then(level).alias("level")
    )
    expected = rules.persistence * ewma(
        "away", place="place", weight=rules.persistence_weight, terms=rules.sustained_windows, before=1
    ).fill_null(0.0)
    z = (pl.col("away") - expected) / pl.col("baseline_scale")
    deviation = math.sqrt(rules.sustained_weight / (2 - rules.sustained_weight))
    lasting = ewma("level", place="place", weight=rules.sustained_weight, terms=rules.sustained_windows) / deviation
    return (
        scored.with_columns(
            z.round(6).alias("z"),
            pl.when(pl.col("level").is_not_null()).then(lasting).round(6).alias("sustained"),
        )
        .drop("level", "away", "place")
        .filter(pl.col("window_end").is_not_null())
    )


def scores() -> dict[str, pl.Expr]:
    """Channel -> the score that is held against its threshold."""
    return {"spike": pl.col("z"), "sustained": pl.col("sustained"), "drop": -pl.col("sustained")}


def known() -> pl.Expr:
    """Whether a window was seen whole, or as far as it has come."""
    return pl.col("covered") | (~pl.col("closed") & pl.col("begun"))


def _stalled() -> pl.Expr:
    """Whether no market of the venue traded, though one of them does in most minutes: the venue stands still."""
    silent = (pl.col("covered") & pl.col("closed") & (pl.col("trades") == 0)).fill_null(value=False)
    venue = ["exchange", "window_start"]
    usually = (pl.col("often").max() >= _USUALLY).fill_null(value=False)
    return (silent.all() & (pl.len() > 1) & usually).over(venue)


def seasons(curves: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """(exchange, symbol, season or None) as rows: exchange, symbol, minute, season."""
    empty = pl.DataFrame(schema={"exchange": pl.String, "symbol": pl.String, "minute": pl.Int64, "season": pl.Float64})
    return pl.concat([
        empty,
        *(
            pl.DataFrame({"exchange": exchange, "symbol": symbol, "minute": range(MINUTES), "season": season})
            for exchange, symbol, season in curves
            if season is not None
        ),
    ])  # fmt: skip
