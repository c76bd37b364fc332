"""The planted events of the default market: a quiet first hour, then something to find, for as long as it runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from coattail.market.planted import Planted, PlantedBurst, PlantedWhale
from coattail.market.shifts import PlantedSpread

_STEADY_FROM = timedelta(hours=2, seconds=20)
_STEADY_EVERY = timedelta(seconds=100)
_LONGEST = timedelta(minutes=3)

_WHALES: tuple[tuple[str, str, float, Literal["buy", "sell"], int], ...] = (
    ("binance", "BTC-USDT", 760_000, "buy", 8),
    ("coinbase", "ETH-USD", 185_000, "sell", 4),
    ("coinbase", "BTC-USD", 1_150_000, "sell", 11),
    ("binance", "SOL-USDT", 140_000, "buy", 3),
    ("binance", "ETH-USDT", 590_000, "buy", 6),
)
_SPREADS = (
    ("coinbase", "BTC", 0.9),
    ("binance", "ETH", 1.1),
    ("coinbase", "SOL", -1.2),
    ("binance", "BTC", -0.8),
    ("coinbase", "ETH", -1.0),
    ("binance", "SOL", 1.3),
)
_BURSTS = (
    ("coinbase", "SOL-USD", 25.0),
    ("binance", "ETH-USDT", 20.0),
    ("coinbase", "BTC-USD", 20.0),
    ("binance", "SOL-USDT", 22.0),
    ("coinbase", "ETH-USD", 25.0),
    ("binance", "BTC-USDT", 18.0),
)


def demo_events(start: datetime, since: datetime, until: datetime) -> tuple[Planted, ...]:
    """The events of a market that began at `start`, as far as they touch since <= t < until.

    Three bursts, four whales and two spreads between the 70th and the 115th minute; after two hours, every 100
    seconds, in turn a whale, a spread and a burst, without end.
    """
    last = (until - start - _STEADY_FROM) // _STEADY_EVERY
    first = max(0, (since - start - _STEADY_FROM - _LONGEST) // _STEADY_EVERY)
    events = [*_opening(start), *(_steady(start, i) for i in range(first, last + 1))]
    return tuple(e for e in events if e.start < until and (e.end > since or e.start >= since))


def _opening(start: datetime) -> list[Planted]:
    def at(minute: int, second: int = 0) -> datetime:
        return start + timedelta(minutes=minute, seconds=second)

    return [
        PlantedBurst(exchange="binance", symbol="BTC-USDT", start=at(70, 20), length=timedelta(minutes=2), factor=20.0),
        PlantedWhale(exchange="coinbase", symbol="BTC-USD", start=at(74, 5), notional=180_000, fills=4),
        PlantedWhale(exchange="binance", symbol="ETH-USDT", start=at(81, 30), notional=640_000, side="sell", fills=7),
        PlantedSpread(exchange="coinbase", asset="ETH", start=at(85), length=timedelta(seconds=60), pct=0.9),
        PlantedBurst(exchange="coinbase", symbol="ETH-USD", start=at(88, 10), length=timedelta(minutes=2), factor=20.0),
        PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(95, 15), notional=1_400_000, fills=12),
        PlantedSpread(exchange="binance", asset="SOL", start=at(102, 30), length=timedelta(seconds=75), pct=-1.1),
        PlantedBurst(
            exchange="binance", symbol="SOL-USDT", start=at(107, 40), length=timedelta(minutes=3), factor=25.0
        ),
        PlantedWhale(exchange="coinbase", symbol="SOL-USD", start=at(112, 20), notional=130_000, side="sell", fills=3),
    ]


def _steady(start: datetime, index: int) -> Planted:
    when = start + _STEADY_FROM + index * _STEADY_EVERY
    turn, kind = divmod(index, 3)
    if kind == 0:
        exchange, symbol, notional, side, fills = _WHALES[turn % len(_WHALES)]
        return PlantedWhale(exchange=exchange, symbol=symbol, start=when, notional=notional, side=side, fills=fills)
    if kind == 1:
        exchange, asset, pct = _SPREADS[turn % len(_SPREADS)]
        return PlantedSpread(exchange=exchange, asset=asset, start=when, length=timedelta(seconds=60), pct=pct)
    exchange, symbol, factor = _BURSTS[turn % len(_BURSTS)]
    return PlantedBurst(exchange=exchange, symbol=symbol, start=when, length=timedelta(minutes=2), factor=factor)
