"""Scores of counts, the same wherever a grid begins, and what is usual in thin and in busy markets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from coattail.detectors.counts import FALLS, RISES, deviance, ended, falls, peaks, rises
from coattail.detectors.grid import BARS_A_DAY, Grid
from coattail.detectors.market_days import Past, counts_of, of_its_own
from coattail.detectors.measured import Measured, stalls
from coattail.detectors.usual import UNIT, by_the_clock, season_of, usual

NAMES = [("a", "ONE-USD"), ("a", "TWO-USD"), ("b", "ONE-USD")]


def grid_of(trades: np.ndarray, first: int = 20_000 * BARS_A_DAY) -> Grid:
    seen = np.ones(trades.shape, bool)
    return Grid(
        instruments=NAMES[: len(trades)], first=first, orders=trades.astype(np.int64), notional=trades * 7.5,
        last_price=np.where(trades > 0, 1.0, np.nan), whole=seen, begun=seen,
    )  # fmt: skip


def every(grid: Grid) -> np.ndarray:
    return np.arange(grid.bars)


def poisson(rates: list[float], bars: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.poisson(rate, bars) for rate in rates])


def part(grid: Grid, low: int) -> Grid:
    matrices = {name: getattr(grid, name)[:, low:] for name in ("orders", "notional", "last_price", "whole", "begun")}
    return replace(grid, first=grid.first + low, **matrices)


@pytest.mark.parametrize(("x", "mean"), [(0, 3.0), (1, 3.0), (3, 3.0), (90, 3.0), (4, 0.1)])
def test_the_deviance_is_twice_the_loss_of_likelihood(x: int, mean: float) -> None:
    """Against the log likelihood of a negative binomial at the mean and at x (`math.lgamma`)."""
    k = 2.0

    def likelihood(m: float) -> float:
        p = k / (k + m)
        some = x * math.log(1 - p) if x else 0.0
        return math.lgamma(x + k) - math.lgamma(k) - math.lgamma(x + 1) + k * math.log(p) + some

    best = likelihood(x) if x else 0.0
    want = math.copysign(math.sqrt(max(2 * (best - likelihood(mean)), 0)), x - mean)
    assert float(deviance(np.array(float(x)), np.array(mean), k)) == pytest.approx(want, abs=2e-6)


def test_scores_are_the_same_wherever_the_grid_begins() -> None:
    """Of a market with days, of one without, and of one whose first whole day ends in the middle."""
    grid = grid_of(poisson([0.05, 8.0, 1.0], 6000))
    clock = np.full(grid.orders.shape, int(0.5 * UNIT), np.int64)
    days = np.array([[True], [False], [False]]) & np.ones(grid.orders.shape, bool)
    days[2, 4500:] = True
    whole = usual(grid, grid.begun, clock, days)
    later = part(grid, 2500)
    again = usual(later, later.begun, clock[:, 2500:], days[:, 2500:])
    size = np.full((3, 1), 7.5)
    for one, two in (
        (rises(grid, size, whole, every(grid)), rises(later, size, again, every(later))),
        (falls(grid, whole, every(grid)), falls(later, again, every(later))),
    ):
        for name in one:
            assert np.array_equal(one[name][:, 4600:], two[name][:, 2100:], equal_nan=True), name


def test_a_burst_scores_high_in_a_thin_and_in_a_busy_market() -> None:
    trades = poisson([0.07, 50.0], 4000)
    trades[0, 3900:3903] += 10
    trades[1, 3900:3906] *= 4
    grid = grid_of(trades)
    level = usual(grid, grid.begun, grid.orders * 0, grid.begun & False)
    found = rises(grid, np.full((2, 1), 7.5), level, every(grid))
    for row in (0, 1):
        score = found["orders_1"][row]
        assert np.nanmax(score[3890:3910]) > np.nanmax(score[2000:3890]) + 1


def test_a_silence_scores_by_the_trades_that_are_missing() -> None:
    trades = poisson([2.0], 4000)
    trades[0, 3800:3860] = 0
    grid = grid_of(trades)
    level = usual(grid, grid.begun, grid.orders * 0, grid.begun & False)
    gap = falls(grid, level, every(grid))["gap"][0]
    assert gap[3859] == pytest.approx(math.log1p(60 * 2.0), abs=0.35)
    assert np.argmax(gap[2000:3990]) == 1859
    assert np.isfinite(ended(gap[None], grid.orders)[0, 3859])
    assert np.isnan(ended(gap[None], grid.orders)[0, 3858])


def test_nothing_is_judged_across_a_hole() -> None:
    grid = grid_of(poisson([2.0], 4000))
    whole = grid.whole.copy()
    whole[0, 3000] = False
    holed = replace(grid, whole=whole, begun=whole)
    level = usual(holed, holed.begun, grid.orders * 0, grid.begun & False)
    found = rises(holed, np.full((1, 1), 7.5), level, every(holed))
    for channel in RISES:
        assert np.isnan(found[channel.name][0, 3000 : 3000 + channel.bars]).all()
        assert np.isfinite(found[channel.name][0, 3000 + channel.bars])
    quiet = falls(holed, level, every(holed))
    assert [np.isnan(quiet[channel.name][0, 3000]) for channel in FALLS] == [True, True]


def test_peaks_are_the_highest_of_each_quarter_hour() -> None:
    score = np.full((1, 200), np.nan)
    score[0, [3, 89, 95]] = 1.0, 2.0, 5.0
    assert peaks(score).tolist() == [[2.0, 5.0]]


def test_the_season_is_the_shape_of_the_days_at_the_level_of_the_last() -> None:
    shape = np.where(np.arange(48) < 24, 2.0, 6.0)
    days = np.stack([shape, shape, shape, shape * 2])[None]
    sums, seen = np.rint(days * 180).astype(np.int64), np.full((1, 4, 48), 180, np.int64)
    season = season_of(sums, seen)[0]
    assert season.mean() == pytest.approx(8.0, rel=1e-3)
    assert season[30] / season[10] == pytest.approx(3.0, rel=0.25)
    assert season_of(sums[:, :2], seen[:, :2]).std() == 0.0, "fewer than three days know no shape"
    assert np.isnan(season_of(sums[:, :2], seen[:, :2] * 0)).all()
    clock = by_the_clock(season[None], np.arange(BARS_A_DAY))
    assert clock.sum() / UNIT == pytest.approx(8.0 * BARS_A_DAY, rel=1e-6)


def test_a_day_is_what_it_is_once_it_is_over() -> None:
    """Not what the next day's first trade shows of its last minutes."""
    trades = poisson([0.05], BARS_A_DAY)
    last = int(np.flatnonzero(trades[0])[-1])
    full = grid_of(trades)
    begun = full.begun.copy()
    begun[0, last + 1 :] = False
    assert counts_of(full).equals(counts_of(replace(full, whole=begun, begun=begun)))
    assert of_its_own(full).sum() == last + 1


