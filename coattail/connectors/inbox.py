"""Messages that were heard and not yet taken, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

INBOX_BYTES = 32 << 20
"""What may wait before a listener stops reading its sockets: a minute of the busiest hours of a hundred markets. From
then on the exchange waits, and may close the connection."""


class Inbox:
    """One for all connections of an exchange. When it is full, they are not read until it has been emptied."""

    def __init__(self, most_bytes: int = INBOX_BYTES) -> None:
        self._most = most_bytes
        self._messages: list[bytes] = []
        self._received: list[int] = []
        self._when_emptied: list[Callable[[], None]] = []
        self.bytes = 0
        """Bytes that wait."""
        self.waits = 0
        """How often a connection was not read because the inbox was full."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._messages)

    def add(self, messages: Sequence[bytes], received: int) -> bool:
        """Take in what came together, at this µs since 1970 UTC; returns whether there is room for more."""
        self._messages += messages
        self._received += [received] * len(messages)
        self.bytes += sum(map(len, messages))
        return self.bytes < self._most

    def when_emptied(self, do: Callable[[], None]) -> None:
        """Do something once, after everything has been taken."""
        self.waits += 1
        self._when_emptied.append(do)

    def take(self) -> tuple[list[bytes], list[int]]:
        """(messages, when each was received), in the order in which they came; nothing is left."""
        taken = self._messages, self._received
        self._messages, self._received, self.bytes = [], [], 0
        waiting, self._when_emptied = self._when_emptied, []
        for do in waiting:
            do()
        return taken
