"""Detectors over what a batch changed: alerts revised, and the modules' tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from coattail.alerts import Alert
from coattail.config import Settings
from coattail.detectors import BaseDetector, Facts, episode_of, history_of, reach_of
from coattail.engines.evidence import Inputs, evidence_of
from coattail.engines.facts import FactStore
from coattail.engines.fits import Fits
from coattail.engines.ledger import AlertLedger
from coattail.engines.timeline import cut, days_learning, regions, watermark, without
from coattail.landing.coverage import Coverage
from coattail.records import micros, when


class Judge:
    """Keeps alerts a view of the bars: whatever changed is judged again, and the difference is written.

    `scored` collects the closed rows of each module's table until the caller takes them.
    """

    def __init__(
        self, detectors: Sequence[BaseDetector], settings: Settings, facts: FactStore, ledger: AlertLedger
    ) -> None:
        self._detectors = detectors
        self._settings = settings
        self._facts = facts
        self._ledger = ledger
        self._reach, self._history, self._episode = reach_of(detectors), history_of(detectors), episode_of(detectors)
        self._fits = Fits()
        self._owed: list[tuple[int, int]] = []
        self.scored: dict[str, list[pl.DataFrame]] = {d.name: [] for d in detectors}
        self.watermark = 0
        """µs; verdicts up to here are closed."""

    def judge(
        self, coverage: Coverage, changed: Iterable[tuple[int, int]], *, revision: int, now: datetime
    ) -> list[Alert]:
        """Judge again whatever `changed` (µs ranges) can reach; returns the alerts that are new, revised, retracted.

        `revision` numbers the rows of the modules' tables: the raw_trades commit they will be computed from.
        """
        return [alert for piece in self.by_day(coverage, changed, revision=revision, now=now) for alert in piece]

    def by_day(
        self, coverage: Coverage, changed: Iterable[tuple[int, int]], *, revision: int, now: datetime
    ) -> Iterator[list[Alert]]:
        """As `judge`, a day or two at a time: the caller may write down what was found, before it asks for more."""
        before = self.watermark
        time, newest = self._settings.time, coverage.newest()
        self.watermark = watermark(newest, lateness=time.lateness, idle_limit=time.idle_limit)
        changed = list(changed)
        self._fits.forget(changed)
        closing = (before, self.watermark) if before else None
        found = self._regions(coverage, changed, closing)
        if self._history:
            judged = [(micros(since), micros(until)) for since, until in found]
            self._owed = without([*self._owed, *days_learning(changed, history=self._history)], judged)
        yield from self._judged(coverage, found, revision=revision, now=now)

    def settle(self, coverage: Coverage, *, revision: int, now: datetime) -> list[Alert]:
        """Judge again the later days that learn from what has changed since this was last called.

        That may be a week for each batch of a backlog that lands out of order: so not with each, but before the
        derived tables are committed.
        """
        owed, self._owed = self._owed, []
        found = self._regions(coverage, owed, None)
        return [alert for piece in self._judged(coverage, found, revision=revision, now=now) for alert in piece]

    def _regions(
        self, coverage: Coverage, changed: Iterable[tuple[int, int]], closing: tuple[int, int] | None
    ) -> list[tuple[datetime, datetime]]:
        traded = coverage.spans().select(pl.col("first_ts", "last_ts").dt.epoch("us")).iter_rows()
        return regions(changed, closing, reach=self._reach, traded=traded)

    def _judged(
        self, coverage: Coverage, stretches: Iterable[tuple[datetime, datetime]], *, revision: int, now: datetime
    ) -> Iterator[list[Alert]]:
        spans = coverage.spans()
        for since, until in cut(stretches):
            facts = self._facts_of(spans, since - self._episode, until + self._episode)
            found: list[Alert] = []
            for detector in self._detectors:
                scored = detector.score(facts)
                asked = pl.col("detected_at").is_between(since, until, closed="left")
                closed = detector.kept(scored).filter(asked & pl.col("closed"))
                if closed.height:
                    rows = closed.with_columns(pl.lit(revision, pl.Int64).alias("revision"))
                    self.scored[detector.name].append(detector.table.conform(rows))
                found += detector.flag(scored)
            first = since - self._episode
            found = [alert for alert in found if first <= alert.detected_at < until]
            evidence = partial(self._evidence, inputs=Inputs(facts), revision=revision)
            yield self._ledger.update(first, until, found, now=now, evidence=evidence)

    def _evidence(self, alert: Alert, inputs: Inputs, revision: int) -> Alert:
        detector = next(d for d in self._detectors if d.module_id == alert.module_id)
        return replace(alert, evidence=evidence_of(alert, detector, inputs, commit=revision).json())

    def _facts_of(self, spans: pl.DataFrame, since: datetime, until: datetime) -> Facts:
        start = since - self._reach
        pasts: dict[tuple[timedelta, datetime], Facts] = {}

        def fit_of(detector: BaseDetector, day: datetime) -> pl.DataFrame:
            """Detectors that look equally far back share what was read."""
            key = (detector.history, day)
            return self._fits.of(
                detector, day, lambda: pasts.get(key) or pasts.setdefault(key, self._facts.past(spans, detector, day))
            )

        return Facts(
            bars=self._facts.bars(start, until),
            orders=self._facts.orders(since, until),
            spans=spans.filter((pl.col("last_ts") >= start) & (pl.col("first_ts") < until)),
            since=since,
            until=until,
            watermark=when(self.watermark),
            fit_of=fit_of,
        )

    @property
    def waiting_rows(self) -> int:
        """Rows of the modules' tables that nobody has taken yet."""
        return sum(frame.height for frames in self.scored.values() for frame in frames)

    def take_scored(self) -> dict[str, pl.DataFrame]:
        """Module name -> rows for its table, the newest per key; empty ones left out."""
        taken = {}
        for detector in self._detectors:
            frames = self.scored[detector.name]
            if frames:
                taken[detector.name] = pl.concat(frames).unique(detector.table.latest_by, keep="last")
                self.scored[detector.name] = []
        return taken
