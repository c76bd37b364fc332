"""Verdicts as rows: whole minutes of every market for the table, and rare bars for the alerts. Pure."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.base import Facts
from coattail.detectors.counts import FALLS, RISES, Channel
from coattail.detectors.described import EVERY_MARKET
from coattail.detectors.grid import BAR, BAR_US, FlagArray, Grid, IntArray, RealArray, names_of, rolled
from coattail.detectors.judged_volume import Side
from coattail.detectors.measured import Measured
from coattail.detectors.rare_fit import SOURCES
from coattail.exact import as_units
from coattail.tables import UTC_MICROS, conformed

MINUTE = timedelta(minutes=1)
STALL_BARS = timedelta(minutes=2) // BAR
"""Bars without a trade at a whole venue that are an alarm."""
ROWS = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "window_start": UTC_MICROS, "window_end": UTC_MICROS,
    "trades": pl.Int64(), "orders": pl.Int64(), "volume": pl.Decimal(38, 8),
    "first_trade_id": pl.Int64(), "last_trade_id": pl.Int64(),
    "state": pl.String(), "expected_orders": pl.Float64(), "score": pl.Float64(), "channel": pl.String(),
    "return_days": pl.Float64(), "learned_days": pl.Float64(), "borrowed_days": pl.Float64(), "source": pl.String(),
    "usual_days": pl.Int64(), "baseline_windows": pl.Int64(),
    "detected_at": UTC_MICROS, "closed": pl.Boolean(), "kept": pl.Boolean(), "side": pl.String(), "level": pl.Int8(),
    "countable": pl.Boolean(), "tail_count": pl.Int64(), "distance": pl.Float64(), "silent_s": pl.Float64(),
})  # fmt: skip
"""Of a minute, `kept` in the table; and of a rare bar, whose window ends with it and has the length of its channel."""
_CHANNELS = {"rise": RISES, "fall": FALLS}


def minute_before(grid: Grid, column: int) -> int:
    """Where the first minute begins that ends in this column or behind it."""
    return max(column - (grid.first + column) % (MINUTE // BAR), 0)


def minutes_of(facts: Facts, measured: Measured, columns: slice, sides: list[Side]) -> pl.DataFrame:
    """A row per market and whole minute that was seen, or traded: how rare its rarest bar is, on either side."""
    grid = measured.grid
    a_minute = MINUTE // BAR
    every = np.arange(columns.start, columns.stop)
    ends = every[(grid.first + every + 1) % a_minute == 0]
    at = ends - columns.start
    rise, fall = (_highest(side.period, at, a_minute) for side in sides)
    expected = measured.usual.mean(ends, a_minute, fast=RISES[0].fast, slow=RISES[0].slow)
    own = sides[0]
    verdicts = pl.DataFrame({
        **{name: np.repeat(values, len(ends)) for name, values in names_of(grid.instruments).items()},
        "window_end": np.tile((ends + grid.first + 1) * BAR_US, len(grid.instruments)),
        "orders": measured.orders_in(a_minute, ends).ravel(),
        "expected_orders": np.round(expected, 3).ravel(),
        "score": np.round(own.score[:, at], 6).ravel(),
        "return_days": np.round(np.maximum(rise, fall), 6).ravel(),
        "learned_days": own.learned[:, at].ravel(),
        "borrowed_days": own.borrowed[:, at].ravel(),
        "usual_days": measured.days[:, ends].ravel(),
        "baseline_windows": measured.minutes_known(ends).ravel(),
        "stalled": measured.stalled[:, ends].ravel(),
        "known": measured.usual.known[:, ends].ravel(),
    }, schema_overrides={"exchange": pl.String, "symbol": pl.String}).with_columns(
        pl.col("window_end").cast(UTC_MICROS)
    )  # fmt: skip
    judged = pl.col("score").is_finite()
    seen = pl.col("covered") | ((pl.col("window_end") > facts.watermark) & pl.col("begun"))
    state = (
        pl.when("stalled").then(pl.lit("stalled")).when(~seen).then(pl.lit("partial"))
        .when(~pl.col("known")).then(pl.lit("short_history")).when(~judged).then(pl.lit("idle"))
        .otherwise(pl.lit("judged"))
    )  # fmt: skip
    inside = (pl.col("window_end") >= facts.since) & (pl.col("window_end") < facts.until)
    joined = (
        facts.windows(MINUTE, timedelta(0))
        .filter(inside)
        .join(verdicts, on=["exchange", "symbol", "window_end"], how="left", maintain_order="left")
    )
    return conformed(
        joined.with_columns(
            as_units("notional_units").alias("volume"),
            state.alias("state"),
            *(pl.when(state == "judged").then(name).alias(name) for name in
              ("score", "return_days", "learned_days", "borrowed_days", "expected_orders", "usual_days",
               "baseline_windows")),
            pl.col("window_end").alias("detected_at"),
            (pl.col("window_end") <= facts.watermark).alias("closed"),
            pl.lit(value=True).alias("kept"),
        ),
        ROWS,
    )  # fmt: skip


def _highest(period: RealArray, at: IntArray, bars: int) -> RealArray:
    """The longest period among the bars of each minute; the judged columns begin with a minute, or with the grid."""
    found = np.zeros((len(period), len(at)))
    for back in range(bars):
        there = at >= back
        found[:, there] = np.maximum(found[:, there], period[:, at[there] - back])
    return found


def marks_of(facts: Facts, measured: Measured, columns: slice, side: Side, countable: FlagArray) -> pl.DataFrame:
    """A row per bar whose class is above 0."""
    grid = measured.grid
    row, place = np.nonzero(side.classes)
    column = place + columns.start
    channels = _CHANNELS[side.name]
    which = side.channel[row, place]
    bars = np.array([channel.bars for channel in channels], np.int64)[which]
    end = (column + grid.first + 1) * BAR_US
    silent = np.zeros(len(row))
    if side.name == "fall":
        mine, place_of = np.unique(row, return_inverse=True)
        traded = np.maximum.accumulate(np.where(grid.orders[mine] > 0, np.arange(grid.bars), -1), axis=1)
        since = column - traded[place_of, column]
        silent = since * BAR.total_seconds()
        bars = np.where(which == 0, np.maximum(since, 1), bars)
    expected = _expected(measured, channels, which, row, column, bars)
    frame = pl.DataFrame({
        **{
            name: pl.Series(values, dtype=pl.String)
            for name, values in names_of(grid.instruments[r] for r in row).items()
        },
        "window_start": end - bars * BAR_US,
        "window_end": end,
        "expected_orders": np.round(expected, 3),
        "score": side.score[row, place],
        "channel": pl.Series([channels[c].name for c in which], dtype=pl.String),
        "return_days": np.round(side.period[row, place], 6),
        "learned_days": side.learned[row, place],
        "borrowed_days": side.borrowed[row, place],
        "usual_days": measured.days[row, column],
        "baseline_windows": measured.minutes_known(np.arange(columns.start, columns.stop))[row, place],
        "source": pl.Series([SOURCES[s] for s in side.source[row, place]], dtype=pl.String),
        "level": side.classes[row, place],
        "countable": countable[row, place],
        "tail_count": side.count[row, place],
        "distance": np.round(side.distance[row, place], 6),
        "silent_s": silent,
    }).with_columns(pl.col("window_start", "window_end").cast(UTC_MICROS))  # fmt: skip
    return conformed(
        _with_trades(frame, facts.bars).with_columns(
            pl.lit("judged").alias("state"),
            pl.col("window_end").alias("detected_at"),
            (pl.col("window_end") <= facts.watermark).alias("closed"),
            pl.lit(value=False).alias("kept"),
            pl.lit(side.name).alias("side"),
        ),
        ROWS,
    )


def _expected(
    measured: Measured,
    channels: tuple[Channel, ...],
    which: NDArray[np.int8],
    row: IntArray,
    column: IntArray,
    bars: IntArray,
) -> RealArray:
    """Orders expected in each window, at the level before it."""
    found = np.zeros(len(row))
    for place, channel in enumerate(channels):
        mine = which == place
        found[mine] = measured.usual.mean(column[mine], bars[mine], fast=channel.fast, slow=channel.slow, row=row[mine])
    return found


def _with_trades(marks: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The marks with what traded in their windows, exactly."""
    if not marks.height:
        return marks.with_columns(
            *(pl.lit(0, pl.Int64).alias(name) for name in ("trades", "orders")),
            pl.lit(None, pl.Decimal(38, 8)).alias("volume"),
            *(pl.lit(None, pl.Int64).alias(name) for name in ("first_trade_id", "last_trade_id")),
        )  # fmt: skip
    numbered = marks.with_row_index("mark")
    span = (marks["window_start"].min(), marks["window_end"].max())
    near = bars.filter(pl.col("bar_start").is_between(*span, closed="left")).select(
        "exchange", "symbol", "bar_start", pl.col("trades").alias("x"),
        pl.coalesce("orders", "trades").alias("y"),
        pl.col("notional").to_physical().alias("units"), pl.col("first_trade_id").alias("low"),
        pl.col("last_trade_id").alias("high"),
    )  # fmt: skip
    starts = pl.datetime_ranges("window_start", "window_end", interval=BAR, closed="left").alias("bar_start")
    inside = numbered.select("mark", "exchange", "symbol", starts).explode("bar_start")
    inside = inside.join(near, on=["exchange", "symbol", "bar_start"])
    sums = inside.group_by("mark").agg(
        pl.col("x").sum().alias("trades"), pl.col("y").sum().alias("orders"), pl.col("units").sum(),
        pl.col("low").min().alias("first_trade_id"), pl.col("high").max().alias("last_trade_id"),
    )  # fmt: skip
    return (
        numbered.join(sums, on="mark", how="left", maintain_order="left")
        .with_columns(pl.col("trades", "orders", "units").fill_null(0))
        .with_columns(as_units("units").alias("volume"))
        .drop("mark", "units")
    )  # fmt: skip


