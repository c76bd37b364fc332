"""The answer of `coattail score --recorded`, in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from coattail.amounts import count
from coattail.scoring.figures import number, percent, share
from coattail.workspace.documents.recorded import Interval, OneEvent, RecordedDocument, TypeFigures
from coattail.workspace.text import clock, printable, table

_MOST_EVENTS = 40
_MOST_MARKETS = 20


def said(document: RecordedDocument, *, terminal: bool = False) -> list[str]:
    """What was read, which labels are judged, and the figures."""
    events = [row for row in _cards(document) if row[2].announced is not None]
    columns = ["alert", "preset", "events", "found", "by chance", "delay, s", "in 60 s", "critical in 90 s"]
    found = [
        (
            card.alert_type,
            preset,
            card.announced.events,
            share(_figure(card.announced.found)),
            percent(card.announced.by_chance),
            number(_figure(card.announced.delay_s.p50), 0),
            *(share(_figure(getattr(soon, name))) for soon, name in _soon(card)),
        )
        for preset, _, card in events
        if card.announced is not None
    ]
    quiet = [
        (
            card.alert_type,
            preset,
            card.markets,
            f"{card.quiet_days:.1f}",
            number(_figure(card.per_market_day.alerts)),
            number(_figure(card.per_market_day.episodes)),
            None if card.budget is None else f"{card.budget:g}",
        )
        for preset, _, card in _cards(document)
    ]
    return [
        *_read(document),
        f"announced events, found by an alert from a minute before to {document.within_s / 60:g} minutes after:",
        table(columns, found, right=["events", "by chance"], terminal=terminal),
        *_each(document, terminal=terminal),
        "days without an announced event, for each market and day:",
        table(
            ["alert", "preset", "markets", "days", "alerts a day", "episodes a day", "budget"], quiet,
            right=["markets", "days", "budget"], terminal=terminal,
        ),
        *_return_periods(document, terminal=terminal),
        "in brackets: 90 % intervals, of shares exact; by chance: how often an alert follows a quiet moment as closely",
    ]  # fmt: skip


def _cards(document: RecordedDocument) -> Iterator[tuple[str, str, TypeFigures]]:
    """(preset, module, figures), types of alert together."""
    rows = [
        (preset, module, card)
        for preset, modules in document.presets.items()
        for module, cards in modules.items()
        for card in cards.values()
    ]
    order = list(dict.fromkeys(card.alert_type for _, _, card in rows))
    yield from sorted(rows, key=lambda row: order.index(row[2].alert_type))


def _figure(interval: Interval) -> dict[str, float | None]:
    return msgspec.structs.asdict(interval)


def _soon(card: TypeFigures) -> Iterator[tuple[object, str]]:
    """Found in 60 s, and called critical in 90 s."""
    assert card.announced is not None
    by_seconds = {soon.seconds: soon for soon in card.announced.in_seconds}
    yield by_seconds[60], "found"
    yield by_seconds[90], "critical"


def _read(document: RecordedDocument) -> list[str]:
    """What was read, and what became of the labels."""
    judged = [market for market in document.markets if market.since is not None]
    rejected = sum(document.rejected.values())
    beside = [f"{document.duplicates:,} repeated"] if document.duplicates else []
    beside += [f"{rejected:,} rejected ({', '.join(document.rejected)})"] if rejected else []
    lines = [
        f"{count(document.trades, 'trade')} of {count(len(document.markets), 'market')}"
        + (f", {' and '.join(beside)}" if beside else "")
    ]
    lines += [
        f"{market.exchange} {market.symbol}: {clock(market.first)} to {clock(market.last)}, "
        + ("shorter than what is learned from first" if market.since is None else f"judged from {clock(market.since)}")
        for market in document.markets[:_MOST_MARKETS]
    ]
    if len(document.markets) > _MOST_MARKETS:
        lines.append(f"… and {len(document.markets) - _MOST_MARKETS:,} more markets, {len(judged):,} judged in all")
    labels = document.labels
    lines.append(
        f"{labels.judged:,} of {count(labels.rows, 'label')} of {labels.file} name "
        f"{count(labels.events, 'event')} that {'is' if labels.events == 1 else 'are'} judged"
    )
    for left in labels.left:
        lines.append(f"  {left.labels:,} not: {left.why} ({printable(left.examples[0], most=100)})")
    return lines


def _each(document: RecordedDocument, *, terminal: bool) -> list[str]:
    """A row for each event and preset, of the type of alert that finds most."""
    rows = []
    for preset, modules in document.presets.items():
        cards = [c for cards in modules.values() for c in cards.values() if c.announced is not None]
        if cards:
            best = max(cards, key=lambda card: card.announced.found.value or 0.0)  # type: ignore[union-attr]
            rows += [(preset, best.alert_type, one) for one in best.announced.each]  # type: ignore[union-attr]
    shown = [
        (one.event, clock(one.announced), preset, alert_type, *_outcome(one))
        for preset, alert_type, one in sorted(rows, key=lambda row: row[2].announced)
    ]
    columns = ["market", "announced", "preset", "alert", "first after, s", "severity", "highest", "critical after, s"]
    if len(shown) > _MOST_EVENTS:
        return [f"({len(shown):,} rows of single events: --json has them)"]
    return [table(columns, shown, right=["first after, s", "critical after, s"], terminal=terminal)]


def _outcome(one: OneEvent) -> tuple[object, ...]:
    if one.first_s is None:
        return ("missed", None, None, None)
    critical = None if one.critical_s is None else f"{one.critical_s:.0f}"
    return (f"{one.first_s:.0f}", one.severity_first, one.severity_highest, critical)


def _return_periods(document: RecordedDocument, *, terminal: bool) -> list[str]:
    """Episodes against how many were to be expected, where alerts say their return period."""
    rows = [
        (card.alert_type, preset, f"{level.return_days:g}", level.episodes, f"{level.expected:.1f}",
         number(_figure(level.ratio)))
        for preset, _, card in _cards(document)
        for level in card.return_periods
    ]  # fmt: skip
    if not rows:
        return []
    columns = ["alert", "preset", "said to come once in, days", "episodes", "expected", "ratio"]
    return [
        "whether return periods hold, on those days:",
        table(columns, rows, right=["said to come once in, days", "episodes", "expected"], terminal=terminal),
    ]
