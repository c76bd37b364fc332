"""Announced events held against recorded markets: which can be judged, why others cannot, which days are quiet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from coattail.scoring.evaluation import UNIT
from coattail.scoring.labels import Label
from coattail.scoring.recorded import Recorded
from coattail.symbols import base_of, quote_of

EARLY = timedelta(minutes=1)
"""An alert this long before the announced time still finds it: lists round, and a message takes its way."""
WITHIN = timedelta(minutes=10)
"""An alert this long after the announced time still finds it: pumps are over in minutes."""
AFTERMATH = timedelta(hours=6)
"""An event may stir its market for this long: a day that this reaches into is not a quiet one."""
_DAY = timedelta(days=1)


class Why(StrEnum):
    """Why a label is not judged, the farthest from it first."""

    NO_MARKET = "no trades of its market"
    OTHER_VENUE = "its market was recorded at another exchange"
    OUTSIDE = "outside of the recorded time of its market"
    WARM_UP = "in the days that are only learned from"


@dataclass(frozen=True, kw_only=True)
class AnnouncedEvent:
    """An announced event of a coin at an exchange, all of whose recorded markets may show it."""

    markets: Sequence[Recorded]
    start: datetime
    """When it was announced."""
    until: datetime
    """An alert before this finds it: the label's end, or some minutes after its start."""
    rows: tuple[int, ...]
    """The labels that name it, by their rows."""

    @property
    def since(self) -> datetime:
        """An alert after this finds it."""
        return self.start - EARLY

    def __str__(self) -> str:
        return " and ".join(str(market) for market in self.markets)


@dataclass(frozen=True, kw_only=True)
class Announced:
    """The labels, sorted."""

    events: Sequence[AnnouncedEvent]
    """Those that can be judged, by time; labels that name the same one, together."""
    left: dict[Why, list[Label]]
    """Those that cannot, by reason."""
    stirred: dict[tuple[str, str], set[str]]
    """(exchange, symbol) -> the days (`UNIT`) that an announced event, judged or not, reaches into."""


def days_of(since: datetime, until: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """(day, from, to) of the UTC days between two times, the first and the last as far as they go."""
    low = since
    while low < until:
        high = min(low.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY, until)
        yield low.strftime(UNIT), low, high
        low = high


def stirred_days(start: datetime, until: datetime) -> Iterator[str]:
    """The days that an event may stir its market on."""
    yield from (day for day, _, _ in days_of(start - EARLY, max(until, start + AFTERMATH)))


def announced(labels: Sequence[Label], markets: Sequence[Recorded], *, within: timedelta = WITHIN) -> Announced:
    """The labels held against the markets.

    A label without a quote means every market of its coin, one without an exchange every exchange that was recorded.
    Labels of one coin and exchange that follow the first of them `within` this time are one event, announced when the
    first says.
    """
    by_base: dict[str, list[Recorded]] = {}
    for market in markets:
        by_base.setdefault(base_of(market.symbol), []).append(market)
    left: dict[Why, list[Label]] = {}
    stirred: dict[tuple[str, str], set[str]] = {}
    found: dict[tuple[str, str], list[AnnouncedEvent]] = {}
    for label in sorted(labels, key=lambda label: (label.start, label.row)):
        until = label.end if label.end is not None else label.start + within
        why, here = _place(label, by_base.get(label.base, ()))
        for market in here:
            stirred.setdefault((market.exchange, market.symbol), set()).update(stirred_days(label.start, until))
        judged = [market for market in here if market.since <= label.start]
        if not judged:
            left.setdefault(why or Why.WARM_UP, []).append(label)
        for exchange in sorted({market.exchange for market in judged}):
            event = AnnouncedEvent(
                markets=[market for market in judged if market.exchange == exchange],
                start=label.start, until=until, rows=(label.row,),
            )  # fmt: skip
            known = found.setdefault((exchange, label.base), [])
            if known and event.start - known[-1].start <= within:
                known[-1] = _joined(known[-1], event)
            else:
                known.append(event)
    events = [event for known in found.values() for event in known]
    return Announced(events=sorted(events, key=lambda event: (event.start, str(event))), left=left, stirred=stirred)


def _joined(event: AnnouncedEvent, other: AnnouncedEvent) -> AnnouncedEvent:
    """One event of two that are the same, announced when the first says."""
    return replace(
        event,
        markets=list(dict.fromkeys([*event.markets, *other.markets])),
        until=max(event.until, other.until),
        rows=(*event.rows, *other.rows),
    )


def _place(label: Label, markets: Sequence[Recorded]) -> tuple[Why | None, list[Recorded]]:
    """The markets that a label means, as far as they were recorded then; else why there is none."""
    meant = [market for market in markets if label.quote in (None, quote_of(market.symbol))]
    if not meant:
        return Why.NO_MARKET, []
    at = [market for market in meant if label.exchange in (None, market.exchange)]
    if not at:
        return Why.OTHER_VENUE, []
    here = [market for market in at if market.first <= label.start < market.last]
    return (None, here) if here else (Why.OUTSIDE, [])
