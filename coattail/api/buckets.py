"""How many requests a client may make: a bucket of tokens for each, filled steadily."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CLIENTS = 10_000
"""Buckets that are kept; the one longest unused goes first, and is full again by then or was of a flood of clients."""


class Buckets:
    """A bucket of tokens for each client.

    per_second: Tokens that come to each bucket in a second. burst: How many it holds. clock: Seconds that only grow.
    """

    def __init__(self, per_second: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> int:
        """Take a token; 0 where there was one, else the whole seconds until there is one again."""
        now = self._clock()
        left, then = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        wait = 0 if left >= 1 else math.ceil((1 - left) / self._per_second)
        self._left[client] = (left - (wait == 0), now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return wait
