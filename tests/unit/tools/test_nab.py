from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coattail.detectors import Facts
from coattail.errors import StoreError
from tools.nab import (
    Series,
    alarms_of,
    by_chance,
    facts_of,
    read_series,
    step_of,
    tally,
    unjudged,
)

START = datetime(2014, 4, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def series(values: np.ndarray, windows: list[tuple[int, int]] | None = None) -> Series:
    times = [START + n * FIVE for n in range(len(values))]
    points = pl.DataFrame(
        {"timestamp": times, "value": values}, schema_overrides={"timestamp": pl.Datetime("us", "UTC")}
    )
    return Series("g/x.csv", "g", points, [(times[a], times[b]) for a, b in windows or []])


def noisy(count: int = 2000, seed: int = 1) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(5, 0.3, count))


def test_a_jump_in_a_plain_series_is_seen_and_little_else() -> None:
    values = noisy()
    values[1500:1512] *= 30
    found = alarms_of(series(values, [(1490, 1520)]))
    assert any(1500 <= n <= 1512 for n in found)
    assert len(found) <= 70


def test_points_that_are_missing_are_no_zero() -> None:
    values = noisy(600)
    one = series(values)
    holed = one._replace(points=pl.concat([one.points[:300], one.points[310:]]))
    facts: Facts = facts_of(holed, FIVE)
    windows = facts.windows(FIVE, timedelta(0)).filter("covered")
    assert windows.height == 590


def test_values_below_zero_and_of_any_unit_can_be_judged() -> None:
    one = series(noisy() - 400)
    other = series((noisy() - 400) * 1e-6)
    assert alarms_of(one) == alarms_of(other)


def test_early_alarms_earn_more_and_those_soon_after_a_window_cost_less() -> None:
    one = series(noisy(1000), [(500, 549)])
    early, late = (tally(one, [n]).hits for n in (500, 549))
    assert early == 1.0
    assert 0 < late < 0.1
    soon, far, before = (tally(one, [n]).costs for n in (552, 900, 400))
    assert 0 < soon < 0.3
    assert far == pytest.approx(1.0)
    assert before == 1.0


def test_the_first_part_is_not_judged_and_a_window_counts_once() -> None:
    one = series(noisy(1000), [(500, 549)])
    done = tally(one, [10, 149, 510, 520, 530])
    assert (done.points, done.windows, done.found, done.false, done.alarms) == (850, 1, 1, 0, 3)
    assert unjudged(10_000) == 750


def test_a_perfect_detector_scores_100_and_a_silent_one_nothing() -> None:
    one = series(noisy(1000), [(500, 549), (800, 820)])
    perfect, silent, wrong = (tally(one, a).figures() for a in ([500, 800], [], [300]))
    assert set(perfect["nab"].values()) == {100.0}
    assert set(silent["nab"].values()) == {0.0}
    assert wrong["nab"]["standard"] == pytest.approx(-100 * 0.11 / 4, abs=0.06)
    assert wrong["nab"]["low false alarms"] == pytest.approx(-100 * 0.22 / 4, abs=0.06)


def test_chance_is_told_at_as_many_alarms() -> None:
    one = series(noisy(1000), [(500, 549)])
    done = by_chance(one, 17)
    assert done.alarms == 17
    assert done.found == pytest.approx(1 - (1 - 50 / 850) ** 17, abs=0.35)


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no NAB data"):
        read_series(tmp_path)


def test_the_recorded_files_are_read_whole(recordings: Path) -> None:
    every = read_series(recordings / "nab")
    assert len(every) == 35
    assert sum(s.points.height for s in every) == pytest.approx(181_608, abs=200)
    assert sum(len(s.windows) for s in every) == 55
    taxi = next(s for s in every if s.name.endswith("nyc_taxi.csv"))
    assert step_of(taxi) == timedelta(minutes=30)
    assert len(taxi.windows) == 5
    load = next(s for s in every if s.name.endswith("ec2_cpu_utilization_24ae8d.csv"))
    found = tally(load, alarms_of(load))
    assert found.points == load.points.height - unjudged(load.points.height)
    assert found.windows == 2
