"""How much an exchange lets one address ask."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

Wall = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class HostLimits:
    """What the real hosts allow; tests make them tighter or looser. All clients here are one address."""

    binance_weight: int = 6_000
    """Weight of Binance's REST requests within a minute."""
    binance_patience: int = 10
    """Requests refused with 429 within a minute, after which it is 418 (the real number is not published)."""
    ping_every: float = 20.0
    """Seconds between Binance's pings."""
    pong_within: float = 60.0
    """Seconds after which Binance ends a connection that has not answered a ping."""
    connection_age: float = 86_400.0
    """Seconds that a WebSocket lives."""
    binance_streams: int = 1_024
    """Streams of one connection."""
    binance_messages: int = 5
    """Messages that Binance takes within a second (pings and pongs too); who sends more is disconnected."""
    binance_connections: int = 300
    """WebSockets that Binance lets one address open within five minutes; 429 from then on."""
    coinbase_connections: float = 8.0
    """WebSockets that Coinbase lets one address open per second …"""
    coinbase_connections_burst: int = 20
    """… and the most that may come at once."""
    coinbase_subscribe_within: float = 5.0
    """Seconds after which Coinbase ends a connection that has not subscribed to anything."""
    coinbase_requests: float = 10.0
    """Coinbase's REST requests per second …"""
    coinbase_burst: int = 15
    """… and the most that may come at once."""


class WeightByMinute:
    """Binance's: a weight used up within each minute by the wall clock."""

    def __init__(self, limit: int, patience: int, wall: Wall = time.time) -> None:
        self.limit, self._patience, self._wall = limit, patience, wall
        self._minute, self.used, self._refused = -1, 0, 0

    def take(self, weight: int) -> tuple[int, int]:
        """(status, seconds to wait): 200 where the weight is there, else 429, or 418 for one who goes on asking."""
        now = self._wall()
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self.used, self._refused = minute, 0, 0
        self.used += weight
        if self.used <= self.limit:
            return 200, 0
        self._refused += 1
        wait = math.ceil((minute + 1) * 60 - now)
        return (418, wait + 120) if self._refused > self._patience else (429, wait)


class RequestBucket:
    """So many a second, and some more at once."""

    def __init__(self, rate: float, burst: int, wall: Wall = time.monotonic) -> None:
        self._rate, self._burst, self._wall = rate, burst, wall
        self._tokens, self._at = float(burst), wall()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._wall()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
