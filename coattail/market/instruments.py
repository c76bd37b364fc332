"""What is traded on the simulated exchanges, and how busily."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A coin with one price walk of its own, which every venue that trades it follows."""

    name: str
    price: float
    """Where the walk begins, in USD."""
    volatility_bps: float
    """Standard deviation of the price step of one second, in basis points."""


@dataclass(frozen=True, kw_only=True)
class SimulatedInstrument:
    """One market of one exchange."""

    exchange: str
    """`binance` or `coinbase`: the wire formats the simulator speaks."""
    asset: Asset
    quote: str
    """`USD`, or `USDT`: then prices are divided by the rate of USDT-USD."""
    trades_per_minute: float
    """Fills per simulated minute in quiet times; an order has 1.6 fills on average."""
    order_size: float
    """Median notional of an order, in quote units; the mean is 1.65 times as large."""
    tick: float = 0.01
    """Smallest price step, in quote units."""
    lot: float = 1e-8
    """Smallest quantity step, in base units."""

    @property
    def symbol(self) -> str:
        """Canonical symbol: `BTC-USDT`."""
        return f"{self.asset.name}-{self.quote}"

    @property
    def code(self) -> str:
        """The exchange's own name of the instrument: `BTCUSDT` or `BTC-USD`."""
        return self.symbol.replace("-", "") if self.exchange == "binance" else self.symbol

    @property
    def key(self) -> str:
        """`exchange:symbol`, the name of its random streams."""
        return f"{self.exchange}:{self.symbol}"


EXCHANGES = ("binance", "coinbase")

BTC = Asset(name="BTC", price=62_000.0, volatility_bps=0.8)
ETH = Asset(name="ETH", price=2_700.0, volatility_bps=1.0)
SOL = Asset(name="SOL", price=150.0, volatility_bps=1.3)
USDT = Asset(name="USDT", price=0.9998, volatility_bps=0.0)
"""USDT does not walk: it stays within a few basis points of `price`."""

DEFAULT_INSTRUMENTS = (
    SimulatedInstrument(exchange="binance", asset=BTC, quote="USDT", trades_per_minute=330, order_size=1_300, lot=1e-5),
    SimulatedInstrument(exchange="binance", asset=ETH, quote="USDT", trades_per_minute=250, order_size=1_100, lot=1e-4),
    SimulatedInstrument(exchange="binance", asset=SOL, quote="USDT", trades_per_minute=170, order_size=700, lot=1e-3),
    SimulatedInstrument(exchange="coinbase", asset=BTC, quote="USD", trades_per_minute=200, order_size=1_400),
    SimulatedInstrument(exchange="coinbase", asset=ETH, quote="USD", trades_per_minute=150, order_size=1_100),
    SimulatedInstrument(exchange="coinbase", asset=SOL, quote="USD", trades_per_minute=110, order_size=600),
    SimulatedInstrument(
        exchange="coinbase", asset=USDT, quote="USD", trades_per_minute=16, order_size=1_200, tick=1e-5, lot=0.01
    ),
)
"""Two exchanges, three symbols on each, and Coinbase's USDT-USD: about 160,000 trades in two hours."""
