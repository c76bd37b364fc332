"""Binance spot on loopback: its streams of trades.

Source: github.com/binance/binance-spot-api-docs, web-socket-streams.md.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import msgspec
import numpy as np
import polars as pl

from coattail.market.exchange.binance_messages import (
    Told,
    aggregate_bodies,
    aggregates,
    enveloped,
    trade_bodies,
)
from coattail.market.exchange.binance_rest import BinanceRest
from coattail.market.exchange.clock import MarketClock
from coattail.market.exchange.connection import ServedConnection, ServedListener
from coattail.market.exchange.http import PlainAnswer, PlainRequest, said
from coattail.market.exchange.limits import HostLimits, RequestBucket
from coattail.market.exchange.tape import TradeTape
from coattail.market.exchange.venue import Venue, VenueOptions
from coattail.market.prices import Flags

_KINDS = ("trade", "aggTrade")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class BinanceVenue(Venue):
    """Streams at `/ws` and `/stream`, REST at `/api/v3`."""

    name: ClassVar[str] = "binance"
    tape_of: ClassVar[str] = "binance"
    pings: ClassVar[bool] = True

    def __init__(self, tape: TradeTape, clock: MarketClock, options: VenueOptions) -> None:
        super().__init__(tape, clock, options)
        self._rest = BinanceRest(self, options.limits)

    def attempts_allowed(self, limits: HostLimits) -> RequestBucket:
        return RequestBucket(limits.binance_connections / 300, limits.binance_connections)

    def listener(self, connection: ServedConnection, request: PlainRequest) -> ServedListener | PlainAnswer:
        first, _, named = request.path.lstrip("/").partition("/")
        if first == "ws":
            streams = named.split("/")
        elif first == "stream" and not named:
            streams = request.query.get("streams", "").split("/")
        else:
            return said({"code": 404, "msg": "Not Found"}, 404)
        if len(streams) > self.limits.binance_streams:
            return said({"code": 2, "msg": "Invalid request: too many parameters"}, 400)
        told = Told(microseconds=request.query.get("timeUnit", "").upper() == "MICROSECOND")
        return _Streams(connection, self, [name for name in streams if name], told, combined=first == "stream")

    def rest(self, request: PlainRequest) -> PlainAnswer:
        return self._rest.answer(request)


class _Streams(ServedListener):
    """The streams of one connection, by the name each was asked for: `btcusdt@trade`."""

    def __init__(
        self, connection: ServedConnection, venue: BinanceVenue, streams: list[str], told: Told, *, combined: bool
    ) -> None:
        super().__init__(connection)
        self._venue, self._told, self._combined = venue, told, combined
        self._streams = dict.fromkeys(name for name in streams if self._open_to_all(name))
        self._frames: list[float] = []
        self._wanted: dict[str, Flags] = {}
        self._choose()

    def _open_to_all(self, stream: str) -> bool:
        """Whether the fault script lets anybody subscribe to it."""
        return stream.partition("@")[0].upper() not in self._venue.refused

    def _choose(self) -> None:
        numbers = {code.lower(): number for code, number in self._venue.tape.numbers.items()}
        self._wanted = {}
        for stream in self._streams:
            code, _, kind = stream.partition("@")
            if kind in _KINDS and code in numbers:
                if kind not in self._wanted:
                    self._wanted[kind] = np.zeros(len(numbers), np.bool_)
                self._wanted[kind][numbers[code]] = True

    def messages(self, start: int, stop: int) -> list[bytes]:
        parts = []
        told = replace(self._told, skew=self._venue.skew) if self._venue.skew else self._told
        for kind, wanted in self._wanted.items():
            make = partial(_made, kind=kind, told=told, combined=self._combined)
            made = self._venue.made((kind, told, self._combined), make, start)
            parts.append(self._venue.chosen(made, wanted, start, stop))
        if len(parts) == 1:
            return parts[0][0]
        bodies = [body for part, _ in parts for body in part]
        positions = np.concatenate([position for _, position in parts]) if parts else np.array([], np.int64)
        return [bodies[place] for place in np.argsort(positions, kind="stable")]

    def begin(self) -> None:
        """Nothing is said first."""

    def beat(self) -> None:
        """Nothing is said each second."""

    def farewell(self) -> list[bytes]:
        event = {"e": "serverShutdown", "E": self._venue.now() // self._told.unit}
        return [msgspec.json.encode({"stream": "!serverShutdown", "data": event} if self._combined else event)]

    def subscriptions(self) -> int:
        return sum(int(wanted.sum()) for wanted in self._wanted.values())

    def frame_came(self) -> None:
        now, limit = time.monotonic(), self._venue.limits.binance_messages
        self._frames = [at for at in self._frames if now - at < 1.0] + [now]
        if len(self._frames) > limit:
            self.connection.end(1008, "Too many requests")

    def heard(self, text: bytes) -> None:
        try:
            asked = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._say({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
            return
        self._say(self._done(asked))

    def _done(self, asked: Any) -> dict[str, object]:
        if not isinstance(asked, dict):
            return _refused("Invalid request: property name must be a string", None)
        number, method, params = asked.get("id"), asked.get("method"), asked.get("params", [])
        if method is None:
            return _refused("Invalid request: missing field `method`", number)
        if method not in _METHODS:
            known = ", ".join(f"`{name}`" for name in _METHODS)
            return _refused(f"Invalid request: unknown variant `{method}`, expected one of {known}", number)
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self._streams), "id": number}
        if method == "GET_PROPERTY":
            return {"result": self._combined, "id": number}
        if method == "SET_PROPERTY":
            if not isinstance(params, list) or params[:1] != ["combined"] or not isinstance(params[-1], bool):
                return _refused("Invalid value type: expected Boolean", number, code=1)
            self._combined = params[-1]
            return {"result": None, "id": number}
        if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
            return _refused("Invalid request: params must be a list of strings", number)
        if method == "SUBSCRIBE" and len({*self._streams, *params}) > self._venue.limits.binance_streams:
            return _refused("Invalid request: too many parameters", number)
        for name in params:
            if method == "SUBSCRIBE":
                if self._open_to_all(name):
                    self._streams[name] = None
            else:
                self._streams.pop(name, None)
        self._choose()
        return {"result": None, "id": number}

    def _say(self, answer: dict[str, object]) -> None:
        self.connection.send([msgspec.json.encode(answer)])


def _refused(message: str, number: object, code: int = 2) -> dict[str, object]:
    return {"error": {"code": code, "msg": message}, "id": number}


def _made(trades: pl.DataFrame, *, kind: str, told: Told, combined: bool) -> tuple[pl.DataFrame, pl.Series]:
    rows = trades if kind == "trade" else aggregates(trades)
    bodies = trade_bodies(rows, told) if kind == "trade" else aggregate_bodies(rows, told)
    return rows, enveloped(bodies, rows["code"], kind) if combined else bodies
