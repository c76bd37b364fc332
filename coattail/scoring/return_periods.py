"""Whether return periods hold: how often what is said to come once a week, once a month, did come."""

from __future__ import annotations

from typing import Any

import polars as pl

from coattail.detectors.rarity import poisson
from coattail.scoring.cards import EPISODE
from coattail.scoring.judging import ALERTS_SCHEMA
from coattail.tables import UTC_MICROS

LEVELS = (0.5, 1.0, 3.0, 7.0, 30.0)
"""Return periods, days, at which it is counted."""
JUDGED_SCHEMA = pl.Schema({**ALERTS_SCHEMA, "last": UTC_MICROS, "period": pl.Float64()})
"""Alerts with the last alarm of their episode, and its return period."""
_PLACE = ("alert_type", "symbol", "exchange")
_MARKET = ("exchange", "symbol", "side")


def with_periods(alerts: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
    """The alerts with `last`, the last alarm of their episode as details say it, and `period`, the longest return
    period of the episode, days; null where details say none.

    An alert tells of the moment at which its class was reached; what came later in its episode, up to the
    `last_window_end` of its details, stands in the marks alone.

    Columns in:  alerts as `coattail.scoring.judging.ALERTS_SCHEMA`; marks as `BaseDetector.marks`: nothing is read of
                 those without exchange, symbol, side, detected_at and return_days
    """
    said = pl.col("details").str.json_path_match
    own = said("$.return_days").cast(pl.Float64, strict=False)
    last = said("$.last_window_end").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    known = alerts.with_columns(pl.coalesce(last, "detected_at").alias("last"), own.alias("period"))
    if not {*_MARKET, "detected_at", "return_days"} <= set(marks.columns):
        return known
    known = known.with_row_index("alert")
    if "countable" in marks.columns:  # too few orders to mean something, however rare, are no alarm
        marks = marks.filter("countable")
    near = marks.select(*_MARKET, pl.col("detected_at").alias("at"), "return_days")
    here = known.select("alert", "exchange", "symbol", "detected_at", "period", "last").join(
        near, on=["exchange", "symbol"]
    )
    its_own = (pl.col("at") == pl.col("detected_at")) & ((pl.col("return_days") - pl.col("period")).abs() < 1e-6)
    side = here.filter(its_own).select("alert", "side").unique("alert")
    highest = (
        here.join(side, on=["alert", "side"], how="semi")
        .filter(pl.col("at").is_between("detected_at", "last"))
        .group_by("alert")
        .agg(pl.col("return_days").max().alias("highest"))
    )
    return (
        known.join(highest, on="alert", how="left", maintain_order="left")
        .with_columns(pl.coalesce("highest", "period").alias("period"))
        .select(JUDGED_SCHEMA.names())
    )


def return_periods(alerts: pl.DataFrame, market_days: float, budget: float | None = None) -> list[dict[str, Any]]:
    """A row for each level: `return_days`, `episodes` of it or rarer, `expected` of them in `market_days`,
    and `ratio` of the two with its 90 % interval (of a Poisson count). Empty where no alert has a return period.

    Alerts of one market, each within a quarter of an hour of the last alarm before it, are an episode, as rare as its
    rarest moment. A level that is more frequent than the budget cannot be seen, and is left out.

    Columns in:  alert_type, symbol, exchange, detected_at, last, period (`with_periods`)
    """
    known = alerts.drop_nulls("period").sort(*_PLACE, "detected_at")
    if known.is_empty() or not market_days:
        return []
    before = pl.col("last").cum_max().shift().over(_PLACE)
    apart = (pl.col("detected_at") - before > EPISODE).fill_null(value=True)
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
