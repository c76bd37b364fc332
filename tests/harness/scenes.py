"""Inputs: a small simulated market with something to find, and the ways in which a feed can mistreat it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import msgspec

from coattail.connectors import CONNECTORS
from coattail.market import DEFAULT_INSTRUMENTS, Market, PlantedBurst, PlantedSpread, PlantedWhale
from coattail.records import Malformed, Record, Trade, micros

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
SECOND = 1_000_000


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@cache
def market() -> tuple[Record, ...]:
    """100 minutes of BTC on two exchanges with bursts, whales and a spread, by receive time.

    One whale begins on the full hour, so that it has a neighbour in the hour before.
    """
    simulated = Market(
        seed=11,
        start=START,
        duration=timedelta(minutes=100),
        rate=0.1,
        instruments=tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name == "BTC"),
        planted=(
            PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(60), notional=640_000, fills=7),
            PlantedBurst(
                exchange="binance", symbol="BTC-USDT", start=at(70.3), length=timedelta(minutes=2), factor=9.0
            ),
            PlantedWhale(exchange="coinbase", symbol="BTC-USD", start=at(74.1), notional=180_000, side="sell", fills=4),
            PlantedSpread(exchange="coinbase", asset="BTC", start=at(85), length=timedelta(seconds=100), pct=0.9),
            PlantedBurst(
                exchange="coinbase", symbol="BTC-USD", start=at(98.2), length=timedelta(minutes=2), factor=20.0
            ),
        ),
    )
    records: list[Record] = []
    for frame in simulated.frames():
        records += CONNECTORS[frame.exchange]().records(frame.data, frame.received // 1000, session=frame.exchange)
    records += steady()
    return tuple(sorted(records, key=lambda r: r.received))


@cache
def steady() -> tuple[Record, ...]:
    """Coinbase's SOL-USD, one trade every six seconds of nearly one size, and one nearly silent minute: a drop."""
    trades: list[Record] = []
    moment = START
    while moment < at(100):
        silent = at(80) <= moment < at(81) and moment.second not in (0, 54)
        if not silent:
            quantity = Decimal("1.5") + Decimal(len(trades) % 7) / 100
            trades.append(make_trade(1_000 + len(trades), moment, quantity=str(quantity), received=moment))
        moment += timedelta(seconds=6)
    return tuple(trades)


def make_trade(
    trade_id: int,
    when: datetime,
    *,
    exchange: str = "coinbase",
    symbol: str = "SOL-USD",
    price: str = "150.25",
    quantity: str = "1",
    received: datetime | None = None,
    **more: object,
) -> Trade:
    """A trade in all its fields."""
    fields = {
        "exchange": exchange,
        "symbol": symbol,
        "trade_id": trade_id,
        "price": price,
        "quantity": quantity,
        "side": "buy" if trade_id % 2 else "sell",
        "timestamp": micros(when),
        "received": micros(received or when),
        "session": exchange,
        "payload": f'{{"id":{trade_id}}}',
    }
    return Trade(**{**fields, **more})  # type: ignore[arg-type]


def with_duplicates(records: Sequence[Record], share: float, seed: int = 0) -> list[Record]:
    """A share of the records come twice, the second time anywhere later."""
    rng = random.Random(seed)
    result: list[tuple[float, int, Record]] = []
    for place, record in enumerate(records):
        result.append((place, 0, record))
        if rng.random() < share:
            result.append((rng.uniform(place, len(records)), 1, record))
    return [record for _, _, record in sorted(result, key=lambda item: item[:2])]


def with_gap_refilled(records: Sequence[Record], exchange: str, since: datetime, until: datetime) -> list[Record]:
    """What one exchange traded in since…until comes last, as a backfill would bring it."""
    low, high = micros(since), micros(until)

    def missed(record: Record) -> bool:
        return (
            isinstance(record, Trade)
            and record.exchange == exchange
            and record.timestamp is not None
            and low <= record.timestamp < high
        )

    late = [r for r in records if missed(r)]
    return [r for r in records if not missed(r)] + [msgspec.structs.replace(r, source="backfill") for r in late]