def stall_marks(facts: Facts, measured: Measured, columns: slice) -> pl.DataFrame:
    """A row per venue and bar in which nothing has traded for two minutes."""
    grid = measured.grid
    venues = {exchange: row for row, (exchange, _) in enumerate(grid.instruments)}  # all rows of one say the same
    lasting = rolled(measured.stalled[list(venues.values())].astype(np.int64), STALL_BARS - 1) == STALL_BARS - 1
    rows = [
        (exchange, int(column + columns.start + grid.first + 1) * BAR_US)
        for place, exchange in enumerate(venues)
        for column in np.flatnonzero(lasting[place, columns])
    ]
    frame = pl.DataFrame(rows, schema={"exchange": pl.String, "window_end": pl.Int64}, orient="row").with_columns(
        pl.col("window_end").cast(UTC_MICROS)
    )
    return conformed(
        frame.with_columns(
            (pl.col("window_end") - BAR * STALL_BARS).alias("window_start"),
            pl.lit(EVERY_MARKET).alias("symbol"),
            pl.lit("stalled").alias("state"),
            pl.col("window_end").alias("detected_at"),
            (pl.col("window_end") <= facts.watermark).alias("closed"),
            pl.lit(value=False).alias("kept"),
            pl.lit("stall").alias("side"),
            pl.lit(2, pl.Int8).alias("level"),
            pl.lit(value=True).alias("countable"),
            pl.lit(0.0).alias("return_days"),
        ),
        ROWS,
    )
