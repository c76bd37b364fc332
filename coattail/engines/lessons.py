"""What detectors learned for a day, kept until a trade that it was learned from comes or goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from coattail.detectors import BaseDetector
from coattail.detectors.base import facts_for, nothing_learned
from coattail.engines.facts import FactStore
from coattail.engines.kept_lessons import KeptLesson, KeptLessons
from coattail.records import micros

_MOST = 400
"""Lessons known: of a few detectors, for some weeks of days."""

_Key = tuple[str, str, datetime]


@dataclass
class _Known:
    """A lesson, and the µs between which trades change it: in memory, in a file, or both."""

    since: int
    until: int
    learned: pl.DataFrame | None
    file: str | None = None
    asked: bool = True
    """Whether it was asked for since lessons were last kept."""


class Lessons:
    """Detector, lesson and day -> what was learned; when first asked for."""

    def __init__(self, facts: FactStore, kept: KeptLessons | None = None) -> None:
        """`kept`: where they outlive the process, and need no memory while nobody asks for them."""
        self._facts = facts
        self._kept = kept
        self._known: dict[_Key, _Known] = {}
        self.spans = pl.DataFrame()
        """The stretches of ids that have landed, for lessons to come."""
        self.oldest: datetime | None = None
        """The first trade that has landed."""

    def of(self, detector: BaseDetector, lesson: str, day: datetime) -> pl.DataFrame:
        """The detector's lesson for the day that begins at `day`."""
        key = (detector.name, lesson, day)
        if (found := self._read(key)) is not None:
            return found
        since, until, far = detector.lessons[lesson]
        if self.oldest is None or day + until <= self.oldest:
            return nothing_learned(detector, lesson)
        bars, orders = self._facts.past(day + since, day + until)
        past = facts_for(detector, lesson, day, bars=bars, orders=orders, spans=self.spans, lesson_of=self.of)
        learned = detector.learn(lesson, past, day)
        self._known[key] = _Known(micros(day + far), micros(day + until), learned)
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        return learned

    def _read(self, key: _Key) -> pl.DataFrame | None:
        """A lesson that is known; asked for last."""
        known = self._known.pop(key, None)
        if known is None:
            return None
        if known.learned is None and self._kept is not None and known.file is not None:
            known.learned = self._kept.read(known.file)
        if known.learned is not None:
            self._known[key] = known
            known.asked = True
        return known.learned

    def forget(self, changed: Iterable[tuple[int, int]]) -> None:
        """Forget what was learned from any of these µs ranges, both ends included."""
        ranges = list(changed)
        for key, known in list(self._known.items()):
            if any(low < known.until and high >= known.since for low, high in ranges):
                del self._known[key]

    def recall(self, state: str) -> None:
        """Know again what was kept for exactly this state of the tables."""
        if self._kept is not None:
            for one in self._kept.holding(state):
                key = (one.detector, one.lesson, one.day)
                self._known[key] = _Known(one.since, one.until, None, one.file, asked=False)

    def keep(self, state: str) -> None:
        """Keep what is known for a restart at this state of the tables, which hold all that it was learned from.

        What nobody has asked for since this was last called leaves memory.
        """
        if self._kept is None:
            return
        for known in self._known.values():
            if known.file is None and known.learned is not None:
                known.file = self._kept.write(known.learned)
            if not known.asked:
                known.learned = None
            known.asked = False
        self._kept.keep(
            (
                KeptLesson(*key, known.since, known.until, known.file)
                for key, known in self._known.items()
                if known.file is not None
            ),
            state,
        )
