"""The I/O shell that every exchange shares: it holds the connections, whatever happens to them.

A connection that breaks is made anew: at once, then after waits that grow to `AGAIN_MOST`, with jitter. While an
exchange cannot be reached only one of its connections tries. What is silent is asked: a ping every `PING_EVERY` must
be answered, and where an exchange promises heartbeats they must come. Before an exchange would close a connection, and
when it says that it is about to, a second one is made first, and both are heard for a while: what comes twice counts
once.

Nothing is decoded here, so a message that cannot be read never looks like a connection that broke.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from coattail import __version__
from coattail.connectors.base import BaseConnector
from coattail.connectors.frames import FeedConnection
from coattail.connectors.inbox import Inbox
from coattail.connectors.reading import NETWORK, Reading, words
from coattail.connectors.receipt import received_now
from coattail.connectors.subscription import Notice, Subscription
from coattail.records import Trade

AGAIN_FIRST, AGAIN_MOST = 0.25, 4.0
"""Seconds between two attempts to connect: short, because every second costs trades that have to be fetched later."""
REFUSED_FIRST, REFUSED_AGAIN = 1.0, 60.0
"""The same for an exchange that answered, and did not want us or a subscription, where it does not say how long."""
CONNECT_WITHIN = 10.0
"""Seconds that a handshake may take."""
PING_EVERY, PING_WITHIN = 2.0, 5.0
"""Seconds: a dead connection is noticed within the sum of both. A radio link that pauses for a second or three is not
dead, and a connection made anew would wait for it as well."""
RENEW_AFTER = 23 * 3600.0
"""Seconds after which a connection is replaced, at most: exchanges close them after 24 hours."""
OVERLAP = 5.0
"""Seconds for which a connection is heard beside its successor."""
LONGEST_MESSAGE = 16 << 20
"""Bytes; a longer message breaks the connection, because nothing that an exchange sends is that long."""

_LOOK_SECONDS = 0.05
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Stage = Literal["waiting", "connecting", "listening", "refused"]


@dataclass(slots=True)
class LineHealth:
    """How one connection is doing."""

    symbols: tuple[str, ...]
    state: Stage = "waiting"
    since: float = field(default_factory=time.time)
    """Since when it is in this state, seconds since 1970 UTC."""
    reconnects: int = 0
    """How often it was made anew after it broke."""
    renewals: int = 0
    """How often it was replaced before it could break."""
    problem: str = ""
    """What broke it last or what keeps it from being made; empty while nothing has."""
    refused: str = ""
    """What the exchange refused, in its words."""
    opened: float = 0.0
    """When its newest connection was made, seconds since 1970 UTC by the clock of receipt."""
    refused_from: float = 0.0
    refused_last: float = 0.0
    """Since when the exchange refuses what is subscribed to, and when it last did, by the monotonic clock."""

    def enter(self, state: Stage) -> None:
        """It is in this state now."""
        if state != self.state:
            self.state, self.since = state, time.time()


class Listener:
    """All connections of one exchange; what is heard on them goes to its inbox.

    Delivery: every message that arrives, in the order of its connection. What the exchange says between a loss and the
    reconnection is missed; the ids of trades show it.
    """

    def __init__(
        self,
        connector: BaseConnector,
        *,
        trust: ssl.SSLContext | None = None,
        on_notice: Callable[[Notice], None] = lambda notice: None,
        on_loss: Callable[[Subscription], None] = lambda line: None,
        renew_after: float = RENEW_AFTER,
        overlap: float = OVERLAP,
    ) -> None:
        """Times are in seconds.

        trust: Who certifies the exchange; None means the system's authorities.
        on_loss: Called when something may have been missed on a connection: after everything that was heard on it,
        and before anything that is heard on its successor alone. Not when a planned successor was heard beside it.
        """
        self.connector = connector
        self.inbox = Inbox()
        self._lines = connector.subscriptions()
        self.health = [LineHealth(line.symbols) for line in self._lines]
        self.problems: Counter[str] = Counter()
        """What broke connections, in words -> how often."""
        self._trust, self._on_notice, self._on_loss = trust, on_notice, on_loss
        self._renew_after, self._overlap = renew_after, overlap
        self._reachable = True
        self._door = asyncio.Lock()
        self._readings: dict[Reading, Subscription] = {}

    async def run(self) -> None:
        """Listen until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for line, health in zip(self._lines, self.health, strict=True):
                    group.create_task(self._hold(line, health))
        finally:
            for reading in self._readings:
                reading.abort()
            for reading in self._readings:
                await reading.ended()

    def begin_anew(self, why: str, symbol: str | None = None) -> None:
        """Break all connections, because the computer slept, say, or that of a symbol: they are made anew at once."""
        for reading, line in self._readings.items():
            if symbol is None or symbol in line.symbols:
                reading.abort(why)

    def renew(self, symbol: str) -> None:
        """Replace the connection of a symbol; the others on it are heard all along."""
        for reading, line in self._readings.items():
            if symbol in line.symbols:
                reading.replace()

    async def _hold(self, line: Subscription, health: LineHealth) -> None:
        reading = await self._opened(line, health)
        while True:
            if await reading.ends(within=self._renew_after * random.uniform(0.95, 1.0)):
                self._readings.pop(reading)
                self._broke(health, reading.why)
                self._on_loss(line)
                if health.refused and not reading.told_of_trades:
                    health.enter("refused")
                    await asyncio.sleep(_refused_again(health))
                reading = await self._opened(line, health)
                health.reconnects += 1
                continue
            successor = await self._opened(line, health)
            health.renewals += 1
            if not await reading.outlasts(self._overlap):
                self._on_loss(line)
            await reading.close()
            self._readings.pop(reading)
            reading = successor

    async def _opened(self, line: Subscription, health: LineHealth) -> Reading:
        """A connection that is being read already, however many attempts it takes."""
        wait = 0.0
        while True:
            async with self._turn():
                health.enter("connecting")
                try:
                    reading = await self._connected(line, health)
                except NETWORK as error:
                    self._reachable = False
                    self._broke(health, words(error) + self._next_step(error))
                    wait = self._wait(error, wait)
                    health.enter("refused" if _is_refusal(error) else "waiting")
                    await asyncio.sleep(wait)
                else:
                    self._reachable = True
                    health.opened = received_now() / 1e6
                    health.enter("listening")
                    return reading

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """While the exchange cannot be reached, one connection at a time tries."""
        if self._reachable:
            yield
        else:
            async with self._door:
                yield

    async def _connected(self, line: Subscription, health: LineHealth) -> Reading:
        own: dict[str, Any] = {} if self._trust is None or line.url.startswith("ws:") else {"ssl": self._trust}
        connection = await connect(
            line.url,
            **own,
            create_connection=FeedConnection,
            proxy=None if urlsplit(line.url).hostname in _LOOPBACK else True,
            user_agent_header=f"coattail/{__version__}",
            open_timeout=CONNECT_WITHIN,
            ping_interval=PING_EVERY,
            ping_timeout=PING_WITHIN,
            close_timeout=1,
            max_size=LONGEST_MESSAGE,
            max_queue=(4096, 1024),
        )
        try:
            for message in line.opening:
                await connection.send(message)
        except BaseException:
            connection.transport.abort()
            raise

        def noticed(notice: Notice) -> None:
            if notice.kind == "refused":
                now = time.monotonic()
                if now - health.refused_last > 2 * REFUSED_AGAIN:
                    health.refused_from = now
                health.refused, health.refused_last = notice.words, now
                reading.say(line.singly or line.opening, after=_refused_again(health))
            self._on_notice(notice)

        assert isinstance(connection, FeedConnection)
        reading = Reading(connection, self.connector, self.inbox, noticed, line.again)
        self._readings[reading] = line
        health.refused = ""
        return reading

    def _broke(self, health: LineHealth, why: str) -> None:
        health.problem = why
        self.problems[why] += 1

    def _next_step(self, error: Exception) -> str:
        legal = HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS
        if isinstance(error, InvalidStatus) and error.response.status_code == legal and self.connector.elsewhere:
            setting = f"exchanges.{self.connector.exchange}.websocket_host"
            return f": it does not serve this country; set {setting} to {self.connector.elsewhere}"
        return ""

    @staticmethod
    def _wait(error: Exception, before: float) -> float:
        """Seconds until the next attempt."""
        if isinstance(error, InvalidStatus) and _is_refusal(error):
            asked = error.response.headers.get("Retry-After", "")
            if asked.isdigit():
                return float(asked) + random.uniform(0.1, 1.0)
            return min(max(before * 2, REFUSED_FIRST), REFUSED_AGAIN) * random.uniform(0.5, 1.0)
        return min(max(before * 2, AGAIN_FIRST), AGAIN_MOST) * random.uniform(0.5, 1.0)


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, InvalidStatus) and error.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR


def _refused_again(health: LineHealth) -> float:
    """Seconds after which what was refused is asked for again: as long as it has been refused already."""
    return min(max(time.monotonic() - health.refused_from, REFUSED_FIRST), REFUSED_AGAIN)


async def heard(connector: BaseConnector, *, trust: ssl.SSLContext | None = None) -> AsyncGenerator[Trade]:
    """The trades of one exchange as they are heard; close it to stop. `trust` as in `Listener`."""
    listener = Listener(connector, trust=trust)
    listening = asyncio.create_task(listener.run())
    try:
        while not listening.done():
            for trade in connector.batch(*listener.inbox.take(), source="live").trades():
                yield trade
            await asyncio.sleep(_LOOK_SECONDS)
        await listening
    finally:
        listening.cancel()
        await asyncio.wait({listening})
