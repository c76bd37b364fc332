"""What detectors learned from the days before a day, kept until a trade of those days comes or goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import polars as pl

from coattail.detectors import BaseDetector, Facts
from coattail.records import micros

_KEPT = 64
"""Fits kept: of a few detectors, for a week or two of days."""


class Fits:
    """Detector and day -> its fit; computed when first asked for."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[int, pl.DataFrame]] = {}
        """Name and day (µs) -> from when its fit looks (µs), and the fit."""

    def of(self, detector: BaseDetector, day: datetime, past: Callable[[], Facts]) -> pl.DataFrame:
        """The detector's fit for the day that begins at `day`, from the facts that `past` gives."""
        key = (detector.name, micros(day))
        if key not in self._known:
            self._known[key] = (micros(day - detector.history), detector.fit(past()))
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
        return self._known[key][1]

    def forget(self, changed: Iterable[tuple[int, int]]) -> None:
        """Forget what was learned from any of these µs ranges, both ends included."""
        ranges = list(changed)
        for (name, day), (since, _) in list(self._known.items()):
            if any(low < day and high >= since for low, high in ranges):
                del self._known[name, day]
