"""Orders and their fills on one instrument in one chunk of time.

Every batch (the background, each burst, each whale) draws from a stream of its own, then they are merged by time.
Two orders of an instrument never share an exchange time, so fills with equal time, side and adjacent ids are one order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.random import Generator

from coattail.market.instruments import SimulatedInstrument
from coattail.market.prices import CHUNK_SECONDS, Flags, Floats, Ints, between_seconds

LARGEST_ORDER = 50_000.0
"""No order of the background is larger (quote units): far below the smallest whale, 100,000."""

MOST_FILLS = 16
"""An order of the background has at most this many fills."""
MOST_WHALE_FILLS = 400
"""An order of the market's own has at most this many fills …"""
MOST_PLANTED_FILLS = 1_000
"""… and a planted whale this many."""

_SECOND = 1_000_000
_MINUTES = CHUNK_SECONDS // 60
FILLS_PER_ORDER = 1.0 + 0.25 / 0.4
"""A quarter of the orders sweep into more fills: one and a geometric number with p = 0.4."""
_HALF_SPREAD = 5e-5
_LARGEST = 9e18


@dataclass(frozen=True, kw_only=True)
class Fills:
    """Fills by time, as columns of one length."""

    time: Ints
    """µs from the chunk's start, in steps of the exchange's clock."""
    rank: Ints
    """0 for the first fill of its order, 1 for the second, …"""
    buy: Flags
    """Whether the taker bought."""
    notional: Floats
    """Quote units, before rounding to lots."""
    distance: Floats
    """Relative distance from the mid price at which the order begins to fill."""
    ticks: Ints
    """By how many ticks this fill is worse than the order's first."""

    def __len__(self) -> int:
        return len(self.time)

    def where(self, keep: Flags | Ints) -> Fills:
        """The fills at a mask or in an order of positions."""
        return Fills(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def background(rng: Generator, instrument: SimulatedInstrument, rate: Floats | float) -> Fills:
    """The quiet market of one chunk: arrivals cluster by the second, activity changes by the minute.

    `rate` multiplies the instrument's trades per minute; one number, or one per second.
    """
    activity = 1.0 + 0.12 * rng.standard_normal(_MINUTES).clip(-2, 2)
    return crowd(rng, instrument, rate * np.repeat(activity, 60))


def crowd(rng: Generator, instrument: SimulatedInstrument, rate: Floats) -> Fills:
    """Small orders; `rate` has one multiple of the instrument's usual activity per second of the chunk."""
    mean = instrument.trades_per_minute / 60 / FILLS_PER_ORDER
    counts = rng.poisson(mean * rate * rng.standard_exponential(CHUNK_SECONDS))
    clock = 1000 if instrument.exchange == "binance" else 1
    within = rng.integers(0, _SECOND // clock, int(counts.sum())) * clock
    time = np.unique(np.repeat(np.arange(CHUNK_SECONDS) * _SECOND, counts) + within)
    orders = len(time)
    sizes = rng.lognormal(math.log(instrument.order_size), 1.0, orders)
    sweeps = rng.random(orders) < 0.25
    return filled(
        rng,
        time=time,
        buy=rng.random(orders) < 0.5 + 0.08 * rng.uniform(-1, 1),
        notional=np.minimum(sizes, LARGEST_ORDER),
        fills=np.minimum(1 + sweeps * rng.geometric(0.4, orders), MOST_FILLS),
        distance=_HALF_SPREAD * (1.0 + rng.random(orders)),
    )


def filled(rng: Generator, *, time: Ints, buy: Flags, notional: Floats, fills: Ints, distance: Floats) -> Fills:
    """Orders, given by columns, cut into fills: unequal parts, each at the price of the last or a worse one."""
    first = np.cumsum(fills) - fills
    order = np.repeat(np.arange(len(time)), fills)
    rank = np.arange(len(order)) - first[order]
    weight = rng.integers(1, 9, len(order))
    total = np.add.reduceat(weight, first) if len(first) else weight
    step = rng.integers(0, 3, len(time))
    return Fills(
        time=time[order],
        rank=rank,
        buy=buy[order],
        notional=notional[order] * (weight / total[order]),
        distance=distance[order],
        ticks=rank * step[order],
    )


def whale(rng: Generator, *, time: int, buy: bool, notional: float, fills: int) -> Fills:
    """One large order at `time` (µs from the chunk's start)."""
    return filled(
        rng,
        time=np.array([time]),
        buy=np.array([buy]),
        notional=np.array([notional]),
        fills=np.array([fills]),
        distance=np.array([2 * _HALF_SPREAD]),
    )


def single(*, time: int, buy: bool, notional: float, off: float) -> Fills:
    """One print at `time`, its price `off` (0.01: one percent) beside the mid price."""
    return _prints(time=np.array([time]), buy=np.array([buy]), notional=notional, distance=off if buy else -off)


def wash(moments: Ints, notional: float) -> Fills:
    """A buy and a sell of one quantity and price at each moment."""
    return _prints(
        time=np.repeat(moments, 2), buy=np.tile([True, False], len(moments)), notional=notional, distance=0.0
    )


def thinned(rng: Generator, fills: Fills, where: Flags, share: float) -> Fills:
    """The fills, of those marked only a share: whole orders stay or go."""
    order = np.cumsum(fills.rank == 0) - 1
    kept = rng.random(int(order[-1]) + 1 if len(order) else 0) < share
    return fills.where(~where | kept[order])


def larger(rng: Generator, fills: Fills, factor: Floats, *, below: float, apart: float) -> Fills:
    """The fills with notionals times a factor, while their order stays below a notional, and prices further apart.

    apart: Mean distance of an order from the mid price beyond its own, as a share of it.
    """
    if not len(fills):
        return fills
    first = np.flatnonzero(fills.rank == 0)
    order = np.cumsum(fills.rank == 0) - 1
    total = np.add.reduceat(fills.notional, first)
    grown = np.minimum(factor[first], np.maximum(0.99 * below / total, 1.0))
    further = apart * rng.standard_exponential(len(first))
    return replace(fills, notional=fills.notional * grown[order], distance=fills.distance + further[order])


def merged(batches: Sequence[Fills]) -> Fills:
    """All fills by time; where two batches have an order at one moment, the earlier batch's order stays."""
    kept = [batches[0]]
    for batch in batches[1:]:
        taken = np.concatenate([fills.time for fills in kept])
        kept.append(batch.where(~np.isin(batch.time, taken)))
    together = Fills(**{f.name: np.concatenate([getattr(b, f.name) for b in kept]) for f in fields(Fills)})
    return together if len(kept) == 1 else together.where(np.argsort(together.time, kind="stable"))


def prices_e8(fills: Fills, instrument: SimulatedInstrument, mid: Floats, shift: Floats | None) -> Ints:
    """Price of every fill in 1e-8 quote units, at least a tick; `mid` by the second, `shift` a factor per fill."""
    side: Ints = np.where(fills.buy, 1, -1)
    price = between_seconds(mid, fills.time) * (1.0 + side * fills.distance)
    if shift is not None:
        price = price * shift
    tick = round(instrument.tick * 1e8)
    ticks: Ints = np.rint(price * (1e8 / tick)).astype(np.int64) + side * fills.ticks
    return np.maximum(ticks, 1) * tick


def quantities_e8(fills: Fills, instrument: SimulatedInstrument, price_e8: Ints) -> Ints:
    """Quantity of every fill in 1e-8 base units, at least one lot, and no more than 64 bits hold."""
    lot = round(instrument.lot * 1e8)
    lots: Ints = np.minimum(np.rint(fills.notional / price_e8 * (1e16 / lot)), _LARGEST / lot).astype(np.int64)
    return np.maximum(lots, 1) * lot


def _prints(*, time: Ints, buy: Flags, notional: float, distance: float) -> Fills:
    """Orders of one fill each."""
    zero = np.zeros(len(time), np.int64)
    whole = np.ones(len(time))
    return Fills(time=time, rank=zero, buy=buy, notional=notional * whole, distance=distance * whole, ticks=zero)
