"""Bars of many instruments as matrices, a row an instrument, a column 10 seconds: what dense scores are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.records import EPOCH, micros

BAR = timedelta(seconds=10)
"""Length of a bar."""
BAR_US = BAR // timedelta(microseconds=1)
BARS_A_DAY = timedelta(days=1) // BAR

IntArray = NDArray[np.int64]
RealArray = NDArray[np.float64]
FlagArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Bars `first`, `first` + 1, … (numbered from 1970 UTC) of some instruments, as matrices [instrument, bar]."""

    instruments: list[tuple[str, str]]
    """(exchange, symbol), sorted: the rows."""
    first: int
    orders: IntArray
    """Taker orders; where a version did not count them yet, trades."""
    notional: RealArray
    """Quote units."""
    last_price: RealArray
    """Of the bar's last trade; nan where there was none."""
    whole: FlagArray
    """No trade id is missing from before the bar began until after it ended."""
    begun: FlagArray
    """`whole`, or the bar of the newest trade: nothing is missing as far as it has come."""

    @property
    def bars(self) -> int:
        """Columns."""
        return int(self.orders.shape[1])

    @property
    def ends(self) -> IntArray:
        """When each bar ends, µs."""
        ends: IntArray = (np.arange(self.first, self.first + self.bars, dtype=np.int64) + 1) * BAR_US
        return ends

    def column(self, when: datetime) -> int:
        """The column of the bar that holds a time; it may lie outside."""
        return bar_of(when) - self.first


def bar_of(when: datetime) -> int:
    """The number of the bar that holds a time."""
    return (when - EPOCH) // BAR


def grid_of(
    bars: pl.DataFrame,
    spans: pl.DataFrame,
    since: datetime,
    until: datetime,
    instruments: Sequence[tuple[str, str]] | None = None,
) -> Grid:
    """The bars that meet since…until; of `instruments` (sorted), or of all that have a bar or a span there.

    `bars` merged (one row per bar), `spans` as `Facts.spans`.
    """
    first, count = bar_of(since), max(-((EPOCH - until) // BAR) - bar_of(since), 0)
    meets = (pl.col("last_ts") >= since) & (pl.col("first_ts") < until)
    inside = pl.col("bar_start").is_between(EPOCH + first * BAR, EPOCH + (first + count) * BAR, closed="left")
    bars, spans = bars.filter(inside), spans.filter(meets)
    if instruments is None:
        named = pl.concat([frame.select("exchange", "symbol").unique() for frame in (bars, spans)])
        instruments = sorted(named.unique().iter_rows())
    rows = pl.DataFrame(
        list(instruments), schema={"exchange": pl.String, "symbol": pl.String}, orient="row"
    ).with_row_index("row")
    shape = (len(instruments), count)
    filled = bars.join(rows, on=["exchange", "symbol"]).select(
        "row",
        (pl.col("bar_start").dt.epoch("us") // BAR_US - first).alias("column"),
        pl.coalesce("orders", "trades").alias("orders"),
        (pl.col("notional").to_physical().cast(pl.Float64) / 1e8).alias("notional"),
        "last_price",
    )
    place = filled["row"].to_numpy().astype(np.int64) * count + filled["column"].to_numpy()
    return Grid(
        instruments=list(instruments),
        first=first,
        orders=_scattered(shape, place, filled["orders"].to_numpy(), 0, np.int64),
        notional=_scattered(shape, place, filled["notional"].to_numpy(), 0.0, np.float64),
        last_price=_scattered(shape, place, filled["last_price"].to_numpy(), np.nan, np.float64),
        **_seen(shape, first, spans.join(rows, on=["exchange", "symbol"])),
    )


def _scattered(shape: tuple[int, int], place: IntArray, values: NDArray[Any], empty: float, kind: Any) -> NDArray[Any]:
    flat = np.full(shape[0] * shape[1], empty, kind)
    flat[place] = values
    return flat.reshape(shape)


def _seen(shape: tuple[int, int], first: int, spans: pl.DataFrame) -> dict[str, FlagArray]:
    """`whole` and `begun`: inside a stretch of ids, and up to its last trade."""
    row = spans["row"].to_numpy().astype(np.int64)
    low = np.clip(spans["first_ts"].dt.epoch("us").to_numpy() // BAR_US + 1 - first, 0, shape[1])
    last = np.clip(spans["last_ts"].dt.epoch("us").to_numpy() // BAR_US - first, 0, shape[1])
    return {
        "whole": painted(shape, row, low, np.maximum(last, low)),
        "begun": painted(shape, row, low, np.maximum(np.minimum(last + 1, shape[1]), low)),
    }


def painted(shape: tuple[int, int], row: IntArray, low: IntArray, high: IntArray) -> FlagArray:
    """True in the columns low…high (not included) of each row."""
    width = shape[1] + 1
    steps = np.zeros(shape[0] * width, np.int32)
    np.add.at(steps, row * width + low, 1)
    np.add.at(steps, row * width + high, -1)
    inside: FlagArray = np.cumsum(steps.reshape(shape[0], width), axis=1, dtype=np.int32)[:, :-1] > 0
    return inside


def names_of(instruments: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The columns exchange and symbol of some instruments."""
    pairs = list(instruments)
    return {"exchange": [exchange for exchange, _ in pairs], "symbol": [symbol for _, symbol in pairs]}


def placed(frame: pl.DataFrame, rows: Mapping[tuple[str, str], int]) -> tuple[pl.DataFrame, IntArray]:
    """The rows of a frame by exchange and symbol that are about instruments of a matrix, and which rows these are."""
    row = np.array([rows.get(name, -1) for name in frame.select("exchange", "symbol").iter_rows()], np.int64)
    return frame.filter(pl.Series(row >= 0, dtype=pl.Boolean)), row[row >= 0]


def columns_of_day(day: int, first: int, bars: int) -> tuple[int, int]:
    """From which to which column (not included) a day lies, of `bars` columns from the bar `first` on."""
    low, high = (min(max(bar - first, 0), bars) for bar in (day * BARS_A_DAY, (day + 1) * BARS_A_DAY))
    return low, high


def rolled(x: IntArray, bars: int) -> IntArray:
    """Sums of the `bars` columns up to and with each; of fewer at the beginning. Exact, so that no origin shows."""
    sums = np.cumsum(x, axis=1)
    sums[:, bars:] -= sums[:, :-bars].copy()
    return sums


def later(x: NDArray[Any], columns: int, empty: Any) -> NDArray[Any]:
    """The matrix moved `columns` to the right; `empty` where nothing was."""
    moved = np.full_like(x, empty)
    if columns < x.shape[1]:
        moved[:, columns:] = x[:, : x.shape[1] - columns]
    return moved


def window_of(grid: Grid, since: datetime, until: datetime) -> slice:
    """The columns of the bars whose end lies in since…until (the latter not included)."""
    low = -(-micros(since) // BAR_US) - 1 - grid.first
    high = -(-micros(until) // BAR_US) - 1 - grid.first
    return slice(max(low, 0), max(min(high, grid.bars), 0))
