"""What a reader sees first, the same on a page, a card and in a post: a sentence, four figures, one picture. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from coattail.amounts import count, short
from coattail.charts.chart import Chart, Line, Mark, ms
from coattail.charts.said import marks_on, value_at
from coattail.reports.facts import ReportFacts
from coattail.reports.judged import largest_orders
from coattail.reports.market import ChartGroup, asset_name, assets_of, price_chart, shades_of, steps_of
from coattail.reports.ranked import by_severity
from coattail.reports.words import SEVERITIES, covered, headline, range_of

_HERO_HEIGHT = 280
_SIDES = {"buy": "bought", "sell": "sold"}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One figure, with what it is of above and a remark below."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Front:
    """The first screen of a page, or a whole card."""

    headline: str
    lead: str
    """What stands out most, in its alert's own words; empty where nothing does."""
    when: str
    tiles: tuple[Tile, Tile, Tile, Tile]
    hero: Chart | None
    """The price of what stands out most, with all its alerts; None where nothing traded."""


def front_of(facts: ReportFacts) -> Front:
    """What stands first about the facts."""
    alerts = by_severity(facts.alerts)
    return Front(
        headline=headline(facts),
        lead="" if alerts.is_empty() else first_clause(str(alerts["message"][0])),
        when=range_of(facts.span),
        tiles=(_trades(facts), _alerts(facts), _coverage(facts), _order(facts)),
        hero=_hero(facts, alerts),
    )


def first_clause(message: str) -> str:
    """The message up to its first semicolon that no parenthesis holds."""
    depth = 0
    for place, letter in enumerate(message):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == ";" and depth <= 0:
            return message[:place]
    return message


def missing_of(facts: ReportFacts) -> tuple[int, int]:
    """How many gaps there are, and how many trades are missing in them."""
    gaps = facts.coverage.filter(pl.col("state") == "gap")
    return gaps.height, int(gaps["inside"].sum())


def severities_of(facts: ReportFacts) -> list[tuple[str, int]]:
    """Severity -> how many alerts, the most severe first; only those that occur."""
    found = Counter(facts.alerts["severity"])
    return [(name, found[name]) for name in (*SEVERITIES, *sorted(set(found) - set(SEVERITIES))) if found[name]]


def _trades(facts: ReportFacts) -> Tile:
    venues = facts.bars["exchange"].n_unique()
    instruments = facts.bars.select("exchange", "symbol").n_unique()
    where = f"{count(instruments, 'instrument')}, {count(venues, 'venue')}" if venues else "none of this time"
    return Tile(name="Trades", value=f"{int(facts.bars['trades'].sum()):,}", note=where)


def _alerts(facts: ReportFacts) -> Tile:
    if not facts.alerts.is_empty():
        said = ", ".join(f"{n:,} {name}" for name, n in severities_of(facts))
        return Tile(name="Alerts", value=f"{facts.alerts.height:,}", note=said)
    judged = "judged" in facts.windows["state"]
    return Tile(name="Alerts", value="0", note="nothing unusual" if judged else "no minute could be judged")


def _coverage(facts: ReportFacts) -> Tile:
    landed = int(facts.coverage.filter(pl.col("state").is_in(["live", "backfilled"]))["inside"].sum())
    gaps, missing = missing_of(facts)
    if not landed + missing:
        return Tile(name="Coverage", value="-", note="nothing is known")
    lost = f"{count(missing, 'trade')} missing in {count(gaps, 'gap')}" if missing else "no trade missing, by their ids"
    return Tile(name="Coverage", value=covered(landed, missing).replace(".000", ""), note=lost)


def _order(facts: ReportFacts) -> Tile:
    orders = largest_orders(facts, 1)
    if not orders:
        return Tile(name="Largest order", value="-", note="none large enough to be judged")
    order = orders[0]
    side = f", {_SIDES[order['side']]}" if order["side"] in _SIDES else ""
    said = f"{order['symbol']} on {order['exchange']}{side}"
    return Tile(name="Largest order", value=f"{short(order['dollars'])} dollars", note=said)


def _hero(facts: ReportFacts, alerts: pl.DataFrame) -> Chart | None:
    traded = set(facts.bars.select("exchange", "symbol").unique().iter_rows())
    groups = [group for group in assets_of(facts) if not traded.isdisjoint(group.instruments)]
    if not groups:
        return None
    group, ranked = _foremost(groups, alerts), replace(facts, alerts=alerts)
    chart = price_chart(ranked, group, steps_of(facts), shades_of(facts, group))
    lines = {
        instrument: line
        for instrument in group.instruments
        for line in chart.lines
        if line.name == " ".join(instrument)
    }
    marks = [*chart.marks, *marks_on(alerts, lines, volume=True), *_between(group, alerts, chart.lines[0])]
    places = {name: place for place, name in enumerate(SEVERITIES)}
    marks = sorted(marks, key=lambda mark: places.get(mark.kind, len(places)))
    said = chart.alt.removesuffix(f"{count(len(chart.marks), 'alert')} marked.")
    return replace(chart, marks=marks, alt=f"{said}{count(len(marks), 'alert')} marked.", height=_HERO_HEIGHT)


def _between(group: ChartGroup, alerts: pl.DataFrame, line: Line) -> list[Mark]:
    """Alerts between venues of the group, on its first line; their windows end when they are known."""
    ours = alerts.filter(pl.col("exchange").is_null())
    rows = ours.select("detected_at", "symbol", "severity", "message").iter_rows()
    return [
        Mark(x=ms(when), y=y, kind=severity, label=message)
        for when, symbol, severity, message in rows
        if asset_name(symbol) == group.name and (y := value_at(line, ms(when))) is not None
    ]


def _foremost(groups: Sequence[ChartGroup], alerts: pl.DataFrame) -> ChartGroup:
    """The group that the foremost alert of any group is about; else the largest."""
    for exchange, symbol in alerts.select("exchange", "symbol").iter_rows():
        for group in groups:
            if (exchange, symbol) in group.instruments or (exchange is None and asset_name(symbol) == group.name):
                return group
    return groups[0]
