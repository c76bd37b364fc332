"""Simulated pumps as announced events."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from coattail.market import planted_pumps
from coattail.market.truth import truth_frame
from coattail.scoring import simulated_pumps as module
from coattail.scoring.evaluation import EvaluationSet, Spec
from coattail.scoring.simulated_pumps import simulated_pumps
from coattail.tables import BARS, ORDERS

WARM = timedelta(days=2)


def drawn(spec: Spec, cache: Path | None = None) -> EvaluationSet:
    """The pumps of a market, and one bar of each of them instead of its trades: to draw all would take long."""
    market = spec.market()
    since = spec.start + timedelta(days=spec.warm_up)
    truth = truth_frame(market.planted_between(since, market.end))
    bars = pl.DataFrame({"exchange": [i.exchange for i in market.traded], "symbol": [i.symbol for i in market.traded]})
    return EvaluationSet(
        name=f"seed {spec.seed}", bars=BARS.conform(pl.concat([BARS.empty(), bars], how="diagonal")),
        orders=ORDERS.empty(), spans=pl.DataFrame(), truth=truth, since=since, until=market.end,
    )  # fmt: skip


def test_every_planted_pump_is_an_event_of_its_market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "simulated", drawn)
    first = Spec(seed=5, days=1, warm_up=2, character="quiet", plan="pumps")
    second = Spec(seed=7, days=1, warm_up=2, character="quiet", plan="pumps", start=first.start + timedelta(days=9))
    groups, pumps = simulated_pumps([first, second])
    planned = {
        (pump.exchange, pump.symbol, pump.announced)
        for spec in (first, second)
        for pump in planted_pumps(spec.seed, spec.start, 3, warm_up=WARM)
    }
    found = {(e.markets[0].exchange, e.markets[0].symbol, e.start) for e in pumps.events}
    assert found == planned
    assert len(found) > 6
    assert [group.evidence.name for group in groups] == ["seed 5", "seed 7"]
    for event in pumps.events:
        (market,) = event.markets
        assert market.since <= event.start < market.last
        assert event.until - event.start == timedelta(minutes=10)
        assert f"{event.start:%Y-%m-%d}" in pumps.stirred[market.exchange, market.symbol]
    some = simulated_pumps([first, second], factors=(100.0, 300.0))[1]
    sizes = [pump.factor for spec in (first, second) for pump in planted_pumps(spec.seed, spec.start, 3, warm_up=WARM)]
    assert len(some.events) == sum(100 <= factor < 300 for factor in sizes)
    assert 0 < len(some.events) < len(pumps.events)
    assert some.stirred == pumps.stirred
