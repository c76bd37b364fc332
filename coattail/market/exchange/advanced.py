"""Coinbase Advanced Trade on loopback: its feed of market trades.

A subscription answers with a snapshot of up to a hundred trades per product, newest first, then with `subscriptions`:
everything so far. Updates hold trades of one product, newest first; `sequence_num` counts all messages of a connection.

Source: docs.cdp.coinbase.com/api-reference/advanced-trade-api/websocket; orders and shapes are those of a recording.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import polars as pl

from coattail.market.exchange.advanced_rest import AdvancedRest
from coattail.market.exchange.clock import MarketClock
from coattail.market.exchange.coinbase_messages import iso, maker_side, timed
from coattail.market.exchange.connection import ServedConnection, ServedListener
from coattail.market.exchange.http import PlainAnswer, PlainRequest
from coattail.market.exchange.limits import HostLimits, RequestBucket
from coattail.market.exchange.tape import TradeTape
from coattail.market.exchange.venue import Venue, VenueOptions

_CHANNELS = ("market_trades", "heartbeats")
_SNAPSHOT = 100
_TOGETHER = 100
"""Trades of one message, at most."""


class AdvancedVenue(Venue):
    """The feed at `/`, REST at `/api/v3/brokerage`."""

    name: ClassVar[str] = "advanced"
    tape_of: ClassVar[str] = "coinbase"

    def __init__(self, tape: TradeTape, clock: MarketClock, options: VenueOptions) -> None:
        super().__init__(tape, clock, options)
        self._rest = AdvancedRest(self, options.limits)

    def attempts_allowed(self, limits: HostLimits) -> RequestBucket:
        return RequestBucket(limits.coinbase_connections, limits.coinbase_connections_burst)

    def listener(self, connection: ServedConnection, request: PlainRequest) -> ServedListener | PlainAnswer:
        return _MarketTrades(connection, self)

    def rest(self, request: PlainRequest) -> PlainAnswer:
        return self._rest.answer(request)


class _Failed(Exception):
    """A message of the client that cannot be obeyed."""


class _MarketTrades(ServedListener):
    """What one connection has subscribed to: products by channel."""

    def __init__(self, connection: ServedConnection, venue: AdvancedVenue) -> None:
        super().__init__(connection)
        self._venue = venue
        self._products: dict[str, dict[str, None]] = {}
        self._number = self._beats = 0
        self._began: float | None = None
        """When it connected (s by a steady clock), until it subscribes to something."""

    def begin(self) -> None:
        """Nothing is said before the client subscribes, and it has to do so soon."""
        self._began = time.monotonic()

    def subscriptions(self) -> int:
        return sum(map(len, self._products.values()))

    def frame_came(self) -> None:
        """No client here sends as many as Coinbase counts."""

    def farewell(self) -> list[bytes]:
        """Coinbase has no words for it."""
        return []

    def messages(self, start: int, stop: int) -> list[bytes]:
        wanted = self._products.get("market_trades")
        if not wanted:
            return []
        made = self._venue.made("market_trades", _trades, start)
        found = []
        for code in wanted:
            only = np.zeros(len(self._venue.tape.listings), np.bool_)
            only[self._venue.tape.numbers[code]] = True
            bodies, _ = self._venue.chosen(made, only, start, stop)
            for low in range(0, len(bodies), _TOGETHER):
                found.append(self._event("update", bodies[low : low + _TOGETHER]))
        return found

    def _event(self, kind: str, oldest_first: Sequence[bytes]) -> bytes:
        trades = b",".join(reversed(oldest_first))
        return self._numbered("market_trades", b'{"type":"' + kind.encode() + b'","trades":[' + trades + b"]}")

    def _numbered(self, channel: str, event: bytes) -> bytes:
        stamp = iso(self._venue.now())[:-1]
        head = f'{{"channel":"{channel}","timestamp":"{stamp}000Z","sequence_num":{self._number},"events":['
        self._number += 1
        return head.encode() + event + b"]}"

    def beat(self) -> None:
        if self._began is not None and time.monotonic() - self._began > self._venue.limits.coinbase_subscribe_within:
            self.connection.end(1008, "No subscription")
        elif "heartbeats" in self._products:
            self._beats += 1
            now = iso(self._venue.now())
            event = {
                "current_time": f"{now[:10]} {now[11:-1]} +0000 UTC m=+{self._beats}.000000001",
                "heartbeat_counter": self._beats,
            }
            self.connection.send([self._numbered("heartbeats", msgspec.json.encode(event))])

    def heard(self, text: bytes) -> None:
        try:
            answers = self._done(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError):
            answers = [_error("Malformed JSON")]
        except _Failed as error:
            answers = [_error(str(error))]
        self.connection.send(answers)

    def _done(self, asked: Any) -> list[bytes]:
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            raise _Failed("Type has to be either subscribe or unsubscribe")
        channel, codes = asked.get("channel"), asked.get("product_ids") or []
        if channel not in _CHANNELS:
            raise _Failed(f"{channel} is not a valid channel")
        if not isinstance(codes, list):
            raise _Failed("product_ids has to be a list")
        unknown = next((code for code in codes if not self._knows(code, kind)), None)
        if unknown is not None:
            raise _Failed(f"{unknown} is not a valid product")
        codes = ["heartbeats"] if channel == "heartbeats" else codes or self._all(kind)
        products = self._products.setdefault(channel, {})
        fresh = [code for code in codes if code not in products]
        for code in codes:
            products.pop(code, None) if kind == "unsubscribe" else products.setdefault(code)
        if not products:
            del self._products[channel]
        self._began = None if self._products else self._began
        snapshots = [] if kind == "unsubscribe" or channel == "heartbeats" else self._snapshots(fresh)
        subscriptions = {name: list(self._products[name]) for name in sorted(self._products)}
        return [*snapshots, self._numbered("subscriptions", msgspec.json.encode({"subscriptions": subscriptions}))]

    def _knows(self, code: object, kind: str) -> bool:
        return (
            isinstance(code, str)
            and self._venue.has(code)
            and not (kind == "subscribe" and code in self._venue.refused)
        )

    def _all(self, kind: str) -> list[str]:
        if kind == "unsubscribe":
            return list(self._products.get("market_trades", ()))
        return [listing.code for listing in self._venue.listings()]

    def _snapshots(self, codes: Sequence[str]) -> list[bytes]:
        """One per product that has traded: a snapshot is never empty."""
        found = []
        for code in dict.fromkeys(codes):
            last = self._venue.tape.newest(code, self.connection.position, pl.lit(True), _SNAPSHOT)
            if last.height:
                found.append(self._event("snapshot", _trades(last)[1].cast(pl.Binary).to_list()))
        return found


def _error(message: str) -> bytes:
    return msgspec.json.encode({"type": "error", "message": message})


def _trades(trades: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """One object per trade, as it stands in a message; its time ends without zeros."""
    clocked = timed(trades)
    clock = pl.col("clock").str.strip_suffix("Z").str.strip_chars_end("0").str.strip_chars_end(".")
    written = pl.concat_str(
        pl.lit('{"product_id":"'),
        "code",
        pl.lit('","trade_id":"'),
        "id",
        pl.lit('","price":"'),
        "price",
        pl.lit('","size":"'),
        "quantity",
        pl.lit('","time":"'),
        clock,
        pl.lit('Z","side":"'),
        maker_side("BUY", "SELL"),
        pl.lit('"}'),
    )
    return trades, clocked.select(written.alias("data")).to_series()
