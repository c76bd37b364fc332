"""One open connection, read until it ends: what was heard goes to the inbox, and why it ended is said in words."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CloseCode

from coattail.connectors.base import BaseConnector
from coattail.connectors.frames import FeedConnection
from coattail.connectors.inbox import Inbox
from coattail.connectors.receipt import received_now
from coattail.connectors.subscription import Again, Notice

NETWORK = (OSError, TimeoutError, EOFError, WebSocketException)
"""What a network does to a connection; anything else is an error of ours."""


class Reading:
    """Reads from the moment it is made. Messages are taken as they come, and none is decoded but for its notices."""

    def __init__(
        self,
        connection: FeedConnection,
        connector: BaseConnector,
        inbox: Inbox,
        on_notice: Callable[[Notice], None],
        again: Again | None = None,
    ) -> None:
        """`again`: What is said over and over while it is open."""
        self._connection, self._connector, self._inbox, self._on_notice = connection, connector, inbox, on_notice
        self._again = again
        self._mark = connector.trade_mark
        self._closing = asyncio.Event()
        self._paused = False
        self.heard = time.monotonic()
        """When the last message arrived, by the monotonic clock; at first when the connection was opened."""
        self.told_of_trades = False
        """Whether any message with a trade has come."""
        self.why = ""
        """Why it ended, once it has."""
        self._failure: Exception | None = None
        self._saying: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run())

    async def ends(self, *, within: float) -> bool:
        """Whether it ends within these seconds; False at once when the exchange will close it, or `replace` is called.

        Raises: Exception: What is no network's doing.
        """
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({self._task, closing}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
        if not self._task.done():
            return False
        await self._task
        return True

    async def outlasts(self, seconds: float) -> bool:
        """Whether it is still open after these seconds, whatever the exchange has announced."""
        await asyncio.wait({self._task}, timeout=seconds)
        return not self._task.done()

    async def close(self) -> None:
        """End it in order; what has arrived is in the inbox."""
        await self._connection.close()
        await self._task

    def abort(self, why: str = "") -> None:
        """End it at once."""
        self.why = self.why or why
        self._connection.transport.abort()

    def replace(self) -> None:
        """Ask whoever waits in `ends` for a successor."""
        self._closing.set()

    async def ended(self) -> None:
        """Wait until it has ended."""
        await asyncio.wait([self._task])

    def say(self, messages: Sequence[str], *, after: float = 0.0) -> None:
        """Say something after these seconds, unless something is waiting to be said already."""
        if not self._task.done() and (self._saying is None or self._saying.done()):
            self._saying = asyncio.create_task(self._speak(messages, after))

    async def _speak(self, messages: Sequence[str], after: float) -> None:
        await asyncio.sleep(after)
        with suppress(*NETWORK):  # who reads says what became of the connection
            for message in messages:
                await self._connection.send(message)

    async def _run(self) -> None:
        beside = [asyncio.create_task(self._watch()), asyncio.create_task(self._say())]
        self._connection.take = self._take
        try:
            while True:
                self._take([await self._connection.recv(decode=False)])
        except NETWORK as error:
            full = "what was heard was not taken in time, and the exchange did not wait"
            self.why = self.why or (full if self._paused else words(error))
        finally:
            tasks = [task for task in (*beside, self._saying) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def _take(self, messages: list[bytes]) -> None:
        try:
            self._hear(messages)
        except Exception as error:  # an error of ours, which the network's layers would take for one of the network
            self._failure = error
            self.abort()

    def _hear(self, messages: list[bytes]) -> None:
        self.heard = time.monotonic()
        room = self._inbox.add(messages, received_now())
        for message in messages:
            if self._mark in message:
                self.told_of_trades = True
            elif notice := self._connector.notice(message):
                self._on_notice(notice)
                if notice.kind == "closing":
                    self._closing.set()
        if not room and not self._paused:
            self._paused = True
            self._connection.transport.pause_reading()
            self._inbox.when_emptied(self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._connection.transport.resume_reading()

    async def _watch(self) -> None:
        """Break a connection that promised to say something and does not."""
        if self._connector.silence is None:
            return
        longest = self._connector.silence.total_seconds()
        while (quiet := time.monotonic() - self.heard) < longest:
            await asyncio.sleep(longest - quiet + 0.01)
        self.abort(f"nothing was heard for {quiet:.0f} s, not even a heartbeat")

    async def _say(self) -> None:
        """Say again and again what the exchange wants to hear."""
        if self._again is None:
            return
        while True:
            await asyncio.sleep(self._again.every.total_seconds())
            try:
                await self._connection.send(self._again.text)
            except NETWORK:
                return  # the reading ends for the same reason, and says it


def words(error: BaseException) -> str:
    """What happened to a connection."""
    if isinstance(error, ConnectionClosed):
        if error.rcvd is not None:
            why = f" ({error.rcvd.reason})" if error.rcvd.reason else ""
            return f"the exchange closed the connection with code {error.rcvd.code}{why}"
        if error.sent is not None and error.sent.code == CloseCode.INTERNAL_ERROR:
            return "the exchange did not answer a ping"
        if error.sent is not None and error.sent.code != CloseCode.NORMAL_CLOSURE:
            return f"the exchange sent a broken frame ({error.sent.reason or error.sent.code})"
        return "the connection was lost"
    if isinstance(error, InvalidStatus):
        return f"the exchange answered {error.response.status_code} instead of opening the feed"
    if isinstance(error, InvalidHandshake | InvalidURI):
        return f"what answers there does not speak WebSocket: check websocket_host ({error})"
    if isinstance(error, TimeoutError):
        return "the exchange did not answer in time"
    if isinstance(error, socket.gaierror):
        return "the host has no known address: check the network and the name"
    if isinstance(error, ssl.SSLError):
        return f"the connection could not be secured ({error.reason or error})"
    if isinstance(error, OSError) and error.errno is not None:
        return f"the connection could not be made or was lost ({os.strerror(error.errno)})"
    return str(error) or type(error).__name__
