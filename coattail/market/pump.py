"""Pumps as they are: some buy beforehand, one announces, and a crowd comes within seconds.

The shapes are those of four recorded pumps (docs/MARKET.md has them beside each other).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np

from coattail.market.instruments import SimulatedInstrument
from coattail.market.prices import Floats
from coattail.market.shaped import Shaped
from coattail.market.truth import row


@dataclass(frozen=True, kw_only=True)
class PlantedPump(Shaped):
    """A few buy from `start` on, `lead` later a pump of their market is announced, and after `length` all is over.

    The truth begins at the announcement.
    """

    exchange: str
    symbol: str
    length: timedelta = timedelta(hours=2, minutes=30)
    factor: float = 300.0
    """Trades in the minute after the announcement, as a multiple of the usual; recorded: 325 to 603."""
    pct: float = 30.0
    """How high the price rises, %; recorded: 10 to 17, elsewhere up to 100."""
    lead: timedelta = timedelta(minutes=30)
    """How long before the announcement the first buy; recorded pumps show it in half an hour at most."""
    drift_pct: float = 1.5
    """How far they drive the price, %; recorded: 1.2 to 2.6."""
    reaction: timedelta = timedelta(seconds=3)
    """From the announcement to the crowd; recorded: 1 to 9 s."""

    size_factor: ClassVar[float] = 3.0
    """How much larger orders are at first, beyond 1.3 times; half of it is gone after 45 s."""
    jump_share: ClassVar[float] = 0.5
    """Share of the rise that comes in the first second of the crowd …"""
    peak_s: ClassVar[float] = 60.0
    """… and the time in which the rest does; recorded pumps peak after 10 to 180 s …"""
    half_life_s: ClassVar[float] = 1_200.0
    """… and half of it is lost in this time."""
    decay_s: ClassVar[float] = 80.0
    """The crowd's activity falls as (1 + t / this) to the power of …"""
    decay_power: ClassVar[float] = 1.3
    """… minus this."""

    @property
    def announced(self) -> datetime:
        """The moment that a detector is measured from."""
        return self.start + self.lead

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        detail = {"pct": self.pct, "lead_s": self.lead.total_seconds()}
        here = row(self, kind="pump", exchange=self.exchange, symbol=self.symbol, size=self.factor, detail=detail)
        return {**here, "start": self.announced}

    def extra(self, seconds: Floats) -> Floats:
        """As `Shaped.extra`."""
        since = seconds - self.lead.total_seconds()
        minute = self._crowd(np.arange(0.5, 60.0) - self.reaction.total_seconds()).mean()
        crowd = self._crowd(since - self.reaction.total_seconds()) * (self.factor / minute)
        before = 1.0 + 8.0 * np.exp(since.clip(max=0.0) / 180.0)
        extra: Floats = np.where(since < 0, before, crowd)
        return extra

    def sizes(self, seconds: Floats) -> Floats:
        """As `Shaped.sizes`."""
        crowd = (seconds - (self.lead + self.reaction).total_seconds()).clip(min=0.0)
        grown = 1.3 + self.size_factor * 2.0 ** (-crowd / 45.0)
        sizes: Floats = np.where(seconds < self.lead.total_seconds(), 1.0, grown)
        return sizes

    def price(self, seconds: Floats, instrument: SimulatedInstrument) -> Floats:
        """As `Shaped.price`."""
        lead, length = self.lead.total_seconds(), self.length.total_seconds()
        crowd = seconds - lead - self.reaction.total_seconds()
        drift = self.drift_pct * (seconds / lead if lead else np.ones(len(seconds))).clip(0.0, 1.0) ** 2
        risen = (self.jump_share + (1.0 - self.jump_share) * crowd / self.peak_s).clip(max=1.0)
        lost = 2.0 ** (-(crowd - self.peak_s).clip(min=0.0) / self.half_life_s)
        over = ((length - seconds) / (0.1 * length)).clip(0.0, 1.0)
        pumped = np.where(crowd >= 0, (self.pct - drift) * risen, 0.0)
        factor: Floats = 1.0 + (drift + pumped) * lost * over / 100
        return factor

    def _crowd(self, since: Floats) -> Floats:
        """The course of the crowd's activity, seconds after it came; 0 before."""
        after = since.clip(min=0.0)
        course = (1.0 + after / self.decay_s) ** -self.decay_power * (1.0 + 2.0 * np.exp(-after / 5.0))
        course = np.where(since >= 0, course, 0.0)
        return course
