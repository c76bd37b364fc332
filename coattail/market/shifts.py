"""Prices that are somewhere else for a while."""

from __future__ import annotations

from dataclasses import dataclass

from coattail.market.instruments import USDT
from coattail.market.lasting import Lasting
from coattail.market.truth import row


@dataclass(frozen=True, kw_only=True)
class PlantedSpread(Lasting):
    """Prices of one asset on one venue shifted by `pct` percent, from `start` for `length`."""

    exchange: str
    """The venue that is shifted."""
    asset: str
    pct: float

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="spread", symbol=f"{self.asset}-USD", size=self.pct, detail={"shifted": self.exchange})


@dataclass(frozen=True, kw_only=True)
class PlantedDepeg(Lasting):
    """USDT's rate shifted by `pct` percent: USDT-USD moves by it, and every price in USDT the other way."""

    pct: float

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="depeg", symbol=f"{USDT.name}-USD", size=self.pct)


@dataclass(frozen=True, kw_only=True)
class PlantedRunaway(Lasting):
    """Prices of every coin on one venue shifted by `pct` percent; a stablecoin's own market there stays."""

    exchange: str
    """The venue that is shifted."""
    pct: float

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="runaway", symbol="ALL", size=self.pct, detail={"shifted": self.exchange})
