"""The current alerts, in memory, of the days that are being judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from coattail.alerts import FINAL, RETRACTED, Alert, changes
from coattail.stores.current import alert_frame, newest_revisions, with_stored
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake
from coattail.tables import ALERTS

_DAY = timedelta(days=1)


class AlertLedger:
    """Newest revision of every alert, loaded day by day from the lake and the hot store.

    What has not reached the lake yet, or differs from what it holds, is `pending`; alerts that were never final
    stay in the hot store only.
    """

    def __init__(self, lake: Lake, hot: HotStore, *, preset: str, modules: Iterable[str]) -> None:
        self._lake = lake
        self._hot = hot
        self._preset = preset
        self._modules = frozenset(modules)
        self._days: dict[date, dict[str, Alert]] = {}
        self._in_lake: dict[str, int] = {}
        self.pending: dict[str, Alert] = {}

    def update(
        self,
        since: datetime,
        until: datetime,
        found: Iterable[Alert],
        *,
        module_id: str,
        now: datetime,
        evidence: Callable[[Alert], Alert] = lambda alert: alert,
    ) -> list[Alert]:
        """The revisions that make a module's alerts of [since, until) be `found`; they are current from now on.

        `evidence` is added to those that are new or say something else.
        """
        known: dict[str, Alert] = {}
        for day in _days(since, until):
            if day not in self._days:
                self._days[day] = self._load(day, now)
            known.update(
                (i, a)
                for i, a in self._days[day].items()
                if since <= a.detected_at < until and a.module_id == module_id
            )
        revised = [a if a.status == RETRACTED else evidence(a) for a in changes(known, found)]
        for alert in revised:
            self._days[alert.detected_at.astimezone(UTC).date()][alert.alert_id] = alert
            if alert.status == FINAL or alert.alert_id in self._in_lake or alert.alert_id in self.pending:
                self.pending[alert.alert_id] = alert
        return revised

    def _load(self, day: date, now: datetime) -> dict[str, Alert]:
        start = datetime.combine(day, time(), UTC)
        until = start + _DAY
        mine = pl.col("preset") == self._preset
        rows = self._lake.scan(ALERTS, since=start, until=until).filter(mine)
        written = {i: a.revision for i, a in newest_revisions(rows).items()}
        self._in_lake.update(written)
        stored = self._hot.alerts(since=start, until=until, now=now)
        alerts = newest_revisions(with_stored(rows, stored).filter(mine))
        for identity, alert in alerts.items():
            if alert.revision > written.get(identity, 0) and (alert.status == FINAL or identity in written):
                self.pending[identity] = alert
        return {i: a for i, a in alerts.items() if a.module_id in self._modules}

    def take_pending(self, recorded_at: datetime) -> pl.DataFrame:
        """Rows for `anomaly_alerts`; from now on the lake must hold them."""
        rows = alert_frame(self.pending.values(), recorded_at)
        self._in_lake.update((i, a.revision) for i, a in self.pending.items())
        self.pending = {}
        return rows

    def forget(self, before: datetime) -> None:
        """Forget whole days before a time: they are loaded again when something late reaches them."""
        pending = {alert.detected_at.astimezone(UTC).date() for alert in self.pending.values()}
        for day in [d for d in self._days if d < before.astimezone(UTC).date() and d not in pending]:
            for identity in self._days.pop(day):
                self._in_lake.pop(identity, None)


def _days(since: datetime, until: datetime) -> list[date]:
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
