"""What is known about a market: a row per event, planted or natural."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

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
"""One row per event, by start. Times are event times (of `duplicates`, `backlog` and `skew`: receive times); `end` is
the first moment after it and equals `start` for a whale and an outlier; `detail` is a JSON object.

| kind | exchange, symbol | size | detail |
|---|---|---|---|
| burst, drought | both | factor on the number of orders | |
| pump | both; from its announcement | factor on the first minute's trades | pct: rise of the price; lead_s |
| crash | both, of every instrument | factor on trades | pct: fall; apart_from: when venues are first 1 % apart |
| regime | both; `end` is `start` | factor on all that comes | |
| whale | both | notional, quote units | side, fills; natural: true where nobody planted it |
| outlier | both | % off | side |
| wash | both | notional of one order, quote units | pairs |
| spread | null, base pair (`BTC-USD`) | shift, % | shifted: the venue |
| depeg | null, `USDT-USD` | shift, % | |
| runaway | null, `ALL` | shift, % | shifted: the venue |
| gap, refilled_gap | both | seconds of trades missing | refilled_at |
| stall, backlog, side_flip | exchange, null | seconds | |
| duplicates | exchange, null | share of frames repeated | |
| lag | exchange, null | seconds | |
| skew | exchange, null | seconds added to receive times | |
"""


class Event(Protocol):
    """Something that happens in a market, planted or natural."""

    @property
    def start(self) -> datetime:
        """First moment."""

    @property
    def end(self) -> datetime:
        """First moment after it."""

    def truth(self) -> dict[str, object]:
        """Its row of the truth table."""


def row(
    event: Event,
    *,
    kind: str,
    size: float,
    exchange: str | None = None,
    symbol: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> dict[str, object]:
    """A row of the truth table."""
    return {
        "kind": kind,
        "exchange": exchange,
        "symbol": symbol,
        "start": event.start,
        "end": event.end,
        "size": float(size),
        "detail": json.dumps(detail or {}),
    }


def truth_frame(events: Iterable[Event]) -> pl.DataFrame:
    """The events as a frame with the columns of `TRUTH_SCHEMA`, by start."""
    rows = [event.truth() for event in events]
    return pl.DataFrame(rows, schema=TRUTH_SCHEMA, orient="row").sort(
        "start", "kind", "symbol", "exchange", maintain_order=True
    )
