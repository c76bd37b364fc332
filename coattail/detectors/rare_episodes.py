"""Which of a market's rare bars are alarms, and which alarms are alerts. Pure, and from the rare bars alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from coattail.detectors.counts import BLOCK
from coattail.detectors.grid import BAR, FlagArray, IntArray, RealArray
from coattail.detectors.rarity import BLOCKS_A_DAY

_A_MINUTE = timedelta(minutes=1) // BAR
COOLDOWN = BLOCK
"""Bars after which an alarm is a new one: a quarter of an hour."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An alert: the alarm that opened an episode, or raised its class."""

    place: int
    """Of the alarm among the rare bars."""
    minutes: int
    """Whole minutes from there to the last alarm of the episode, as far as it is counted."""
    longest: float
    """The longest return period of those alarms, in days."""


def episodes(
    bars: IntArray, period: RealArray, classes: NDArray[np.int8], countable: FlagArray, *, most: int, counted: int
) -> list[Opened]:
    """The alerts among the rare bars of one market (numbers from 1970, rising), of classes 1 to 3.

    A bar is an alarm if it is `countable` and fewer than `most` quarter hours of the 24 hours before were as rare: that
    holds the budget when a market changes. An alarm is an alert if none of its class or a higher one came in the
    quarter of an hour before. What follows within `counted` bars without such a break is of the same episode.
    """
    alarm = countable & (_as_rare_before(bars, period) < most)
    found = []
    for level in (1, 2, 3):
        at = np.flatnonzero(alarm & (classes >= level))
        if not len(at):
            break
        fresh = np.ones(len(at), bool)
        fresh[1:] = np.diff(bars[at]) > COOLDOWN
        found += [int(place) for place in at[fresh] if classes[place] == level]
    any_alarm = np.flatnonzero(alarm)
    return [_opened(place, bars, period, any_alarm, counted) for place in sorted(found)]


def _as_rare_before(bars: IntArray, period: RealArray) -> IntArray:
    """How many quarter hours of the 24 hours before each bar's own were at least as rare as the bar."""
    block = bars // BLOCK
    starts = np.flatnonzero(np.diff(block, prepend=block[0] - 1))
    number, highest = block[starts], np.maximum.reduceat(period, starts)
    before = (number[None] < block[:, None]) & (number[None] >= block[:, None] - BLOCKS_A_DAY)
    counts: IntArray = (before & (highest[None] >= period[:, None])).sum(1)
    return counts


def _opened(place: int, bars: IntArray, period: RealArray, alarms: IntArray, counted: int) -> Opened:
    mine = alarms[np.searchsorted(alarms, place) :]
    apart = np.flatnonzero(np.diff(bars[mine]) > COOLDOWN)
    if len(apart):
        mine = mine[: apart[0] + 1]
    mine = mine[bars[mine] <= bars[place] + counted]
    minutes = int(bars[mine[-1]] - bars[place]) // _A_MINUTE
    return Opened(place=place, minutes=minutes, longest=float(period[mine].max()))
