"""One TCP connection with a client: bytes in and out, and what can be wrong with a line."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from abc import ABC, abstractmethod

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on with no time: closing sends RST."""

_HELD_BYTES = 1 << 20
"""What a line that stands still takes before its sender has to wait."""


class ClientLine(asyncio.Protocol, ABC):
    """A client's connection. What it does with the bytes is said in `hear`, `ready` and `lost`."""

    def __init__(self, tls: ssl.SSLContext | None = None, handshake_delay: float = 0.0) -> None:
        """`tls` None speaks plainly; a TLS handshake is begun `handshake_delay` seconds late."""
        self._tls, self._delay = tls, handshake_delay
        self._transport: asyncio.Transport | None = None
        self._starting: asyncio.Task[None] | None = None
        self._early: bytearray | None = None if tls is None else bytearray()
        """What came before the TLS handshake had been taken notice of."""
        self._silent = False
        self._held: bytearray | None = None
        self._dripping: asyncio.Task[None] | None = None
        self._full = False

    @abstractmethod
    def hear(self, data: bytes) -> None:
        """Bytes came."""

    @abstractmethod
    def ready(self) -> None:
        """The line takes bytes again, having been full or held."""

    @abstractmethod
    def lost(self) -> None:
        """It is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if (raw := transport.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None or self._delay:
            transport.pause_reading()
            self._starting = asyncio.get_running_loop().create_task(self._begin(transport, self._tls))

    async def _begin(self, transport: asyncio.Transport, tls: ssl.SSLContext | None) -> None:
        await asyncio.sleep(self._delay)
        if transport.is_closing():
            return
        if tls is None:
            transport.resume_reading()
            return
        secured = None
        try:
            secured = await asyncio.get_running_loop().start_tls(transport, self, tls, server_side=True)
            self._transport = secured
            early, self._early = self._early, None
            if early:
                self.data_received(bytes(early))
        except (OSError, ssl.SSLError):
            transport.abort()  # the client gave up, or does not trust the certificate
        finally:
            if secured is None:
                self.lost()

    def connection_lost(self, exc: Exception | None) -> None:
        for task in (self._starting, self._dripping):
            if task is not None:
                task.cancel()
        self.lost()

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
        elif not self._silent:
            self.hear(data)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self.ready()

    @property
    def writable(self) -> bool:
        """Whether the client takes what is sent; where it does not, more would only wait in memory."""
        return not self._full and (self._held is None or len(self._held) < _HELD_BYTES)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is None or self._transport.is_closing() or self._silent:
            return
        if self._held is None:
            self._transport.write(data)
        else:
            self._held += data

    def fall_silent(self) -> None:
        """Neither send nor hear anything from now on, and look open."""
        self._silent = True

    def hold(self) -> None:
        """Keep back what is to be sent, and leave unread what comes."""
        if self._transport is not None and self._held is None:
            self._held = bytearray()
            self._transport.pause_reading()

    def drip(self, bytes_per_second: float) -> None:
        """Send one byte at a time."""
        if self._held is None:
            self._held = bytearray()
            self._dripping = asyncio.get_running_loop().create_task(self._drip(1 / bytes_per_second))

    async def _drip(self, pause: float) -> None:
        while self._held is not None and self._transport is not None:
            if self._held:
                self._transport.write(bytes(self._held[:1]))
                del self._held[:1]
            await asyncio.sleep(pause)

    def let_go(self) -> None:
        """Send what was kept back, and go on as usual."""
        if self._held is None or self._transport is None or self._transport.is_closing():
            return
        if self._dripping is not None:
            self._dripping.cancel()
        held, self._held = bytes(self._held), None
        self._transport.write(held)
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self.ready()

    def close(self) -> None:
        """Send what is left, then end the connection."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """End the connection at once with a TCP reset; what was not sent is lost."""
        if self._transport is not None and not self._transport.is_closing():
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
