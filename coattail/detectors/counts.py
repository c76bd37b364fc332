"""How far a market's orders lie from what is usual there, from empty to crowded: scores by bar and channel. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from coattail.detectors.grid import BARS_A_DAY, Grid, IntArray, RealArray
from coattail.detectors.usual import SLOW, UNIT, Sums, Usual

BLOCK = BARS_A_DAY // 96
"""Bars of a quarter of an hour, of which the highest score is kept."""
_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One way to look at a market's orders."""

    name: str
    bars: int
    """Length of the window that slides over the bars."""
    fast: float
    slow: float
    """Powers of the level of the last 4 minutes, and of the last 4 hours."""
    spread: float = 2.0
    """The counts vary as m + m^2 / spread around their mean m (a negative binomial); 1 to 8 find the same."""
    handicap: float = 0.0
    """By how many e-foldings it must be rarer than the others to count as much."""


ORDERS_1 = Channel(name="orders_1", bars=6, fast=0.3, slow=0.6)
ORDERS_5 = Channel(name="orders_5", bars=30, fast=0.2, slow=0.6)
NOTIONAL_1 = Channel(name="notional_1", bars=6, fast=0.3, slow=0.6, spread=1.0, handicap=math.log(4))
RISES = (ORDERS_1, ORDERS_5, NOTIONAL_1)
"""Orders in 1 and 5 minutes, and the notional of 1: mostly its largest order, therefore at a quarter of a share."""

GAP = Channel(name="gap", bars=1, fast=0.3, slow=0.7)
LOW_5 = Channel(name="low_5", bars=30, fast=0.2, slow=0.8)
FALLS = (GAP, LOW_5)
"""Orders missed since the last one, and too few in 5 minutes."""
LEAST_EXPECTED = 20.0
"""Orders without which 5 minutes cannot be too quiet: thin markets would alarm after every burst."""


def deviance(x: RealArray, mean: RealArray, spread: float) -> RealArray:
    """Signed root deviance of a negative binomial of mean m and variance m + m^2 / spread (McCullagh & Nelder 1989).

    sign(x - m) sqrt(2 [x ln(x / m) - (x + k) ln((x + k) / (m + k))]), 0 ln 0 = 0; 6 decimals.
    """
    x = np.asarray(x, np.float64)
    ratio = np.log(np.maximum(x, 1e-300) / mean)
    inside = np.where(x > 0, x * ratio, 0.0) - (x + spread) * np.log((x + spread) / (mean + spread))
    scored: RealArray = np.round(np.sign(x - mean) * np.sqrt(np.maximum(2 * inside, 0.0)), _DIGITS)
    return scored


def rises(grid: Grid, size: RealArray, usual: Usual, at: IntArray) -> dict[str, RealArray]:
    """Channel -> score of the window that ends with each of some columns, nan where it cannot be judged.

    `size`: mean notional of an order in the days before, [instrument, column asked]; nan: unknown.
    """
    found = {}
    for channel in RISES:
        mean = usual.mean(at, channel.bars, fast=channel.fast, slow=channel.slow)
        if channel is NOTIONAL_1:
            got = recent(grid.notional, at, channel.bars) / size
        else:
            got = usual.orders.before(at, channel.bars).astype(np.float64)
        score = deviance(got, mean, channel.spread)
        found[channel.name] = np.where(usual.holes(at, channel.bars) | np.isnan(got), np.nan, score)
    return found


def falls(grid: Grid, usual: Usual, at: IntArray) -> dict[str, RealArray]:
    """Channel -> score at the end of each of some columns, nan where it cannot be judged; high where orders miss.

    `gap`: ln(1 + orders expected since the last one, at the level it had then), for as long as the level reaches back.
    """
    judged = usual.known & grid.whole
    unknown = Sums(~judged)
    column = np.arange(grid.bars, dtype=np.int32)
    traded = np.where(judged & (grid.orders > 0), column, np.int32(-1))
    last = np.maximum.accumulate(traded, axis=1)[:, at].astype(np.int64)
    then, since = np.maximum(last, 0), at - last
    levels = usual.level(then)
    missed = usual.expected.before(np.broadcast_to(at, last.shape), since) / UNIT
    gone = (last < 0) | (since > SLOW) | (unknown.before(np.broadcast_to(at, last.shape), since) > 0)
    gap = np.log1p(missed * np.exp(GAP.fast * levels[0] + GAP.slow * levels[1]))
    mean = usual.mean(at, LOW_5.bars, fast=LOW_5.fast, slow=LOW_5.slow)
    low = -deviance(usual.orders.before(at, LOW_5.bars).astype(np.float64), mean, LOW_5.spread)
    holes = (unknown.before(at, LOW_5.bars) > 0) | (at < LOW_5.bars - 1)
    return {
        GAP.name: np.where(gone, np.nan, np.round(gap, _DIGITS)),
        LOW_5.name: np.where(holes | (mean < LEAST_EXPECTED), np.nan, low),
    }


def ended(gap: RealArray, orders: IntArray) -> RealArray:
    """The gap's score in the last bar before the trade that ends it: a long one is learned from once."""
    ends = np.zeros(orders.shape, bool)
    ends[:, :-1] = orders[:, 1:] > 0
    return np.where(ends, gap, np.nan)


def peaks(score: RealArray) -> RealArray:
    """The highest score of each whole block of bars, [instrument, block]; -inf where nothing was judged."""
    blocks = score.shape[1] // BLOCK
    kept = np.where(np.isnan(score[:, : blocks * BLOCK]), -np.inf, score[:, : blocks * BLOCK])
    highest: RealArray = kept.reshape(len(score), blocks, BLOCK).max(2)
    return highest


def recent(x: RealArray, at: IntArray, bars: int) -> RealArray:
    """Sums of the `bars` columns up to and with each of some, always added newest first: no origin shows."""
    total = x[:, at].copy()
    for back in range(1, bars):
        total += np.where(at >= back, x[:, np.maximum(at - back, 0)], 0.0)
    return total
