from __future__ import annotations

import numpy as np
import pytest

from coattail.scoring.resampling import Days, exact, wilson


def days(count: int) -> Days:
    return Days({f"d{n}": 1.0 for n in range(count)})


def test_equal_days_leave_no_doubt_and_unequal_ones_do() -> None:
    steady = days(10).share(np.full(10, 5.0), np.full(10, 10.0))
    moody = days(10).share(np.array([0.0, 10.0] * 5), np.full(10, 10.0))
    assert steady == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert moody["value"] == 0.5
    assert moody["low"] is not None
    assert moody["high"] is not None
    assert 0.1 < moody["low"] < 0.4
    assert 0.6 < moody["high"] < 0.9


def test_equal_calls_give_equal_intervals() -> None:
    hits = np.arange(8.0)
    assert days(8).share(hits, hits + 2) == days(8).share(hits, hits + 2)


def test_where_all_or_none_are_found_the_interval_is_not_a_point() -> None:
    assert wilson(10, 10) == {"value": 1.0, "low": pytest.approx(0.787, abs=1e-3), "high": 1.0}
    assert days(5).share(np.full(5, 2.0), np.full(5, 2.0))["low"] == pytest.approx(0.787, abs=1e-3)
    none = days(5).share(np.zeros(5), np.full(5, 2.0))
    assert (none["value"], none["low"]) == (0.0, 0.0)
    assert none["high"] == pytest.approx(0.213, abs=1e-3)


def test_no_alarm_in_so_many_days_says_how_many_there_may_be() -> None:
    assert days(10).rate(np.zeros(10)) == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.2996, abs=1e-3)}


def test_a_single_day_has_the_interval_of_a_poisson_count() -> None:
    one = days(1).rate(np.array([10.0]))
    assert (one["low"], one["high"]) == (pytest.approx(5.43, abs=0.03), pytest.approx(16.96, abs=0.05))


def test_rates_count_the_length_of_days() -> None:
    assert Days({"a": 0.5, "b": 0.5}).rate(np.array([1.0, 1.0]))["value"] == 2.0


def test_a_quantile_of_nothing_is_nothing() -> None:
    assert days(3).quantile(np.array([]), np.array([], np.int64), 0.5)["value"] is None
    spread = days(3).quantile(np.array([1.0, 2.0, 30.0]), np.array([0, 1, 2]), 0.5)
    assert spread == {"value": 2.0, "low": 1.0, "high": 30.0}


def test_a_quantile_of_one_days_values_is_not_certain() -> None:
    one = days(1).quantile(np.array([20.0, 40.0, 50.0]), np.array([0, 0, 0]), 0.5)
    assert one == {"value": 40.0, "low": 20.0, "high": 50.0}


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(4, 4, 0.4729, 1.0), (0, 4, 0.0, 0.5271), (2, 4, 0.0976, 0.9024), (7, 7, 0.6518, 1.0), (350, 500, 0.6644, 0.7339)],
)
def test_the_interval_of_few_is_exact(part: int, whole: int, low: float, high: float) -> None:
    """Clopper and Pearson's, by the quantiles of a beta distribution (R: binom.test, conf.level 0.9)."""
    assert exact(part, whole) == {
        "value": part / whole, "low": pytest.approx(low, abs=2e-4), "high": pytest.approx(high, abs=2e-4),
    }  # fmt: skip


def test_a_share_of_none_is_not_defined() -> None:
    assert exact(0, 0) == {"value": None, "low": None, "high": None}
    assert len(Days({})) == 0