def aggregated(records: Sequence[Record], seed: int = 0) -> list[Record]:
    """Binance's trades of one moment, side and price joined by twos and threes, as `aggTrade` does."""
    rng = random.Random(seed)
    result: list[Record] = []
    for record in records:
        before = result[-1] if result else None
        if (
            isinstance(record, Trade)
            and isinstance(before, Trade)
            and record.exchange == before.exchange == "binance"
            and record.trade_id == (before.last_trade_id or before.trade_id or 0) + 1
            and (record.side, record.timestamp, record.price) == (before.side, before.timestamp, before.price)
            and rng.random() < 0.9
        ):
            total = Decimal(before.quantity or "") + Decimal(record.quantity or "")
            result[-1] = msgspec.structs.replace(before, last_trade_id=record.trade_id, quantity=str(total))
        else:
            result.append(record)
    return result


def spoiled(records: Sequence[Record], seed: int = 0) -> list[Record]:
    """Some records are broken, each in a way that a check rejects; frames that are not trades come between them."""
    rng = random.Random(seed)
    result: list[Record] = []
    ways: tuple[dict[str, object], ...] = (
        {"price": "0"}, {"quantity": "-1"}, {"price": "abc"}, {"quantity": None}, {"price": "NaN"}, {"side": "hold"},
        {"timestamp": 1}, {"timestamp": micros(datetime(2099, 1, 1, tzinfo=UTC))}, {"timestamp": None},
    )  # fmt: skip
    for record in records:
        if rng.random() < 0.004:
            result.append(msgspec.structs.replace(record, **rng.choice(ways)))  # type: ignore[arg-type]
        else:
            result.append(record)
        if rng.random() < 0.001:
            result.append(Malformed(exchange=record.exchange, error="no JSON", payload="}{", received=record.received))
    return result


def cut(records: Sequence[Record], cuts: Sequence[int]) -> list[list[Record]]:
    """The records in pieces that end at these places; empty ones are left out."""
    places = [0, *sorted(c % (len(records) + 1) for c in cuts), len(records)]
    pieces = [list(records[a:b]) for a, b in itertools.pairwise(places)]
    return [piece for piece in pieces if piece]


def evenly(records: Sequence[Record], pieces: int) -> list[list[Record]]:
    """The records in pieces of about the same length."""
    return cut(records, [i * len(records) // pieces for i in range(1, pieces)])


SPARSE_MARKETS = (("binance", "BTC-USDT", 60_000), ("coinbase", "BTC-USD", 60_000), ("coinbase", "USDT-USD", 1))


@cache
def two_days() -> tuple[Record, ...]:
    """46 hours of three sparse markets over two midnights: bursts, orders, a spread and a depeg on the last day, and a
    spread the day before."""
    rng = random.Random(3)
    records: list[Record] = []
    for exchange, symbol, price in SPARSE_MARKETS:
        trade_id, minute = 0, 0.0
        while minute < 46 * 60:
            busy = 35 * 60 < minute < 35 * 60 + 6 or 40 * 60 < minute < 40 * 60 + 3
            dense = any(low * 60 < minute < high * 60 for low, high in ((19.8, 20.3), (37.8, 38.3), (41.9, 42.3)))
            minute += rng.expovariate(20 if dense else 4 if busy else 0.7)
            apart = any(hour * 60 < minute < hour * 60 + 10 for hour in (20, 38))
            shifted = 1.01 if symbol == "BTC-USD" and apart else 1.0
            depeg = 0.98 if symbol == "USDT-USD" and 42 * 60 < minute < 42 * 60 + 15 else 1.0
            size = rng.lognormvariate(0, 0.8) * (20 if busy else 1) * 200 / price
            if symbol == "BTC-USDT" and trade_id % 400 == 399:
                size = rng.uniform(2, 30)
            text = f"{price * shifted * depeg * rng.gauss(1, 2e-5):.5f}"
            records.append(
                make_trade(trade_id, at(minute), exchange=exchange, symbol=symbol, price=text, quantity=f"{size:.6f}")
            )
            trade_id += 1
    return tuple(sorted(records, key=lambda r: r.received))
