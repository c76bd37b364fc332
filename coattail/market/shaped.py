"""Events that have a course: volume, sizes of orders and prices that change from second to second."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from coattail.market.instruments import SimulatedInstrument
from coattail.market.lasting import Lasting
from coattail.market.prices import Floats


@dataclass(frozen=True, kw_only=True)
class Shaped(Lasting, ABC):
    """What a crowd does to a market. Times are seconds since `start`."""

    crowd_apart: ClassVar[float] = 0.0015
    """Mean distance of the crowd's trades from the mid price, as a share of it; of a stablecoin's, none."""

    @abstractmethod
    def extra(self, seconds: Floats) -> Floats:
        """Trades beyond the usual, as a multiple of it."""

    @abstractmethod
    def sizes(self, seconds: Floats) -> Floats:
        """Factor on the sizes of the crowd's orders."""

    @abstractmethod
    def price(self, seconds: Floats, instrument: SimulatedInstrument) -> Floats:
        """Factor on the price."""
