"""Step 2 of 7: an event loop that looks at its sockets less often while much comes.

Waking up for one trade costs ten times what the trade costs, and sockets keep what comes meanwhile. So while trades
come more often than every `GATHER_SECONDS`, what came in that time is read at once; what is quiet is read as it comes.
"""

from __future__ import annotations

import asyncio
import selectors
import time

GATHER_SECONDS = 0.005
"""How late a trade of a busy feed is read, and stamped as received, at most: little beside the way from an exchange."""


class _GatheringSelector(selectors.DefaultSelector):
    """Waits a moment before it looks again."""

    _looked = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            early = self._looked + GATHER_SECONDS - time.monotonic()
            if early > 0:
                time.sleep(early if timeout is None else min(early, timeout))
        ready = super().select(timeout)
        self._looked = time.monotonic()
        return ready


def gathering_loop() -> asyncio.AbstractEventLoop:
    """For `asyncio.Runner(loop_factory=gathering_loop)`."""
    return asyncio.SelectorEventLoop(_GatheringSelector())
