"""Verdicts on a measured grid: how rare each bar's score is in its market, and of which class. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.grid import IntArray, RealArray, columns_of_day, placed
from coattail.detectors.measured import Measured
from coattail.detectors.rare_fit import REFERENCE, SOURCES, nearest, rarity_in, reference, reference_rarity
from coattail.detectors.rarity import BLOCKS_A_DAY, Rarity

Classes = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PeriodLimits:
    """From which return period on (days) something is an alarm, of high and of critical class."""

    medium: float
    high: float
    critical: float
    least_days: float = 0.0
    """Days learned from, own and borrowed, below which no class is higher than high: its interval would be tenfold."""

    @property
    def steps(self) -> tuple[float, float, float]:
        """Rising."""
        return self.medium, max(self.high, self.medium), max(self.critical, self.high, self.medium)


@dataclass(frozen=True, kw_only=True)
class Side:
    """Rises or falls: the verdict on each cell, [instrument, bar]."""

    name: str
    score: RealArray
    """Of all channels together; -inf where nothing is judged."""
    channel: NDArray[np.int8]
    """The rarest channel."""
    classes: Classes
    """0 below the budget, 1 medium, 2 high, 3 critical."""
    period: RealArray
    """Days."""
    count: IntArray
    """Peaks in the tail: what the interval follows from."""
    distance: RealArray
    """The score's distance from the tail's threshold, in scales."""
    learned: RealArray
    """Days learned from."""
    borrowed: RealArray
    """How many of these are other markets'."""
    source: NDArray[np.int8]
    """Place in `SOURCES` of the borrowed ones."""

    @classmethod
    def blank(cls, name: str, shape: tuple[int, int]) -> Side:
        """Nothing judged yet."""
        none, first, nothing = np.zeros(shape, np.int8), np.ones(shape, np.int64), np.zeros(shape)
        return cls(
            name=name, score=np.full(shape, -np.inf), channel=none, classes=none.copy(), period=nothing, count=first,
            distance=nothing.copy(), learned=nothing.copy(), borrowed=nothing.copy(), source=none.copy(),
        )  # fmt: skip

    def put(self, cells: tuple[IntArray, ...], found: Mapping[str, NDArray[Any]]) -> None:
        """Fill in verdicts at these rows and columns."""
        for name, values in found.items():
            getattr(self, name)[cells] = values


def judged(
    name: str, measured: Measured, columns: slice, limits: PeriodLimits, tables: Sequence[tuple[int, pl.DataFrame]],
    *, least: int,
) -> Side:  # fmt: skip
    """The verdicts on some columns; `tables`: of each day (number) that they meet, its `RARITY`.

    A market with fewer than `least` orders in the days learned from is idle. One that a table does not know is judged
    by the reference market of its activity, as far as that is known.
    """
    grid = measured.grid
    at = np.arange(columns.start, columns.stop)
    scores = np.stack(list((measured.rises(at) if name == "rise" else measured.falls(at)).values()), axis=1)
    first, width = grid.first + columns.start, scores.shape[2]
    rows = {name: row for row, name in enumerate(grid.instruments)}
    side = Side.blank(name, (len(rows), width))
    for day, table in tables:
        low, high = columns_of_day(day, first, width)
        if low == high:
            continue
        new = np.setdiff1d(np.arange(len(rows)), placed(table, rows)[1])
        mine, row = placed(table.filter(pl.col("orders") >= least), rows)
        if len(row):
            rarity = rarity_in(mine, name)
            own, lent = mine["own_days"].to_numpy(), mine["borrowed_days"].to_numpy()
            source = np.array([SOURCES.index(text) for text in mine["source"]], np.int8)
            cells = np.ix_(row, np.arange(low, high))
            side.put(cells, verdicts(scores[row, :, low:high], rarity, limits, own, lent, source))
        if len(new):
            _by_reference(side, new, slice(low, high), measured, columns, scores, limits)
    return side


def verdicts(
    scores: RealArray, rarity: Rarity, limits: PeriodLimits, own: RealArray, lent: RealArray, source: NDArray[np.int8]
) -> dict[str, NDArray[Any]]:
    """Field of a `Side` -> verdicts on scores [row, channel, column], by each row's rarity, [row, column]."""
    parts = rarity.parts(scores)
    together = parts.max(1)
    steps = [rarity.reached(period)[:, None] for period in limits.steps]
    classes = sum((together >= step).astype(np.int8) for step in steps)
    capped = (own + lent < limits.least_days)[:, None]
    return {
        "score": together,
        "channel": np.argmax(parts, axis=1).astype(np.int8),
        "classes": np.where(capped, np.minimum(classes, 2), classes).astype(np.int8),
        "period": rarity.period(together),
        "count": np.broadcast_to(rarity.count[:, None], together.shape),
        "distance": np.nan_to_num((together - rarity.threshold[:, None]) / rarity.scale[:, None], neginf=0.0),
        "learned": np.broadcast_to((own + lent)[:, None], together.shape),
        "borrowed": np.broadcast_to(lent[:, None], together.shape),
        "source": np.broadcast_to(source[:, None], together.shape),
    }


def _by_reference(
    side: Side, row: IntArray, columns: slice, measured: Measured, judged: slice, scores: RealArray,
    limits: PeriodLimits,
) -> None:  # fmt: skip
    """Judge markets that no table knows, each cell by the reference market of what is usual there."""
    usual = measured.orders_a_day(np.arange(judged.start, judged.stop))[row, columns]
    activity, peaks = reference()
    which = np.where(usual > 0, nearest(activity, usual), -1)
    lent, source = np.array([peaks.shape[2] / BLOCKS_A_DAY]), np.array([SOURCES.index(REFERENCE)], np.int8)
    for place in np.unique(which[which >= 0]):
        at, column = np.nonzero(which == place)
        cells = row[at], column + columns.start
        mine = scores[cells[0], :, cells[1]].T[None]  # as of one market
        one = reference_rarity(side.name).repeated(int(place), 1)
        found = verdicts(mine, one, limits, np.zeros(1), lent, source)
        side.put(cells, {field: values[0] for field, values in found.items()})
