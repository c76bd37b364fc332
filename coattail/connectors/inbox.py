"""Messages that were heard and not yet taken, in bounded memory."""

from __future__ import annotations

import asyncio

INBOX_BYTES = 32 << 20
"""What may wait before a listener stops reading its sockets: a minute of the busiest hours of a hundred markets. From
then on the exchange waits, and may close the connection."""


class Inbox:
    """One for all connections of an exchange. Whoever is faster waits: listeners for room, the taker for messages."""

    def __init__(self, most_bytes: int = INBOX_BYTES) -> None:
        self._most = most_bytes
        self._messages: list[bytes] = []
        self._received: list[int] = []
        self._emptied = asyncio.Event()
        self._filled = asyncio.Event()
        self.bytes = 0
        """Bytes that wait."""
        self.waits = 0
        """How often a listener had to wait for room."""

    def add(self, message: bytes, received: int) -> bool:
        """Take one in, received at this µs since 1970 UTC; returns whether there is room for more."""
        self._messages.append(message)
        self._received.append(received)
        self.bytes += len(message)
        if len(self._messages) == 1:
            self._filled.set()
        return self.bytes < self._most

    async def room(self) -> None:
        """Wait until everything has been taken."""
        self.waits += 1
        self._emptied.clear()
        await self._emptied.wait()

    async def something(self) -> None:
        """Wait until a message is here."""
        await self._filled.wait()

    def take(self) -> tuple[list[bytes], list[int]]:
        """(messages, when each was received), in the order in which they came; nothing is left."""
        taken = self._messages, self._received
        self._messages, self._received, self.bytes = [], [], 0
        self._filled.clear()
        self._emptied.set()
        return taken
