"""Orders that cause orders: a Hawkes process by its branches, on one instrument, chunk by chunk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from coattail.market.activity import intensity
from coattail.market.character import NATURAL_WHALE, Character
from coattail.market.fills import MOST_WHALE_FILLS, Fills, filled
from coattail.market.instruments import SimulatedInstrument
from coattail.market.planted import PlantedWhale
from coattail.market.prices import CHUNK_SECONDS, Flags, Floats, Ints
from coattail.market.randomness import generator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_CHUNK_US = CHUNK_SECONDS * _SECOND
_BEFORE = 10_000
_LARGEST_BODY = 50_000.0


Changes = tuple[tuple[int, float], ...]
"""(µs since 1970 UTC, factor on the rate from then on), by time."""


def changed(changes: Changes, start: int) -> Floats | float:
    """Factor on the rate at every second of the chunk that begins at `start` (µs since 1970 UTC)."""
    factor: Floats | float = 1.0
    for when, times in changes:
        if when <= start:
            factor = factor * times
        elif when < start + _CHUNK_US:
            factor = factor * np.where(start + np.arange(CHUNK_SECONDS) * _SECOND >= when, times, 1.0)
    return factor


def lively_background(
    seed: int,
    character: Character,
    instrument: SimulatedInstrument,
    rate: float,
    chunk: int,
    start: int,
    changes: Changes = (),
) -> Fills:
    """All orders of a chunk but whales; what orders of the chunk before it cause is part of it."""
    before = clusters_begun(seed, character, instrument, rate, chunk - 1, start - _CHUNK_US, changes)
    here = clusters_begun(seed, character, instrument, rate, chunk, start, changes)
    time = np.concatenate([before[0][before[0] >= _CHUNK_US] - _CHUNK_US, here[0][here[0] < _CHUNK_US]])
    buy = np.concatenate([before[1][before[0] >= _CHUNK_US], here[1][here[0] < _CHUNK_US]])
    rng = generator(seed, f"sizes:{instrument.key}", chunk)
    return orders(rng, character, instrument, time, buy)


def lively_crowd(rng: Generator, character: Character, instrument: SimulatedInstrument, rate: Floats) -> Fills:
    """More orders of the same kind; `rate` has a multiple of the instrument's usual activity per second."""
    time, buy = branched(rng, character, rate * orders_per_second(character, instrument))
    inside = time < _CHUNK_US
    return orders(rng, character, instrument, time[inside], buy[inside])


@lru_cache(maxsize=64)
def natural_whales(
    seed: int,
    character: Character,
    instrument: SimulatedInstrument,
    rate: float,
    chunk: int,
    start: int,
    changes: Changes = (),
) -> tuple[PlantedWhale, ...]:
    """The orders of 100,000 quote units and more that a chunk has by itself."""
    level = intensity(seed, character, instrument, chunk, start) * changed(changes, start)
    share = character.tail_above(instrument.order_size, NATURAL_WHALE)
    expected = np.cumsum(level) * (rate * share * orders_per_second(character, instrument))
    rng = generator(seed, f"whales:{instrument.key}", chunk)
    count = int(rng.poisson(expected[-1]))
    if not count:
        return ()
    seconds = np.searchsorted(expected, rng.uniform(0, expected[-1], count))
    when = np.unique(seconds * _SECOND + rng.integers(0, 1000, count) * 1000)
    notional = NATURAL_WHALE * (1.0 + 1e-4) * (1.0 - rng.random(len(when))) ** (-1 / character.tail_alpha)
    fills = 1 + rng.geometric(0.06, len(when))
    buys = rng.random(len(when)) < 0.5
    rows = zip(
        when.tolist(), np.minimum(notional, character.largest).tolist(), buys.tolist(), fills.tolist(), strict=True
    )
    return tuple(
        PlantedWhale(
            exchange=instrument.exchange,
            symbol=instrument.symbol,
            start=_EPOCH + timedelta(microseconds=start + time),
            notional=round(amount, 2),
            side="buy" if buy else "sell",
            fills=min(count, MOST_WHALE_FILLS),
            natural=True,
        )
        for time, amount, buy, count in rows
    )


