"""Whether what is planted can happen, checked before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from coattail.errors import ConfigError
from coattail.market.crash import PlantedCrash
from coattail.market.feed import PlantedDuplicates, PlantedLag, PlantedRefilledGap
from coattail.market.fills import MOST_PLANTED_FILLS
from coattail.market.instruments import SimulatedInstrument
from coattail.market.lasting import Lasting
from coattail.market.planted import (
    Planted,
    PlantedBurst,
    PlantedDrought,
    PlantedOutlier,
    PlantedRegime,
    PlantedWash,
    PlantedWhale,
    concerns,
)
from coattail.market.pump import PlantedPump
from coattail.market.shifts import PlantedDepeg, PlantedRunaway, PlantedSpread
from coattail.records import micros


def check_planted(planted: Sequence[Planted], traded: Sequence[SimulatedInstrument]) -> None:
    """Nothing, if every event can happen and can be told apart from the others.

    Raises: ConfigError: If one cannot.
    """
    moments = set()
    for event in planted:
        if not any(concerns(event, i) for i in traded):
            known = ", ".join(i.key for i in traded)
            raise ConfigError(f"nothing trades where {event} is planted", next_step=f"traded: {known}")
        for remedy in _remedies(event):
            raise ConfigError(f"{event} is impossible", next_step=remedy)
        if isinstance(event, PlantedWhale | PlantedOutlier):
            moment = (event.exchange, event.symbol, micros(event.start) // 1000)
            if moment in moments:
                raise ConfigError(f"{event} is impossible", next_step="give it a millisecond of its own")
            moments.add(moment)


def _remedies(event: Planted) -> Iterator[str]:
    """What must change about an event."""
    if isinstance(event, Lasting) and event.length <= timedelta():
        yield "give it a positive length"
    if isinstance(event, PlantedWhale | PlantedOutlier | PlantedWash) and event.notional <= 0:
        yield "give a notional above 0"
    if isinstance(event, PlantedWhale) and not 1 <= event.fills <= MOST_PLANTED_FILLS:
        yield f"give 1 to {MOST_PLANTED_FILLS} fills"
    if isinstance(event, PlantedWhale) and event.natural:
        yield "leave natural whales to the market"
    if isinstance(event, PlantedWash) and event.pairs < 1:
        yield "give at least one pair"
    if isinstance(event, PlantedBurst) and event.factor < 1:
        yield "give a factor of at least 1"
    if isinstance(event, PlantedDrought) and not 0 <= event.factor <= 1:
        yield "give a factor from 0 to 1"
    if isinstance(event, PlantedSpread | PlantedDepeg | PlantedRunaway | PlantedOutlier) and event.pct <= -100:
        yield "give a shift above -100 %"
    if isinstance(event, PlantedRegime) and event.factor <= 0:
        yield "give a factor above 0"
    if isinstance(event, PlantedPump | PlantedCrash) and event.factor < 1:
        yield "give a factor of at least 1"
    if isinstance(event, PlantedPump) and not timedelta() <= event.lead < event.length:
        yield "let it be announced between its start and its end"
    if isinstance(event, PlantedCrash) and not (timedelta() < event.fall < event.length and 0 <= event.pct < 100):
        yield "let prices fall by less than 100 % before its end"
    if isinstance(event, PlantedLag) and not timedelta() < event.lag <= event.length / 10:
        yield "give a lag of at most a tenth of its length"
    if isinstance(event, PlantedDuplicates) and not 0 <= event.rate <= 1:
        yield "give a rate from 0 to 1"
    if isinstance(event, PlantedRefilledGap) and event.after < timedelta():
        yield "let it be refilled after its end"
