"""Intervals by bootstrap over days: days are drawn anew, with what happened in them. Seeded, so equal runs agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from coattail.detectors.rarity import poisson
from coattail.market.prices import Floats

Figure = dict[str, float | None]
"""value, low, high; None where it is not defined."""

_DRAWS = 1000
_SEED = 20_250_303
_OUTSIDE = 0.05
"""Below the interval, and above it."""
_Z = 1.6448536269514722
"""Quantile of a standard normal at 1 - `_OUTSIDE`."""
NOTHING: Figure = {"value": None, "low": None, "high": None}


class Days:
    """Units that are drawn together (a day, or what of it is judged), and how often each is in each draw."""

    def __init__(self, units: Mapping[str, float]) -> None:
        """`units`: name -> length in days."""
        self.units = list(units)
        self._lengths: Floats = np.array(list(units.values()), np.float64)
        self._weights = _draws(len(self.units))

    def __len__(self) -> int:
        return len(self.units)

    def share(self, hits: Floats, of: Floats) -> Figure:
        """sum(hits) / sum(of), both per day. Where all or none hit, days cannot tell: then Wilson's interval."""
        whole, part = float(of.sum()), float(hits.sum())
        if whole == 0:
            return NOTHING
        if part in (0.0, whole) or len(self) < 2:
            return wilson(part, whole)
        drawn = self._weights @ of
        ratios = (self._weights @ hits)[drawn > 0] / drawn[drawn > 0]
        return _figure(part / whole, ratios)

    def rate(self, counts: Floats) -> Figure:
        """Counts per day. Where there are none, or one day, a Poisson law says how many there may be."""
        total, days = float(counts.sum()), float(self._lengths.sum())
        if total == 0 or len(self) < 2:
            low, high = poisson(total)
            return _rounded(total / days, low / days, high / days)
        return _figure(total / days, self._weights @ counts / (self._weights @ self._lengths))

    def quantile(self, values: Floats, unit: npt.NDArray[np.int64], q: float) -> Figure:
        """A quantile of values, each of which happened on a day; of one day the values are drawn anew, each alone."""
        if not len(values):
            return NOTHING
        order = np.argsort(values, kind="stable")
        drawn_by = self._weights if len(self) > 1 else _draws(len(values))
        ranked, weights = values[order], drawn_by[:, unit[order] if len(self) > 1 else order]
        sums = weights.cumsum(axis=1)
        drawn = sums[:, -1] > 0
        place = (sums[drawn] >= q * sums[drawn, -1:]).argmax(axis=1)
        return _figure(float(np.quantile(values, q, method="inverted_cdf")), ranked[place])


def _draws(count: int) -> Floats:
    """How often each of `count` is drawn, in every draw of as many."""
    if not count:
        return np.zeros((_DRAWS, 0))
    rng = np.random.Generator(np.random.PCG64(_SEED))
    return rng.multinomial(count, np.full(count, 1 / count), size=_DRAWS).astype(np.float64)


def wilson(part: float, whole: float) -> Figure:
    """A share with its 90 % interval (Wilson 1927)."""
    if whole == 0:
        return NOTHING
    p, z2 = part / whole, _Z * _Z
    middle = (p + z2 / (2 * whole)) / (1 + z2 / whole)
    half = _Z * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole * whole)) / (1 + z2 / whole)
    return _rounded(p, max(middle - half, 0.0) if part else 0.0, min(middle + half, 1.0) if part < whole else 1.0)


def exact(part: int, whole: int) -> Figure:
    """A share with its 90 % interval that holds for few, too: exact binomial (Clopper and Pearson 1934)."""
    if whole == 0:
        return NOTHING

    def below(p: float, hits: int) -> float:
        """The probability of `hits` or fewer."""
        logs = (math.lgamma(whole + 1) - math.lgamma(k + 1) - math.lgamma(whole - k + 1) for k in range(hits + 1))
        return sum(math.exp(log + k * math.log(p) + (whole - k) * math.log1p(-p)) for k, log in enumerate(logs))

    def where(hits: int, likely: float) -> float:
        """The share at which the probability of `hits` or fewer is `likely`."""
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle, hits) > likely else (low, middle)
        return low

    low = where(part - 1, 1 - _OUTSIDE) if part else 0.0
    return _rounded(part / whole, low, where(part, _OUTSIDE) if part < whole else 1.0)


def _figure(value: float, draws: npt.NDArray[Any]) -> Figure:
    low, high = np.quantile(draws, [_OUTSIDE, 1 - _OUTSIDE])
    return _rounded(value, min(float(low), value), max(float(high), value))


def _rounded(value: float, low: float, high: float) -> Figure:
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
