"""`coattail report day`: what happened, as a page for people."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.when import SinceOption, UntilOption
from coattail.errors import UsageError
from coattail.workspace.times import parse_when

if TYPE_CHECKING:
    from coattail.reports.facts import ReportFacts, Span
    from coattail.workspace.opening import Stores

_LONGEST = timedelta(days=31)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

DateOption = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="This day, UTC.")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="F.html", help="[default: report-DATE.html]")]
LightOption = Annotated[bool, typer.Option("--light", help="A small page without JavaScript; needs no plotly.")]
SymbolOption = Annotated[list[str] | None, typer.Option("--symbol", metavar="S", help="Only this; may be repeated.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is no report, too.")]

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
    session: Session,
    *,
    date: DateOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    symbol: SymbolOption = None,
    out: OutOption = None,
    light: LightOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML file about a day, or another stretch of up to 31 days: alerts, prices, spreads, quality.

    Without a time it is the day (UTC) of the newest trade. The file needs no network and holds all it shows. A report
    that is there already is replaced; any other file only with --force.

    JSON: {"out", "bytes", "light", "since", "until", "symbols", "snapshot_id", "commit", "headline", "alerts", …}.
    """
    from coattail.cli import COMMANDS
    from coattail.cli.hints import line
    from coattail.cli.output import print_json
    from coattail.cli.terminal import printable, size
    from coattail.reports.blocks import Commands
    from coattail.reports.facts import read_facts
    from coattail.reports.files import refuse_foreign, write_page
    from coattail.reports.live import bundle
    from coattail.reports.page import page_of
    from coattail.reports.scorecards import read_scorecards
    from coattail.reports.words import headline, iso

    began, now = time.monotonic(), datetime.now(UTC)
    plotly = None if light else bundle()
    stores = session.stores()
    span = _span(stores, date, since, until, now)
    path = out if out is not None else Path(f"report-{span.since:%Y-%m-%d}.html")
    refuse_foreign(path, force=force)
    symbols = tuple(dict.fromkeys(s.upper() if s.isascii() else s for s in symbol or ()))
    facts = read_facts(stores.lake, stores.hot, stores.letters, span, symbols, now=now)
    chosen = [word for s in symbols for word in ("--symbol", s)] + (["--light"] if light else [])
    home = stores.home.path
    again = ["report", "day", "--since", iso(span.since), "--until", iso(span.until), *chosen, "--out", path.name]
    commands = Commands(
        line=lambda *words: line(home, *words), reproduce=line(home, *again), explains="explain" in COMMANDS
    )
    written = write_page(page_of(facts, commands, read_scorecards(), plotly), path, force=force)
    seconds = time.monotonic() - began
    if as_json:
        print_json(_as_json(facts, path, written, light, seconds))
        return
    print(printable(headline(facts)))
    print(f"{path}: {size(written)}, in {seconds:.1f} s")


def _span(stores: Stores, date_: str | None, since: str | None, until: str | None, now: datetime) -> Span:
    """The time that is meant, in whole minutes."""
    from coattail.reports.facts import Span, newest_day

    if date_ is not None and (since or until):
        raise UsageError("--date and --since or --until exclude each other")
    if date_ is not None:
        begin = _date(date_)
        return Span(since=begin, until=begin + _DAY)
    if not since and not until:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return newest_day(stores.lake) or Span(since=today, until=today + _DAY)
    first = parse_when(since, "--since", now=now) if since else None
    last = parse_when(until, "--until", now=now) if until else None
    try:
        if first is None:
            assert last is not None
            first = last - _DAY
        last = min(now, first + _DAY) if last is None and first < now else last or first + _DAY
        first, last = _floor(first), _ceiling(last)
    except OverflowError:
        raise UsageError("the time lies outside of the calendar", next_step="give a later --since") from None
    if first >= last:
        raise UsageError(
            f"--since {first:%Y-%m-%dT%H:%MZ} is not before --until {last:%Y-%m-%dT%H:%MZ}",
            next_step="exchange the two" if first > last else "give at least a minute",
        )
    if last - first > _LONGEST:
        raise UsageError(
            f"from {first:%Y-%m-%d} to {last:%Y-%m-%d} are {(last - first).days:,} days",
            next_step=f"a report shows at most {_LONGEST.days}: give --until too, or a later --since",
        )
    return Span(since=first, until=last)


def _date(text: str) -> datetime:
    try:
        found = date.fromisoformat(text.strip())
        begin = datetime(found.year, found.month, found.day, tzinfo=UTC)
        _ = begin + _DAY
    except (ValueError, OverflowError):
        raise UsageError(f"--date {text!r} is no date", next_step="write it like 2025-03-04") from None
    return begin


def _floor(when: datetime) -> datetime:
    return when.replace(second=0, microsecond=0)


def _ceiling(when: datetime) -> datetime:
    down = _floor(when)
    return down if down == when else down + _MINUTE


def _as_json(facts: ReportFacts, path: Path, written: int, light: bool, seconds: float) -> dict[str, object]:
    from coattail.reports.words import SEVERITIES, headline

    severities = facts.alerts["severity"]
    return {
        "out": path,
        "bytes": written,
        "light": light,
        "since": facts.span.since,
        "until": facts.span.until,
        "symbols": list(facts.symbols),
        "snapshot_id": None if facts.commit is None else str(facts.commit.snapshot_id),
        "commit": None if facts.commit is None else facts.commit.sequence,
        "headline": headline(facts),
        "trades": int(facts.bars["trades"].sum()),
        "instruments": facts.bars.select("exchange", "symbol").n_unique(),
        "alerts": {"count": facts.alerts.height, **{s: int((severities == s).sum()) for s in SEVERITIES}},
        "gaps": int((facts.coverage["state"] == "gap").sum()),
        "seconds": round(seconds, 3),
    }
