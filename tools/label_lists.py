"""What lists of announced events allow: how many events, at which exchanges, how exact their times are."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from coattail.scoring.announced import WITHIN
from coattail.scoring.labels import Label, LabelFile

_PUBLIC = "binance"
"""Publishes the trades of its spot markets day by day (`coattail backfill --source bulk` reads them)."""
_SAME = timedelta(minutes=30)
"""Two lists mean the same event if they name one coin within this time."""


def lists_compared(files: Sequence[LabelFile]) -> dict[str, Any]:
    """`lists`: of each its events, those at each exchange, and how many times are whole minutes; `pairs`: of each two
    lists the events in both and how far apart their times are, s; `public`: distinct events at an exchange that
    publishes its trades, over all lists."""
    return {
        "lists": [_list(file) for file in files],
        "pairs": [_pair(one, other) for one, other in combinations(files, 2)],
        "public": len(_distinct(label for file in files for label in file.labels if _public(label))),
    }


def _public(label: Label) -> bool:
    return label.exchange in (None, _PUBLIC)


def _distinct(labels: Iterable[Label]) -> list[Label]:
    """One label for each event: those of one coin and exchange that follow the first within minutes are one."""
    kept: dict[tuple[str, str | None], datetime] = {}
    found = []
    for label in sorted(labels, key=lambda label: (label.start, label.row)):
        place = label.base, label.exchange or _PUBLIC
        if place not in kept or label.start - kept[place] > WITHIN:
            kept[place] = label.start
            found.append(label)
    return found


def _list(file: LabelFile) -> dict[str, Any]:
    events = _distinct(file.labels)
    at = Counter(label.exchange or "not said" for label in events)
    return {
        "name": file.path.name,
        "labels": len(file.labels),
        "events": len(events),
        "exchanges": dict(at.most_common()),
        "public": sum(map(_public, events)),
        "first": min(label.start for label in events),
        "last": max(label.start for label in events),
        "whole_minutes": round(sum(label.start.second == 0 for label in events) / len(events), 4),
        "whole_quarters": round(
            sum(label.start.second == 0 and label.start.minute % 15 == 0 for label in events) / len(events), 4
        ),
    }


def _pair(one: LabelFile, other: LabelFile) -> dict[str, Any]:
    """How far apart the times of events in both lists are, at the exchange that both are about."""
    theirs: dict[str, list[datetime]] = {}
    for label in _distinct(filter(_public, other.labels)):
        theirs.setdefault(label.base, []).append(label.start)
    apart = []
    for label in _distinct(filter(_public, one.labels)):
        nearest = min((abs(at - label.start) for at in theirs.get(label.base, ())), default=_SAME * 2)
        if nearest <= _SAME:
            apart.append(nearest.total_seconds())
    ranked = sorted(apart)
    return {
        "lists": [one.path.name, other.path.name],
        "events": len(apart),
        "median_s": statistics.median(ranked) if ranked else None,
        "p90_s": ranked[min(int(0.9 * len(ranked)), len(ranked) - 1)] if ranked else None,
        "within_60_s": round(sum(s <= 60 for s in apart) / len(apart), 4) if apart else None,
    }
