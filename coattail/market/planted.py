"""Anomalies that are put into the market on purpose: what a detector should find."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from coattail.tables import UTC_MICROS

TRUTH_SCHEMA = pl.Schema(
    [
        ("kind", pl.String()),
        ("exchange", pl.String()),
        ("symbol", pl.String()),
        ("start", UTC_MICROS),
        ("end", UTC_MICROS),
        ("size", pl.Float64()),
        ("detail", pl.String()),
    ]
)
"""One row per planted event, by start.

`kind` is burst, whale or spread; `exchange` is null for a spread, whose `symbol` is the base pair (`BTC-USD`); times
are event times, `end` equals `start` for a whale; `size` is the factor of a burst, the notional of a whale in quote
units, the shift of a spread in percent; `detail` is a JSON object.
"""


@dataclass(frozen=True, kw_only=True)
class PlantedBurst:
    """`factor` times the usual number of orders on one instrument, from `start` for `length`."""

    exchange: str
    symbol: str
    start: datetime
    length: timedelta
    factor: float

    @property
    def end(self) -> datetime:
        """First moment after the burst."""
        return self.start + self.length

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        return _row(self, kind="burst", exchange=self.exchange, symbol=self.symbol, size=self.factor)


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
    """1 to 16."""

    @property
    def end(self) -> datetime:
        """The same moment as `start`."""
        return self.start

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        row = _row(self, kind="whale", exchange=self.exchange, symbol=self.symbol, size=self.notional)
        when = self.start.replace(microsecond=self.start.microsecond // 1000 * 1000)
        detail = json.dumps({"side": self.side, "fills": self.fills})
        return {**row, "start": when, "end": when, "detail": detail}


@dataclass(frozen=True, kw_only=True)
class PlantedSpread:
    """Prices of one asset on one venue shifted by `pct` percent, from `start` for `length`."""

    exchange: str
    """The venue that is shifted."""
    asset: str
    start: datetime
    length: timedelta
    pct: float

    @property
    def end(self) -> datetime:
        """First moment after the shift."""
        return self.start + self.length

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""
        row = _row(self, kind="spread", exchange=None, symbol=f"{self.asset}-USD", size=self.pct)
        return {**row, "detail": json.dumps({"shifted": self.exchange})}


Planted = PlantedBurst | PlantedWhale | PlantedSpread


def truth_frame(planted: Iterable[Planted]) -> pl.DataFrame:
    """The events as a frame with the columns of `TRUTH_SCHEMA`, by start."""
    rows = [event.truth() for event in planted]
    return pl.DataFrame(rows, schema=TRUTH_SCHEMA, orient="row").sort(
        "start", "kind", "symbol", "exchange", maintain_order=True
    )


def _row(event: Planted, *, kind: str, exchange: str | None, symbol: str, size: float) -> dict[str, object]:
    return {
        "kind": kind,
        "exchange": exchange,
        "symbol": symbol,
        "start": event.start,
        "end": event.end,
        "size": float(size),
        "detail": "{}",
    }
