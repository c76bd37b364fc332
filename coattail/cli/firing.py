"""Alerts as an engine revises them: printed as they fire, and counted as they stand."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from coattail.alerts import PROVISIONAL, RETRACTED, SEVERITIES, Alert
from coattail.cli.output import print_json_line
from coattail.cli.screen import Screen

_MOST_AT_ONCE = 10
_MOST_KEPT = 20_000
"""Alerts remembered, so that an engine may run for months: 40 MB."""
_TYPE_WIDTH = len("spread_divergence")


class AlertLog:
    """What an engine's `on_alerts` is told: the newest revision of each alert, from any thread.

    With `show` on, an alert is printed when it fires, when its severity rises, and when it is taken back; further
    revisions change figures only. `json_lines` prints every revision as one line of JSON instead.
    """

    def __init__(self, screen: Screen, *, show: bool, json_lines: bool = False) -> None:
        self.show = show
        self._json_lines = json_lines
        self._screen = screen
        self._lock = threading.Lock()
        self._newest: dict[str, Alert] = {}

    def fired(self, revised: Iterable[Alert]) -> None:
        """Take the revisions of one batch."""
        news: list[tuple[Alert, Alert | None]] = []
        with self._lock:
            for alert in sorted(revised, key=lambda a: (a.detected_at, a.alert_id)):
                before = self._newest.get(alert.alert_id)
                self._newest[alert.alert_id] = alert
                if _is_news(before, alert):
                    news.append((alert, before))
                if self.show and self._json_lines:
                    print_json_line({"event": "alert", **fields_of(alert)})
            if len(self._newest) > _MOST_KEPT:
                oldest = sorted(self._newest.values(), key=lambda a: a.detected_at)[: _MOST_KEPT // 4]
                for alert in oldest:
                    del self._newest[alert.alert_id]
        if self.show and not self._json_lines:
            self._print(news)

    def _print(self, news: list[tuple[Alert, Alert | None]]) -> None:
        if len(news) > _MOST_AT_ONCE:
            self._screen.say(f"  … {len(news) - _MOST_AT_ONCE} alerts before these")
        for alert, before in news[-_MOST_AT_ONCE:]:
            self._screen.say(self.line(alert, before))

    def line(self, alert: Alert, before: Alert | None = None) -> str:
        """One line for a person; `before` is what was said about it last."""
        notes = [alert.status] if alert.status in (PROVISIONAL, RETRACTED) else []
        notes += [f"was {before.severity}"] if before and before.severity != alert.severity else []
        status = f" ({', '.join(notes)})" if notes else ""
        severity = self._screen.colour(f"{alert.severity:8}", alert.severity)
        return f"  {alert.detected_at:%H:%M:%S} {severity} {alert.alert_type:{_TYPE_WIDTH}} {alert.message}{status}"

    def current(self) -> list[Alert]:
        """The alerts that stand, by time."""
        with self._lock:
            standing = [a for a in self._newest.values() if a.status != RETRACTED]
        return sorted(standing, key=lambda a: (a.detected_at, a.alert_id))

    @property
    def retracted(self) -> int:
        """Alerts that were taken back."""
        with self._lock:
            return sum(a.status == RETRACTED for a in self._newest.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Type -> severity (worst first) -> number of standing alerts."""
        found = Counter((a.alert_type, a.severity) for a in self.current())
        types = sorted({kind for kind, _ in found})
        return {kind: {s: found[kind, s] for s in reversed(SEVERITIES) if found[kind, s]} for kind in types}

    def sentence(self) -> str:
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


def fields_of(alert: Alert) -> dict[str, object]:
    """The alert as JSON shows it; `details` as the object it is."""
    import msgspec

    names = ("alert_id", "revision", "status", "alert_type", "module_id", "symbol", "exchange", "severity",
             "detected_at", "message", "preset")  # fmt: skip
    return {**{n: getattr(alert, n) for n in names}, "details": msgspec.json.decode(alert.details)}


def _is_news(before: Alert | None, now: Alert) -> bool:
    if before is None or before.status == RETRACTED:
        return now.status != RETRACTED
    worse = SEVERITIES.index(now.severity) > SEVERITIES.index(before.severity)
    return worse or now.status == RETRACTED
