"""Markets that detectors should survive: nearly dead, new, torn, stalled, minute in price, all trades at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from coattail.market import (
    DEFAULT_INSTRUMENTS,
    LIVELY,
    SMALL,
    THIN,
    Asset,
    Character,
    Market,
    Planted,
    PlantedDrought,
    PlantedGap,
    PlantedStall,
    PlantedWhale,
    SimulatedInstrument,
)

START = datetime(2025, 3, 3, tzinfo=UTC)
SOL, SOL_USD, USDT_USD = (DEFAULT_INSTRUMENTS[n] for n in (2, 5, 6))
PAIR = (SOL, SOL_USD, USDT_USD)
MINUTE_COIN = SimulatedInstrument(
    exchange="binance",
    asset=Asset(name="DUST", price=3e-8, volatility_bps=30.0),
    quote="USDT",
    trades_per_minute=10,
    order_size=50,
    tick=1e-8,
    lot=1.0,
)
"""A coin of three hundred-millionths; its price has one digit."""


def market(
    *planted: Planted,
    hours: float,
    character: Character = SMALL,
    instruments: tuple[SimulatedInstrument, ...] = PAIR,
    **fields: Any,
) -> Market:
    return Market(
        seed=31,
        start=START,
        duration=timedelta(hours=hours),
        character=character,
        planted=planted,
        instruments=instruments,
        **fields,
    )


def one_trade_a_day() -> Market:
    """A week of one market in which something trades about once a day."""
    return market(hours=168, character=replace(THIN, pace=1 / 1440), instruments=(SOL,), heartbeat=None)


def new_at_noon() -> Market:
    """A day in whose second half SOL-USDT first trades; before there was no such market, and no id is missing."""
    before = PlantedDrought(exchange="binance", symbol="SOL-USDT", start=START, length=timedelta(hours=12), factor=0.0)
    return market(before, hours=24)


def three_days_missing() -> Market:
    """A week of SOL-USDT of whose trades on its third to fifth day none arrived."""
    gap = PlantedGap(exchange="binance", symbol="SOL-USDT", start=START + timedelta(days=2), length=timedelta(days=3))
    return market(gap, hours=168, character=THIN, instruments=(SOL,))


def minute_prices() -> Market:
    """Two hours of a coin whose price is a few hundred-millionths."""
    return market(hours=2, instruments=(MINUTE_COIN,))


def stablecoin_stops() -> Market:
    """Four hours; after the second the market of USDT against the dollar trades no more."""
    stop = PlantedDrought(
        exchange="coinbase",
        symbol="USDT-USD",
        start=START + timedelta(hours=2),
        length=timedelta(days=1),
        factor=0.0,
    )
    return market(stop, hours=4)


def all_stalled() -> Market:
    """Two hours in which both venues stand still for ten minutes at once."""
    when: dict[str, Any] = {"start": START + timedelta(hours=1), "length": timedelta(minutes=10)}
    stalls = (PlantedStall(exchange=name, **when) for name in ("binance", "coinbase"))
    return market(*stalls, hours=2, character=LIVELY)


def thousand_at_one_time() -> Market:
    """Two hours with one order of a thousand fills, all at one moment."""
    sweep = PlantedWhale(
        exchange="binance", symbol="SOL-USDT", start=START + timedelta(hours=1), notional=1_000.0, fills=1_000
    )
    return market(sweep, hours=2)


ODD: tuple[Callable[[], Market], ...] = (
    one_trade_a_day,
    new_at_noon,
    three_days_missing,
    minute_prices,
    stablecoin_stops,
    all_stalled,
    thousand_at_one_time,
)
"""All of them; `market_facts` gives bars, orders and spans of each."""
