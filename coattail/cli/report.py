"""`coattail report day`: what happened, as a page for people."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.options import SinceOption, UntilOption
from coattail.errors import UsageError

DateOption = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Report this day, UTC.")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="F.html", help="[default: report-DATE.html]")]
LightOption = Annotated[bool, typer.Option("--light", help="Write a small page without JavaScript.")]
SymbolOption = Annotated[
    list[str] | None, typer.Option("--symbol", metavar="S", help="Show only this symbol; may be repeated.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is not a report, too.")]

_report = group("report", "Write a page for people: what happened, and how to check it.")


@command(
    "day",
    examples=[
        "coattail report day",
        "coattail report day --date 2025-03-04 --out day.html",
        "coattail report day --since 2025-03-04T12:00Z --until 2025-03-04T14:00Z --symbol BTC-USDT --light",
    ],
    under=_report,
)
def day(
    session: Session, *, date: DateOption = None, since: SinceOption = None, until: UntilOption = None,
    symbol: SymbolOption = None, out: OutOption = None, light: LightOption = False, force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write one HTML file about a day: alerts, prices, quality.

    Without a time it is the day (UTC) of the newest trade; --since and --until choose up to 31 days. The file needs no
    network and holds all it shows. A report that is there already is replaced; any other file only with --force.

    JSON: {"out", "bytes", "light", "since", "until", "symbols", "snapshot_id", "commit", "headline", "alerts", …}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace.times import maybe_when

    now = datetime.datetime.now(datetime.UTC)
    stores = session.stores()

    from coattail.workspace.report import report

    made = report(
        stores, out, day=None if date is None else _date(date), since=maybe_when(since, "--since", now=now),
        until=maybe_when(until, "--until", now=now), symbols=symbol or (), light=light, force=force,
    )  # fmt: skip
    if as_json:
        print_json(made.document)
        return
    print(made)


def _date(text: str) -> datetime.date:
    try:
        found = datetime.date.fromisoformat(text.strip())
        _ = found + datetime.timedelta(days=1)  # its end is in the calendar too
    except (ValueError, OverflowError):
        raise UsageError(f"--date {text!r} is not a date", next_step="write it like 2025-03-04") from None
    return found
