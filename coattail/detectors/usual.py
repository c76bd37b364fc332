"""How many orders are usual in each bar of a market: its time of day, from the days before, and its level just before.

Counts are integers, and what is expected is one too (units of 2^-30 orders), so that sums over hours are exact and no
result depends on where a grid begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from coattail.detectors.grid import BAR, BARS_A_DAY, FlagArray, Grid, IntArray, RealArray, later, rolled

UNIT = float(1 << 30)
"""Of expected counts."""
HALF_HOURS = 48
_PER = BARS_A_DAY // HALF_HOURS
FAST = timedelta(minutes=4) // BAR
SLOW = timedelta(hours=4) // BAR
LEVEL_ORDERS = 20.0
"""Orders that hold the level at 1, against the few of minutes in which little was expected: 5 to 80 find the same."""
_FIRST = timedelta(minutes=40) // BAR
"""Bars without which a market that was never seen for a whole day is not judged."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What was usual at the end of each bar, as matrices [instrument, bar]."""

    expected: IntArray
    """Orders by the time of day alone, in `UNIT`s; 0 where `known` is not."""
    known: FlagArray
    """The feed saw the bar, and the market's days or last hours say what is usual."""
    fast: RealArray
    """ln of the level of the last 4 minutes: orders seen against expected."""
    slow: RealArray
    """The same of the last 4 hours."""

    def mean(self, bars: int, *, fast: float, slow: float) -> RealArray:
        """Orders expected in the `bars` up to and with each, by the level before them to these powers."""
        level = np.exp(fast * later(self.fast, bars, 0.0) + slow * later(self.slow, bars, 0.0))
        mean: RealArray = np.maximum(rolled(self.expected, bars) / UNIT * level, 1e-3)
        return mean

    def holes(self, bars: int) -> FlagArray:
        """Whether one of the `bars` up to and with each is not known."""
        found: FlagArray = rolled((~self.known).astype(np.int64), bars) > 0
        found[:, : bars - 1] = True
        return found


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
    before say so. Elsewhere the mean of the 4 hours before the bar stands in, from forty minutes on.
    """
    x = np.where(seen, grid.orders, 0)
    known = seen & seasoned
    e = np.where(known, by_clock, 0)
    got = np.where(known, x, 0)
    fast, slow = (np.log((LEVEL_ORDERS + rolled(got, n)) / (LEVEL_ORDERS + rolled(e, n) / UNIT)) for n in (FAST, SLOW))
    if not seasoned.all():
        bars, total = rolled(seen.astype(np.int64), SLOW), rolled(x, SLOW)
        mean = np.where(bars >= _FIRST, total / np.maximum(bars, 1), np.nan)
        before = later(mean, 30, np.nan)
        new = seen & ~seasoned & ~np.isnan(before)
        e = np.where(new, np.rint(np.nan_to_num(before) * UNIT).astype(np.int64), e)
        own = np.where(new, x, 0)
        level = np.log((LEVEL_ORDERS + rolled(own, FAST)) / (LEVEL_ORDERS + rolled(np.where(new, e, 0), FAST) / UNIT))
        fast, slow = np.where(seasoned, fast, level), np.where(seasoned, slow, 0.0)
        known = known | new
    return Usual(expected=e, known=known, fast=fast, slow=slow)
