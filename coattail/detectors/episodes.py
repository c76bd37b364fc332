"""Alarms of one event as one alert: the first opens an episode, those that follow are counted. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from coattail.detectors.base import iso
from coattail.detectors.described import Details
from coattail.detectors.rare_words import in_days


def opening(alarm: pl.Expr, *, over: Sequence[str], cooldown: timedelta) -> pl.Expr:
    """Whether an alarm opens an episode: none of its kind began in the `cooldown` before it.

    Rows must be sorted by `window_start` within `over` and reach `cooldown` further back than what is asked about.
    """
    last = pl.when(alarm).then(pl.col("window_start")).forward_fill().shift(1)
    apart = (pl.col("window_start") - last.over(list(over)) > cooldown).fill_null(value=True)
    return (alarm & apart).fill_null(value=False)


def gathered(rows: pl.DataFrame, *, over: Sequence[str], within: timedelta, score: str) -> pl.DataFrame:
    """The opening rows, with `fired` (alarms of the episode), `last_end` and `peak` (the highest `score`).

    `rows` are alarms with `opens`; what began more than `within` after the opening is not counted, nor, once that is
    closed, what is still open.
    """
    keys = list(over)
    episodes = rows.sort(*keys, "window_start").with_columns(
        pl.col("opens").cast(pl.Int64).cum_sum().over(keys).alias("episode")
    )
    episodes = episodes.filter(pl.col("episode") > 0)
    first = [*keys, "episode"]
    inside = (pl.col("window_start") <= pl.col("window_start").first().over(first) + within) & (
        pl.col("closed") | ~pl.col("closed").first().over(first)
    )
    counted = (
        episodes.filter(inside)
        .group_by(first)
        .agg(pl.len().alias("fired"), pl.col("window_end").max().alias("last_end"), pl.col(score).max().alias("peak"))
    )
    return episodes.filter("opens").join(counted, on=first, how="left").drop("episode").sort("window_start", *keys)


def fired(times: int) -> str:
    """The end of a message: how many alarms the episode has, if more than one."""
    return "" if times == 1 else f"; fired {times} times"


def learned(details: Details) -> str:
    """The budget that a threshold keeps, and from how many days it was learned, as the end of a sentence."""
    budget, days = details.get("budget_per_day"), details.get("fitted_days")
    if budget is None:
        return ""
    rate = f"about {budget:g} a day are meant to be"
    since = f"; learned from {in_days(days)}" if days is not None else "; a starting value, for lack of a whole day"
    return f" ({rate}{since})"


def window_and_times(row: Mapping[str, Any]) -> dict[str, Any]:
    """What `details` say of an episode: its first window, its alarms, and the end of the last one's window."""
    return {
        "window_start": iso(row["window_start"]),
        "window_end": iso(row["window_end"]),
        "fired": row["fired"],
        "last_window_end": iso(row["last_end"]),
    }
