"""Whether return periods hold: how many episodes there were of those said to come once in so many days."""

from __future__ import annotations

from typing import Any

import polars as pl

from coattail.scoring.cards import EPISODE
from coattail.scoring.resampling import poisson

LEVELS = (0.5, 1.0, 3.0, 7.0, 30.0)
"""Return periods, days, at which it is counted."""
_PLACE = ("alert_type", "symbol", "exchange")


def returned(alerts: pl.DataFrame) -> pl.Series:
    """What each alert's details say of its return period, days; null where they say nothing.

    Columns in:  details (JSON)
    """
    return alerts["details"].str.json_path_match("$.return_days").cast(pl.Float64, strict=False)


def return_periods(alerts: pl.DataFrame, market_days: float, budget: float | None = None) -> list[dict[str, Any]]:
    """A row for each level: `return_days`, `episodes` of it or rarer, `expected` of them in so many days of markets,
    and `ratio` of the two with its 90 % interval (of a Poisson count). Empty where no alert says its return period.

    Alarms of one market, each within a quarter of an hour of the one before, are an episode, as rare as its rarest. A
    level that is more frequent than the budget cannot be seen, and is left out.

    Columns in:  alert_type, symbol, exchange, detected_at, details (JSON)
    """
    known = alerts.with_columns(returned(alerts).alias("period")).drop_nulls("period").sort(*_PLACE, "detected_at")
    if known.is_empty() or not market_days:
        return []
    apart = (pl.col("detected_at").diff().over(_PLACE) > EPISODE).fill_null(value=True)
    rarest = known.group_by(*_PLACE, apart.cum_sum().over(_PLACE).alias("episode")).agg(pl.col("period").max())
    rows = []
    for level in LEVELS:
        if budget is not None and level * budget < 1 - 1e-9:
            continue
        count, expected = rarest.filter(pl.col("period") >= level).height, market_days / level
        low, high = poisson(count)
        ratio = {"value": count / expected, "low": low / expected, "high": high / expected}
        rows.append(
            {
                "return_days": level,
                "episodes": count,
                "expected": round(expected, 2),
                "ratio": {name: round(value, 4) for name, value in ratio.items()},
            }
        )
    return rows
