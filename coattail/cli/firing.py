"""Alerts printed as they fire, and one line that says how an engine is doing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from coattail.alerts import PROVISIONAL, RETRACTED, Alert
from coattail.cli.output import print_json_line
from coattail.cli.screen import Screen, repeated
from coattail.workspace.standing import Standing, is_news

if TYPE_CHECKING:
    from coattail.engines.engine import Engine

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
        """One line for a person; `before` is the revision shown last."""
        notes = [alert.status] if alert.status in (PROVISIONAL, RETRACTED) else []
        notes += [f"was {before.severity}"] if before and before.severity != alert.severity else []
        status = f" ({', '.join(notes)})" if notes else ""
        severity = self._screen.colour(f"{alert.severity:8}", alert.severity)
        return f"  {alert.detected_at:%H:%M:%S} {severity} {alert.alert_type:{_TYPE_WIDTH}} {alert.message}{status}"


def status_line(screen: Screen, engine: Engine, alerts: AlertLog) -> AbstractContextManager[None]:
    """Keep one line current while an engine runs."""
    from coattail.records import when

    def line() -> str:
        totals, mark = engine.totals, engine.watermark
        clock = f", closed up to {when(mark):%Y-%m-%d %H:%M:%S}" if mark else ""
        return (
            f"landed {totals.landed:,}, rejected {totals.rejected:,}, duplicates {totals.duplicates:,}{clock}, "
            f"{len(alerts):,} alerts"
        )

    return screen.live(line)


def state_lines(engine: Engine, alerts: AlertLog) -> AbstractContextManager[None]:
    """Print a line of JSON a second that says how an engine is doing, while it runs."""
    from coattail.records import when
    from coattail.workspace.documents import plain

    def line() -> None:
        print_json_line({
            "event": "state",
            **plain(engine.totals),
            "waiting_bytes": engine.waiting_bytes,
            "watermark": when(engine.watermark) if engine.watermark else None,
            "alerts": len(alerts),
        })  # fmt: skip

    return repeated(1.0, line)


def _print_lines(taken: list[tuple[Alert, Alert | None]]) -> None:
    from coattail.workspace.documents import plain
    from coattail.workspace.documents.alerts import alert_document

    for alert, _ in taken:
        print_json_line({"event": "alert", **plain(alert_document(alert))})
