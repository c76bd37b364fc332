"""Event time: when windows close, and which stretches a batch makes worth judging again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEAR = 60_000_000
"""Stretches this close (µs) are judged together."""


def when(micros: int) -> datetime:
    """µs since 1970 as an aware time."""
    return EPOCH + timedelta(microseconds=micros)


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
    changed: Iterable[tuple[int, int]], closing: tuple[int, int] | None, *, reach: timedelta
) -> list[tuple[datetime, datetime]]:
    """The stretches [since, until) of `detected_at` whose verdicts may differ now.

    `changed`: µs ranges of new data, which reach `reach` further (window + lookback of the slowest detector);
    `closing`: from the old watermark to the new one, whose verdicts become final.
    """
    far = reach // timedelta(microseconds=1)
    stretches = [(low, high + far + 1) for low, high in changed]
    if closing is not None and closing[0] != closing[1]:
        stretches.append((min(closing), max(closing) + 1))
    merged: list[tuple[int, int]] = []
    for low, high in sorted(stretches):
        if merged and low <= merged[-1][1] + _NEAR:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return [(when(low), when(high)) for low, high in merged]
