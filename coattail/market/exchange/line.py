"""One TCP connection with a client: bytes in and out, and what can be wrong with a line."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from abc import ABC, abstractmethod

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on with no time: closing sends RST."""


class ClientLine(asyncio.Protocol, ABC):
    """A client's connection. What it does with the bytes is said in `hear`, `ready` and `lost`."""

    def __init__(self, tls: ssl.SSLContext | None = None, handshake_delay: float = 0.0) -> None:
        """`tls` None speaks plainly; a TLS handshake is begun `handshake_delay` seconds late."""
        self._tls, self._delay = tls, handshake_delay
        self._transport: asyncio.Transport | None = None
        self._starting: asyncio.Task[None] | None = None
        self.writable = True
        """Whether the client takes what is sent; where it does not, what is written waits in memory."""

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
        if self._tls is not None:
            transport.pause_reading()
            self._starting = asyncio.get_running_loop().create_task(self._secure(transport, self._tls))

    async def _secure(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        await asyncio.sleep(self._delay)
        if transport.is_closing():
            return
        try:
            secured = await asyncio.get_running_loop().start_tls(transport, self, tls, server_side=True)
        except (OSError, ssl.SSLError):
            transport.abort()  # the client gave up, or does not trust the certificate
            return
        self._transport = secured

    def connection_lost(self, exc: Exception | None) -> None:
        if self._starting is not None:
            self._starting.cancel()
        self.lost()

    def data_received(self, data: bytes) -> None:
        self.hear(data)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self.ready()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

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
