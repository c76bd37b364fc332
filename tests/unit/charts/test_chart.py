"""Lines are thinned without losing a peak, and say where something is missing."""

import math

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from coattail.charts.chart import Chart, Detail, Line, Mark, Shade, cut, interrupted, line_of, thinned

values = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=0, max_size=400)


def points(ys: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"x": range(len(ys)), "y": ys}, schema={"x": pl.Int64, "y": pl.Float64})


@given(values, st.integers(9, 90))
def test_a_thinned_line_keeps_its_lowest_and_highest_point_and_its_order(ys: list[float | None], most: int) -> None:
    shown = thinned(points(ys), most)
    assert shown.height <= max(most, 0)
    assert shown["x"].is_sorted()
    assert set(shown.rows()) <= set(points(ys).rows())
    known = [y for y in ys if y is not None]
    if known:
        assert (shown["y"].min(), shown["y"].max()) == (min(known), max(known))


def test_a_line_that_fits_stays_as_it_is() -> None:
    line = line_of(points([1.0, 2.0, None, 3.0]), "a", 0)
    assert (line.x, line.y) == ([0, 1, 2, 3], [1.0, 2.0, None, 3.0])


def test_a_line_is_interrupted_by_a_gap_and_by_a_long_silence() -> None:
    minute = 60_000
    given_ = pl.DataFrame({"x": [n * minute for n in (0, 1, 2, 3, 4, 20)], "y": [1.0] * 6})
    gap = Shade(since=minute, until=3 * minute, kind="gap", label="", instrument=("a", "A"))
    found = interrupted(given_, [gap], minute)
    assert found.rows() == [
        (0, 1.0), (2 * minute, None), (3 * minute, 1.0), (4 * minute, 1.0), (12 * minute, None), (20 * minute, 1.0)
    ]  # fmt: skip


def test_a_rejected_trade_interrupts_nothing() -> None:
    given_ = pl.DataFrame({"x": [0, 60_000, 120_000], "y": [1.0] * 3})
    assert (
        interrupted(
            given_, [Shade(since=0, until=120_000, kind="rejected", label="", instrument=("a", "A"))], 60_000
        ).height
        == 3
    )


def test_limits_are_never_empty() -> None:
    for ys in ([], [None], [5.0], [0.0, 0.0], [1e-9, 2e-9]):
        chart = Chart(title="", alt="", unit="", since=0, until=1, lines=[Line(name="", tint=0, x=[0] * len(ys), y=ys)])
        low, high = chart.limits()
        assert math.isfinite(low)
        assert low < high


def test_a_cut_chart_keeps_its_first_marks() -> None:
    marks = [Mark(x=n, y=1.0, kind="high", label=str(n)) for n in range(5)]
    chart = Chart(title="", alt="", unit="", since=0, until=9, marks=marks)
    assert [mark.label for mark in cut(chart, Detail(points=9, still_points=9, marks=2, titles=True)).marks] == [
        "0",
        "1",
    ]
