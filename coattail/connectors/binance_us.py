"""Binance.US: the same frames as Binance, other hosts, dollars among the quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from coattail.connectors.base import MarketType
from coattail.connectors.binance import BinanceConnector
from coattail.connectors.history import History

_QUOTES = ("USDT", "USDC", "USD4", "BUSD", "DAI", "USD", "BTC", "ETH", "BNB")

_ODD_SYMBOLS = {
    "BNBUSD": ("BNB", "USD"),
    "SHIBUSD": ("SHIB", "USD"),
    "ARBUSD": ("ARB", "USD"),
}
# Binance.US has dollars and BUSD: a base that ends with B would lose it to the longer quote.


class BinanceUsConnector(BinanceConnector):
    """Binance.US: the same frames, other hosts, dollars among the quotes."""

    exchange: ClassVar[str] = "binance_us"
    hosts: ClassVar[Mapping[str, MarketType]] = {"binance.us": "spot"}
    channels: ClassVar[Mapping[str, str]] = {
        "trade": "wss://stream.binance.us:9443",
        "aggTrade": "wss://stream.binance.us:9443",
    }
    elsewhere: ClassVar[str | None] = None
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {
        "cryptofeed": {"BINANCE_US": "spot"},
        "tardis": {"binance-us": "spot"},
        "binance-bulk": {},
    }
    quotes: ClassVar[Sequence[str]] = sorted(_QUOTES, key=len, reverse=True)
    odd_symbols: ClassVar[Mapping[str, tuple[str, str]]] = _ODD_SYMBOLS
    _spot: ClassVar[dict[str, str]] = {}
    _perpetual: ClassVar[dict[str, str]] = {}

    @classmethod
    def is_own(cls, message: bytes) -> bool:
        """Never: in a message nothing tells it from Binance."""
        return False

    def history(self, symbol: str) -> History:
        """It has spot alone."""
        from coattail.connectors.binance_rest import BinanceUsHistory

        return BinanceUsHistory()
