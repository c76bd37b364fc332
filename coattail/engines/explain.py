"""An alert computed again from the tables as they are now, from the evidence it was written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

import polars as pl

from coattail.alerts import RETRACTED, Alert
from coattail.config import Settings
from coattail.detectors import BaseDetector, Facts, detectors_for, reach_of
from coattail.detectors.described import Measure
from coattail.engines.comparison import same_alert
from coattail.engines.evidence import Evidence, Inputs, evidence_of
from coattail.engines.facts import FactStore
from coattail.engines.lessons import Lessons
from coattail.engines.recovery import through
from coattail.engines.timeline import watermark
from coattail.errors import StoreError
from coattail.landing.coverage import Coverage
from coattail.records import when
from coattail.stores.current import every_revision, identified
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, BARS, COVERAGE, SESSIONS

REPRODUCED, SAME, REVISED, WAITING, FORMER, DIFFERENT = VERDICTS = (
    "reproduced", "same", "revised", "waiting", "former", "different",
)  # fmt: skip
"""The inputs and the alert are equal; the inputs changed since, the alert did not; both changed; the tables have not
come as far as the alert yet; it was judged by rules that this version does not have; the inputs are equal and the alert
is not, which is an error."""

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Explained:
    """An alert, what it was computed from, and what the tables give now.

    `again` is None where no such alert comes out; `rows`: the module's verdicts about the same in the time before, up
    to the alert; `measure`: what is drawn of them, or None; `later`: commits of raw_trades after the one it was
    computed from.
    """

    alert: Alert
    revisions: Sequence[tuple[Alert, datetime]]
    """Every revision that was kept, oldest first, and when it was written."""
    evidence: Evidence | None
    again: Alert | None
    evidence_again: Evidence | None
    rows: pl.DataFrame = field(repr=False)
    measure: Measure | None
    verdict: str
    later: int = 0


class Explainer:
    """Explains alerts of one lake; facts that several of them share are read once.

    Raises: StoreError: If a table cannot be read.
    """

    def __init__(self, lake: Lake, hot: HotStore | None, settings: Settings, *, now: datetime) -> None:
        self._lake = lake
        self._settings = settings
        self._facts = FactStore(lake)
        self._lessons = Lessons(self._facts)
        coverage = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS))
        self._spans = self._lessons.spans = coverage.spans()
        traded = coverage.traded()
        self._lessons.oldest = when(traded[0]) if traded else None
        limits = settings.time
        self._watermark = when(watermark(coverage.newest(), lateness=limits.lateness, idle_limit=limits.idle_limit))
        self._through = through(lake, BARS)
        self._hot, self._now = hot, now
        self._days: dict[date, Mapping[str, list[tuple[Alert, datetime]]]] = {}

    @cached_property
    def _stored(self) -> dict[str, datetime]:
        """The id and `detected_at` of every alert in the hot store."""
        stored = [] if self._hot is None else self._hot.alerts(now=self._now)
        return {s.alert.alert_id: s.alert.detected_at for s in stored}

    @cached_property
    def _times(self) -> dict[str, datetime]:
        """The id and `detected_at` of every alert: two columns of the whole table."""
        rows = self._lake.scan(ALERTS, columns=("alert_id", "detected_at"))
        return {**dict(rows.iter_rows()), **self._stored}

    def _revisions(self, identity: str) -> list[tuple[Alert, datetime]]:
        """Every revision of an alert that was kept, oldest first. The alerts of its day are read, once."""
        day = (self._stored.get(identity) or self._times[identity]).astimezone(UTC).date()
        if day not in self._days:
            start = datetime.combine(day, time(), UTC)
            self._days[day] = _revisions(self._lake, self._hot, start, start + timedelta(days=1), self._now)
        return self._days[day][identity]

    def identified(self, beginning: str) -> str:
        """The id that begins with `beginning`. Where the hot store knows one by 12 letters, the table is not read.

        Raises: UsageError: If there is none, or more than one.
        """
        return identified(beginning, self._stored, lambda: self._times)

    def ids(self) -> list[str]:
        """Every alert there is, retracted ones too."""
        return sorted(self._times)

    def explain(self, identity: str) -> Explained:
        """The alert of this id against what the tables give now.

        One that was judged by rules that this version does not have is given as it was written.
        """
        revisions = self._revisions(identity)
        alert = revisions[-1][0]
        standing = [a for a, _ in revisions if a.status != RETRACTED and a.evidence]
        evidence = Evidence.read(standing[-1].evidence) if standing and standing[-1].evidence else None
        if evidence is not None and not evidence.of_these_rules:
            return Explained(
                alert=alert, revisions=revisions, evidence=evidence, again=None, evidence_again=None,
                rows=pl.DataFrame(), measure=None, verdict=FORMER, later=self._later(evidence),
            )  # fmt: skip
        detector = evidence.detector() if evidence is not None else self._configured(alert)
        facts = self._facts_for(detector, alert.detected_at)
        scored = detector.score(facts)
        again = next((a for a in detector.flag(scored) if a.alert_id == identity), None)
        found = evidence_of(again or alert, detector, Inputs(facts), commit=self._through)
        verdict = self._verdict(alert, evidence, again, found)
        return Explained(
            alert=alert,
            revisions=revisions,
            evidence=evidence,
            again=again,
            evidence_again=found,
            rows=_about(detector.kept(scored), detector, alert),
            measure=detector.measures if len(detector.about(alert)) == len(detector.series) else None,
            verdict=verdict,
            later=self._later(evidence),
        )

    def _later(self, evidence: Evidence | None) -> int:
        """Commits of raw_trades after the one that an alert was computed from."""
        return len(self._lake.commits_since("raw_trades", evidence.commit)) if evidence and evidence.commit else 0

    def _verdict(self, alert: Alert, evidence: Evidence | None, again: Alert | None, found: Evidence) -> str:
        stands = None if alert.status == RETRACTED else alert
        same = same_alert(stands, again)
        if evidence is not None and (evidence.commit or 0) > self._through:
            return REPRODUCED if same and evidence.inputs == found.inputs else WAITING
        if evidence is None or evidence.inputs != found.inputs or alert.status == RETRACTED:
            return SAME if same else REVISED
        return REPRODUCED if same else DIFFERENT

    def _configured(self, alert: Alert) -> BaseDetector:
        """The detector of an alert without evidence, as the settings configure it now."""
        for detector in detectors_for(self._settings):
            if detector.module_id == alert.module_id and detector.preset == alert.preset:
                return detector
        raise StoreError(
            f"alert {alert.alert_id} was written by a version that kept no evidence, by preset '{alert.preset}'",
            next_step=f"add --preset {alert.preset}",
        )

    def _facts_for(self, detector: BaseDetector, moment: datetime) -> Facts:
        """What the engine looks at for alerts of one moment, with an hour before it for the picture."""
        since = moment - max(timedelta(hours=1), detector.memory)
        until = moment + _TICK + detector.episode
        start = since - reach_of([detector])
        return Facts(
            bars=self._facts.bars(start, until),
            orders=self._facts.orders(since, until),
            spans=self._spans.filter((pl.col("last_ts") >= start) & (pl.col("first_ts") < until)),
            since=since,
            until=until,
            watermark=self._watermark,
            lesson_of=self._lessons.of,
        )


def _revisions(
    lake: Lake, hot: HotStore | None, since: datetime, until: datetime, now: datetime
) -> Mapping[str, list[tuple[Alert, datetime]]]:
    """Alert id -> its revisions in lake and hot store, oldest first, of alerts with since <= detected_at < until."""
    found: dict[str, list[tuple[Alert, datetime]]] = {}
    rows = every_revision(lake, hot, now=now, since=since, until=until)
    for row in rows.sort("revision").iter_rows(named=True):
        written = row.pop("recorded_at")
        found.setdefault(row["alert_id"], []).append((Alert(**row), written))
    return found


def _about(scored: pl.DataFrame, detector: BaseDetector, alert: Alert) -> pl.DataFrame:
    """The verdicts up to the alert in the rows that it is about."""
    mine = [pl.col(name).eq_missing(value) for name, value in detector.about(alert).items()]
    return scored.filter(pl.col("detected_at") <= alert.detected_at, *mine).sort("detected_at")
