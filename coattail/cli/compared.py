"""What `coattail reprocess` and `what-if` say about two sides of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coattail.cli.screen import alert_line
from coattail.cli.terminal import clock, printable

if TYPE_CHECKING:
    from coattail.cli.screen import Screen
    from coattail.engines.promote import Condition
    from coattail.engines.reprocess import Reprocessed

_SHOWN = 20
_STANDING = {
    "exact": "as the tables held them at this snapshot",
    "later": "as the tables held them soon after this snapshot: their state at it is not kept",
    "behind": "as far as the tables had come: they lack the newest commits",
}
_MARKS = {"appeared": "+", "vanished": "-", "changed": "~"}


def say_outcome(screen: Screen, done: Reprocessed) -> None:
    """The counts and the first differences, each with its reason."""
    request, commit = done.request, done.request.as_of.commit
    screen.say(f"raw_trades at snapshot {commit.snapshot_id} (commit {commit.sequence}, {clock(commit.committed_at)})")
    span = f"{clock(request.since) if request.since else 'the first trade'} to "
    screen.say(f"alerts from {span}{clock(request.until) if request.until else 'the last trade'}")
    asked = ", ".join(map(str, request.differing)) or "none: the settings of this home"
    screen.say(f"settings asked to be different: {asked}")
    screen.say(f"original alerts: {len(done.original):,}, {_STANDING[done.standing]}")
    screen.say(", ".join(f"{name} {count:,}" for name, count in done.counts().items()))
    different = [c for c in done.compared if c.verdict != "same"]
    for c in different[:_SHOWN]:
        screen.say(f"  {_MARKS[c.verdict]} {alert_line(screen, c.alert)}")
        screen.say(f"      {c.verdict}: {printable(c.reason)}")
    if len(different) > _SHOWN:
        screen.say(f"  … and {len(different) - _SHOWN:,} more")


def say_checks(screen: Screen, checks: Sequence[Condition], *, asked: bool) -> None:
    """Whether promoting is possible, and what stands against it."""
    passed = all(check.passed for check in checks)
    if not asked and passed:
        screen.say("--promote would make these the current alerts: every check passes")
        return
    if not asked:
        screen.say("--promote would be refused:")
    for check in checks:
        if asked or not check.passed:
            screen.say(f"  {'ok ' if check.passed else 'NO '} {check.name}: {printable(check.detail)}")
