"""The trades of all instruments in one chunk of time, and what the next chunk needs to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from coattail.market.activity import intensity
from coattail.market.character import CALM, NATURAL_WHALE, Character
from coattail.market.clusters import changed, lively_background, lively_crowd, natural_whales
from coattail.market.drift import LivelyPrices
from coattail.market.feed import PlantedStall
from coattail.market.fills import (
    Fills,
    background,
    crowd,
    larger,
    merged,
    prices_e8,
    quantities_e8,
    single,
    thinned,
    wash,
    whale,
)
from coattail.market.instruments import USDT, SimulatedInstrument
from coattail.market.lasting import Lasting
from coattail.market.planted import (
    Planted,
    PlantedBurst,
    PlantedDrought,
    PlantedOutlier,
    PlantedSideFlip,
    PlantedWash,
    PlantedWhale,
    Shift,
    changes,
    concerns,
)
from coattail.market.prices import CHUNK_SECONDS, Flags, Floats, Ints, Prices, between_seconds
from coattail.market.randomness import generator
from coattail.market.shaped import Shaped
from coattail.market.shifts import PlantedDepeg
from coattail.records import micros

CHUNK_US = CHUNK_SECONDS * 1_000_000
"""Length of a chunk in µs."""

_FILL_NS = 50
"""Fills of one order arrive this many ns apart …"""
_ORDER_NS = 800
"""… or less, so that all are there within this many."""
_US = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Tape:
    """The trades of one instrument in one chunk, as columns by trade id."""

    time: Ints
    """Exchange time, µs since 1970 UTC."""
    received: Ints
    """Receive time, ns since 1970 UTC; rising."""
    trade_id: Ints
    sequence: Ints
    """Coinbase's message counter of the product."""
    order: Ints
    """Trade id of the first fill of the same order."""
    buy: Flags
    """Whether the taker bought."""
    price_e8: Ints
    """In 1e-8 quote units."""
    quantity_e8: Ints
    """In 1e-8 base units."""

    def where(self, keep: Flags | Ints | slice) -> Tape:
        """The trades at a mask, at positions or in a slice."""
        return Tape(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def joined(tapes: Sequence[Tape]) -> Tape:
    """Tapes of one instrument, one after the other."""
    return Tape(**{f.name: np.concatenate([getattr(t, f.name) for t in tapes]) for f in fields(Tape)})


@dataclass(frozen=True, kw_only=True)
class Carried:
    """Where everything stood at the end of a chunk."""

    walks: Mapping[str, float]
    """Asset -> where its price walk stands."""
    last: tuple[tuple[int, int], ...]
    """Per instrument: newest trade id and newest sequence."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One chunk, ready to be drawn."""

    seed: int
    index: int
    start: int
    """µs since 1970 UTC."""
    rate: float
    instruments: tuple[SimulatedInstrument, ...]
    planted: tuple[Planted, ...]
    """All events that touch the chunk, perhaps more."""
    before: Carried
    character: Character = CALM

    def drawn(self) -> tuple[list[Tape], Carried]:
        """A tape per instrument, and what the next chunk starts from."""
        prices = self._prices()
        tapes = [
            self._tape(instrument, prices, *last)
            for instrument, last in zip(self.instruments, self.before.last, strict=True)
        ]
        last = tuple(
            (old[0] + len(t.time), int(t.sequence[-1]) if len(t.time) else old[1])
            for old, t in zip(self.before.last, tapes, strict=True)
        )
        return tapes, Carried(walks=prices.after, last=last)

    def natural(self, instrument: SimulatedInstrument) -> tuple[PlantedWhale, ...]:
        """Whales that nobody planted."""
        if self.character.steady:
            return ()
        place = (self.seed, self.character, instrument, self.rate, self.index, self.start)
        return natural_whales(*place, changes(self.planted, instrument))

    def _prices(self) -> Prices:
        if self.character.steady:
            return Prices(seed=self.seed, chunk=self.index, before=self.before.walks)
        return LivelyPrices(
            seed=self.seed, chunk=self.index, before=self.before.walks, character=self.character, start=self.start
        )

    def received(self, exchange: str, time: Ints) -> Ints:
        """When a message of these times (µs since 1970 UTC) arrives, ns since 1970 UTC: 12 to 57 ms later, in order.

        The delay changes by less than 45 ms a second, so a later message never overtakes an earlier one.
        """
        return time * 1000 + between_seconds(_delay_ns(self.seed, exchange, self.index), time - self.start).astype(
            np.int64
        )

    def _tape(self, instrument: SimulatedInstrument, prices: Prices, last_id: int, last_sequence: int) -> Tape:
        here = [e for e in self.planted if concerns(e, instrument)]
        fills = self._fills(instrument, here)
        price = prices_e8(fills, instrument, prices.curve(instrument), self._shift(instrument, here, fills.time))
        trade_id = last_id + 1 + np.arange(len(fills))
        steps = generator(self.seed, f"sequence:{instrument.key}", self.index).integers(1, 60, len(fills))
        time = self.start + fills.time
        flipped = np.zeros(len(fills), np.bool_)
        for event in here:
            if isinstance(event, PlantedSideFlip):
                flipped |= self._during(event, fills.time)
        return Tape(
            time=time,
            received=self.received(instrument.exchange, time) + _since_first_fill_ns(fills),
            trade_id=trade_id,
            sequence=last_sequence + np.cumsum(steps),
            order=trade_id - fills.rank,
            buy=fills.buy ^ flipped,
            price_e8=price,
            quantity_e8=quantities_e8(fills, instrument, price),
        )

    def _fills(self, instrument: SimulatedInstrument, here: Sequence[Planted]) -> Fills:
        """What is planted as an order first (it keeps its moment), then the background, then bursts."""
        quiet = self._background(instrument)
        orders, bursts = [], []
        for event in (*here, *self.natural(instrument)):
            rng = self._stream(event)
            if isinstance(event, PlantedWhale) and 0 <= self._offset(event) < CHUNK_US:
                time = self._offset(event) // 1000 * 1000
                buy = event.side == "buy"
                orders.append(whale(rng, time=time, buy=buy, notional=event.notional, fills=event.fills))
            elif isinstance(event, PlantedOutlier) and 0 <= self._offset(event) < CHUNK_US:
                time = self._offset(event) // 1000 * 1000
                buy = event.side == "buy"
                orders.append(single(time=time, buy=buy, notional=event.notional, off=event.pct / 100))
            elif isinstance(event, PlantedWash):
                drawn = rng.integers(0, event.length // _US, event.pairs)
                moments = np.unique((self._offset(event) + drawn) // 1000 * 1000)
                orders.append(wash(moments[(moments >= 0) & (moments < CHUNK_US)], event.notional))
            elif isinstance(event, PlantedDrought):
                quiet = thinned(self._stream(event, self.index), quiet, self._during(event, quiet.time), event.factor)
            elif isinstance(event, PlantedBurst):
                bursts.append(self._burst(event, instrument))
            elif isinstance(event, Shaped):
                bursts.append(self._shaped(event, instrument))
        fills = merged([*orders, quiet, *bursts])
        for event in here:
            if isinstance(event, PlantedStall):
                fills = fills.where(~self._during(event, fills.time))
        return fills

    def _background(self, instrument: SimulatedInstrument) -> Fills:
        regimes = changes(self.planted, instrument)
        if self.character.steady:
            rng = generator(self.seed, f"trades:{instrument.key}", self.index)
            return background(rng, instrument, self.rate * changed(regimes, self.start))
        return lively_background(self.seed, self.character, instrument, self.rate, self.index, self.start, regimes)

    def _burst(self, event: PlantedBurst, instrument: SimulatedInstrument) -> Fills:
        """The orders that a burst adds; those outside its time are drawn and dropped."""
        rng = self._stream(event, self.index)
        extra = self.rate * (event.factor - 1.0) * changed(changes(self.planted, instrument), self.start)
        if self.character.steady:
            fills = crowd(rng, instrument, np.full(CHUNK_SECONDS, extra))
        else:
            level = intensity(self.seed, self.character, instrument, self.index, self.start)
            fills = lively_crowd(rng, self.character, instrument, extra * level)
        return fills.where(self._during(event, fills.time))

    def _shaped(self, event: Shaped, instrument: SimulatedInstrument) -> Fills:
        """The orders that a crowd adds: its own, whatever the market does meanwhile, and none causes another."""
        rng = generator(self.seed, f"shaped:{instrument.key}:{micros(event.start)}", self.index)
        seconds = np.arange(CHUNK_SECONDS, dtype=np.float64) - self._offset(event) / 1e6
        inside = (seconds >= 0) & (seconds < event.length.total_seconds())
        extra = np.where(inside, event.extra(seconds), 0.0) * self.rate
        if self.character.steady:
            fills = crowd(rng, instrument, extra)
        else:
            alone = replace(self.character, branching=0.0, fertility_alpha=None)
            fills = lively_crowd(rng, alone, instrument, extra)
        fills = fills.where(self._during(event, fills.time))
        sizes = event.sizes((fills.time - self._offset(event)) / 1e6)
        apart = 0.0 if instrument.asset.name == USDT.name else event.crowd_apart
        return larger(rng, fills, sizes, below=NATURAL_WHALE, apart=apart)

    def _shift(self, instrument: SimulatedInstrument, here: Sequence[Planted], time: Ints) -> Floats | None:
        shift = None
        for event in here:
            if isinstance(event, Shift):
                shift = np.ones(len(time)) if shift is None else shift
                factor = 1.0 + event.pct / 100
                in_usdt = isinstance(event, PlantedDepeg) and instrument.asset.name != USDT.name
                shift[self._during(event, time)] *= 1.0 / factor if in_usdt else factor
            elif isinstance(event, Shaped):
                shift = np.ones(len(time)) if shift is None else shift
                inside = self._during(event, time)
                shift[inside] *= event.price((time[inside] - self._offset(event)) / 1e6, instrument)
        return shift

    def _stream(self, event: Planted, index: int = 0) -> Generator:
        """The random numbers of an event on one instrument."""
        kind = type(event).__name__.removeprefix("Planted").lower()
        symbol = getattr(event, "symbol", None)
        return generator(self.seed, f"{kind}:{getattr(event, 'exchange', None)}:{symbol}:{micros(event.start)}", index)

    def _during(self, event: Lasting, time: Ints) -> Flags:
        """Which times (µs from the chunk's start) lie in an event."""
        return (time >= self._offset(event)) & (time < micros(event.end) - self.start)

    def _offset(self, event: Planted | Lasting) -> int:
        """µs from the chunk's start."""
        return micros(event.start) - self.start


@lru_cache(maxsize=8)
def _delay_ns(seed: int, exchange: str, chunk: int) -> Floats:
    """How long messages of a venue take, by the second."""
    rng = generator(seed, f"latency:{exchange}", chunk)
    return 12e6 + 45e6 * np.concatenate(([0.0], rng.random(CHUNK_SECONDS - 1), [0.0]))


def _since_first_fill_ns(fills: Fills) -> Ints:
    """How long after its order's first fill each fill arrives: all of an order before one that trades 1 µs later."""
    if not len(fills) or fills.rank.max() * _FILL_NS < _ORDER_NS:
        return fills.rank * _FILL_NS
    first = np.flatnonzero(fills.rank == 0)
    count = np.diff(np.append(first, len(fills)))
    apart: Ints = np.repeat(np.minimum(_FILL_NS, _ORDER_NS // count), count)
    return fills.rank * apart


def opening(seed: int, instruments: Sequence[SimulatedInstrument]) -> Carried:
    """Where everything stands before the first chunk: the newest ids depend on the seed."""
    last = []
    for instrument in instruments:
        rng = generator(seed, f"ids:{instrument.key}")
        last.append((int(rng.integers(100_000_000, 4_000_000_000)), int(rng.integers(10**9, 10**11))))
    return Carried(walks={}, last=tuple(last))
