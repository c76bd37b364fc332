"""How often two prices were as far apart on the days before: counted, not extrapolated (ADR 0038). Pure.

Gaps beyond fees come from what happens now and then, not from the noise between them, and a tail that is fitted to the
quarter hours of a week says nothing true of them. What came n times in d days comes about once in d / n days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from coattail.detectors.base import DAY, Facts, Lesson
from coattail.detectors.grid import BAR, BARS_A_DAY, RealArray, bar_of
from coattail.detectors.lines import PriceLine
from coattail.detectors.measured import day_start
from coattail.detectors.net_spread_measure import sure_gaps
from coattail.detectors.rarity import BLOCKS_A_DAY
from coattail.detectors.spread import PAIR
from coattail.tables import UTC_MICROS

if TYPE_CHECKING:
    from coattail.detectors.net_spread import NetSpreadDetector

WIDEST, WIDE = "widest", "wide"
"""What is learned of a day, and for a day."""
DAYS = 7
"""Whole days before a day that it is compared with: a week, so that each day of it counts once."""
_BLOCK = BARS_A_DAY // BLOCKS_A_DAY
_NAMES = ("exchange", "symbol", *PAIR, "kind")
_A_DAY = pl.Schema({**dict.fromkeys(_NAMES, pl.String()), "widest": pl.Array(pl.Float64, BLOCKS_A_DAY)})
_DAYS_BEFORE = pl.Schema({
    **dict.fromkeys(_NAMES, pl.String()), "learned_days": pl.Float64(), "above": pl.List(pl.Float64),
    "reached": pl.List(pl.Float64),
})  # fmt: skip


def lessons_of(rules: NetSpreadDetector) -> dict[str, Lesson]:
    """The widest of every quarter hour of a day, and for a day what those of the week before it come to."""
    reach, nothing = rules.window + rules.lookback, timedelta(0)
    return {WIDEST: Lesson(-reach, DAY, -reach), WIDE: Lesson(nothing, nothing, -DAY * DAYS - reach)}


def widest_of(past: Facts, rules: NetSpreadDetector, day: datetime) -> pl.DataFrame:
    """How far apart every line surely was in each quarter hour of a day, percent; -inf where that is not known.

    It depends on that day's trades, and those just before, alone: the ids of later ones, which show that nothing was
    missing after a market's last one of the day, do not count.
    """
    own = past.bars.group_by("exchange", "symbol").agg(
        pl.col("first_timestamp").min().alias("low"), pl.col("last_timestamp").max().alias("high")
    )
    spans = past.spans.join(own, on=["exchange", "symbol"]).with_columns(
        pl.max_horizontal("first_ts", "low").alias("first_ts"), pl.min_horizontal("last_ts", "high").alias("last_ts")
    )
    spans = spans.filter(pl.col("first_ts") <= pl.col("last_ts")).select(past.spans.columns)
    first = bar_of(day)
    widest: dict[PriceLine, RealArray] = {}
    facts = replace(past, spans=spans, since=day + BAR, until=day + DAY + BAR)
    for lines, begin, gaps in sure_gaps(facts, rules):
        blocks = (np.arange(gaps.shape[1]) + begin - first) // _BLOCK
        for line, gap in zip(lines, gaps, strict=True):
            mine = widest.setdefault(line, np.full(BLOCKS_A_DAY, -np.inf))
            there = ~np.isnan(gap)
            np.maximum.at(mine, blocks[there], gap[there])
    kept = sorted((line for line, gaps in widest.items() if np.isfinite(gaps).any()), key=lambda line: line[2:6])
    names = [(line.exchange_a, line.symbol_a, *line[2:6], line.kind) for line in kept]
    frame = pl.DataFrame(names, schema=dict.fromkeys(_NAMES, pl.String), orient="row")
    rows = np.array([widest[line] for line in kept]).reshape(len(kept), BLOCKS_A_DAY)
    return frame.with_columns(pl.Series("widest", rows, dtype=_A_DAY["widest"])).select(_A_DAY.names())


def wide_of(days: list[pl.DataFrame], rules: NetSpreadDetector) -> pl.DataFrame:
    """Of consecutive days, oldest first: how many of a line are known, and every quarter hour that was wider than its
    limit and than the one before it: `above` what, and which width it `reached`, percent."""
    names = sorted({name for day in days for name in day.select(_NAMES).iter_rows()})
    place = {name: row for row, name in enumerate(names)}
    widest = np.full((len(names), len(days), BLOCKS_A_DAY), -np.inf)
    for number, day in enumerate(days):
        if day.height:
            widest[[place[name] for name in day.select(_NAMES).iter_rows()], number] = day["widest"].to_numpy()
    reached = widest.reshape(len(names), len(days) * BLOCKS_A_DAY)
    above = np.full_like(reached, -np.inf)
    above[:, 1:] = reached[:, :-1]
    limit = np.array([rules.limit_pct(name[-1]) for name in names]).reshape(-1, 1)
    rises = (reached > limit) & (reached > above)
    return pl.DataFrame(names, schema=dict.fromkeys(_NAMES, pl.String), orient="row").with_columns(
        pl.Series("learned_days", np.isfinite(reached).sum(axis=1) / BLOCKS_A_DAY).round(2),
        pl.Series("above", [x[there] for x, there in zip(above, rises, strict=True)], dtype=_DAYS_BEFORE["above"]),
        pl.Series("reached", [x[there] for x, there in zip(reached, rises, strict=True)], dtype=_DAYS_BEFORE["above"]),
    )


def day_before(ends: datetime, watermark: datetime) -> datetime:
    """The day whose week before says how wide was usual at the end of a bar.

    As long as the day before may still change, that day's own week stands in.
    """
    return day_start(min(bar_of(ends - BAR), bar_of(watermark)) // BARS_A_DAY)


def as_wide(rows: pl.DataFrame, wide: Callable[[datetime], pl.DataFrame], watermark: datetime) -> pl.DataFrame:
    """The rows with `as_wide` and `learned_days`: how many times in how many days before the gap was as wide as it is.

    Columns in: PAIR, window_end, opens, sure_pct. Only rows that open an episode are counted for; `wide`: what
    `wide_of` says of the week before a day.
    """
    numbered = rows.with_row_index("row")
    opening = numbered.filter("opens").select("row", *PAIR, "window_end", "sure_pct")
    days = pl.Series("day", [day_before(ends, watermark) for ends in opening["window_end"]], dtype=UTC_MICROS)
    found = [_COUNTED]
    for (day,), here in opening.with_columns(days).group_by("day"):
        both = here.join(wide(day).select(*PAIR, "learned_days", "above", "reached"), on=PAIR)
        rises = both.explode("above", "reached").filter(
            (pl.col("above") < pl.col("sure_pct")) & (pl.col("reached") >= pl.col("sure_pct"))
        )
        times = rises.group_by("row").agg(pl.len().cast(pl.Int64).alias("as_wide"))
        counted = both.select("row", "learned_days").join(times, on="row", how="left")
        found.append(counted.select("row", pl.col("as_wide").fill_null(0), "learned_days"))
    return numbered.join(pl.concat(found), on="row", how="left", maintain_order="left").drop("row")


_COUNTED = pl.DataFrame(schema={"row": pl.UInt32, "as_wide": pl.Int64, "learned_days": pl.Float64})
