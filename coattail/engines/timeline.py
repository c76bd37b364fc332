"""Event time: when windows close, and which stretches a batch makes worth judging again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from coattail.records import when

ONE_DAY = timedelta(days=1)
_DAY = 86_400_000_000
_NEAR = 60_000_000
"""Stretches this close (µs) are judged together."""


def watermark(newest: Mapping[str, int], *, lateness: timedelta, idle_limit: timedelta) -> int:
    """Up to when (µs) windows are closed, from the newest trade time per exchange.

    A window closes when every exchange has passed its end plus `lateness`, or when the furthest one has passed
    it by `lateness` + `idle_limit`. A function of the data alone: no clock, no order of arrival.
    """
    if not newest:
        return 0
    late, idle = (d // timedelta(microseconds=1) for d in (lateness, idle_limit))
    return max(min(newest.values()) - late, max(newest.values()) - late - idle)


def regions(
    changed: Iterable[tuple[int, int]],
    closing: tuple[int, int] | None,
    *,
    reach: timedelta,
    window: timedelta,
    traded: Iterable[tuple[int, int]] | None = None,
) -> list[tuple[datetime, datetime]]:
    """The stretches [since, until) of `detected_at` whose verdicts may differ now.

    `changed`: µs ranges of new data, which reach `reach` further (window + lookback of the slowest detector);
    `closing`: from the old watermark to the new one, whose verdicts become final; `traded`: the µs ranges that hold
    all trades there are. A verdict's `window` (the longest) holds a trade or lies inside such a range, so later than
    that nothing is judged: a jump of years costs nothing, nor do the hours after the newest trade.
    """
    far, long = (length // timedelta(microseconds=1) for length in (reach, window))
    stretches = [(low, high + far + 1) for low, high in changed]
    if closing is not None and closing[0] != closing[1]:
        stretches.append((min(closing), max(closing) + 1))
    reached = merged(stretches)
    if traded is not None:
        reached = _common(reached, merged((first, last + long + 1) for first, last in traded))
    return [(when(low), when(high)) for low, high in reached]


def days_learning(changed: Iterable[tuple[int, int]], *, history: timedelta) -> list[tuple[int, int]]:
    """The µs ranges of the later days whose detectors learn from the `history` before them, and so from `changed`."""
    learned = history // timedelta(microseconds=1)
    return merged(((low // _DAY + 1) * _DAY, (high // _DAY + 1) * _DAY + learned) for low, high in changed)


def without(stretches: Iterable[tuple[int, int]], taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of the stretches outside those that are taken."""
    left = sorted(stretches)
    for low, high in taken:
        left = [
            piece
            for first, last in left
            for piece in ((first, min(last, low)), (max(first, high), last))
            if piece[0] < piece[1]
        ]
    return sorted(set(left))


def cut(regions: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """The stretches, each of more than two days as several of a day: what is judged at once must fit into memory."""
    for since, until in regions:
        while until - since > 2 * ONE_DAY:
            yield since, since + ONE_DAY
            since += ONE_DAY
        yield since, until


def merged(stretches: Iterable[tuple[int, int]], *, within: int = _NEAR) -> list[tuple[int, int]]:
    """The stretches by time; those that overlap or lie `within` of each other as one."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(stretches):
        if joined and low <= joined[-1][1] + within:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _common(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What two lists of disjoint stretches, each by time, have in common."""
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low < high:
            found.append((low, high))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return found
