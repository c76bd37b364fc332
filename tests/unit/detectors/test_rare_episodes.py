"""Alerts of rare bars: by a plain reading of the rules, on any bars."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coattail.detectors.rare_episodes import episodes

BLOCK, DAY = 90, 8640


def plainly(marks: list[tuple[int, float, int, bool]], most: int) -> list[int]:
    """Numbers of the bars that are alerts."""
    alarms = []
    for bar, period, level, countable in marks:
        block = bar // BLOCK
        rare = {b // BLOCK for b, p, _, _ in marks if block - 96 <= b // BLOCK < block and p >= period}
        if countable and len(rare) < most:
            alarms.append((bar, level))
    return [bar for bar, level in alarms if not any(bar - BLOCK <= b < bar and other >= level for b, other in alarms)]


@st.composite
def rare_bars(draw: st.DrawFn) -> list[tuple[int, float, int, bool]]:
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 5, 60, 89, 90, 91, 400, 4000, DAY]), min_size=1, max_size=40))
    bars = np.cumsum([1_000_000, *steps])[:-1]
    found = []
    for bar in bars:
        level = draw(st.integers(1, 3))
        period = {1: 0.5, 2: 7.0, 3: 30.0}[level] * draw(st.sampled_from([1.0, 1.5, 2.0]))
        found.append((int(bar), period, level, draw(st.booleans()) or draw(st.booleans())))
    return found


@given(rare_bars(), st.integers(1, 6))
def test_alerts_are_those_of_the_rules(marks: list[tuple[int, float, int, bool]], most: int) -> None:
    bars, period, level, countable = (np.array(column) for column in zip(*marks, strict=True))
    found = episodes(bars, period, level.astype(np.int8), countable, most=most, counted=360)
    assert [int(bars[alert.place]) for alert in found] == plainly(marks, most)


def test_an_episode_lasts_until_a_quarter_of_an_hour_without_an_alarm() -> None:
    bars = np.array([0, 6, 12, 100, 200, 400]) + 9000
    found = episodes(bars, np.ones(6), np.ones(6, np.int8), np.ones(6, bool), most=9, counted=360)
    assert [(int(bars[a.place]) - 9000, a.minutes) for a in found] == [(0, 16), (200, 0), (400, 0)]


def test_an_episode_says_its_longest_period_of_the_alarms_that_it_counts() -> None:
    bars = np.array([0, 6, 12, 100, 200, 400]) + 9000
    period = np.array([1.0, 2.0, 6.0, 5.0, 1.5, 3.0])
    found = episodes(bars, period, np.ones(6, np.int8), np.ones(6, bool), most=9, counted=90)
    assert [(int(bars[a.place]) - 9000, a.longest) for a in found] == [(0, 6.0), (200, 1.5), (400, 3.0)]
