"""What detectors learned for a day, kept until a trade that it was learned from comes or goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from coattail.detectors import BaseDetector
from coattail.detectors.base import facts_for, nothing_learned
from coattail.engines.facts import FactStore
from coattail.records import micros

_KEPT = 400
"""Lessons kept: of a few detectors, for some weeks of days."""


class Lessons:
    """Detector, lesson and day -> what was learned; when first asked for."""

    def __init__(self, facts: FactStore) -> None:
        self._facts = facts
        self._known: dict[tuple[str, str, datetime], tuple[int, int, pl.DataFrame]] = {}
        """From and until when (µs) trades change it, and the lesson."""
        self.spans = pl.DataFrame()
        """The stretches of ids that have landed, for lessons to come."""
        self.oldest: datetime | None = None
        """The first trade that has landed."""

    def of(self, detector: BaseDetector, lesson: str, day: datetime) -> pl.DataFrame:
        """The detector's lesson for the day that begins at `day`."""
        key = (detector.name, lesson, day)
        if key not in self._known:
            since, until, far = detector.lessons[lesson]
            if self.oldest is None or day + until <= self.oldest:
                return nothing_learned(detector, lesson)
            bars, orders = self._facts.past(day + since, day + until)
            past = facts_for(detector, lesson, day, bars=bars, orders=orders, spans=self.spans, lesson_of=self.of)
            learned = detector.learn(lesson, past, day)
            self._known[key] = micros(day + far), micros(day + until), learned
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
        return self._known[key][2]

    def forget(self, changed: Iterable[tuple[int, int]]) -> None:
        """Forget what was learned from any of these µs ranges, both ends included."""
        ranges = list(changed)
        for key, (since, until, _) in list(self._known.items()):
            if any(low < until and high >= since for low, high in ranges):
                del self._known[key]
