"""Scored rows of the last days that decide which later ones are alerts: kept, so that nothing is scored twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from coattail.detectors import BaseDetector
from coattail.engines.timeline import merged, without
from coattail.records import micros, when

_KEPT = timedelta(days=3)
"""How far behind the newest stretch rows are kept, besides the detector's memory."""


class Remembered:
    """One detector's `marks` among its scored rows, of the stretches that were scored."""

    def __init__(self, detector: BaseDetector) -> None:
        self._detector = detector
        self._rows: pl.DataFrame | None = None
        self._scored: list[tuple[int, int]] = []
        """µs ranges."""

    def put(
        self, since: datetime, until: datetime, scored: pl.DataFrame, instruments: pl.DataFrame | None = None
    ) -> None:
        """Take the rows of since <= detected_at < until in place of former ones; of these instruments, or of all."""
        marks = self._detector.marks(scored)
        if self._rows is not None:
            inside = pl.col("detected_at").is_between(since, until, closed="left")
            stay = [self._rows.filter(~inside)]
            if instruments is not None:
                stay.append(self._rows.filter(inside).join(instruments, on=["exchange", "symbol"], how="anti"))
            marks = pl.concat([*stay, marks])
        self._rows = marks
        self._scored = merged([*self._scored, (micros(since), micros(until))])

    def unscored(self, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        """The stretches of since…until that have not been scored."""
        return [(when(a), when(b)) for a, b in without([(micros(since), micros(until))], self._scored)]

    def between(self, since: datetime, until: datetime) -> pl.DataFrame:
        """The rows with since <= detected_at < until, after some were put."""
        assert self._rows is not None, "nothing was put yet"
        return self._rows.filter(pl.col("detected_at").is_between(since, until, closed="left"))

    def forget(self, before: datetime) -> None:
        """Forget what lies before a time by more than the memory and three days."""
        edge = before - self._detector.memory - _KEPT
        if self._rows is not None and self._scored and self._scored[0][0] < micros(edge) - 86_400_000_000:
            self._rows = self._rows.filter(pl.col("detected_at") >= edge)
            self._scored = without(self._scored, [(0, micros(edge))])
