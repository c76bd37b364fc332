"""How rare a score is in this market: return periods from the peaks of its quarter hours. Pure.

Peaks over threshold (Pickands 1975; Davison & Smith 1990): the highest twentieth of the quarter hours' highest scores
says how much higher a score is e times rarer. An exponential tail whose scale is the mean of n independent peaks
predicts, of the next one, that it is z scales higher with the chance (1 + z / n)^-n: a generalised Pareto tail of shape
1 / n, which is exponential when n is large. Peaks come in bunches of lively hours, and so are as good as fewer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coattail.detectors.grid import IntArray, RealArray

BLOCKS_A_DAY = 96
TAIL_SHARE, LEAST_TAIL, LEAST_BLOCKS = 20, 5, 48
_SHARPEST = 1e-3
_LONGEST = 60.0
"""e-foldings beyond the threshold: further is arithmetic."""
BUNCH = 3.0
"""How many peaks of a tail are as good as one that stands alone: so 90 % intervals from 7 days hold 89 to 100 % of the
periods of rises in 2,900 simulated days of four activities, 75 to 100 % of those of falls; else 57 to 96 %."""
KNOTS = 9
_DIGITS = 6
_NINETY = 1.645
"""Standard deviations of a normal distribution's 90 % interval …"""
_OUTSIDE = 0.05
"""… and how much lies beyond either end."""


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Of rows of values: the `count` highest lie above `threshold`, by `scale` on average."""

    count: IntArray
    threshold: RealArray
    scale: RealArray
    ranked: RealArray
    """The values, falling, [row, place]; -inf behind the last."""
    values: IntArray
    """How many there are of each row."""


def tail_of(values: RealArray) -> Tail:
    """The tail of each row; -inf and nan are none. Rows without at least 2 values have a nan threshold."""
    ranked = -np.sort(-np.where(np.isfinite(values), values, -np.inf), axis=1)
    there = np.isfinite(ranked).sum(1)
    count = np.minimum(np.maximum(LEAST_TAIL, there // TAIL_SHARE), there - 1)
    row, at = np.arange(len(ranked)), np.maximum(count, 1)
    sums = np.cumsum(np.where(np.isfinite(ranked), ranked, 0.0), axis=1)
    enough = there >= 2
    threshold: RealArray = np.where(enough, ranked[row, np.minimum(at, ranked.shape[1] - 1)], np.nan)
    scale = np.maximum(sums[row, at - 1] / at - threshold, _SHARPEST)
    return Tail(
        count=count,
        threshold=np.round(threshold, _DIGITS).astype(np.float64),
        scale=np.round(scale, _DIGITS),
        ranked=ranked,
        values=there,
    )


@dataclass(frozen=True, kw_only=True)
class Rarity:
    """What some markets' quarter hours say of how rare a score is, row by row; nan where they are too few.

    A score m of all channels together, z = (m - threshold) / scale, comes about once in days / count (1 + s z)^(1 / s)
    days above the threshold, s = `BUNCH` / count, or exp(z) if not `doubted`; and below it as often as it came.
    """

    days: RealArray
    count: IntArray
    threshold: RealArray
    scale: RealArray
    channel_threshold: RealArray
    """[row, channel]; nan for a channel that has too few peaks."""
    channel_scale: RealArray
    handicap: RealArray
    """[channel]."""
    doubted: bool
    """Whether the period takes in that the tail's scale is in doubt: then it grows less the further out."""
    knots: RealArray
    """Scores, falling, that came `count` times, and more often in equal steps of the logarithm, up to always."""

    def parts(self, scores: RealArray) -> RealArray:
        """The scores of each channel [row, channel, …] on one scale, on which a step is e times rarer; -inf: none.

        The highest of a cell is its score of all channels together.
        """
        return _on_one_scale(scores, self.channel_threshold, self.channel_scale, self.handicap)

    def repeated(self, row: int, times: int) -> Rarity:
        """One of the rows, `times` times over."""
        at = np.full(times, row)
        return replace(self, **{
            name: getattr(self, name)[at]
            for name in ("days", "count", "threshold", "scale", "channel_threshold", "channel_scale", "knots")
        })  # fmt: skip

    def period(self, score: RealArray) -> RealArray:
        """Days from one episode to the next that reaches a score, [row, …]; 0 where nothing was judged, or known."""
        extra = (1,) * (score.ndim - 1)
        days, threshold, scale = (x.reshape(-1, *extra) for x in (self.days, self.threshold, self.scale))
        count = self.count.reshape(-1, *extra)
        beyond = days / count * np.exp(_foldings((score - threshold) / scale, shape_of(count, doubted=self.doubted)))
        often = days / self._rank(score)
        found: RealArray = np.nan_to_num(np.where(score > threshold, beyond, np.where(np.isfinite(score), often, 0.0)))
        return found

    def reached(self, period: float) -> RealArray:
        """The score that is reached about once in `period` days, [row]; inf where nothing is known."""
        place = np.log(period * self.count / self.days)
        above = self.threshold + self.scale * _distance(place, shape_of(self.count, doubted=self.doubted))
        steps = np.log(self.days * BLOCKS_A_DAY / self.count) / (KNOTS - 1)
        at = np.clip(-place / steps, 0, KNOTS - 1)
        left: IntArray = np.minimum(np.nan_to_num(at).astype(np.int64), KNOTS - 2)
        row = np.arange(len(self.knots))
        weight = at - left
        below = self.knots[row, left] * (1 - weight) + self.knots[row, left + 1] * weight
        found = np.where(place >= 0, above, below)
        return np.where(np.isnan(found), np.inf, np.round(found, _DIGITS))

    def interval(self, score: RealArray) -> tuple[RealArray, RealArray]:
        """Between which periods (days) the one of a score lies, 90 %, [row, …]."""
        extra = (1,) * (score.ndim - 1)
        threshold, scale = (x.reshape(-1, *extra) for x in (self.threshold, self.scale))
        count = self.count.reshape(-1, *extra)
        return interval(self.period(score), (score - threshold) / scale, count, doubted=self.doubted)

    def _rank(self, score: RealArray) -> RealArray:
        """How many times a score was reached, by the knots."""
        extra = (1,) * (score.ndim - 1)
        steps = np.log(self.days * BLOCKS_A_DAY / self.count) / (KNOTS - 1)
        place = np.zeros(score.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for j in range(KNOTS - 1):
                high, low = (self.knots[:, k].reshape(-1, *extra) for k in (j, j + 1))
                place += np.clip(np.nan_to_num((high - score) / (high - low), nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
        rank: RealArray = self.count.astype(np.float64).reshape(-1, *extra) * np.exp(place * steps.reshape(-1, *extra))
        return rank


def rarity_of(peaks: RealArray | NDArray[np.float32], handicap: RealArray, *, doubted: bool) -> Rarity:
    """What peaks [row, channel, block] say; a channel with fewer than 48 of them does not count.

    `handicap` [channel], `doubted`: as of `Rarity`.
    """
    rows, channels, blocks = peaks.shape
    peaks = peaks.astype(np.float64)
    each = tail_of(peaks.reshape(rows * channels, blocks))
    enough = (each.values >= LEAST_BLOCKS).reshape(rows, channels)
    threshold, scale = (np.where(enough, x.reshape(rows, channels), np.nan) for x in (each.threshold, each.scale))
    together = _on_one_scale(peaks, threshold, scale, handicap).max(1)
    tail = tail_of(together)
    known = tail.values >= LEAST_BLOCKS
    count = np.where(known, tail.count, 1)
    values = np.where(known, tail.values, BLOCKS_A_DAY)
    steps = np.log(values / count) / (KNOTS - 1)
    places = np.rint(count[:, None] * np.exp(np.arange(KNOTS) * steps[:, None])).astype(np.int64)
    knots = np.take_along_axis(tail.ranked, np.minimum(places, np.maximum(tail.values, 1)[:, None] - 1), axis=1)
    return Rarity(
        days=np.where(known, values / BLOCKS_A_DAY, np.nan),
        count=count,
        threshold=np.where(known, tail.threshold, np.nan),
        scale=np.where(known, tail.scale, np.nan),
        channel_threshold=threshold,
        channel_scale=scale,
        handicap=handicap,
        doubted=doubted,
        knots=np.where(known[:, None], knots, np.nan),
    )


def _on_one_scale(scores: RealArray, threshold: RealArray, scale: RealArray, handicap: RealArray) -> RealArray:
    extra = (1,) * (scores.ndim - 2)
    above, step = (x.reshape(*x.shape, *extra) for x in (threshold, scale))
    with np.errstate(invalid="ignore"):
        parts = np.round((scores - above) / step - handicap.reshape(1, -1, *extra), _DIGITS)
    return np.where(np.isnan(parts), -np.inf, parts)


def shape_of(count: IntArray, *, doubted: bool) -> RealArray:
    """The shape of a tail that was fitted to this number of peaks; 0 is exponential."""
    return BUNCH * doubted / np.maximum(count, 1)


def _foldings(distance: RealArray, shape: RealArray) -> RealArray:
    """How much rarer than the threshold a score is, as a power of e; `distance` above it in scales."""
    if not shape.any():
        return np.minimum(distance, _LONGEST)
    found: RealArray = np.minimum(np.log1p(shape * np.maximum(distance, 0.0)) / shape, _LONGEST)
    return found


def _distance(foldings: RealArray, shape: RealArray) -> RealArray:
    """The reverse: how many scales above the threshold a score lies that is rarer by this power of e."""
    return np.expm1(shape * foldings) / shape if shape.any() else foldings


def interval(period: RealArray, distance: RealArray, count: IntArray, *, doubted: bool) -> tuple[RealArray, RealArray]:
    """The 90 % interval of periods: the standard error of their logarithm is sqrt((1 + z^2) / n), n = count / `BUNCH`.

    `distance` of the scores from the tail's threshold, in its scale; `count`: how many peaks are in the tail;
    `doubted`: as of `Rarity`. z is the distance, or distance / (1 + s distance) in a tail of shape s.
    """
    far = np.maximum(distance, 0.0)
    z = far / (1 + shape_of(count, doubted=doubted) * far)
    factor = np.exp(_NINETY * np.sqrt((1 + z * z) * BUNCH / np.maximum(count, 1)))
    return period / factor, period * factor


def poisson(count: float) -> tuple[float, float]:
    """The 90 % interval of a Poisson mean after one count (Wilson and Hilferty 1931)."""
    if count == 0:
        return 0.0, -math.log(_OUTSIDE)

    def root(n: float, z: float) -> float:
        return float(n * (1 - 1 / (9 * n) + z / (3 * math.sqrt(n))) ** 3)

    return root(count, -_NINETY), root(count + 1, _NINETY)
