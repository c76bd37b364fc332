"""A detector that knows how much was to be expected: what it knows is right, and no other finds more."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from coattail.market import LIVELY, Market, market_facts
from coattail.market.true_rate import expected_orders
from coattail.scoring.curves import at_level
from coattail.scoring.evaluation import EvaluationSet, Spec
from coattail.scoring.oracle import NAME, deviance, oracle_curves


def test_the_deviance_of_a_poisson_law() -> None:
    """2 (x ln(x / mu) - (x - mu)): of nothing where 2 are expected it is 4, of 4 it is 8 ln 2 - 4."""
    found = deviance(np.array([0.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.0]))
    assert found == pytest.approx([-2.0, 0.0, np.sqrt(8 * np.log(2) - 4)])
    assert np.isfinite(deviance(np.array([0.0, 5.0]), np.array([0.0, 0.0]))).all()


@pytest.mark.parametrize("minutes", [0, 7])
def test_what_is_expected_comes_on_average_wherever_one_begins(minutes: int) -> None:
    market = Market(seed=5, duration=timedelta(hours=1), character=LIVELY, planted=())
    since = market.start + timedelta(minutes=minutes)
    counted = market_facts(market).bars.filter(pl.col("bar_start") >= since)["orders"].sum()
    expected = [expected_orders(market, instrument, since, market.end) for instrument in market.traded]
    assert {len(one) for one in expected} == {360 - 6 * minutes}
    assert counted == pytest.approx(sum(one.sum() for one in expected), rel=0.05)
    later = expected_orders(market, market.traded[0], since + timedelta(minutes=13), market.end)
    assert later == pytest.approx(expected[0][78:])


def test_a_steady_market_expects_as_much_always() -> None:
    market = Market(seed=5, duration=timedelta(minutes=10), planted=())
    found = expected_orders(market, market.traded[0], market.start, market.end)
    assert len(found) == 60
    assert len(set(found)) == 1


@pytest.mark.slow
def test_no_preset_finds_more_at_equal_false_alarms(
    small: EvaluationSet, found: dict[str, dict[str, dict[str, list[dict[str, float]]]]]
) -> None:
    oracle = oracle_curves([small], [Spec(seed=7, days=1, warm_up=2).market()])
    assert set(oracle) == {"burst", "drought"}
    points = oracle["burst"][NAME]
    assert points == sorted(points, key=lambda p: (p["false_per_market_day"], p["recall"]))
    known, learned = (at_level(curve, 4.0) for curve in (points, found["curves"]["burst"]["classic"]))
    assert known is not None
    assert learned is not None
    assert known > learned + 0.1
