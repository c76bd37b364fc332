"""A plan of events for evidence: many sizes and durations of every kind, far enough apart to tell one from another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

from numpy.random import Generator

from coattail.market.feed import (
    PlantedBacklog,
    PlantedDuplicates,
    PlantedGap,
    PlantedRefilledGap,
    PlantedSkew,
    PlantedStall,
)
from coattail.market.instruments import DEFAULT_INSTRUMENTS, USDT, SimulatedInstrument
from coattail.market.planted import (
    Planted,
    PlantedBurst,
    PlantedDrought,
    PlantedOutlier,
    PlantedSideFlip,
    PlantedWash,
    PlantedWhale,
    concerns,
)
from coattail.market.randomness import generator
from coattail.market.shifts import PlantedDepeg, PlantedRunaway, PlantedSpread

BURST_FACTORS = (2.0, 3.0, 5.0, 8.0)
BURST_MINUTES = (1, 2, 5, 10)
APART = timedelta(minutes=45)
"""Nothing else happens to an instrument for this long before and after an event."""
WARM_UP = timedelta(hours=6)
"""Nothing is planted for this long at first, so that detectors know what is usual."""

_DAY = timedelta(days=1)
_TRIES = 200
_BURSTS, _WHALES, _SPREADS = 4, 3, 2
_DROUGHTS = tuple(product((0.0, 0.2, 0.5), (2, 5, 10)))
_SIZES = tuple(product(BURST_FACTORS, BURST_MINUTES))

_Make = Callable[[datetime], Planted]


def planted_week(
    seed: int,
    start: datetime,
    days: int = 7,
    instruments: Sequence[SimulatedInstrument] = DEFAULT_INSTRUMENTS,
    *,
    apart: timedelta = APART,
    warm_up: timedelta = WARM_UP,
    faults: bool = True,
) -> tuple[Planted, ...]:
    """Events for a market that begins at `start`, by start; equal arguments give equal plans.

    Per day and instrument: 4 bursts (2, 3, 5, 8 times; 1, 2, 5, 10 minutes), a drought, 3 whales (100 K to 5 M, in one
    fill and in many), an outlier, wash pairs, and with `faults` a gap and a refilled one. Per day and asset: 2 spreads
    (0.2 to 2 %, 30 s to 10 min). Per day: a depeg (0.3 to 3 %, 5 to 60 min), where two exchanges trade a venue that
    runs away with its coins (0.3 to 3 %, 1 to 10 min), and with `faults`, on one exchange in turn, a stall, a backlog,
    duplicates, a skewed clock and flipped sides. What finds no room for `apart` is left out.
    """
    taken: dict[str, list[tuple[datetime, datetime]]] = {i.key: [] for i in instruments}
    planned: list[Planted] = []
    for day in range(days):
        rng = generator(seed, "plan", day)
        low = max(start + day * _DAY, start + warm_up)
        others = generator(seed, "runaways", day)
        wanted = [(others, make) for make in _runaways(others, day, instruments)]
        for drawn, make in (*wanted, *((rng, make) for make in _wanted(rng, day, instruments, faults=faults))):
            event = _placed(drawn, make, low, start + (day + 1) * _DAY, instruments, taken, apart)
            if event is not None:
                planned.append(event)
    return tuple(sorted(planned, key=lambda e: (e.start, type(e).__name__, repr(e))))


def _placed(
    rng: Generator,
    make: _Make,
    low: datetime,
    high: datetime,
    instruments: Sequence[SimulatedInstrument],
    taken: dict[str, list[tuple[datetime, datetime]]],
    apart: timedelta,
) -> Planted | None:
    """The event at the first moment drawn that has room, or None."""
    here = [i.key for i in instruments if concerns(make(low), i)]
    milliseconds = (high - low) // timedelta(milliseconds=1)
    for _ in range(_TRIES if here and milliseconds > 0 else 0):
        event = make(low + timedelta(milliseconds=int(rng.integers(0, milliseconds))))
        if event.end + apart <= high and all(
            event.end + apart <= first or last + apart <= event.start for key in here for first, last in taken[key]
        ):
            for key in here:
                taken[key].append((event.start, event.end))
            return event
    return None


def _wanted(rng: Generator, day: int, instruments: Sequence[SimulatedInstrument], *, faults: bool) -> Iterator[_Make]:
    """What should happen in a day: what concerns most instruments first, for it needs most room."""
    exchanges = sorted({i.exchange for i in instruments})
    usdt = any(USDT.name in (i.asset.name, i.quote) for i in instruments)
    if usdt:
        yield _lasting(PlantedDepeg, 60 * _log_uniform(rng, 5, 60), pct=_signed(rng, 0.3, 3.0))
    if faults:
        yield from _of_a_line(rng, day, exchanges)
    for asset in sorted({i.asset.name for i in instruments} - {USDT.name}):
        for _ in range(_SPREADS):
            venue = str(rng.choice(sorted({i.exchange for i in instruments if i.asset.name == asset})))
            seconds, pct = _log_uniform(rng, 30, 600), _signed(rng, 0.2, 2.0)
            yield _lasting(PlantedSpread, seconds, exchange=venue, asset=asset, pct=pct)
    for number, instrument in enumerate(instruments):
        yield from _of_an_instrument(rng, day, number, instrument, faults=faults)


def _runaways(rng: Generator, day: int, instruments: Sequence[SimulatedInstrument]) -> Iterator[_Make]:
    """A venue that runs away with all its coins, where there is another to compare it with; the venues in turn."""
    exchanges = sorted({i.exchange for i in instruments})
    if len(exchanges) > 1:
        seconds, pct = _log_uniform(rng, 60, 600), _signed(rng, 0.3, 3.0)
        yield _lasting(PlantedRunaway, seconds, exchange=exchanges[day % len(exchanges)], pct=pct)


def _of_a_line(rng: Generator, day: int, exchanges: Sequence[str]) -> Iterator[_Make]:
    """Faults of venues' lines, in turn."""
    turns = [exchanges[(day + i) % len(exchanges)] for i in range(5)]
    yield _lasting(PlantedStall, _log_uniform(rng, 20, 300), exchange=turns[0])
    yield _lasting(PlantedBacklog, _log_uniform(rng, 30, 600), exchange=turns[1])
    yield _lasting(PlantedDuplicates, 60 * _log_uniform(rng, 2, 20), exchange=turns[2], rate=_uniform(rng, 0.05, 0.5))
    offset = timedelta(seconds=_signed(rng, 0.1, 5.0))
    yield _lasting(PlantedSkew, 60 * _log_uniform(rng, 10, 60), exchange=turns[3], offset=offset)
    yield _lasting(PlantedSideFlip, 60 * _log_uniform(rng, 5, 30), exchange=turns[4])


