"""The trades of all instruments in one chunk of time, and what the next chunk needs to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coattail.market.fills import Fills, background, crowd, merged, prices_e8, quantities_e8, whale
from coattail.market.instruments import Instrument
from coattail.market.planted import Planted, PlantedBurst, PlantedSpread, PlantedWhale
from coattail.market.prices import CHUNK_SECONDS, Flags, Floats, Ints, Prices, between_seconds
from coattail.market.randomness import generator
from coattail.records import micros

CHUNK_US = CHUNK_SECONDS * 1_000_000
"""Length of a chunk in µs."""

_FILL_NS = 50
"""Fills of one order arrive this many ns apart, so that all 16 are there before an order 1 µs later."""


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
    instruments: tuple[Instrument, ...]
    planted: tuple[Planted, ...]
    """All events that touch the chunk, perhaps more."""
    before: Carried

    def drawn(self) -> tuple[list[Tape], Carried]:
        """A tape per instrument, and what the next chunk starts from."""
        prices = Prices(seed=self.seed, chunk=self.index, before=self.before.walks)
        tapes = [
            self._tape(instrument, prices, *last)
            for instrument, last in zip(self.instruments, self.before.last, strict=True)
        ]
        last = tuple(
            (old[0] + len(t.time), int(t.sequence[-1]) if len(t.time) else old[1])
            for old, t in zip(self.before.last, tapes, strict=True)
        )
        return tapes, Carried(walks=prices.after, last=last)

    def received(self, exchange: str, time: Ints) -> Ints:
        """When a message of these times (µs since 1970 UTC) arrives, ns since 1970 UTC: 12 to 57 ms later, in order.

        The delay changes by less than 45 ms a second, so a later message never overtakes an earlier one.
        """
        rng = generator(self.seed, f"latency:{exchange}", self.index)
        delay_ns = 12e6 + 45e6 * np.concatenate(([0.0], rng.random(CHUNK_SECONDS - 1), [0.0]))
        return time * 1000 + between_seconds(delay_ns, time - self.start).astype(np.int64)

    def _tape(self, instrument: Instrument, prices: Prices, last_id: int, last_sequence: int) -> Tape:
        fills = self._fills(instrument)
        price = prices_e8(fills, instrument, prices.curve(instrument), self._shift(instrument, fills.time))
        trade_id = last_id + 1 + np.arange(len(fills))
        steps = generator(self.seed, f"sequence:{instrument.key}", self.index).integers(1, 60, len(fills))
        time = self.start + fills.time
        return Tape(
            time=time,
            received=self.received(instrument.exchange, time) + _FILL_NS * fills.rank,
            trade_id=trade_id,
            sequence=last_sequence + np.cumsum(steps),
            order=trade_id - fills.rank,
            buy=fills.buy,
            price_e8=price,
            quantity_e8=quantities_e8(fills, instrument, price),
        )

    def _fills(self, instrument: Instrument) -> Fills:
        """Whales first (they keep their moment), then the background, then bursts."""
        here = [e for e in self.planted if not isinstance(e, PlantedSpread) and concerns(e, instrument)]
        whales = [e for e in here if isinstance(e, PlantedWhale) and 0 <= self._offset(e) < CHUNK_US]
        quiet = background(generator(self.seed, f"trades:{instrument.key}", self.index), instrument, self.rate)
        bursts = [self._burst(e, instrument) for e in here if isinstance(e, PlantedBurst)]
        return merged([*(self._whale(e) for e in whales), quiet, *bursts])

    def _whale(self, event: PlantedWhale) -> Fills:
        return whale(
            generator(self.seed, f"whale:{event.exchange}:{event.symbol}:{micros(event.start)}"),
            time=self._offset(event) // 1000 * 1000,
            buy=event.side == "buy",
            notional=event.notional,
            fills=event.fills,
        )

    def _burst(self, event: PlantedBurst, instrument: Instrument) -> Fills:
        """The orders that a burst adds; those outside its time are drawn and dropped."""
        name = f"burst:{event.exchange}:{event.symbol}:{micros(event.start)}"
        extra = np.full(CHUNK_SECONDS, self.rate * (event.factor - 1.0))
        fills = crowd(generator(self.seed, name, self.index), instrument, extra)
        first, last = self._offset(event), micros(event.end) - self.start
        return fills.where((fills.time >= first) & (fills.time < last))

    def _shift(self, instrument: Instrument, time: Ints) -> Floats | None:
        shift = None
        for event in self.planted:
            if isinstance(event, PlantedSpread) and concerns(event, instrument):
                shift = np.ones(len(time)) if shift is None else shift
                during = (time >= self._offset(event)) & (time < micros(event.end) - self.start)
                shift[during] *= 1.0 + event.pct / 100
        return shift

    def _offset(self, event: Planted) -> int:
        """µs from the chunk's start."""
        return micros(event.start) - self.start


def opening(seed: int, instruments: Sequence[Instrument]) -> Carried:
    """Where everything stands before the first chunk: the newest ids depend on the seed."""
    last = []
    for instrument in instruments:
        rng = generator(seed, f"ids:{instrument.key}")
        last.append((int(rng.integers(100_000_000, 4_000_000_000)), int(rng.integers(10**9, 10**11))))
    return Carried(walks={}, last=tuple(last))


def concerns(event: Planted, instrument: Instrument) -> bool:
    """Whether an event concerns an instrument."""
    if isinstance(event, PlantedSpread):
        return (event.exchange, event.asset) == (instrument.exchange, instrument.asset.name)
    return (event.exchange, event.symbol) == (instrument.exchange, instrument.symbol)
