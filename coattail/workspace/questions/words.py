"""The answer to a question, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coattail.alerts import Alert
from coattail.engines.promote import Condition
from coattail.engines.reprocess import Reprocessed
from coattail.workspace.text import clock, printable

_SHOWN = 20
_STANDING = {
    "exact": "as the tables held them at this snapshot",
    "later": "as the tables held them soon after this snapshot: their state at it is not kept",
    "behind": "as far as the tables had come: they lack the newest commits",
}
_MARKS = {"appeared": "+", "vanished": "-", "changed": "~"}


def one_alert(alert: Alert) -> str:
    """When, how bad, what, and the id that `explain` takes."""
    return f"{clock(alert.detected_at)}  {alert.severity:8}  {printable(alert.message)}  {alert.alert_id[:12]}"


def compared(done: Reprocessed, *, line: Callable[[Alert], str] = one_alert) -> list[str]:
    """The counts and the first differences, each with its reason; `line` says an alert."""
    request, commit = done.request, done.request.as_of.commit
    since = clock(request.since) if request.since else "the first trade"
    until = clock(request.until) if request.until else "the last trade"
    asked = ", ".join(map(str, request.differing)) or "none: the settings of this home"
    said = [
        f"raw_trades at snapshot {commit.snapshot_id} (commit {commit.sequence}, {clock(commit.committed_at)})",
        f"alerts from {since} to {until}",
        f"settings asked for: {asked}",
        f"original alerts: {len(done.original):,}, {_STANDING[done.standing]}",
        ", ".join(f"{name} {count:,}" for name, count in done.counts().items()),
    ]
    different = [c for c in done.compared if c.verdict != "same"]
    for c in different[:_SHOWN]:
        said += [f"  {_MARKS[c.verdict]} {line(c.alert)}", f"      {c.verdict}: {printable(c.reason)}"]
    if len(different) > _SHOWN:
        said.append(f"  … and {len(different) - _SHOWN:,} more")
    return said


def conditions(checks: Sequence[Condition], *, asked: bool) -> list[str]:
    """Whether promoting is possible, and what stands against it; all of it if promoting was asked for."""
    if not asked and all(check.passed for check in checks):
        return ["--promote would make these the current alerts: every check passes"]
    shown = [check for check in checks if asked or not check.passed]
    said = [f"  {'ok ' if check.passed else 'NO '} {check.name}: {printable(check.detail)}" for check in shown]
    return said if asked else ["--promote would be refused:", *said]
