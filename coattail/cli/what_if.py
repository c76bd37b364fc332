"""`coattail what-if`: which alerts other parameters would have raised."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.changes import SetOption, SweepOption, settings_asked, sweep_of
from coattail.cli.options import SinceOption, UntilOption, svg_file
from coattail.cli.screen import Screen
from coattail.errors import UsageError
from coattail.workspace.times import maybe_when

TruthOption = Annotated[
    Path | None,
    typer.Option(
        "--truth", metavar="FILE", help="Compare with this truth.parquet or truth.json of the market that landed."
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="F.svg", help="Draw the sweep into this file.")]


@command(
    "what-if",
    examples=[
        "coattail what-if --set volume-anomaly.budget=2",
        "coattail what-if --sweep volume-anomaly.budget=1,2,4,8 --truth market/truth.parquet",
        "coattail what-if --preset classic --sweep spread-calculator.threshold_pct=0.2,0.3,0.5,1 --out spread.svg",
    ],
)
def what_if(
    session: Session, *, set_: SetOption = None, sweep: SweepOption = None, since: SinceOption = None,
    until: UntilOption = None, truth: TruthOption = None, out: OutOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show which alerts other parameters would have raised.

    The stored trades are judged again, and nothing is written. --set compares with the alerts there are: how many a
    day, which appear and which vanish. --sweep tries several values, on top of what --set says. With the truth of a
    simulated market both say how much is found and how many alarms are false.

    JSON: {"set": {"counts", "differences", "alerts_per_day": {"now", "then"}, …}, "sweep": {"key", "points":
    [{"value", "alerts_per_day", "kinds"}]}, "disclaimer"}. See docs/CLI.md.
    """
    from coattail.alerts import DISCLAIMER
    from coattail.cli.output import print_json

    if not set_ and sweep is None and session.preset is None:
        raise UsageError("no change is asked for", next_step="give --set, --sweep or --preset")
    if out is not None and sweep is None:
        raise UsageError("--out draws a sweep", next_step="give --sweep too")
    out = svg_file(out)
    stores, now = session.stores(), datetime.now(UTC)

    from coattail.workspace.questions.what_if import what_if as answer

    found = answer(
        stores, settings_asked(session, set_ or []), compare=bool(set_) or sweep is None,
        sweep=None if sweep is None else sweep_of(sweep), since=maybe_when(since, "--since", now=now),
        until=maybe_when(until, "--until", now=now), truth=truth,
    )  # fmt: skip
    if out is not None and found.sweep is not None:
        from coattail.reports.files import write_whole

        write_whole(found.sweep.chart().svg().encode(), out)
    if as_json:
        print_json(found.document)
        return
    with Screen() as screen:
        for sentence in found.words(line=screen.alert_line, terminal=sys.stdout.isatty()):
            screen.say(sentence)
        if out is not None:
            screen.say(f"{out}: the sweep as a chart")
        screen.say(DISCLAIMER)
