"""Bars as matrices: what traded, what was seen, and sums that do not show where the matrix begins."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from coattail.detectors.grid import BAR, grid_of, later, rolled, window_of
from coattail.records import EPOCH
from coattail.tables import BARS, UTC_MICROS

START = EPOCH + timedelta(days=20_000)
SPANS = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "first_id": pl.Int64(), "last_id": pl.Int64(),
    "first_ts": UTC_MICROS, "last_ts": UTC_MICROS,
})  # fmt: skip


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def bars_of(rows: list[tuple[str, str, float, int]]) -> pl.DataFrame:
    return BARS.conform(
        pl.DataFrame(
            [(e, s, at(second), n, float(n), 5.0) for e, s, second, n in rows],
            schema={"exchange": pl.String, "symbol": pl.String, "bar_start": UTC_MICROS, "trades": pl.Int64,
                    "notional": pl.Decimal(38, 8), "last_price": pl.Float64},
            orient="row",
        )
    )  # fmt: skip


def spans_of(rows: list[tuple[str, str, float, float]]) -> pl.DataFrame:
    return pl.DataFrame([(e, s, 1, 9, at(a), at(b)) for e, s, a, b in rows], schema=SPANS, orient="row")


def test_what_traded_stands_in_its_row_and_column() -> None:
    bars = bars_of([("b", "X-USD", 20, 3), ("a", "Y-USD", 0, 1), ("a", "Y-USD", 60, 9)])
    grid = grid_of(bars, spans_of([("c", "Z-USD", 5, 25)]), at(0), at(45))
    assert grid.instruments == [("a", "Y-USD"), ("b", "X-USD"), ("c", "Z-USD")]
    assert grid.orders.tolist() == [[1, 0, 0, 0, 0], [0, 0, 3, 0, 0], [0, 0, 0, 0, 0]]
    assert grid.notional.sum() == 4.0
    assert np.isnan(grid.last_price).sum() == 13


def test_a_bar_is_whole_between_a_trade_before_it_and_one_at_its_end() -> None:
    """The bar of the newest trade has begun; what comes after it is not known."""
    grid = grid_of(bars_of([]), spans_of([("a", "Y-USD", 5, 30), ("a", "Y-USD", 41, 59)]), at(0), at(80))
    assert grid.whole.tolist() == [[False, True, True, False, False, False, False, False]]
    assert grid.begun.tolist() == [[False, True, True, True, False, True, False, False]]


def test_only_the_instruments_asked_for_are_there() -> None:
    bars = bars_of([("a", "Y-USD", 0, 1), ("b", "X-USD", 0, 2)])
    grid = grid_of(bars, spans_of([]), at(0), at(10), [("b", "X-USD"), ("d", "W-USD")])
    assert grid.orders.tolist() == [[2], [0]]


def test_sums_are_the_same_wherever_the_matrix_begins() -> None:
    x = np.random.default_rng(3).integers(0, 1 << 50, (2, 500))
    whole = rolled(x, 30)
    assert (whole[:, 200:] == rolled(x[:, 100:], 30)[:, 100:]).all()
    assert whole[0, 77] == x[0, 48:78].sum()
    assert whole[1, 3] == x[1, :4].sum()
    assert later(x, 7, 0)[:, 7:].tolist() == x[:, :-7].tolist()


def test_a_window_holds_the_bars_that_end_in_it() -> None:
    grid = grid_of(bars_of([]), spans_of([]), at(0), at(100))
    assert window_of(grid, at(20), at(40)) == slice(1, 3)
    assert window_of(grid, at(20) + timedelta(microseconds=1), at(40)) == slice(2, 3)
    assert window_of(grid, at(-50), at(1_000)) == slice(0, 10)
    assert timedelta(seconds=10) == BAR
