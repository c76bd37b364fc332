"""A report of a day, or of another stretch of the market: one file that holds all it shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from coattail.errors import UsageError
from coattail.reports.blocks import Commands
from coattail.reports.bundles import small
from coattail.reports.facts import ReportFacts, Span, newest_day, read_facts
from coattail.reports.files import refuse_foreign, write_page
from coattail.reports.front import Front, front_of
from coattail.reports.index import refresh
from coattail.reports.page import page_of
from coattail.reports.scorecards import read_scorecards
from coattail.reports.words import SEVERITIES, headline, iso
from coattail.share.links import address_of, linked
from coattail.workspace.documents.reports import ReportDocument
from coattail.workspace.documents.state import AbstainedDocument
from coattail.workspace.opening import Stores
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.share import Beside, refuse_kit, write_kit
from coattail.workspace.shown import Displayed, Headline
from coattail.workspace.text import command_line, printable, size

_LONGEST = timedelta(days=31)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Displayed):
    """A report that was written. Printing it says what is in it, and where."""

    out: Path
    size: int
    """Of the file, in bytes."""
    light: bool
    facts: ReportFacts
    """What it shows."""
    seconds: float
    beside: Sequence[Path] = ()
    """Its card, its pages and its claims, if they were asked for."""

    @property
    def front(self) -> Front:
        """What a reader sees first: a sentence, four figures, one picture."""
        return front_of(self.facts)

    @property
    def headline(self) -> str:
        """Its first words."""
        return headline(self.facts)

    def said(self) -> list[str]:
        """What is in it, and where."""
        beside = [f"beside it: {', '.join(path.name for path in self.beside)}"] if self.beside else []
        return [
            Headline(printable(self.headline)),
            f"{self.out}: {size(self.size)}, in {self.seconds:.1f} s",
            *beside,
        ]

    @property
    def document(self) -> ReportDocument:
        """The JSON form."""
        facts, severities = self.facts, self.facts.alerts["severity"]
        return ReportDocument(
            out=self.out,
            beside=list(self.beside),
            bytes=self.size,
            light=self.light,
            since=facts.span.since,
            until=facts.span.until,
            symbols=list(facts.symbols),
            snapshot_id=None if facts.commit is None else str(facts.commit.snapshot_id),
            commit=None if facts.commit is None else facts.commit.sequence,
            headline=self.headline,
            trades=int(facts.bars["trades"].sum()),
            instruments=facts.bars.select("exchange", "symbol").n_unique(),
            alerts={"count": facts.alerts.height, **{s: int((severities == s).sum()) for s in SEVERITIES}},
            gaps=int((facts.coverage["state"] == "gap").sum()),
            abstained=msgspec.convert(list(facts.abstained), list[AbstainedDocument]),
            seconds=round(self.seconds, 3),
        )


def report(
    stores: Stores,
    out: str | Path | None = None,
    *,
    day: date | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    symbols: Sequence[str] = (),
    light: bool = False,
    share: bool = False,
    base_url: str | None = None,
    force: bool = False,
    on_progress: OnProgress = unheard,
) -> Report:
    """Write one HTML file about a stretch of up to 31 days; without a time, about the day of the newest trade.

    out: The file, or a folder that is there, in which it is report-DATE.html; None means the current folder. A report
    that is there is replaced.
    day: This day (UTC), in place of `since` and `until`.
    since, until: In whole minutes; without one of them a day from, or up to, the other.
    symbols: Only these; none means all.
    light: A small page without JavaScript, whose charts cannot be zoomed.
    share: Write a card, pages and claims beside it, too.
    base_url: The address of the folder where page and card will be, so that a link to the page shows the card;
    implies `share`. None: the page says no address.
    force: Replace a file that is not a report, too.
    on_progress: Called with what is being done.
    Raises: UsageError: If the time makes no sense, a symbol is unknown, or another file is there.
    """
    began, now = time.monotonic(), datetime.now(UTC)
    plotly = None if light else small()
    span = span_of(stores, now=now, day=day, since=since, until=until)
    path = Path(out or ".")
    if path.is_dir():
        path /= f"report-{span.since:%Y-%m-%d}.html"
    share = share or base_url is not None
    address = None if base_url is None else address_of(base_url, path.name)
    refuse_foreign(path, force=force)
    if share:
        refuse_kit(path, force=force)
    names = tuple(dict.fromkeys(s.upper() if s.isascii() else s for s in symbols))
    on_progress(Step("reading the tables"))
    facts = read_facts(stores.lake, stores.hot, stores.letters, span, names, marks=stores.marks(), now=now)
    chosen = [word for s in names for word in ("--symbol", s)] + (["--light"] if light else [])
    again = command_line(
        "report", "day", "--since", iso(span.since), "--until", iso(span.until), *chosen, "--out", path.name
    )
    on_progress(Step("drawing the page"))
    page = page_of(facts, Commands(line=command_line, reproduce=again), read_scorecards(), plotly)
    front = front_of(facts)
    page = linked(page, facts, front, address=address, card=Beside(page=path).card.name)
    written = write_page(page, path, force=force)
    if share:
        on_progress(Step("drawing card and pages"))
    beside = write_kit(path, facts, front, force=force) if share else []
    refresh(path)
    return Report(
        out=path, size=written, light=light, facts=facts, beside=beside, seconds=time.monotonic() - began
    )  # fmt: skip


def span_of(
    stores: Stores,
    *,
    now: datetime,
    day: date | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Span:
    """The time that is meant, in whole minutes.

    Raises: UsageError: If it is empty, longer than a report shows, outside the calendar, or said twice.
    """
    if day is not None and (since or until):
        raise UsageError("--date and --since or --until exclude each other")
    if not (day or since or until):
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return newest_day(stores.lake) or Span(since=today, until=today + _DAY)
    try:
        if day is not None:
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return Span(since=begin, until=begin + _DAY)
        if since is None:
            assert until is not None
            since = until - _DAY
        until = min(now, since + _DAY) if until is None and since < now else until or since + _DAY
        since, until = _floor(since), _ceiling(until)
    except OverflowError:
        raise UsageError("the time lies outside the calendar", next_step="give a later --since") from None
    if since >= until:
        raise UsageError(
            f"--since {since:%Y-%m-%dT%H:%MZ} is not before --until {until:%Y-%m-%dT%H:%MZ}",
            next_step="exchange the two" if since > until else "give at least a minute",
        )
    if until - since > _LONGEST:
        raise UsageError(
            f"from {since:%Y-%m-%d} to {until:%Y-%m-%d} are {(until - since).days:,} days",
            next_step=f"a report shows at most {_LONGEST.days}: give --until too, or a later --since",
        )
    return Span(since=since, until=until)


def _floor(when: datetime) -> datetime:
    return when.replace(second=0, microsecond=0)


def _ceiling(when: datetime) -> datetime:
    down = _floor(when)
    return down if down == when else down + _MINUTE
