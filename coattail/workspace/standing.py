"""The alerts that an engine reports while it runs, as they stand."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from coattail.alerts import RETRACTED, SEVERITIES, Alert
from coattail.workspace.documents.alerts import AlertDocument

_MOST_KEPT = 20_000
"""Alerts remembered, so that an engine may run for months: 40 MB."""


class Standing:
    """The newest revision of each alert of a run; `fired` is an engine's `on_alerts`, called from any thread.

    A shell that shows alerts as they fire subclasses it and calls `take` in `fired`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, Alert] = {}

    def fired(self, revised: list[Alert]) -> None:
        """Take the revisions of one batch."""
        self.take(revised)

    def take(self, revised: Iterable[Alert]) -> list[tuple[Alert, Alert | None]]:
        """The revisions of one batch by time, each with the revision known before it."""
        with self._lock:
            taken = []
            for alert in sorted(revised, key=lambda a: (a.detected_at, a.alert_id)):
                taken.append((alert, self._newest.get(alert.alert_id)))
                self._newest[alert.alert_id] = alert
            if len(self._newest) > _MOST_KEPT:
                oldest = sorted(self._newest.values(), key=lambda a: a.detected_at)[: _MOST_KEPT // 4]
                for alert in oldest:
                    del self._newest[alert.alert_id]
        return taken

    def current(self) -> list[Alert]:
        """The alerts that stand, by time."""
        with self._lock:
            standing = [a for a in self._newest.values() if a.status != RETRACTED]
        return sorted(standing, key=lambda a: (a.detected_at, a.alert_id))

    def __len__(self) -> int:
        """How many stand."""
        with self._lock:
            return sum(a.status != RETRACTED for a in self._newest.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Type -> severity (worst first) -> number of standing alerts."""
        found = Counter((a.alert_type, a.severity) for a in self.current())
        types = sorted({kind for kind, _ in found})
        return {kind: {s: found[kind, s] for s in reversed(SEVERITIES) if found[kind, s]} for kind in types}

    def words(self) -> str:
        """`12 alerts: 9 volume_spike (2 critical, 7 medium), 3 whale_trade (3 high)`."""
        counts = self.counts()
        total = sum(sum(c.values()) for c in counts.values())
        if not total:
            return "0 alerts"
        parts = [
            f"{sum(c.values())} {kind} ({', '.join(f'{n} {severity}' for severity, n in c.items())})"
            for kind, c in counts.items()
        ]
        return f"{total} alert{'' if total == 1 else 's'}: {', '.join(parts)}"


def is_news(now: Alert | AlertDocument, before: Alert | AlertDocument | None) -> bool:
    """Whether a revision says something new: the alert fires, its severity rises, or it is taken back."""
    if before is None or before.status == RETRACTED:
        return now.status != RETRACTED
    return now.status == RETRACTED or SEVERITIES.index(now.severity) > SEVERITIES.index(before.severity)
