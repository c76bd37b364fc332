"""How a market behaves: the steady one of the demo, or one that resembles what exchanges record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coattail.market.instruments import SimulatedInstrument

NATURAL_WHALE = 100_000.0
"""An order of this many quote units is a whale, and stands in the truth table also where nobody planted it."""


@dataclass(frozen=True, kw_only=True)
class Character:
    """The parameters of a market's behaviour."""

    name: str
    steady: bool = False
    """Arrivals by the second, lognormal orders up to 50,000, a slow basis: then nothing below matters."""

    pace: float | None = None
    """Trades a minute of every instrument, in quiet times; None: each as busy as its `trades_per_minute` says."""
    order_scale: float = 1.0
    """Multiplies the order sizes of every instrument: orders are small where little is traded."""

    day_cycle: float = 0.35
    """Amplitude of the day's wave in log activity; highest at 15 UTC."""
    sessions: tuple[tuple[float, float], ...] = ((0.0, 0.15), (8.0, 0.15), (13.5, 0.3))
    """(hour UTC, height in log activity) of bumps of an hour and a half, where sessions open."""
    activity_sigma: float = 0.5
    """Standard deviation of log activity around the day's wave."""
    activity_memory: float = 0.8
    """Correlation of log activity with itself a minute later."""
    hours_sigma: float = 0.0
    """Standard deviation of what changes in log activity over hours and days, each instrument for itself …"""
    hours_memory: float = 0.85
    """… and its correlation with itself an hour later."""
    shared: tuple[float, float] = (0.4, 0.2)
    """Shares of the variance `activity_sigma` that all instruments, and all of one asset, have in common."""

    branching: float = 0.72
    """Orders that an order causes directly, on average."""
    fertility_alpha: float | None = None
    """How many an order causes differs by a Pareto factor of this power and mean 1, as earthquakes do (Ogata, 1988:
    few set off very many); None: all alike."""
    fertility_most: float = 200.0
    """No order causes more than this many times the usual number."""
    fast_s: float = 0.03
    """Mean delay in seconds of the share `fast_share` of them …"""
    slow_s: float = 6.0
    """… and of the others."""
    fast_share: float = 0.65
    long_s: float = 60.0
    """Mean delay of the share `long_share`, which comes minutes later."""
    long_share: float = 0.0
    spill_s: float = 60.0
    """What is caused this long after the end of the five minutes of its cause is left out; 300 at most."""
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
    sweep_end: float = 0.3
    """Chance that a sweep of the size `Instrument.order_size` ends with its next fill."""
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

    def of(self, instrument: SimulatedInstrument) -> SimulatedInstrument:
        """The instrument as it trades in a market of this character."""
        pace = instrument.trades_per_minute if self.pace is None else self.pace
        if (pace, self.order_scale) == (instrument.trades_per_minute, 1.0):
            return instrument
        return replace(instrument, trades_per_minute=pace, order_size=instrument.order_size * self.order_scale)

    def tail_above(self, order_size: float, notional: float) -> float:
        """Share of all orders of an instrument that are larger than `notional` (which lies in the tail)."""
        larger: float = (self.tail_from * order_size / notional) ** self.tail_alpha
        return self.tail_share * min(1.0, larger)


CALM = Character(name="calm", steady=True)
"""Arrivals at a nearly constant rate, and no large order that nobody planted: for demos and exact expectations."""

LIVELY = Character(name="lively")
"""Days, clusters, heavy tails: compared with recordings in docs/MARKET.md."""

_RECORDED = Character(
    name="recorded",
    day_cycle=0.2,
    sessions=((0.0, 0.1), (8.0, 0.1), (13.5, 0.2)),
    activity_sigma=0.7,
    activity_memory=0.9,
    hours_sigma=0.7,
    branching=0.62,
    fertility_alpha=1.4,
    fast_s=0.2,
    fast_share=0.4,
    slow_s=5.0,
    long_s=90.0,
    long_share=0.35,
    spill_s=300.0,
    sweeps=0.15,
    sweep_end=0.4,
    body_sigma=1.7,
    tail_share=0.025,
    fills_per_order=1.26,
)
"""Fitted to the quiet days of four thin markets of Binance: counts by minute, five minutes and hour, silences between
orders, fills of an order (docs/MARKET.md)."""

THIN = replace(_RECORDED, name="thin", pace=0.4, order_scale=0.05)
"""Most minutes are empty, and so are many quarter hours."""
QUIET = replace(_RECORDED, name="quiet", pace=2.0, order_scale=0.06)
"""As the recorded markets of small coins: two minutes of three are empty, and one of a thousand has 70 trades."""
SMALL = replace(_RECORDED, name="small", pace=9.0, order_scale=0.15, hours_sigma=0.6)
"""Few minutes are empty."""
MIDDLE = replace(_RECORDED, name="middle", pace=50.0, order_scale=0.4, hours_sigma=0.5, activity_sigma=0.6)
"""No minute is empty by chance alone."""
BUSY = replace(
    _RECORDED,
    name="busy",
    pace=330.0,
    hours_sigma=0.4,
    activity_sigma=0.5,
    fertility_alpha=1.3,
    fertility_most=1_000.0,
    fast_s=0.03,
    fast_share=0.65,
    slow_s=4.0,
    long_share=0.15,
    sweeps=0.3,
    sweep_end=0.3,
    fills_per_order=1.66,
)
"""As many trades as in a lively market, and longer tails."""
CROWDED = replace(
    _RECORDED,
    name="crowded",
    pace=5_000.0,
    order_scale=2.0,
    hours_sigma=0.35,
    activity_sigma=0.5,
    branching=0.7,
    fertility_alpha=1.2,
    fertility_most=5_000.0,
    fast_s=0.1,
    fast_share=0.75,
    slow_s=3.0,
    long_share=0.1,
    tail_alpha=1.35,
    sweeps=0.4,
    sweep_end=0.15,
    fills_per_order=2.3,
)
"""The largest markets in their busiest hours: orders sweep dozens of fills."""

BY_PACE = (THIN, QUIET, SMALL, MIDDLE, BUSY, CROWDED)
"""Markets from empty to crowded, all with tails as recorded: made to learn what is usual where little trades."""

CHARACTERS = {character.name: character for character in (CALM, LIVELY, *BY_PACE)}
