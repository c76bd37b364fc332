"""What can be planted in a venue's line: the market goes on unchanged, its frames arrive differently."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from coattail.market.lasting import Lasting
from coattail.market.truth import row


@dataclass(frozen=True, kw_only=True)
class PlantedGap(Lasting):
    """What one instrument trades in that time never arrives; its ids go on counting."""

    exchange: str
    symbol: str

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        seconds = self.length.total_seconds()
        return row(self, kind="gap", exchange=self.exchange, symbol=self.symbol, size=seconds)


@dataclass(frozen=True, kw_only=True)
class PlantedRefilledGap(Lasting):
    """What one instrument trades in that time arrives `after` its end, on another connection (`Frame.connection` 1)."""

    exchange: str
    symbol: str
    after: timedelta

    @property
    def refilled_at(self) -> datetime:
        """When the first of the missing trades arrives."""
        return self.end + self.after

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        detail = {"refilled_at": self.refilled_at.isoformat().replace("+00:00", "Z")}
        seconds = self.length.total_seconds()
        return row(self, kind="refilled_gap", exchange=self.exchange, symbol=self.symbol, size=seconds, detail=detail)


@dataclass(frozen=True, kw_only=True)
class PlantedStall(Lasting):
    """A venue stands still: nothing trades there in that time, no heartbeat is sent, and no id is missing after it."""

    exchange: str

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="stall", exchange=self.exchange, size=self.length.total_seconds())


@dataclass(frozen=True, kw_only=True)
class PlantedBacklog(Lasting):
    """A venue's frames of that time arrive all at once when it is over, in order, at a thousand times their pace."""

    exchange: str

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="backlog", exchange=self.exchange, size=self.length.total_seconds())


@dataclass(frozen=True, kw_only=True)
class PlantedLag(Lasting):
    """A venue's frames of that time arrive `lag` later than usual, in order; event times are right.

    The delay comes within the first tenth of the time and goes within the last fifth, so no frame overtakes another.
    """

    exchange: str
    lag: timedelta
    """At most a tenth of the length."""

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="lag", exchange=self.exchange, size=self.lag.total_seconds())


@dataclass(frozen=True, kw_only=True)
class PlantedDuplicates(Lasting):
    """A share `rate` of a venue's trades arrives once more, up to two seconds later."""

    exchange: str
    rate: float

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="duplicates", exchange=self.exchange, size=self.rate)


@dataclass(frozen=True, kw_only=True)
class PlantedSkew(Lasting):
    """Receive times of a venue's line are off by `offset`; the order of arrival stays."""

    exchange: str
    offset: timedelta

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return row(self, kind="skew", exchange=self.exchange, size=self.offset.total_seconds())
