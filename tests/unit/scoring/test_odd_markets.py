"""What detectors make of odd markets: mostly nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coattail.market import Market, market_facts
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import judged
from coattail.scoring.scorecard import of_preset
from tests.harness.odd_markets import minute_prices, stablecoin_stops, thousand_at_one_time


def alert_types(market: Market) -> set[str]:
    """What `default` says about a market from its first moment on."""
    facts = market_facts(market)
    evidence = EvaluationSet(
        name="odd", bars=facts.bars, orders=facts.orders, spans=facts.spans, truth=market.truth(),
        since=market.start, until=market.end,
    )  # fmt: skip
    return {kind for detector in of_preset("default") for kind in judged(detector, evidence)["alert_type"]}


@pytest.mark.parametrize("make", [thousand_at_one_time, minute_prices], ids=lambda make: make.__name__)
def test_one_sweep_and_prices_of_one_digit_raise_nothing(make: Callable[[], Market]) -> None:
    assert alert_types(make()) == set()


def test_a_stablecoin_that_trades_no_more_moves_no_spread() -> None:
    assert not alert_types(stablecoin_stops()) & {"spread_divergence", "stablecoin_depeg"}
