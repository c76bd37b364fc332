"""One exchange at its address: who is connected, what has been released, what clients are told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import ClassVar, NamedTuple

import numpy as np
import polars as pl

from coattail.market.exchange.clock import MarketClock
from coattail.market.exchange.connection import AT_ONCE, ServedConnection, ServedListener
from coattail.market.exchange.faults import AnswerWith, AnyFault
from coattail.market.exchange.http import PlainAnswer, PlainRequest, said
from coattail.market.exchange.limits import HostLimits, RequestBucket
from coattail.market.exchange.striking import Script
from coattail.market.exchange.tape import ListedInstrument, TradeTape
from coattail.market.prices import Flags, Ints

_MADE_AHEAD = 32
"""Slices of messages that are kept: those that the slowest of some clients still need."""


_WORDS = {
    429: "Too many requests",
    418: "Way too many requests; IP banned",
    451: "Service unavailable from a restricted location according to 'b. Eligibility' in "
    "https://www.binance.com/en/terms. Please contact customer service if you believe you received this message in "
    "error.",
}
"""What is said with a status that a fault script asks for."""


class MadeMessages(NamedTuple):
    """The messages of one kind about consecutive trades."""

    position: Ints
    """Position of the trade with which each goes out."""
    listing: Ints
    bodies: list[bytes]


@dataclass(frozen=True, kw_only=True)
class VenueOptions:
    """How an exchange is served."""

    opens_at: int = 0
    """Trades before this position are history when it opens."""
    deflate: bool = False
    """Accept permessage-deflate."""
    limits: HostLimits = field(default_factory=HostLimits)
    faults: Sequence[AnyFault] = ()


class Venue(ABC):
    """An exchange that listens on one port, for WebSockets and plain requests alike."""

    name: ClassVar[str]
    """What it is called among the exchanges served."""
    tape_of: ClassVar[str]
    """Whose trades it serves."""
    pings: ClassVar[bool] = False
    """Whether it pings its clients, and ends connections that do not answer."""

    def __init__(self, tape: TradeTape, clock: MarketClock, options: VenueOptions) -> None:
        self.tape, self.clock, self.deflate, self.limits = tape, clock, options.deflate, options.limits
        self.opened_at = self.released = options.opens_at
        self.script = Script(self, options.faults)
        self.attempts = self.attempts_allowed(options.limits)
        self.handshake_delay = 0.0
        self.skew = 0
        """By how much its clock is fast, µs."""
        self.override: AnswerWith | None = None
        """What every request is answered."""
        self.refused: set[str] = set()
        """Instruments to which nobody can subscribe."""
        self.shifts: list[int] = []
        """By how many ids the next pages of trades are wrong."""
        self.others: list[str] = []
        """Of which instrument the next pages of trades are, instead of the one asked for."""
        self.listed: Flags = np.ones(len(tape.listings), np.bool_)
        """Which of its instruments are not delisted."""
        self.connections: set[ServedConnection] = set()
        self._tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._kept: socket.socket | None = None
        """Bound to the port while nobody listens there."""
        self._opening: asyncio.Task[None] | None = None
        self._made: OrderedDict[tuple[object, int, int], MadeMessages] = OrderedDict()
        self.port = 0

    @abstractmethod
    def attempts_allowed(self, limits: HostLimits) -> RequestBucket:
        """How often its WebSockets may be opened."""

    @abstractmethod
    def listener(self, connection: ServedConnection, request: PlainRequest) -> ServedListener | PlainAnswer:
        """Who will listen on a new WebSocket, or why there is none at that address."""

    @abstractmethod
    def rest(self, request: PlainRequest) -> PlainAnswer:
        """What the REST service answers."""

    def welcome(self, connection: ServedConnection, request: PlainRequest) -> ServedListener | PlainAnswer:
        """Who will listen on a new WebSocket, or why it is refused."""
        refused = self._overriding("websocket")
        if refused is None and not self.attempts.take():
            refused = said({"code": -1003, "msg": "Too many connections"}, 429, {"retry-after": "1"})
        return refused or self.listener(connection, request)

    def answered(self, request: PlainRequest) -> PlainAnswer:
        """The answer to a plain request."""
        return self._overriding("rest") or self.rest(request)

    def _overriding(self, on: str) -> PlainAnswer | None:
        fault = self.override
        if fault is None or fault.on not in (on, "both"):
            return None
        waits = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        return said({"code": 0, "msg": _WORDS.get(fault.status, "Service Unavailable")}, fault.status, waits)

    def end_override(self, fault: AnswerWith) -> None:
        """Answer as usual again, unless another fault has come meanwhile."""
        if self.override is fault:
            self.override = None

    def now(self) -> int:
        """What its clock shows, µs since 1970 UTC."""
        return self.clock.now() + self.skew

    def has(self, code: str) -> bool:
        """Whether it lists an instrument."""
        return code in self.tape.numbers and bool(self.listed[self.tape.numbers[code]])

    def listings(self) -> list[ListedInstrument]:
        """The instruments that it lists."""
        return [each for each, listed in zip(self.tape.listings, self.listed, strict=True) if listed]

    def delist(self, code: str) -> None:
        """List an instrument no more."""
        if code in self.tape.numbers:
            self.listed[self.tape.numbers[code]] = False

    def shifted(self, cursor: int, way: int) -> int:
        """The id from which a page really begins; `way` 1 where pages go forward, -1 where they go back."""
        return cursor + way * self.shifts.pop(0) if self.shifts else cursor

    def paged(self, code: str) -> str:
        """Of which instrument a page really is."""
        return self.others.pop(0) if self.others else code

    @property
    def websocket_url(self) -> str:
        """Address of the feed, without a path."""
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """Address of the REST service, without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def open(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of 127.0.0.1; 0 takes a free one."""
        self._tls = tls
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connected, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._give_back_port()

    def _connected(self) -> ServedConnection:
        return ServedConnection(self, self._tls, self.handshake_delay)

    def stop_listening(self) -> None:
        """Refuse connections. The port stays ours: somebody else would take it meanwhile."""
        if self._server is not None and self._kept is None:
            self._server.close()
            self._kept = socket.socket()
            self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._kept.bind(("127.0.0.1", self.port))

    def _give_back_port(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def listen_again(self) -> None:
        """Take connections on the same port again."""
        if self._kept is not None:
            self._opening = asyncio.get_running_loop().create_task(self.open(self.port, self._tls))

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        self.script.stop()
        if self._opening is not None:
            await self._opening
        self.stop_listening()
        self._give_back_port()
        for connection in list(self.connections):
            connection.reset()
        while self.connections:
            await asyncio.sleep(0.001)

    def advance(self, position: int) -> None:
        """Make every trade before this position public."""
        self.tape.draw(position=position)
        position = max(self.released, min(position, self.tape.end))
        while True:
            self.released = self.script.next_before(position)
            for connection in list(self.connections):
                connection.pump()
            self.script.strike(going_on=self.released < position)
            if self.released == position:
                return

    def beat(self) -> None:
        """A second has passed."""
        for connection in list(self.connections):
            connection.beat()

    def made(
        self, kind: object, make: Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.Series]], start: int
    ) -> MadeMessages:
        """The messages of one kind in the slice that holds position `start`, made once for all clients.

        `make` gives, for the trades of the slice, the rows that are told of, and a message for each.
        """
        number = start // AT_ONCE
        stop = min((number + 1) * AT_ONCE, self.tape.end)
        key = (kind, number, stop)
        found = self._made.get(key)
        if found is None:
            rows, bodies = make(self.tape.slice(number * AT_ONCE, stop))
            encoded = bodies.cast(pl.Binary).to_list()
            found = self._made[key] = MadeMessages(rows["position"].to_numpy(), rows["listing"].to_numpy(), encoded)
            while len(self._made) > _MADE_AHEAD:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return found

    def chosen(self, messages: MadeMessages, wanted: Flags, start: int, stop: int) -> tuple[list[bytes], Ints]:
        """Of some messages, those of the listings wanted with positions start <= p < stop; and their positions."""
        low, high = np.searchsorted(messages.position, (start, stop))
        keep = (wanted & self.listed)[messages.listing[low:high]]
        bodies = messages.bodies[low:high]
        if keep.all():
            return bodies, messages.position[low:high]
        return list(compress(bodies, keep.tolist())), messages.position[low:high][keep]
