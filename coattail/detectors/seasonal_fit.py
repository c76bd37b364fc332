"""What the volume detector of `default` learns from the days before a day: thresholds and the season. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from coattail.detectors.base import DAY, Facts
from coattail.detectors.robust import threshold_for
from coattail.detectors.seasonal_measure import CHANNELS, KEY, MINUTES, activity, measured, scores, seasons

if TYPE_CHECKING:
    from coattail.detectors.seasonal_volume import SeasonalVolumeDetector

_NEAR_MINUTES = 10
_WHOLE_DAY = 0.95
"""Share of a day's minutes that must be covered for it to count as one."""
_SEASON_DAYS = 3
"""The time of day is judged only by instruments that were seen on this many days."""

LEARNED = pl.Schema(
    {"exchange": pl.String(), "symbol": pl.String(), "fitted_days": pl.Float64()}
    | {f"{c}_{part}": pl.Float64() for c in CHANNELS for part in ("threshold", "tail")}
    | {"season": pl.List(pl.Float64)}
)


def learned_of(past: Facts, rules: SeasonalVolumeDetector) -> pl.DataFrame:
    """One row per instrument that was seen for a day: thresholds, tails, and the season.

    Columns: exchange, symbol, fitted_days, `<channel>_threshold`, `<channel>_tail` of spike, sustained and drop,
    season (list of 1440, by minute of the day UTC; null where there are fewer than 3 days).
    """
    windows = past.windows(rules.window, timedelta(0)).filter("covered")
    seen = activity(windows, rules).with_columns(pl.lit(value=True).alias("closed"))
    a_day = DAY // rules.window
    enough = seen.filter(pl.len().over(KEY) >= _WHOLE_DAY * a_day)
    curves = {
        key: season_of(minutes) if minutes.height >= _SEASON_DAYS * a_day * 0.8 else None
        for key, minutes in enough.group_by(KEY, maintain_order=True)
    }
    minutes_of_all = measured(enough, seasons([(*key, curve) for key, curve in curves.items()]), rules)
    rows = []
    for (exchange, symbol), scored in minutes_of_all.group_by(KEY, maintain_order=True):
        days, season = scored.height / a_day, curves[exchange, symbol]
        row: dict[str, Any] = {"exchange": exchange, "symbol": symbol, "fitted_days": round(days, 2)}
        block = pl.col("window_start").dt.truncate(rules.cooldown)
        for channel, score in scores().items():
            peaks = scored.group_by(block).agg(score.max().alias("peak"))["peak"].drop_nulls().to_list()
            if len(peaks) < 2:
                break
            limit, tail = threshold_for(peaks, rules.budget_of(channel) * days)
            row |= {f"{channel}_threshold": round(limit, 6), f"{channel}_tail": round(tail, 6)}
        else:
            rows.append({**row, "season": season})
    return pl.DataFrame(rows, schema=LEARNED)


def season_of(minutes: pl.DataFrame) -> list[float]:
    """Median log volume around each minute of the day, less their own median."""
    at = pl.col("window_start").dt.hour().cast(pl.Int64) * 60 + pl.col("window_start").dt.minute()
    points = minutes.select(at.alias("minute"), "x")
    around = pl.concat([
        points.with_columns(pl.col("minute") + shift) for shift in (-MINUTES, 0, MINUTES)
    ]).filter(pl.col("minute").is_between(-_NEAR_MINUTES, MINUTES - 1 + _NEAR_MINUTES)).sort("minute")  # fmt: skip
    smooth = around.select(
        (pl.col("minute") - _NEAR_MINUTES).alias("minute"),
        pl.col("x").rolling_median_by("minute", window_size=f"{2 * _NEAR_MINUTES + 1}i").alias("season"),
    ).unique("minute", keep="last")
    whole = pl.DataFrame({"minute": range(MINUTES)}, schema={"minute": pl.Int64})
    curve = whole.join(smooth, on="minute", how="left", maintain_order="left")["season"].interpolate()
    return (curve.fill_null(strategy="forward").fill_null(strategy="backward") - curve.median()).round(6).to_list()
