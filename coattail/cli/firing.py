"""Alerts as an engine revises them: printed as they fire, and counted as they stand."""

from __future__ import annotations

from coattail.alerts import PROVISIONAL, RETRACTED, Alert
from coattail.cli.output import print_json_line
from coattail.cli.screen import Screen
from coattail.workspace.standing import Standing, is_news

_MOST_AT_ONCE = 10
_TYPE_WIDTH = len("spread_divergence")


class AlertLog(Standing):
    """Prints the alerts of a run, from any thread.

    With `show` on, an alert is printed when it fires, when its severity rises, and when it is taken back; further
    revisions change figures only. `json_lines` prints every revision as one line of JSON instead.
    """

    def __init__(self, screen: Screen, *, show: bool, json_lines: bool = False) -> None:
        super().__init__()
        self.show = show
        self._json_lines = json_lines
        self._screen = screen

    def fired(self, revised: list[Alert]) -> None:
        """Take the revisions of one batch."""
        taken = self.take(revised)
        if self.show and self._json_lines:
            _print_lines(taken)
        elif self.show:
            self._print([(alert, before) for alert, before in taken if is_news(alert, before)])

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


def _print_lines(taken: list[tuple[Alert, Alert | None]]) -> None:
    from coattail.workspace.documents import plain
    from coattail.workspace.documents.alerts import alert_document

    for alert, _ in taken:
        print_json_line({"event": "alert", **plain(alert_document(alert))})
