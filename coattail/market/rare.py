"""Plans of what happens rarely and matters most: pumps, crashes, markets that become another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from numpy.random import Generator

from coattail.market.crash import PlantedCrash
from coattail.market.feed import PlantedLag
from coattail.market.instruments import DEFAULT_INSTRUMENTS, EXCHANGES, USDT, SimulatedInstrument
from coattail.market.plan import WARM_UP, planted_week
from coattail.market.planted import Planted, PlantedRegime
from coattail.market.pump import PlantedPump
from coattail.market.randomness import generator

REGIME = 3.0
"""Activity of another regime, as a multiple of the first."""

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

Plan = Callable[[int, datetime, int, timedelta], tuple[Planted, ...]]
"""(seed, start, days, warm-up) -> the events, by start."""


def planted_pumps(
    seed: int,
    start: datetime,
    days: int,
    instruments: Sequence[SimulatedInstrument] = DEFAULT_INSTRUMENTS,
    *,
    warm_up: timedelta = WARM_UP,
) -> tuple[PlantedPump, ...]:
    """A pump a week of every coin's market, announced on a minute: 150 to 600 times the trades, 20 to 100 % in price.

    Weeks begin after the warm-up, a shorter one has a pump, too; of a stablecoin there is none.
    """
    planned = []
    end, low = start + days * _DAY, start + warm_up
    for instrument in (i for i in instruments if i.asset.name != USDT.name):
        for week in range(-(-(end - low) // (7 * _DAY))):
            rng = generator(seed, f"pumps:{instrument.key}", week)
            factor, pct = _log_uniform(rng, 150.0, 600.0), _log_uniform(rng, 20.0, 100.0)
            begin = _moment(rng, low + 7 * week * _DAY, min(low + 7 * (week + 1) * _DAY, end), PlantedPump.length)
            if begin is not None:
                pump = PlantedPump(
                    exchange=instrument.exchange,
                    symbol=instrument.symbol,
                    start=begin,
                    factor=factor,
                    pct=pct,
                    reaction=timedelta(seconds=round(float(rng.uniform(1.0, 6.0)), 1)),
                )
                planned.append(pump)
    return tuple(sorted(planned, key=lambda pump: (pump.start, pump.exchange, pump.symbol)))


def planted_crashes(
    seed: int, start: datetime, days: int, *, warm_up: timedelta = WARM_UP
) -> tuple[PlantedCrash | PlantedLag, ...]:
    """A crash a day: 10 to 45 % down, 10 to 100 times the trades, a venue that strays and is late by 2 to 10 s.

    USDT's rate is off by 0.3 to 1 % meanwhile. None begins in the warm-up or ends after the last day.
    """
    planned: list[PlantedCrash | PlantedLag] = []
    low = start + warm_up
    for day in range(days):
        rng = generator(seed, "crashes", day)
        far = str(rng.choice(EXCHANGES))
        begin = _moment(rng, max(start + day * _DAY, low), start + (day + 1) * _DAY, PlantedCrash.length)
        if begin is not None:
            crash = PlantedCrash(
                start=begin,
                pct=_log_uniform(rng, 10.0, 45.0),
                factor=_log_uniform(rng, 10.0, 100.0),
                far=far,
                apart_pct=_log_uniform(rng, 0.8, 2.0),
                depeg_pct=-_log_uniform(rng, 0.3, 1.0),
                seed=int(rng.integers(2**31)),
            )
            late = timedelta(seconds=_log_uniform(rng, 2.0, 10.0))
            planned += [crash, PlantedLag(exchange=far, start=begin, length=crash.length, lag=late)]
    return tuple(planned)


def planted_regimes(
    seed: int,
    start: datetime,
    days: int,
    instruments: Sequence[SimulatedInstrument] = DEFAULT_INSTRUMENTS,
    *,
    warm_up: timedelta = WARM_UP,
) -> tuple[PlantedRegime, ...]:
    """After the warm-up every market trades three times as much, half of the time that is left later as before.

    Each begins within an hour that depends on the seed.
    """
    planned = []
    for instrument in instruments:
        rng = generator(seed, f"regimes:{instrument.key}")
        place = {"exchange": instrument.exchange, "symbol": instrument.symbol}
        begin = start + warm_up + _MINUTE * int(rng.integers(60))
        back = begin + (start + days * _DAY - begin) / 2
        if begin < back:
            planned.append(PlantedRegime(start=begin, factor=REGIME, **place))
            planned.append(PlantedRegime(start=back.replace(microsecond=0), factor=1.0 / REGIME, **place))
    return tuple(sorted(planned, key=lambda regime: (regime.start, regime.exchange, regime.symbol)))


PLANS: dict[str, Plan] = {
    "evidence": lambda seed, start, days, warm_up: planted_week(seed, start, days, warm_up=warm_up),
    "pumps": lambda seed, start, days, warm_up: planted_pumps(seed, start, days, warm_up=warm_up),
    "crashes": lambda seed, start, days, warm_up: planted_crashes(seed, start, days, warm_up=warm_up),
    "regimes": lambda seed, start, days, warm_up: planted_regimes(seed, start, days, warm_up=warm_up),
    "none": lambda seed, start, days, warm_up: (),
}
"""Name -> what is planted in the default instruments."""


def _moment(rng: Generator, low: datetime, high: datetime, length: timedelta) -> datetime | None:
    """A moment on a whole minute from `low` on, with room for `length` before `high`; None where there is no room."""
    minutes = (high - length - low) // _MINUTE
    return low + _MINUTE * int(rng.integers(minutes)) if minutes > 0 else None


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return round(math.exp(rng.uniform(math.log(low), math.log(high))), 2)
