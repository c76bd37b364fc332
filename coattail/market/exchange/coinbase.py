"""Coinbase Exchange on loopback: its feed of matches and heartbeats.

A subscription answers with the `last_match` of each new product first, then with `subscriptions`: all of them so far.

Source: docs.cdp.coinbase.com/exchange/websocket-feed (overview, channels, errors); the order is that of recordings.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import polars as pl

from coattail.market.exchange.clock import MarketClock
from coattail.market.exchange.coinbase_messages import iso, match_bodies
from coattail.market.exchange.coinbase_rest import CoinbaseRest
from coattail.market.exchange.connection import ServedConnection, ServedListener
from coattail.market.exchange.http import PlainAnswer, PlainRequest
from coattail.market.exchange.limits import HostLimits, RequestBucket
from coattail.market.exchange.tape import TradeTape
from coattail.market.exchange.venue import Venue, VenueOptions
from coattail.market.prices import Flags

_CHANNELS = ("matches", "heartbeat")


class CoinbaseVenue(Venue):
    """The Exchange feed at `/`, REST beside it."""

    name: ClassVar[str] = "coinbase"
    tape_of: ClassVar[str] = "coinbase"

    def __init__(self, tape: TradeTape, clock: MarketClock, options: VenueOptions) -> None:
        super().__init__(tape, clock, options)
        self._rest = CoinbaseRest(self, options.limits)

    def attempts_allowed(self, limits: HostLimits) -> RequestBucket:
        return RequestBucket(limits.coinbase_connections, limits.coinbase_connections_burst)

    def listener(self, connection: ServedConnection, request: PlainRequest) -> ServedListener | PlainAnswer:
        return _Channels(connection, self)

    def rest(self, request: PlainRequest) -> PlainAnswer:
        return self._rest.answer(request)


class _Failed(Exception):
    """A message of the client that cannot be obeyed; the text is the reason."""


class _Channels(ServedListener):
    """What one connection has subscribed to: products by channel."""

    def __init__(self, connection: ServedConnection, venue: CoinbaseVenue) -> None:
        super().__init__(connection)
        self._venue = venue
        self._products: dict[str, dict[str, None]] = {}
        self._began: float | None = None
        """When it connected (s by a steady clock), until it subscribes to something."""

    def messages(self, start: int, stop: int) -> list[bytes]:
        if "matches" not in self._products:
            return []
        made = self._venue.made("match", _matches, start)
        return self._venue.chosen(made, self._wanted("matches"), start, stop)[0]

    def _wanted(self, channel: str) -> Flags:
        wanted = np.zeros(len(self._venue.tape.listings), np.bool_)
        wanted[[self._venue.tape.numbers[code] for code in self._products[channel]]] = True
        return wanted

    def begin(self) -> None:
        """Nothing is said before the client subscribes, and it has to do so soon."""
        self._began = time.monotonic()

    def subscriptions(self) -> int:
        return sum(map(len, self._products.values()))

    def frame_came(self) -> None:
        """Coinbase counts a hundred messages a second; no client here sends so many."""

    def beat(self) -> None:
        if self._began is not None and time.monotonic() - self._began > self._venue.limits.coinbase_subscribe_within:
            self.connection.end(1008, "No subscription")
            return
        tape, below = self._venue.tape, self.connection.position
        now = iso(self._venue.now())
        beats = []
        for code in filter(self._venue.has, self._products.get("heartbeat", ())):
            last = tape.last(tape.numbers[code], below) or {"id": 0, "sequence": 0}
            beats.append(
                msgspec.json.encode(
                    {
                        "type": "heartbeat",
                        "last_trade_id": last["id"],
                        "product_id": code,
                        "sequence": last["sequence"],
                        "time": now,
                    }
                )
            )
        self.connection.send(beats)

    def farewell(self) -> list[bytes]:
        """Coinbase has no words for it."""
        return []

    def heard(self, text: bytes) -> None:
        try:
            asked = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._say([{"type": "error", "message": "Malformed JSON"}])
            return
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            self._say([{"type": "error", "message": "Type has to be either subscribe or unsubscribe"}])
            return
        try:
            wanted = self._asked(asked)
        except _Failed as error:
            self._say([{"type": "error", "message": f"Failed to {kind}", "reason": str(error)}])
            return
        repeated = self._subscribe(wanted) if kind == "subscribe" else self._unsubscribe(wanted)
        self.connection.send(repeated)
        channels = [{"name": name, "product_ids": list(codes)} for name, codes in self._products.items()]
        self._say([{"type": "subscriptions", "channels": channels}])

    def _asked(self, asked: dict[str, Any]) -> dict[str, list[str]]:
        """Products by channel, as a message names them.

        Raises: _Failed: If it names a channel or product that does not exist, or none.
        """
        shared = asked.get("product_ids") or []
        channels = asked.get("channels") or []
        if not isinstance(channels, list) or not isinstance(shared, list):
            raise _Failed("channels and product_ids have to be lists")
        found: dict[str, list[str]] = {}
        for channel in channels:
            named = channel if isinstance(channel, dict) else {"name": channel}
            name, codes = named.get("name"), [*shared, *(named.get("product_ids") or [])]
            if name not in _CHANNELS:
                raise _Failed(f"{name} is not a valid channel")
            if not codes and asked["type"] == "unsubscribe":
                codes = list(self._products.get(name, ()))
            if not codes:
                raise _Failed(f"You need to specify at least one product ID for channel {name}")
            refused = asked["type"] == "subscribe" and self._venue.refused
            unknown = next((code for code in codes if not self._venue.has(code) or (refused and code in refused)), None)
            if unknown is not None:
                raise _Failed(f"{unknown} is not a valid product")
            found[name] = codes
        if not found:
            raise _Failed("You need to specify at least one channel")
        return found

    def _subscribe(self, wanted: dict[str, list[str]]) -> list[bytes]:
        """Take it in; returns the `last_match` of each product that is new in `matches`."""
        fresh = [code for code in wanted.get("matches", ()) if code not in self._products.get("matches", ())]
        self._began = None
        for name, codes in wanted.items():
            self._products.setdefault(name, {}).update(dict.fromkeys(codes))
        tape, below = self._venue.tape, self.connection.position
        found = [tape.newest(code, below, pl.lit(True), 1) for code in dict.fromkeys(fresh)] if tape.blocks else []
        last = [trades for trades in found if trades.height]
        return match_bodies(pl.concat(last), "last_match").cast(pl.Binary).to_list() if last else []

    def _unsubscribe(self, wanted: dict[str, list[str]]) -> list[bytes]:
        for name, codes in wanted.items():
            products = self._products.get(name, {})
            for code in codes:
                products.pop(code, None)
            if not products:
                self._products.pop(name, None)
        return []

    def _say(self, messages: Sequence[dict[str, object]]) -> None:
        self.connection.send([msgspec.json.encode(message) for message in messages])


def _matches(trades: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    return trades, match_bodies(trades)
