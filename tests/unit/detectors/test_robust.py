"""Rolling baselines, control charts and thresholds against the same thing written out by hand."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from coattail.detectors.robust import ewma, rolling_baseline, threshold_for

START = datetime(2025, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def series(values: list[float | None], symbol: str = "A") -> pl.DataFrame:
    return pl.DataFrame(
        {"symbol": symbol, "window_start": [START + i * MINUTE for i in range(len(values))], "x": values},
        schema_overrides={"x": pl.Float64, "window_start": pl.Datetime("us", "UTC")},
    )


def quantile(values: list[float], q: float) -> float:
    place = q * (len(values) - 1)
    low, high = math.floor(place), math.ceil(place)
    ranked = sorted(values)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def test_a_baseline_is_the_span_before_each_row_without_the_row_and_without_gaps() -> None:
    rng = random.Random(2)
    values = [None if rng.random() < 0.1 else rng.gauss(0, 1) for _ in range(200)]
    frame = pl.concat([series(values), series(values[::-1], "B")])
    found = rolling_baseline(frame, "x", over=["symbol"], span=30 * MINUTE, least=5, floor=0.01)
    for symbol, numbers in (("A", values), ("B", values[::-1])):
        rows = found.filter(symbol=symbol).to_dicts()
        for place, row in enumerate(rows):
            before = [v for v in numbers[max(0, place - 30) : place] if v is not None]
            assert row["baseline_windows"] == len(before)
            if len(before) < 5:
                assert row["baseline_median"] is None
                assert row["baseline_scale"] is None
                continue
            scale = (quantile(before, 0.75) - quantile(before, 0.25)) / 1.349
            assert row["baseline_median"] == pytest.approx(statistics.median(before))
            assert row["baseline_scale"] == pytest.approx(max(scale, 0.01))


def test_a_steady_series_has_the_smallest_scale_and_no_division_by_zero() -> None:
    found = rolling_baseline(series([3.0] * 20), "x", over=["symbol"], span=10 * MINUTE, least=5, floor=0.1)
    assert found["baseline_scale"].to_list()[10:] == [0.1] * 10


def test_an_ewma_is_the_weighted_sum_of_the_last_terms() -> None:
    rng = random.Random(4)
    values = [rng.gauss(0, 1) for _ in range(40)]
    found = (
        series(values)
        .with_row_index("place")
        .select(ewma("x", place="place", weight=0.25, terms=8))
        .to_series()
        .to_list()
    )
    weights = [0.25 * 0.75**k for k in range(8)]
    for place in range(7, 40):
        total = sum(w * values[place - k] for k, w in enumerate(weights))
        assert found[place] == pytest.approx(total / sum(weights))


def test_an_ewma_of_what_was_before_leaves_the_row_itself_out() -> None:
    values: list[float | None] = [0.0] * 20
    values[15] = 100.0
    found = (
        series(values)
        .with_row_index("place")
        .select(ewma("x", place="place", weight=0.5, terms=8, before=1))
        .to_series()
        .to_list()
    )
    assert found[15] == 0.0
    assert found[16] == pytest.approx(100 * 0.5 / sum(0.5 * 0.5**k for k in range(8)))


def test_an_ewma_says_nothing_where_a_fifth_of_its_weight_is_missing() -> None:
    values: list[float | None] = [1.0] * 20
    values[10] = None
    found = (
        series(values)
        .with_row_index("place")
        .select(ewma("x", place="place", weight=0.25, terms=8))
        .to_series()
        .to_list()
    )
    assert found[10] is None
    assert found[11] is None, "the newest but one has 19 % of the weight of all, and more than a fifth of eight terms'"
    assert found[14] is not None


def test_as_many_peaks_exceed_the_threshold_as_the_budget_allows() -> None:
    rng = random.Random(6)
    peaks = [rng.expovariate(1) for _ in range(700)]
    for alarms in (1, 3, 14, 28.0):
        limit, _ = threshold_for(peaks, alarms)
        assert sum(p > limit for p in peaks) == int(alarms)


def test_below_one_alarm_the_threshold_goes_on_along_the_tail() -> None:
    rng = random.Random(6)
    peaks = [rng.expovariate(2) for _ in range(2_000)]
    highest, (limit, tail) = max(peaks), threshold_for(peaks, 0.1)
    assert tail == pytest.approx(0.5, rel=0.25), "the tail of an exponential is its mean"
    assert limit == pytest.approx(highest + tail * math.log(10))


def test_a_larger_budget_never_means_a_higher_threshold() -> None:
    rng = random.Random(8)
    peaks = [rng.gauss(0, 1) for _ in range(96)]
    limits = [threshold_for(peaks, alarms)[0] for alarms in (0.05, 0.2, 0.9, 1, 2, 5, 20, 95, 400)]
    assert limits == sorted(limits, reverse=True)
