"""Detectors over what a batch changed: alerts revised, and the modules' tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import polars as pl

from coattail.alerts import Alert
from coattail.config import Settings
from coattail.detectors import BaseDetector, Facts, episode_of, history_of, reach_of, window_of
from coattail.engines.evidence import Inputs, evidence_of, last_of
from coattail.engines.facts import FactStore
from coattail.engines.kept_lessons import KeptLessons
from coattail.engines.ledger import AlertLedger
from coattail.engines.lessons import Lessons
from coattail.engines.remembered import Remembered
from coattail.engines.timeline import cut, days_learning, regions, watermark, without
from coattail.landing.coverage import Coverage
from coattail.records import micros, when


class Judge:
    """Keeps alerts a view of the bars: whatever changed is judged again, and the difference is written.

    `scored` collects the closed rows of each module's table until the caller takes them.
    """

    def __init__(
        self, detectors: Sequence[BaseDetector], settings: Settings, facts: FactStore, ledger: AlertLedger,
        kept: KeptLessons | None = None, also: Callable[[BaseDetector, pl.DataFrame], None] | None = None,
    ) -> None:  # fmt: skip
        """`kept`: where lessons outlive the process. `also`: gets the closed rows of each module too."""
        self._detectors = detectors
        self._settings = settings
        self._facts = facts
        self._ledger = ledger
        self._reach, self._history, self._window = reach_of(detectors), history_of(detectors), window_of(detectors)
        self._episode = episode_of(d for d in detectors if not d.memory)
        self._longest_episode = episode_of(detectors)
        self.lessons = Lessons(facts, kept)
        self._marks = {d.name: Remembered(d) for d in detectors if d.memory}
        self._owed: list[tuple[int, int]] = []
        self._known: Coverage | None = None
        """What was judged last."""
        self.scored: dict[str, list[pl.DataFrame]] = {d.name: [] for d in detectors}
        self._also = also
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
        if self.watermark:
            for marks in self._marks.values():
                marks.forget(when(self.watermark))
        changed = list(changed)
        self.lessons.forget(changed)
        closing = (before, self.watermark) if before else None
        found = self._regions(coverage, changed, closing)
        few = self._few(coverage)
        if self._history:
            judged = [(micros(since), micros(until)) for since, until in found]
            owed = sorted({*self._owed, *days_learning(changed, history=self._history)})
            self._owed = without(owed, judged)
            if self._owed != owed:  # these days are judged by what has changed, and wholly
                few = None
        yield from self._judged(coverage, found, revision=revision, now=now, few=few, closing=closing)

    def settle(self, coverage: Coverage, *, revision: int, now: datetime) -> list[Alert]:
        """Judge again the later days that learn from what has changed since this was last called.

        That may be a week for each batch of a backlog that lands out of order: so not with each, but before the
        derived tables are committed.
        """
        owed, self._owed = self._owed, []
        found = self._regions(coverage, owed, None)
        return [alert for piece in self._judged(coverage, found, revision=revision, now=now) for alert in piece]

    def _few(self, coverage: Coverage) -> pl.DataFrame | None:
        """The instruments that have changed since this was last called, if they are a minority."""
        known, self._known = self._known, coverage
        changed = None if known is None else coverage.changed_since(known)
        return changed if changed is not None and 2 * changed.height < len(coverage.ledgers) else None

    def _regions(
        self, coverage: Coverage, changed: Iterable[tuple[int, int]], closing: tuple[int, int] | None
    ) -> list[tuple[datetime, datetime]]:
        traded = coverage.spans().select(pl.col("first_ts", "last_ts").dt.epoch("us")).iter_rows()
        return regions(changed, closing, reach=self._reach, window=self._window, traded=traded)

    def _judged(
        self, coverage: Coverage, stretches: Iterable[tuple[datetime, datetime]], *, revision: int, now: datetime,
        few: pl.DataFrame | None = None, closing: tuple[int, int] | None = None,
    ) -> Iterator[list[Alert]]:  # fmt: skip
        """`few`: the only instruments that have changed; of the others no more than what is `closing` is judged."""
        spans, traded = coverage.spans(), coverage.traded()
        self.lessons.spans, self.lessons.oldest = spans, when(traded[0]) if traded else None
        for since, until in cut(stretches):
            facts = self._facts_of(spans, since - self._episode, until + self._episode)
            inputs = self._inputs(facts)
            revised: list[Alert] = []
            for detector in self._detectors:
                if detector.memory:
                    first, last, rows = self._remembered(
                        detector, replace(facts, since=since, until=until), traded, revision, few, closing
                    )
                else:
                    rows = detector.score(facts)
                    self._keep(detector, rows, since, until, revision)
                    first, last = since - self._episode, until
                found = [alert for alert in detector.flag(rows) if first <= alert.detected_at < last]
                evidence = partial(self._evidence, detector=detector, inputs=inputs, revision=revision)
                revised += self._ledger.update(
                    first, last, found, module_id=detector.module_id, now=now, evidence=evidence
                )
            yield revised

    def _remembered(
        self,
        detector: BaseDetector,
        facts: Facts,
        traded: tuple[int, int] | None,
        revision: int,
        few: pl.DataFrame | None,
        closing: tuple[int, int] | None,
    ) -> tuple[datetime, datetime, pl.DataFrame]:
        """Between when alerts of a detector with a memory may differ now, and the rows that decide them.

        Only the asked time of the facts is scored again, and what the memory lacks of the time around it.
        """
        marks = self._marks[detector.name]
        pieces: list[tuple[Facts, pl.DataFrame | None]] = [(facts, None)]
        if few is not None and few.height and detector.apart(facts, few):
            pieces = [(facts.only(few), few)]
            if closing is not None:
                since, until = max(when(min(closing)), facts.since), min(when(max(closing) + 1), facts.until)
                pieces += [(replace(facts, since=since, until=until), None)] if since < until else []
        for piece, instruments in pieces:
            rows = detector.score(piece)
            self._keep(detector, rows, piece.since, piece.until, revision)
            marks.put(piece.since, piece.until, rows, instruments)
        first, last = facts.since - detector.episode, facts.until + detector.memory
        end = last + detector.episode  # of what an alert may still gather
        if traded is not None:
            low, high = when(traded[0]), when(traded[1]) + self._window
            for since, until in marks.unscored(max(first - detector.memory, low), min(end, high)):
                marks.put(since, until, detector.score(self._facts_of(self.lessons.spans, since, until)))
        return first, last, marks.between(first - detector.memory, end)

    def _keep(
        self, detector: BaseDetector, scored: pl.DataFrame, since: datetime, until: datetime, revision: int
    ) -> None:
        """Collect the closed rows of since <= detected_at < until for the module's table."""
        asked = pl.col("detected_at").is_between(since, until, closed="left")
        closed = detector.kept(scored).filter(asked & pl.col("closed"))
        if closed.height:
            rows = closed.with_columns(pl.lit(revision, pl.Int64).alias("revision"))
            conformed = detector.table.conform(rows)
            self.scored[detector.name].append(conformed)
            if self._also is not None:
                self._also(detector, conformed)

    def _inputs(self, facts: Facts) -> Callable[[Alert], Inputs]:
        """The facts that an alert was computed from: these, or, where they do not hold all of its time, its own."""
        shared = Inputs(facts)

        def of(alert: Alert) -> Inputs:
            if facts.since <= alert.detected_at and last_of(alert) <= facts.until:
                return shared
            return Inputs(
                self._facts_of(self.lessons.spans, alert.detected_at, alert.detected_at + self._longest_episode)
            )

        return of

    def _evidence(
        self, alert: Alert, detector: BaseDetector, inputs: Callable[[Alert], Inputs], revision: int
    ) -> Alert:
        return replace(alert, evidence=evidence_of(alert, detector, inputs(alert), commit=revision).json())

    def _facts_of(self, spans: pl.DataFrame, since: datetime, until: datetime) -> Facts:
        start = since - self._reach
        return Facts(
            bars=self._facts.bars(start, until),
            orders=self._facts.orders(since, until),
            spans=spans.filter((pl.col("last_ts") >= start) & (pl.col("first_ts") < until)),
            since=since,
            until=until,
            watermark=when(self.watermark),
            lesson_of=self.lessons.of,
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
