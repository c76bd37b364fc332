"""The short way to facts gives what landing the frames gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from coattail.landing import Landed
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.market import (
    Market,
    PlantedBacklog,
    PlantedBurst,
    PlantedDepeg,
    PlantedDrought,
    PlantedDuplicates,
    PlantedGap,
    PlantedOutlier,
    PlantedRefilledGap,
    PlantedSideFlip,
    PlantedSkew,
    PlantedSpread,
    PlantedStall,
    PlantedWash,
    PlantedWhale,
)
from coattail.market.facts import MarketFacts, market_facts

START = datetime(2025, 3, 4, 12, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return START + timedelta(minutes=number)


def lasting(number: float, length: float) -> dict[str, Any]:
    return {"start": minutes(number), "length": timedelta(minutes=length)}


PLANTED = (
    PlantedWhale(exchange="binance", symbol="BTC-USDT", start=minutes(5), notional=640_000, fills=16),
    PlantedWhale(exchange="coinbase", symbol="BTC-USD", start=minutes(6), notional=2_000_000, fills=300),
    PlantedBurst(exchange="coinbase", symbol="ETH-USD", factor=7.0, **lasting(8.2, 3)),
    PlantedSpread(exchange="binance", asset="SOL", pct=-1.3, **lasting(13, 2)),
    PlantedDrought(exchange="binance", symbol="ETH-USDT", factor=0.2, **lasting(3, 5)),
    PlantedDepeg(pct=-1.0, **lasting(15, 3)),
    PlantedOutlier(exchange="coinbase", symbol="SOL-USD", start=minutes(4.5), pct=7.0),
    PlantedWash(exchange="binance", symbol="SOL-USDT", pairs=40, notional=3_000, **lasting(6, 2)),
    PlantedSideFlip(exchange="coinbase", **lasting(11, 1)),
    PlantedGap(exchange="binance", symbol="BTC-USDT", **lasting(2, 0.5)),
    PlantedGap(exchange="coinbase", symbol="USDT-USD", **lasting(0, 1)),
    PlantedRefilledGap(exchange="binance", symbol="ETH-USDT", after=timedelta(minutes=4), **lasting(1, 0.7)),
    PlantedRefilledGap(exchange="coinbase", symbol="ETH-USD", after=timedelta(hours=1), **lasting(17, 0.5)),
    PlantedDuplicates(exchange="binance", rate=0.3, **lasting(3.9, 2)),
    PlantedStall(exchange="coinbase", **lasting(9.9, 0.5)),
    PlantedBacklog(exchange="coinbase", **lasting(12.5, 4)),
    PlantedSkew(exchange="binance", offset=timedelta(seconds=-60.03), **lasting(7, 0.4)),
    PlantedSkew(exchange="coinbase", offset=timedelta(minutes=20), **lasting(7, 1)),
)


def assert_same(facts: MarketFacts, landed: Landed) -> None:
    assert facts.trades == landed.trades.height > 1_000
    assert facts.bars.equals(merge_bars(landed.bars))
    assert facts.orders.equals(join_orders(landed.orders))
    assert facts.spans.equals(landed.coverage.spans())
    assert facts.coverage == landed.coverage


@pytest.mark.parametrize("start", [START, START + timedelta(seconds=7)])
def test_facts_are_what_landing_the_frames_gives(start: datetime, landing: Callable[..., Landed]) -> None:
    market = Market(start=start, duration=timedelta(minutes=20), planted=PLANTED)
    assert_same(market_facts(market, histograms=True), landing(market))


def test_facts_of_a_stretch_are_those_of_its_frames(landing: Callable[..., Landed]) -> None:
    market = Market(start=START, planted=PLANTED)
    stretch = (minutes(4.99), minutes(14.9) + timedelta(microseconds=23))
    assert_same(market_facts(market, *stretch, histograms=True), landing(market, *stretch))


def test_what_a_backlog_holds_back_belongs_to_the_facts_of_when_it_arrives(landing: Callable[..., Landed]) -> None:
    market = Market(start=START, planted=PLANTED)
    facts = market_facts(market, minutes(16.4), minutes(17), histograms=True)
    assert_same(facts, landing(market, minutes(16.4), minutes(17)))
    assert facts.bars["bar_start"].min() <= minutes(12.5)  # type: ignore[operator]


def test_what_was_refilled_long_after_belongs_to_the_facts_of_then(landing: Callable[..., Landed]) -> None:
    gap = PlantedRefilledGap(exchange="binance", symbol="ETH-USDT", after=timedelta(minutes=15), **lasting(1, 1))
    market = Market(start=START, planted=(gap,))
    facts = market_facts(market, minutes(16.5), minutes(18), histograms=True)
    assert_same(facts, landing(market, minutes(16.5), minutes(18)))
    assert facts.spans.filter(symbol="ETH-USDT")["first_ts"].min() < minutes(2)  # type: ignore[operator]


def test_missing_ids_are_holes_and_refilled_ones_are_not() -> None:
    market = Market(start=START, planted=PLANTED)
    facts = market_facts(market, START, minutes(20))
    spans = facts.spans.group_by("exchange", "symbol").len().filter(pl.col("len") > 1).sort("symbol")
    holes = ["BTC-USDT", "ETH-USD", "USDT-USD"]  # refilled after the end: still missing here
    assert set(spans["symbol"]) >= set(holes)
    later = market_facts(market, START, minutes(80))
    assert later.spans.filter(symbol="ETH-USD").height == 1
    assert later.spans.filter(symbol="ETH-USDT").height == 1
