"""One exchange at its address: who is connected, what has been released, what clients are told."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from itertools import compress
from typing import ClassVar, NamedTuple

import numpy as np
import polars as pl

from coattail.market.exchange.clock import MarketClock
from coattail.market.exchange.connection import AT_ONCE, ServedConnection, ServedListener
from coattail.market.exchange.http import PlainAnswer, PlainRequest
from coattail.market.exchange.tape import TradeTape
from coattail.market.prices import Flags, Ints

_MADE_AHEAD = 32
"""Slices of messages that are kept: those that the slowest of some clients still need."""


class MadeMessages(NamedTuple):
    """The messages of one kind about consecutive trades."""

    position: Ints
    """Position of the trade with which each goes out."""
    listing: Ints
    bodies: list[bytes]


class Venue(ABC):
    """An exchange that listens on one port, for WebSockets and plain requests alike."""

    name: ClassVar[str]
    """What it is called among the exchanges served."""
    tape_of: ClassVar[str]
    """Whose trades it serves."""
    websocket_path: ClassVar[str] = ""
    """What follows host and port in the address of the feed."""

    def __init__(self, tape: TradeTape, clock: MarketClock, *, opens_at: int = 0, deflate: bool = False) -> None:
        """`opens_at` is the position up to which trades are history already; `deflate`: accept compression."""
        self.tape, self.clock, self.deflate = tape, clock, deflate
        self.opened_at = self.released = opens_at
        self.connections: set[ServedConnection] = set()
        self._tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._made: OrderedDict[tuple[object, int, int], MadeMessages] = OrderedDict()
        self.port = 0

    @abstractmethod
    def welcome(self, connection: ServedConnection, request: PlainRequest) -> ServedListener | PlainAnswer:
        """Who will listen on a new WebSocket, or why it is refused."""

    @abstractmethod
    def answered(self, request: PlainRequest) -> PlainAnswer:
        """The answer to a plain request."""

    @property
    def websocket_url(self) -> str:
        """Address of the feed."""
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}{self.websocket_path}"

    @property
    def rest_url(self) -> str:
        """Address of the REST service, without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def open(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of 127.0.0.1; 0 takes a free one."""
        self._tls = tls
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ServedConnection(self, tls), "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.reset()
        while self.connections:
            await asyncio.sleep(0.001)

    def advance(self, position: int) -> None:
        """Make every trade before this position public."""
        self.tape.draw(position=position)
        self.released = max(self.released, min(position, self.tape.end))
        for connection in list(self.connections):
            connection.pump()

    def beat(self) -> None:
        """A second has passed."""
        for connection in list(self.connections):
            if connection.listener is not None:
                connection.listener.beat()

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
        keep = wanted[messages.listing[low:high]]
        bodies = messages.bodies[low:high]
        if keep.all():
            return bodies, messages.position[low:high]
        return list(compress(bodies, keep.tolist())), messages.position[low:high][keep]
