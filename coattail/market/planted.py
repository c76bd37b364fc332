"""What is put into the market on purpose: a detector should find most of it, and not be fooled by the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from coattail.market.crash import PlantedCrash
from coattail.market.feed import (
    PlantedBacklog,
    PlantedDuplicates,
    PlantedGap,
    PlantedLag,
    PlantedRefilledGap,
    PlantedSkew,
    PlantedStall,
)
from coattail.market.instruments import USDT, SimulatedInstrument
from coattail.market.lasting import Lasting
from coattail.market.pump import PlantedPump
from coattail.market.shifts import PlantedDepeg, PlantedRunaway, PlantedSpread
from coattail.market.truth import row
from coattail.records import micros


@dataclass(frozen=True, kw_only=True)
class PlantedBurst(Lasting):
    """`factor` times the usual number of orders on one instrument, from `start` for `length`."""

    exchange: str
    symbol: str
    factor: float

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="burst", exchange=self.exchange, symbol=self.symbol, size=self.factor)


@dataclass(frozen=True, kw_only=True)
class PlantedDrought(Lasting):
    """Only the share `factor` of the usual orders on one instrument, from `start` for `length`; no whale is lost."""

    exchange: str
    symbol: str
    factor: float
    """0 to 1."""

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="drought", exchange=self.exchange, symbol=self.symbol, size=self.factor)


@dataclass(frozen=True, kw_only=True)
class PlantedWhale:
    """One taker order of `notional` quote units (USDT counts as a dollar), filled in `fills` trades at one time."""

    exchange: str
    symbol: str
    start: datetime
    """When it trades; rounded down to the millisecond."""
    notional: float
    side: Literal["buy", "sell"] = "buy"
    fills: int = 5
    """1 to 1,000."""
    natural: bool = False
    """Whether the market made it by itself (`Character.tail`); a plan never sets it."""

    @property
    def end(self) -> datetime:
        """The same moment as `start`."""
        return self.start

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        detail: dict[str, Any] = {"side": self.side, "fills": self.fills}
        if self.natural:
            detail["natural"] = True
        when = _millisecond(self.start)
        here = row(self, kind="whale", exchange=self.exchange, symbol=self.symbol, size=self.notional, detail=detail)
        return {**here, "start": when, "end": when}


@dataclass(frozen=True, kw_only=True)
class PlantedOutlier:
    """One print of `notional` quote units `pct` percent off the market."""

    exchange: str
    symbol: str
    start: datetime
    """When it trades; rounded down to the millisecond."""
    pct: float
    notional: float = 500.0
    side: Literal["buy", "sell"] = "sell"

    @property
    def end(self) -> datetime:
        """The same moment as `start`."""
        return self.start

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        when = _millisecond(self.start)
        detail = {"side": self.side}
        here = row(self, kind="outlier", exchange=self.exchange, symbol=self.symbol, size=self.pct, detail=detail)
        return {**here, "start": when, "end": when}


@dataclass(frozen=True, kw_only=True)
class PlantedWash(Lasting):
    """`pairs` times two one-fill orders of one quantity and nearly one price, buy and sell, within a second."""

    exchange: str
    symbol: str
    pairs: int
    notional: float
    """Of one order, in quote units."""

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        detail = {"pairs": self.pairs}
        return row(self, kind="wash", exchange=self.exchange, symbol=self.symbol, size=self.notional, detail=detail)


@dataclass(frozen=True, kw_only=True)
class PlantedRegime:
    """From `start` on one instrument trades `factor` times as much as before, and never falls back by itself.

    Its orders are drawn at the other rate: as many silences fewer, not every minute multiplied.
    """

    exchange: str
    symbol: str
    start: datetime
    factor: float
    """Above 0; several on one instrument multiply."""

    @property
    def end(self) -> datetime:
        """The same moment as `start`: it is the change that is an event."""
        return self.start

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="regime", exchange=self.exchange, symbol=self.symbol, size=self.factor)


@dataclass(frozen=True, kw_only=True)
class PlantedSideFlip(Lasting):
    """A venue names the wrong taker side in all its trades; prices stay as they are."""

    exchange: str

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="side_flip", exchange=self.exchange, size=self.length.total_seconds())


Traded = PlantedBurst | PlantedDrought | PlantedWhale | PlantedOutlier | PlantedWash | PlantedPump | PlantedRegime
"""On one instrument."""
Shift = PlantedSpread | PlantedDepeg | PlantedRunaway
"""Of prices."""
Lines = PlantedStall | PlantedBacklog | PlantedLag | PlantedDuplicates | PlantedSkew | PlantedSideFlip
"""Of one venue's line."""
Planted = Traded | Shift | Lines | PlantedCrash | PlantedGap | PlantedRefilledGap


def concerns(event: Planted, instrument: SimulatedInstrument) -> bool:
    """Whether an event concerns an instrument."""
    if isinstance(event, PlantedCrash):
        return True
    if isinstance(event, PlantedDepeg):
        return USDT.name in (instrument.asset.name, instrument.quote)
    if event.exchange != instrument.exchange:
        return False
    if isinstance(event, PlantedSpread):
        return event.asset == instrument.asset.name
    if isinstance(event, PlantedRunaway):
        return instrument.asset.name != USDT.name
    return isinstance(event, Lines) or event.symbol == instrument.symbol


def changes(events: Iterable[Planted], instrument: SimulatedInstrument) -> tuple[tuple[int, float], ...]:
    """When the rate of an instrument changes (µs since 1970 UTC), and by which factor, by time."""
    regimes = (e for e in events if isinstance(e, PlantedRegime) and concerns(e, instrument))
    return tuple(sorted((micros(e.start), e.factor) for e in regimes))


def _millisecond(when: datetime) -> datetime:
    return when.replace(microsecond=when.microsecond // 1000 * 1000)
