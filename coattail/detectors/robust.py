"""What is usual, and how far from it something is: rolling medians, control charts, thresholds from a budget. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import polars as pl

_QUARTILES_OF_SIGMA = 1.349
"""Distance of the quartiles of a normal distribution in standard deviations."""
_TAIL_SHARE, _LEAST_TAIL, _FLATTEST_TAIL = 20, 5, 0.1


def rolling_baseline(
    frame: pl.DataFrame, column: str, *, over: Sequence[str], span: timedelta, least: int, floor: float
) -> pl.DataFrame:
    """The frame with `baseline_windows`, `baseline_median` and `baseline_scale` of the `span` before each row.

    A row never belongs to its own baseline. The scale is the distance of the quartiles / 1.349 (as a standard
    deviation, but a quarter of the values may be anything), at least `floor`; median and scale are null with fewer
    than `least` values. Rows must have `window_start` and be sorted by it within `over`; null values do not count.
    """
    value, keys, by = pl.col(column), list(over), pl.col("window_start")
    low, high = (
        value.rolling_quantile_by(
            by, window_size=span, quantile=q, interpolation="linear", min_samples=least, closed="left"
        )
        for q in (0.25, 0.75)
    )
    count = value.is_not_null().cast(pl.Int64).rolling_sum_by(by, window_size=span, closed="left")
    median = value.rolling_median_by(by, window_size=span, min_samples=least, closed="left")
    return frame.with_columns(
        count.over(keys).fill_null(0).alias("baseline_windows"),
        median.over(keys).alias("baseline_median"),
        ((high - low) / _QUARTILES_OF_SIGMA).over(keys).clip(lower_bound=floor).alias("baseline_scale"),
    )


@cache  # it is thirty terms, and asked for with every batch
def ewma(column: str, *, place: str, weight: float, terms: int, before: int = 0) -> pl.Expr:
    """Exponentially weighted mean of `terms` rows, the newest of them `before` rows ago.

    Weights weight (1 - weight)^k over their sum (Roberts 1959), cut off after `terms`, so that it depends on nothing
    older. The column `place` numbers the rows of each series from 0, and they are one window apart; null where values
    with a fifth of the weight are missing.
    """
    weights = [weight * (1 - weight) ** k for k in range(terms)]
    shifted = [pl.when(pl.col(place) >= k + before).then(pl.col(column).shift(k + before)) for k in range(terms)]
    total = pl.sum_horizontal(*(x * w for x, w in zip(shifted, weights, strict=True)))
    present = pl.sum_horizontal(*(x.is_not_null() * w for x, w in zip(shifted, weights, strict=True)))
    return pl.when(present >= 0.8 * sum(weights)).then(total / sum(weights))


def threshold_for(peaks: Sequence[float], alarms: float) -> tuple[float, float]:
    """(threshold that `alarms` of the peaks exceed, tail): the tail is by how much it rises for e times fewer alarms.

    `peaks` are the highest scores of stretches as long as the cooldown, so each that exceeds is one alarm. Below one
    alarm in all of them the threshold continues the tail, which is taken as exponential (peaks over threshold).
    """
    ranked = sorted(peaks, reverse=True)
    count = min(max(_LEAST_TAIL, len(ranked) // _TAIL_SHARE), len(ranked) - 1)
    tail = max(sum(ranked[:count]) / count - ranked[count], _FLATTEST_TAIL) if count else _FLATTEST_TAIL
    if alarms < 1:
        return ranked[0] + tail * math.log(1 / alarms), tail
    place = min(int(alarms), len(ranked) - 1)
    return (ranked[place - 1] + ranked[place]) / 2, tail
