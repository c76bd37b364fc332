"""Return periods: the tail of quarter hours, by a plain reading of the formulas, and whether they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coattail.detectors.rarity import BLOCKS_A_DAY, BUNCH, rarity_of, tail_of


def plain_tail(values: list[float]) -> tuple[int, float, float]:
    ranked = sorted(values, reverse=True)
    count = min(max(5, len(ranked) // 20), len(ranked) - 1)
    return count, ranked[count], max(sum(ranked[:count]) / count - ranked[count], 1e-3)


def peaks(seed: int, days: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).exponential(1.0, (1, channels, days * BLOCKS_A_DAY)) + 3.0


@pytest.mark.parametrize("count", [2, 7, 96, 672])
def test_a_tail_is_the_highest_twentieth(count: int) -> None:
    values = np.random.default_rng(count).normal(0, 1, count)
    padded = np.concatenate([values, [-np.inf, np.nan]])[None]
    found = tail_of(padded)
    assert (found.count[0], found.threshold[0], found.scale[0]) == pytest.approx(plain_tail(list(values)), abs=2e-6)


def test_nothing_is_known_of_too_few_quarter_hours() -> None:
    rarity = rarity_of(peaks(1, 1)[:, :, :40], np.zeros(2), doubted=False)
    assert np.isnan(rarity.days[0])
    assert rarity.period(np.array([[9.0]])).tolist() == [[0.0]]
    assert rarity.reached(0.5).tolist() == [math.inf]


def test_a_channel_without_peaks_does_not_count() -> None:
    both = peaks(2, 7)
    both[:, 1] = -np.inf
    rarity, alone = rarity_of(both, np.zeros(2), doubted=False), rarity_of(both[:, :1], np.zeros(1), doubted=False)
    assert rarity.threshold == alone.threshold
    scores = np.array([[[5.0], [99.0]]])
    assert rarity.parts(scores).max(1) == alone.parts(scores[:, :1]).max(1)


def test_beyond_the_tail_a_step_of_the_scale_is_e_times_rarer() -> None:
    rarity = rarity_of(peaks(3, 7, 1), np.zeros(1), doubted=False)
    start, step = rarity.threshold[0], rarity.scale[0]
    one, two = rarity.period(np.array([[start + step, start + 2 * step]]))[0]
    assert two / one == pytest.approx(math.e)
    assert one == pytest.approx(7 / 33 * math.e)


def test_a_tail_in_doubt_promises_less_the_further_out() -> None:
    sure, doubted = (rarity_of(peaks(3, 7, 1), np.zeros(1), doubted=doubted) for doubted in (False, True))
    scores = sure.threshold[:, None] + sure.scale[:, None] * np.array([[1.0, 5.0, 50.0]])
    shape = BUNCH / 33
    expected = [7 / 33 * (1 + shape * z) ** (1 / shape) for z in (1.0, 5.0, 50.0)]
    assert doubted.period(scores)[0] == pytest.approx(expected, rel=1e-4)
    assert (doubted.period(scores) < sure.period(scores)).all()


@pytest.mark.parametrize("doubted", [False, True])
def test_what_is_reached_and_its_period_belong_together(doubted: bool) -> None:
    rarity = rarity_of(np.concatenate([peaks(4, 7), peaks(5, 7)]), np.array([0.0, 1.0]), doubted=doubted)
    for period in (0.02, 0.1, 0.2, 0.5, 7.0, 30.0, 300.0):
        score = rarity.reached(period)
        assert rarity.period(score[:, None])[:, 0] == pytest.approx([period, period], rel=1e-3)


def test_a_handicap_makes_a_channel_count_less() -> None:
    both = peaks(6, 7)
    plain, handicapped = (rarity_of(both, np.array([0.0, g]), doubted=False) for g in (0.0, math.log(4)))
    scores = np.array([[[3.0], [9.0]]])
    assert (
        plain.period(plain.parts(scores).max(1))[0, 0] > 2 * handicapped.period(handicapped.parts(scores).max(1))[0, 0]
    )


@pytest.mark.parametrize("period", [0.5, 3.0, 7.0])
def test_what_comes_once_in_so_many_days_does(period: float) -> None:
    """On exponential peaks, learned from 7 days and counted in 200 others; the mean of 60 markets."""
    learned = np.concatenate([peaks(seed, 7) for seed in range(60)])
    rarity = rarity_of(learned, np.zeros(2), doubted=False)
    limits = rarity.reached(period)
    later = np.concatenate([peaks(1000 + seed, 200) for seed in range(60)])
    actual = (rarity.parts(later).max(1) > limits[:, None]).sum() / (60 * 200)
    assert 0.8 < actual * period < 1.35


@pytest.mark.parametrize("doubted", [False, True])
def test_the_interval_holds_the_truth_nine_times_in_ten(doubted: bool) -> None:
    """Of peaks that come in threes, each score of which is reached in three quarter hours running."""
    many = np.random.default_rng(1).exponential(1.0, (300, 1, 2 * BLOCKS_A_DAY * 7 // 6))
    learned = np.repeat(many, 3, axis=2)
    rarity = rarity_of(learned, np.zeros(1), doubted=doubted)
    score = math.log(BLOCKS_A_DAY * 7) * np.ones((300, 1))  # once in 7 days, in truth
    together = rarity.parts(score[:, None]).max(1)
    low, high = rarity.interval(together)
    inside = ((low <= 7) & (high >= 7)).mean()
    assert 0.85 < inside < 0.99
