"""An axis has few, round values, of times, numbers and logarithms alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.charts.axis import NUMBER, TIME, Axis, axis_of

LOG = Axis(kind="log")
numbers = st.floats(1e-6, 1e12)


@given(st.sampled_from([NUMBER, LOG]), numbers, numbers)
def test_values_are_within_the_ends_rising_and_not_many(axis: Axis, one: float, other: float) -> None:
    low, high = axis.around(min(one, other), max(one, other))
    assert low < min(one, other) <= max(one, other) < high
    ticks = [at for at, _ in axis.ticks(low, high)]
    assert 1 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert all(-1e-9 <= axis.share(at, low, high) <= 1 + 1e-9 for at in ticks)


def test_a_logarithm_goes_by_powers_of_ten_and_a_short_one_by_what_lies_between() -> None:
    assert [text for _, text in LOG.ticks(0.01, 1000)] == ["0.01", "0.1", "1", "10", "100", "1 k"]
    assert [text for _, text in LOG.ticks(1, 10)] == ["1", "2", "5", "10"]
    assert LOG.share(10, 1, 1000) == pytest.approx(1 / 3)


def test_times_are_round_and_midnight_says_the_day() -> None:
    hour = 3_600_000
    assert [text for _, text in TIME.ticks(20 * hour, 28 * hour)] == [
        "20:00", "21:00", "22:00", "23:00", "01-02", "01:00", "02:00", "03:00", "04:00"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "kind"), [([], "number"), ([0, 90], "number"), ([1, 20], "number"), ([1, 90], "log")]
)
def test_values_far_apart_get_a_logarithm(values: list[float], kind: str) -> None:
    assert axis_of(values, "s").kind == kind
