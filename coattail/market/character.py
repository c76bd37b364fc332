"""How a market behaves: the steady one of the demo, or one that resembles what exchanges record."""

from __future__ import annotations

from dataclasses import dataclass

NATURAL_WHALE = 100_000.0
"""An order of this many quote units is a whale, and stands in the truth table also where nobody planted it."""


@dataclass(frozen=True, kw_only=True)
class Character:
    """The parameters of a market's behaviour."""

    name: str
    steady: bool = False
    """Arrivals by the second, lognormal orders up to 50,000, a slow basis: then nothing below matters."""

    day_cycle: float = 0.35
    """Amplitude of the day's wave in log activity; highest at 15 UTC."""
    sessions: tuple[tuple[float, float], ...] = ((0.0, 0.15), (8.0, 0.15), (13.5, 0.3))
    """(hour UTC, height in log activity) of bumps of an hour and a half, where sessions open."""
    activity_sigma: float = 0.5
    """Standard deviation of log activity around the day's wave."""
    activity_memory: float = 0.8
    """Correlation of log activity with itself a minute later."""
    shared: tuple[float, float] = (0.4, 0.2)
    """Shares of its variance that all instruments, and all of one asset, have in common."""

    branching: float = 0.72
    """Orders that an order causes directly, on average."""
    fast_s: float = 0.03
    """Mean delay in seconds of the share `fast_share` of them …"""
    slow_s: float = 6.0
    """… and of the others."""
    fast_share: float = 0.65
    side_memory: float = 0.85
    """Chance that an order has the side of the one that caused it; else it is drawn anew."""

    body_median: float = 0.11
    """Median order, as a share of `Instrument.order_size`."""
    body_sigma: float = 1.8
    """Standard deviation of the logarithm of orders that are not of the tail."""
    tail_share: float = 0.035
    """Share of the orders that belong to the tail …"""
    tail_from: float = 4.0
    """… which begins at this multiple of `Instrument.order_size` …"""
    tail_alpha: float = 1.6
    """… and above which the share of larger orders falls with this power."""
    largest: float = 5e6
    """No order is larger (quote units)."""
    sweeps: float = 0.3
    """Share of orders that take more than one fill, larger ones the more."""
    fills_per_order: float = 1.72
    """How many all orders take on average: what follows from the rest, to draw as many orders as there should be."""

    half_spread: float = 2e-6
    """Mean distance of a trade from the mid price, as a share of it."""
    volatility_power: float = 0.5
    """Price steps grow with activity to this power."""
    lags_s: tuple[tuple[str, float], ...] = (("binance", 0.1), ("coinbase", 0.7))
    """How far a venue's price lags behind the leading venue's, seconds, 1 at most."""
    basis: float = 1.2e-4
    """Standard deviation of a venue's own deviation from the common price."""
    tether: float = 8e-4
    """Standard deviation of USDT's rate."""

    def tail_above(self, order_size: float, notional: float) -> float:
        """Share of all orders of an instrument that are larger than `notional` (which lies in the tail)."""
        larger: float = (self.tail_from * order_size / notional) ** self.tail_alpha
        return self.tail_share * min(1.0, larger)


CALM = Character(name="calm", steady=True)
"""Arrivals at a nearly constant rate, and no large order that nobody planted: for demos and exact expectations."""

LIVELY = Character(name="lively")
"""Days, clusters, heavy tails: compared with recordings in docs/MARKET.md."""

CHARACTERS = {character.name: character for character in (CALM, LIVELY)}