def _of_an_instrument(
    rng: Generator, day: int, number: int, instrument: SimulatedInstrument, *, faults: bool
) -> Iterator[_Make]:
    """What concerns one instrument alone."""
    place: dict[str, Any] = {"exchange": instrument.exchange, "symbol": instrument.symbol}
    for i in range(_BURSTS):
        factor, minutes = _SIZES[(5 * (day * _BURSTS + i) + 3 * number) % len(_SIZES)]
        yield _lasting(PlantedBurst, 60 * minutes, factor=factor, **place)
    share, minutes = _DROUGHTS[(2 * day + number) % len(_DROUGHTS)]
    yield _lasting(PlantedDrought, 60 * minutes, factor=share, **place)
    for i in range(_WHALES):
        notional = round(_log_uniform(rng, 100_500, 5e6), 2)
        fills = 1 if (day + i) % 2 else int(rng.integers(10, 200))
        side = "buy" if rng.random() < 0.5 else "sell"
        yield partial(_at, PlantedWhale, {**place, "notional": notional, "fills": fills, "side": side})
    yield partial(_at, PlantedOutlier, {**place, "pct": _signed(rng, 2.0, 10.0)})
    pairs, notional = int(rng.integers(10, 60)), round(_log_uniform(rng, 500, 20_000), 2)
    yield _lasting(PlantedWash, _log_uniform(rng, 60, 600), pairs=pairs, notional=notional, **place)
    if faults:
        yield _lasting(PlantedGap, _log_uniform(rng, 5, 300), **place)
        after = timedelta(seconds=round(_log_uniform(rng, 10, 3600)))
        yield _lasting(PlantedRefilledGap, _log_uniform(rng, 5, 300), after=after, **place)


def _lasting(kind: type[Any], seconds: float, **fields: Any) -> _Make:
    return partial(_at, kind, {**fields, "length": timedelta(seconds=round(seconds))})


def _at(kind: type[Any], fields: dict[str, Any], start: datetime) -> Planted:
    event: Planted = kind(start=start, **fields)
    return event


def _uniform(rng: Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 3)


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _signed(rng: Generator, low: float, high: float) -> float:
    return round(_log_uniform(rng, low, high) * (1 if rng.random() < 0.5 else -1), 3)
