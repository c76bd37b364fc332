"""`coattail daily`: a day's work in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.backfill import ExchangesOption, cased

SymbolsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol", metavar="S", help="Fetch this instrument; may come again. [default: those of the settings]"
    ),
]
DayOption = Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="In UTC. [default: yesterday]")]
ThresholdOption = Annotated[
    float, typer.Option("--threshold", metavar="PERCENT", help="Fail if a smaller share of the records was good.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="F.html", help="The report. [default: report-DATE.html]")
]


@command(
    "daily",
    examples=[
        "coattail daily",
        "coattail daily --day 2025-03-04 --exchange coinbase --symbol BTC-USD",
        "coattail daily --threshold 99 --out day.html --json",
    ],
)
def daily(
    session: Session, *, day: DayOption = None, symbol: SymbolsOption = None, exchange: ExchangesOption = None,
    threshold: ThresholdOption = 95.0, out: OutOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Do a day's work: fetch, land, judge, count, report.

    It stops at the first step that fails, says what to do, and ends with 1: an exchange that does not answer, a day
    without trades, ids that are missing, too many rejected records. The same command goes on from there; what has
    landed is not fetched again. On AWS a workflow does the same (docs/AWS.md).

    JSON: {"day", "passed", "threshold", "steps", "history", "verdict", "tables", "report", "seconds"}; see docs/CLI.md.
    """
    from coattail.cli.output import print_json, progress
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.workspace.times import maybe_when

    begin = maybe_when(day, "--day")
    settings = session.settings()
    home = session.home(create=True, write=True)

    from coattail.workspace.daily import daily as work

    with Screen(silent=as_json) as screen, stop_on_signals() as stop, progress(silent=as_json) as heard:
        done = work(
            home, settings, day=None if begin is None else begin.date(), symbols=tuple(map(cased, symbol or ())),
            exchanges=tuple(name.lower() for name in exchange) if exchange else None, threshold=threshold, out=out,
            on_step=lambda step: screen.say(step.words()), on_progress=heard, on_trouble=screen.say, stop=stop,
        )  # fmt: skip
    if as_json:
        print_json(done.document)
    else:
        screen.say(done.ended())
    if not done.passed:
        raise typer.Exit(1)
