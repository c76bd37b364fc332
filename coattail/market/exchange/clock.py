"""The time on the exchanges: it goes on by itself, at a pace, or stands until somebody lets it go on."""

from __future__ import annotations

import time
from collections.abc import Callable


class MarketClock:
    """Market time, µs since 1970 UTC."""

    def __init__(self, opens: int, speed: float | None, wall: Callable[[], float] = time.monotonic) -> None:
        """It stands at `opens` until `start`; then it goes `speed` times as fast as `wall` (s); None: by hand only."""
        self.opened = opens
        self._at, self._speed, self._wall = opens, speed, wall
        self._since: float | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on by itself."""
        return self._since is not None

    def start(self) -> None:
        """Let it go on by itself, unless it is moved by hand only."""
        if self._speed is not None and self._since is None:
            self._since = self._wall()

    def now(self) -> int:
        """Market time, µs since 1970 UTC."""
        if self._since is None or self._speed is None:
            return self._at
        return self._at + int((self._wall() - self._since) * self._speed * 1e6)

    def move(self, to: int) -> None:
        """Go on to a time, never back."""
        self._at = max(to, self.now())
        if self._since is not None:
            self._since = self._wall()
