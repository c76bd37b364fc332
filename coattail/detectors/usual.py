"""How many orders are usual in each bar of a market: its time of day, from the days before, and its level just before.

Counts are integers, and what is expected is one too (units of 2^-30 orders), so that sums over hours are exact and no
result depends on where a grid begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coattail.detectors.grid import BAR, BARS_A_DAY, FlagArray, Grid, IntArray, RealArray, later, rolled

UNIT = float(1 << 30)
"""Of expected counts."""
HALF_HOURS = 48
_PER = BARS_A_DAY // HALF_HOURS
FAST = timedelta(minutes=4) // BAR
SLOW = timedelta(hours=4) // BAR
LEVEL_ORDERS = 20.0
"""Orders that hold the level at 1, against the few of minutes in which little was expected: 5 to 80 find the same."""
_APART = timedelta(minutes=5) // BAR
"""Bars between those hours and the bar: the longest window, which must not be part of what is usual for it."""
_FIRST = timedelta(minutes=40) // BAR
"""Bars without which a market that was never seen for a whole day is not judged."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What was usual at the end of each bar, [instrument, bar], kept as sums, of which few cells are read."""

    known: FlagArray
    """The feed saw the bar, and the market's days or last hours say what is usual."""
    seasoned: FlagArray
    """Its days do."""
    orders: Sums
    """Orders in known bars."""
    expected: Sums
    """Orders expected in known bars by the time of day, or the last hours, alone, in `UNIT`s."""
    unknown: Sums
    """Bars that are not known."""
    young: tuple[Sums, Sums] | None
    """`orders` and `expected` of the bars whose last hours say it, where some market has both kinds: a level is one of
    bars of its own kind alone, or it would reach back twice."""

    def level(self, at: IntArray, row: IntArray | None = None) -> tuple[RealArray, RealArray]:
        """ln of the levels of the last 4 minutes and hours: orders seen against expected, at columns as of `taken`."""
        seasoned = taken(self.seasoned, at, row)
        fast, slow = (self._level(at, bars, row, seasoned) for bars in (FAST, SLOW))
        return fast, np.where(seasoned, slow, 0.0)

    def _level(self, at: IntArray, bars: int, row: IntArray | None, seasoned: FlagArray) -> RealArray:
        seen, expected = (sums.before(at, bars, row) for sums in (self.orders, self.expected))
        if self.young is not None:
            of_young = [sums.before(at, bars, row) for sums in self.young]
            seen, expected = (np.where(seasoned, x - y, y) for x, y in zip((seen, expected), of_young, strict=True))
        level: RealArray = np.log((LEVEL_ORDERS + seen) / (LEVEL_ORDERS + expected / UNIT))
        return level

    def mean(
        self, at: IntArray, bars: int | IntArray, *, fast: float, slow: float, row: IntArray | None = None
    ) -> RealArray:
        """Orders expected in the `bars` up to and with each column, by the level before them to these powers."""
        low = at - bars
        levels = self.level(np.maximum(low, 0), row)
        level = np.where(low >= 0, np.exp(fast * levels[0] + slow * levels[1]), 1.0)
        mean: RealArray = np.maximum(self.expected.before(at, bars, row) / UNIT * level, 1e-3)
        return mean

    def holes(self, at: IntArray, bars: int) -> FlagArray:
        """Whether one of the `bars` up to and with each column is not known."""
        found: FlagArray = (self.unknown.before(at, bars) > 0) | (at < bars - 1)
        return found


class Sums:
    """Sums of the columns of a matrix of integers: exact, so that it does not show where they begin."""

    def __init__(self, x: IntArray | FlagArray) -> None:
        self._sums = np.zeros((x.shape[0], x.shape[1] + 1), np.int64)
        np.cumsum(x, axis=1, out=self._sums[:, 1:])

    def before(self, at: IntArray, bars: int | IntArray, row: IntArray | None = None) -> IntArray:
        """Of the `bars` up to and with each column, at columns as of `taken`."""
        low = np.maximum(at + 1 - bars, 0)
        sums: IntArray = taken(self._sums, at + 1, row) - taken(self._sums, low, row)
        return sums


