"""A small world on a clock of its own: two exchanges, a bad line, a producer that dies, and what reaches the stream.

Everything is drawn from one seed. Nothing waits and nothing looks at a clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from coattail.records import Malformed, Record, Trade, micros, shared_by
from tests.harness.scenes import START, make_trade

SECOND = 1_000_000
INSTRUMENTS = (
    ("binance", "BTC-USDT", 60_000.0),
    ("binance", "ETH-USDT", 3_000.0),
    ("coinbase", "BTC-USD", 60_000.0),
    ("coinbase", "ETH-USD", 3_000.0),
)
BEGIN = micros(START)


@dataclass(frozen=True)
class Faults:
    """How badly the world treats a feed: shares of trades, and how often things break."""

    dropped: float = 0.02
    doubled: float = 0.04
    held_up: float = 0.08
    """Come up to 9 s late; a quarter of them minutes late."""
    spoiled: float = 0.02
    outages: int = 2
    """At most, per exchange: nothing is heard for 20 to 150 s, and a new session follows."""
    deaths: int = 2
    """Of the producer, at most: what it had not sent is gone, and new sessions follow."""
    appended_twice: float = 0.1
    """Segments whose acknowledgement is lost, so that they are sent again."""
    skew: int = 45
    """Seconds by which an exchange's clock is wrong, at most."""


@dataclass
class World:
    """`traded`: all that happened, by (exchange, symbol) and id. `segments`: what the stream holds, in order."""

    traded: dict[tuple[str, str], dict[int, Trade]] = field(default_factory=dict)
    segments: list[list[Record]] = field(default_factory=list)


def world(seed: int, *, minutes: float = 12.0, faults: Faults = Faults()) -> World:
    """The world of a seed."""
    rng = random.Random(seed)
    made = World()
    skews = {e: rng.randint(-faults.skew, faults.skew) * SECOND for e in ("binance", "coinbase")}
    for exchange, symbol, price in INSTRUMENTS:
        made.traded[exchange, symbol] = _tape(rng, exchange, symbol, price, minutes, skews[exchange], faults)
    deaths = sorted(BEGIN + rng.randint(0, int(minutes * 60)) * SECOND for _ in range(rng.randint(0, faults.deaths)))
    heard: list[tuple[int, int, Record]] = []
    for exchange in skews:
        outages = _outages(rng, minutes, faults)
        for trades in (t for (e, _), t in made.traded.items() if e == exchange):
            for trade in trades.values():
                heard += _line(rng, trade, skews[exchange], outages, deaths, faults)
        if rng.random() < 0.3:
            at = BEGIN + rng.randint(0, int(minutes * 60)) * SECOND
            broken = Malformed(exchange=exchange, error="no JSON", payload="}{", received=at, session="none")
            heard.append((at, rng.getrandbits(32), broken))
    heard.sort(key=lambda item: item[:2])
    _send(rng, made, heard, deaths, minutes, faults)
    return made


def _tape(
    rng: random.Random, exchange: str, symbol: str, price: float, minutes: float, skew: int, faults: Faults
) -> dict[int, Trade]:
    trades: dict[int, Trade] = {}
    number, now = rng.randint(1, 9_000), BEGIN + rng.randint(0, 30) * SECOND
    burst = BEGIN + rng.randint(4, int(minutes)) * 60 * SECOND
    while now < BEGIN + minutes * 60 * SECOND:
        large = rng.random() < 0.02 or burst <= now < burst + 50 * SECOND
        quantity = rng.choice((0.011, 0.012, 0.02)) * (60_000 / price) * (rng.choice((40, 150)) if large else 1)
        broken = rng.random() < faults.spoiled
        # fmt: off
        trades[number] = make_trade(
            number, START, exchange=exchange, symbol=symbol,
            price="0" if broken else f"{price * rng.uniform(0.999, 1.008):.2f}", quantity=f"{quantity:.6f}",
            side=rng.choice(("buy", "sell")), timestamp=now + skew, received=START,
        )
        # fmt: on
        number += 1
        now += rng.choice((0, 1, 3, 8, 14, 22)) * SECOND + rng.randint(0, 999) * 1000
    return trades


def _outages(rng: random.Random, minutes: float, faults: Faults) -> list[tuple[int, int]]:
    starts = [BEGIN + rng.randint(0, int(minutes * 60)) * SECOND for _ in range(rng.randint(0, faults.outages))]
    return sorted((start, start + rng.randint(20, 150) * SECOND) for start in starts)


def _line(
    rng: random.Random,
    trade: Trade,
    skew: int,
    outages: Sequence[tuple[int, int]],
    deaths: Sequence[int],
    faults: Faults,
) -> list[tuple[int, int, Record]]:
    """When a trade is heard, if it is, in which session, and how often."""
    assert trade.timestamp is not None
    at = trade.timestamp - skew + rng.randint(15, 80) * 1000
    if rng.random() < faults.held_up:
        at += rng.randint(0, 9) * SECOND if rng.random() < 0.75 else rng.randint(60, 400) * SECOND
    if rng.random() < faults.dropped:
        return []
    times = [at] + ([at + rng.randint(0, 120) * SECOND] if rng.random() < faults.doubled else [])
    heard: list[tuple[int, int, Record]] = []
    for moment in times:
        if any(low <= moment < high for low, high in outages):
            continue
        session = f"{trade.exchange}-{sum(high <= moment for _, high in outages)}-{sum(d <= moment for d in deaths)}"
        record = msgspec.structs.replace(trade, received=moment, session=session)
        heard.append((moment, rng.getrandbits(32), record))
    return heard


def _send(
    rng: random.Random,
    made: World,
    heard: Sequence[tuple[int, int, Record]],
    deaths: Sequence[int],
    minutes: float,
    faults: Faults,
) -> None:
    """Segments, as a producer sends what it has gathered, until it dies with what it holds."""
    flushes, now = [], BEGIN
    while now < BEGIN + (minutes + 8) * 60 * SECOND:
        now += rng.randint(90, 300) * SECOND
        flushes.append(now)
    holding: list[Record] = []
    moments: list[tuple[int, int, Record | None]] = [(m, 0, None) for m in flushes]
    moments += [(m, 1, None) for m in deaths] + [(m, 2, record) for m, _, record in heard]
    moments.sort(key=lambda item: item[:2])
    for _, kind, record in moments:
        if kind == 2 and record is not None:
            holding.append(record)
        elif kind == 1:
            holding = []
        elif holding:
            made.segments += [holding] * (2 if rng.random() < faults.appended_twice else 1)
            holding = []
    if holding:
        made.segments.append(holding)


def in_pack_order(records: Sequence[Record]) -> list[Record]:
    """The records as a reader of their segment meets them: pack by pack."""
    packs: dict[object, list[Record]] = {}
    for record in records:
        packs.setdefault(shared_by(record), []).append(record)
    return [record for pack in packs.values() for record in pack]
