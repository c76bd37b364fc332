"""A client's connection to an exchange: HTTP until it becomes a WebSocket."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import h11
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Upgrade
from websockets.protocol import State
from websockets.server import ServerProtocol

from coattail.market.exchange.http import HttpConversation, PlainAnswer, request_of
from coattail.market.exchange.line import ClientLine

if TYPE_CHECKING:
    from coattail.market.exchange.venue import Venue

_log = logging.getLogger(__name__)

_LONGEST_HEAD = 64 << 10
"""Bytes in which the head of a request must end."""
AT_ONCE = 2048
"""Trades whose messages are made and sent together."""
_CLOSING_SECONDS = 10.0
"""How long a client has to answer a close."""


class ServedListener(ABC):
    """What one WebSocket client has asked for."""

    def __init__(self, connection: ServedConnection) -> None:
        self.connection = connection

    @abstractmethod
    def begin(self) -> None:
        """The WebSocket has opened."""

    @abstractmethod
    def subscriptions(self) -> int:
        """How many streams, or products of channels, it is subscribed to."""

    @abstractmethod
    def frame_came(self) -> None:
        """The client sent a frame of any kind."""

    @abstractmethod
    def heard(self, text: bytes) -> None:
        """The client sent a message."""

    @abstractmethod
    def messages(self, start: int, stop: int) -> list[bytes]:
        """What it is to be sent about the trades at positions start <= p < stop."""

    @abstractmethod
    def beat(self) -> None:
        """A second has passed."""

    @abstractmethod
    def farewell(self) -> list[bytes]:
        """What is said when the exchange is about to go down."""


class ServedConnection(ClientLine):
    """One client of an exchange."""

    def __init__(self, venue: Venue, tls: ssl.SSLContext | None, handshake_delay: float = 0.0) -> None:
        super().__init__(tls, handshake_delay)
        self._venue = venue
        self._head = b""
        self._http: HttpConversation | None = None
        self._socket: ServerProtocol | None = None
        self._parts: list[bytes] = []
        self._bare = False
        """Whether frames need nothing but a header (no extension was agreed on)."""
        self._closing: asyncio.TimerHandle | None = None
        self.listener: ServedListener | None = None
        self.position = 0
        """The next trade it is to hear of."""
        self.muted = False
        """Whether it is told of no trade any more."""
        self._held_back: list[bytes] = []
        self._opened = self._pinged_at = time.monotonic()
        self._pinged: bytes | None = None
        """The ping that has not been answered yet."""
        venue.connections.add(self)

    @property
    def listening(self) -> bool:
        """Whether an open WebSocket is here."""
        return self.listener is not None and self._socket is not None and self._socket.state is State.OPEN

    def lost(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self.listener = None
        self._venue.connections.discard(self)

    def hear(self, data: bytes) -> None:
        if self._socket is not None:
            self._hear_frames(data)
        elif self._http is not None:
            self._hear_requests(self._http, data)
        else:
            self._head += data
            head, end, _ = self._head.partition(b"\r\n\r\n")
            if end:
                self._decide(head.lower())
            elif len(self._head) > _LONGEST_HEAD:
                self.close()

    def _decide(self, head: bytes) -> None:
        data, self._head = self._head, b""
        if b"\nupgrade: websocket" in head:
            extensions = [ServerPerMessageDeflateFactory()] if self._venue.deflate else []
            self._socket = ServerProtocol(extensions=extensions, max_size=1 << 20)
            self._hear_frames(data)
        else:
            self._http = HttpConversation()
            self._hear_requests(self._http, data)

    def _hear_requests(self, http: HttpConversation, data: bytes) -> None:
        try:
            requests = http.hear(data)
            while requests:
                self.write(http.answer(self._venue.answered(requests[0])))
                requests, stays = http.more()
                if not stays:
                    self.close()
        except h11.RemoteProtocolError as error:
            _log.info("not HTTP: %s", error)
            self.close()

    def _hear_frames(self, data: bytes) -> None:
        protocol = self._socket
        assert protocol is not None
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Upgrade):
                self._open(protocol, event)
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()

    def _open(self, protocol: ServerProtocol, upgrade: Upgrade) -> None:
        request = request_of(upgrade.path, "GET", {k.lower(): v for k, v in upgrade.headers.raw_items()})
        welcome = self._venue.welcome(self, request)
        if isinstance(welcome, PlainAnswer):
            answer = protocol.reject(welcome.status, welcome.body.decode())
            for name, value in welcome.headers.items():
                if name in answer.headers:
                    del answer.headers[name]
                answer.headers[name] = value
            protocol.send_response(answer)
            return
        protocol.send_response(protocol.accept(upgrade))
        if protocol.state is not State.OPEN:
            return
        self._bare = not protocol.extensions
        self._flush()
        self.position = self._venue.released
        self.listener = welcome
        welcome.begin()

    def _take(self, frame: Frame) -> None:
        if self.listener is not None:
            self.listener.frame_came()
        if frame.opcode is Opcode.PONG and bytes(frame.data) == self._pinged:
            self._pinged = None
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                text, self._parts = b"".join(self._parts), []
                if self.listener is not None:
                    self.pump()
                    self.listener.heard(text)

    def _flush(self) -> None:
        """Send what the protocol wants to send: pongs, closes, the handshake."""
        protocol = self._socket
        assert protocol is not None
        for data in protocol.data_to_send():
            if data:
                self.write(data)
            else:
                self.close()
        if protocol.close_expected() and self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(_CLOSING_SECONDS, self.reset)

    def ready(self) -> None:
        self.pump()

    def pump(self) -> None:
        """Send what has been released and not been sent yet, as far as the client takes it."""
        while self.listening and self.writable and self.position < self._venue.released:
            assert self.listener is not None
            script, start = self._venue.script, self.position
            stop = script.edge(start, min(self._venue.released, (start // AT_ONCE + 1) * AT_ONCE))
            self.position = stop
            if self.muted:
                continue
            messages = self.listener.messages(start, stop)
            self.send(script.altered(messages, start, stop, self._held_back) if script.ranges else messages)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send text messages."""
        if not self.listening or not messages:
            return
        assert self._socket is not None
        if self._bare:
            self.write(framed(messages))
            return
        for message in messages:
            self._socket.send_text(message)
        self._flush()

    def say_farewell(self) -> None:
        """Say that the exchange is going down, where it has words for it."""
        if self.listener is not None:
            self.send(self.listener.farewell())

    def beat(self) -> None:
        """A second has passed."""
        if self.listener is None or not self.listening:
            return
        limits, now = self._venue.limits, time.monotonic()
        if now - self._opened >= limits.connection_age:
            self.end(1001)
        elif self._venue.pings and self._pinged is not None and now - self._pinged_at >= limits.pong_within:
            self.end(1008, "Pong timeout")
        elif self._venue.pings and self._pinged is None and now - self._pinged_at >= limits.ping_every:
            self._ping(now)
        self.listener.beat()

    def _ping(self, now: float) -> None:
        assert self._socket is not None
        self._pinged, self._pinged_at = str(time.time_ns() // 1_000_000).encode(), now
        self._socket.send_ping(self._pinged)
        self._flush()

    def end(self, code: int, reason: str = "") -> None:
        """Close the WebSocket in good order."""
        if self.listening:
            assert self._socket is not None
            self._socket.send_close(code, reason)
            self._flush()
        elif self._socket is None:
            self.close()


def framed(messages: Iterable[bytes]) -> bytes:
    """Text frames of a server, one per message, without an extension (RFC 6455, section 5.2)."""
    parts: list[bytes] = []
    for message in messages:
        length = len(message)
        if length < 126:
            parts.append(bytes((0x81, length)))
        elif length < 1 << 16:
            parts.append(b"\x81\x7e" + length.to_bytes(2, "big"))
        else:
            parts.append(b"\x81\x7f" + length.to_bytes(8, "big"))
        parts.append(message)
    return b"".join(parts)