def taken(x: NDArray[Any], at: IntArray, row: IntArray | None = None) -> NDArray[Any]:
    """Cells of a matrix at columns [n], of all rows; at [row, n], of each its own; or at the pairs (`row`, `at`)."""
    if row is not None:
        return x[row, at]
    return x[:, at] if at.ndim == 1 else np.take_along_axis(x, at, axis=1)


def season_of(sums: IntArray, seen: IntArray) -> RealArray:
    """Orders a bar by half hour of the day, [instrument, 48], from half-hourly sums of some days, newest last.

    `sums`, `seen` (bars seen): [instrument, day, 48]; a half hour counts that was seen for more than half. The mean of
    roots, squared (one wild half hour weighs little), shrunk to flat as by one more day, smoothed 1-2-1 around the
    clock, and scaled to the newest day's mean; flat with fewer than 3 days, nan without any.
    """
    counts = seen > _PER / 2
    rate = np.where(counts, sums / np.maximum(seen, 1), 0.0)
    known = counts.sum(1)
    shape = (_added(np.sqrt(rate)) / np.maximum(known, 1)) ** 2
    any_day: FlagArray = np.asarray(counts.any(2))
    newest = sums.shape[1] - 1 - np.argmax(any_day[:, ::-1], axis=1)
    row = np.arange(len(sums))
    last, halves = rate[row, newest], counts[row, newest].sum(1)
    mean = np.where(any_day.any(1), last.sum(1) / np.maximum(halves, 1), np.nan)
    overall = shape.mean(1)
    scaled = np.where(overall[:, None] > 0, shape * (mean / np.where(overall > 0, overall, 1.0))[:, None], shape)
    trust = np.where(any_day.sum(1)[:, None] >= 3, known / (known + 1.0), 0.0)
    curve = trust * scaled + (1 - trust) * mean[:, None]
    smooth: RealArray = (np.roll(curve, 1, 1) + 2 * curve + np.roll(curve, -1, 1)) / 4
    return smooth


def _added(x: RealArray) -> RealArray:
    """The sum over days, oldest first: in an order of its own, whatever the shape."""
    total = np.zeros_like(x[:, 0])
    for day in range(x.shape[1]):
        total = total + x[:, day]
    return total


def by_the_clock(season: RealArray, columns: IntArray) -> IntArray:
    """Orders expected in bars of a day (their numbers in it), in `UNIT`s, [instrument, bar]: between the middles."""
    place = (columns + 0.5) / _PER - 0.5
    left = np.floor(place).astype(np.int64)
    weight = place - left
    rate = season[:, left % HALF_HOURS] * (1 - weight) + season[:, (left + 1) % HALF_HOURS] * weight
    units: IntArray = np.rint(np.nan_to_num(rate) * UNIT).astype(np.int64)
    return units


def usual(grid: Grid, seen: FlagArray, by_clock: IntArray, seasoned: FlagArray) -> Usual:
    """What was usual in each bar.

    `seen`: the bars that count; `by_clock`: orders expected by the time of day, `UNIT`s; `seasoned`: where the days
    before say so. Elsewhere the mean of the 4 hours to five minutes before the bar stands in, from forty minutes on.
    """
    known, expected = seen & seasoned, by_clock
    young = np.flatnonzero(~seasoned.all(1))
    if len(young):
        known, expected = known.copy(), expected.copy()
        there, got = seen[young], np.where(seen[young], grid.orders[young], 0)
        bars, total = (later(rolled(x, SLOW), _APART, 0) for x in (there.astype(np.int64), got))
        new = there & ~seasoned[young] & (bars >= _FIRST)
        mean = np.rint(total / np.maximum(bars, 1) * UNIT).astype(np.int64)
        expected[young] = np.where(new, mean, expected[young])
        known[young] |= new
    orders, expected = np.where(known, grid.orders, 0), np.where(known, expected, 0)
    both = (seasoned.any(1) & ~seasoned.all(1)).any()
    return Usual(
        known=known,
        seasoned=seasoned,
        orders=Sums(orders),
        expected=Sums(expected),
        unknown=Sums(~known),
        young=(Sums(np.where(seasoned, 0, orders)), Sums(np.where(seasoned, 0, expected))) if both else None,
    )
