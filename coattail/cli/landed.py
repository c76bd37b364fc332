"""What a landing did, for a person: conservation, rejected rows, gaps, alerts; and one line while it lasts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from coattail.cli.firing import AlertLog
from coattail.cli.screen import Screen

if TYPE_CHECKING:
    from coattail.engines.engine import Engine
    from coattail.workspace.documents.landing import Outcome

_MOST_GAPS = 20


def print_outcome(screen: Screen, done: Outcome, alerts: AlertLog) -> None:
    """Say it in a few lines."""
    screen.say(f"{sum_sentence(done)}{'' if done.conserved else '  (NOT CONSERVED: please report this)'}")
    if done.rejected_by_reason:
        reasons = ", ".join(f"{name} {count:,}" for name, count in done.rejected_by_reason.items())
        screen.say(f"rejected, with payload in the DLQ: {reasons}")
    if done.late:
        screen.say(f"{done.late:,} came more than five minutes late: flagged, and landed")
    screen.say(gap_sentence(done))
    for gap in done.gaps[:_MOST_GAPS]:
        screen.say(f"  {gap.exchange} {gap.symbol}: {gap.gaps:,} gaps, {gap.missing_ids:,} trades missing")
    if len(done.gaps) > _MOST_GAPS:
        screen.say(f"  … and {len(done.gaps) - _MOST_GAPS} more")
    screen.say(alerts.sentence())
    if done.waiting_bytes:
        screen.say(f"{done.waiting_bytes / 1e6:,.1f} MB wait in the stream")


def sum_sentence(done: Outcome) -> str:
    """`received 12 = landed 10 + rejected 1 + duplicates 1`."""
    return (
        f"received {done.received:,} = landed {done.landed:,} + rejected {done.rejected:,} "
        f"+ duplicates {done.duplicates:,}"
    )


def gap_sentence(done: Outcome) -> str:
    """`0 gaps in the trade ids of 7 instruments`."""
    number = sum(gap.gaps for gap in done.gaps)
    where = f"{done.instruments:,} instrument{'' if done.instruments == 1 else 's'}"
    return f"{number:,} gap{'' if number == 1 else 's'} in the trade ids of {where}"


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