@lru_cache(maxsize=64)
def clusters_begun(
    seed: int,
    character: Character,
    instrument: SimulatedInstrument,
    rate: float,
    chunk: int,
    start: int,
    changes: Changes = (),
) -> tuple[Ints, Flags]:
    """Times (µs from the chunk's start, up to a minute beyond its end) and sides of what began in a chunk."""
    level = intensity(seed, character, instrument, chunk, start) * changed(changes, start)
    rng = generator(seed, f"trades:{instrument.key}", chunk + _BEFORE)
    return branched(rng, character, level * (rate * orders_per_second(character, instrument)))


def branched(rng: Generator, character: Character, rate: Floats) -> tuple[Ints, Flags]:
    """Times (µs) and sides of orders and of all that they cause; `rate` has how many there are to be per second."""
    counts = rng.poisson(rate * (1.0 - character.branching))
    time = np.repeat(np.arange(len(rate)), counts) + rng.random(int(counts.sum()))
    buy = rng.random(len(time)) < 0.5
    times, sides = [time], [buy]
    while len(time):
        children = rng.poisson(_caused(rng, character, len(time)))
        parents, buy = np.repeat(time, children), np.repeat(buy, children)
        scale = _delays(character, rng.random(len(parents)))
        time = parents + rng.standard_exponential(len(parents)) * scale
        luck = rng.random(len(parents))
        anew = luck >= character.side_memory
        buy = np.where(anew, luck < (1 + character.side_memory) / 2, buy)
        inside = time < len(rate) + character.spill_s
        time, buy = time[inside], buy[inside]
        times.append(time)
        sides.append(buy)
    together: Ints = (np.concatenate(times) * _SECOND).astype(np.int64)
    return together, np.concatenate(sides)


def _caused(rng: Generator, character: Character, count: int) -> Floats:
    """How many orders each of `count` causes directly, on average."""
    if character.fertility_alpha is None:
        return np.full(count, character.branching)
    alpha = character.fertility_alpha
    least, most = (alpha - 1.0) / alpha, character.fertility_most
    mean = 1.0 - least**alpha * most ** (1.0 - alpha) / (alpha - 1.0)
    factor = np.minimum(least * (1.0 - rng.random(count)) ** (-1.0 / alpha), most)
    caused: Floats = character.branching / mean * factor
    return caused


def _delays(character: Character, luck: Floats) -> Floats:
    """Mean delay in seconds of what is caused, by a number from 0 to 1."""
    scale: Floats = np.where(luck < character.fast_share, character.fast_s, character.slow_s)
    if character.long_share:
        scale[luck >= 1.0 - character.long_share] = character.long_s
    return scale


def orders(
    rng: Generator,
    character: Character,
    instrument: SimulatedInstrument,
    time: Ints,
    buy: Flags,
    *,
    below: float = NATURAL_WHALE,
) -> Fills:
    """Sizes and fills for orders at these times; of two at one moment of the exchange's clock, one is left out.

    below: All are smaller than this (quote units): whales are drawn apart.
    """
    clock = 1000 if instrument.exchange == "binance" else 1
    time, first = np.unique(time // clock * clock, return_index=True)
    count = len(time)
    size = instrument.order_size
    body = size * character.body_median * np.exp(character.body_sigma * rng.standard_normal(count))
    cut = (character.tail_from * size / below) ** character.tail_alpha
    tail = character.tail_from * size * (cut + (1 - cut) * (1.0 - rng.random(count))) ** (-1 / character.tail_alpha)
    of_tail = rng.random(count) < character.tail_share
    notional = np.where(of_tail, np.minimum(tail, below * (1 - 1e-4)), np.minimum(body, _LARGEST_BODY))
    more = rng.random(count) < character.sweeps
    ends = np.clip(character.sweep_end * (size / notional) ** 0.4, 0.03, 0.6)
    return filled(
        rng,
        time=time,
        buy=buy[first],
        notional=notional,
        fills=np.minimum(1 + more * rng.geometric(ends), MOST_WHALE_FILLS),
        distance=character.half_spread * rng.standard_exponential(count),
    )


def natural_per_day(character: Character, instrument: SimulatedInstrument) -> float:
    """How many whales a day an instrument has by itself, on average, at rate 1."""
    share = character.tail_above(instrument.order_size, NATURAL_WHALE)
    return 86_400 * share * orders_per_second(character, instrument)


def orders_per_second(character: Character, instrument: SimulatedInstrument) -> float:
    """Orders of any size, on average, at rate 1."""
    return instrument.trades_per_minute / 60 / character.fills_per_order