def test_a_week_is_the_newest_whole_days() -> None:
    day = counts_of(grid_of(poisson([0.5], BARS_A_DAY)))
    half = counts_of(grid_of(np.where(np.arange(BARS_A_DAY) < 4000, poisson([0.5], BARS_A_DAY), 0)))
    empty = day.clear()
    past = Past.of({NAMES[0]: 0, NAMES[1]: 1}, [day, day, empty, half, day, empty, empty, day], most=3)
    assert past.days.tolist() == [3, 0]
    assert (past.orders[0] > 0).tolist() == [False, True, False, False, True, False, False, True]
    assert past.size()[0] == pytest.approx(7.5)
    assert past.orders_a_day()[0] == pytest.approx(0.5 * BARS_A_DAY, rel=0.05)
    assert np.isnan(past.orders_a_day()[1])


def test_a_venue_stands_still_when_no_market_of_it_trades() -> None:
    trades = poisson([30.0, 0.3], 1000)
    trades[:, 700:760] = 0
    grid = grid_of(trades)
    stalled, _ = stalls(grid)
    assert (stalled[0] == stalled[1]).all()
    assert np.flatnonzero(stalled[0]).tolist() == list(range(701, 760))
    assert not stalls(grid_of(trades[:1]))[0].any(), "one market alone may simply be quiet"
    holed = grid.whole.copy()
    holed[0, 720:] = False
    assert np.flatnonzero(stalls(replace(grid, whole=holed))[0][0]).tolist() == list(range(701, 720))


def test_all_venues_stand_still_at_once_only_if_each_of_them_often_trades() -> None:
    def of_two_venues(paces: list[float]) -> Grid:
        trades = poisson(paces, 1000)
        trades[:, 700:760] = 0
        return replace(grid_of(trades), instruments=[("a", "X"), ("b", "X")])

    stalled, _ = stalls(of_two_venues([30.0, 2.0]))
    assert [np.flatnonzero(row).tolist() for row in stalled] == [list(range(701, 760))] * 2
    assert not stalls(of_two_venues([30.0, 0.1]))[0].any(), "the silence of the second may be chance"


def test_what_is_usual_without_days_is_the_last_hours() -> None:
    grid = grid_of(poisson([20.0, 0.02], 3000))
    measured = Measured.of(grid, [])
    mean = measured.usual.mean(every(grid), 6, fast=0.3, slow=0.6)
    assert mean[0, 2000:].mean() == pytest.approx(120.0, rel=0.1)
    assert not measured.usual.known[:, :240].any()
    assert (measured.days == 0).all()
    assert measured.minutes_known(np.arange(2990, 3000))[0].tolist() == [255] * 10
