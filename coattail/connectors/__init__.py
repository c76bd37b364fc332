"""Step 1 of 7: an exchange's frames in, trades out. One module per exchange, one pure `normalize` each."""

from __future__ import annotations

from coattail.connectors.base import BaseConnector
from coattail.connectors.binance import BinanceConnector, BinanceUsConnector
from coattail.connectors.coinbase import CoinbaseConnector

CONNECTORS: dict[str, type[BaseConnector]] = {
    connector.exchange: connector for connector in (BinanceConnector, BinanceUsConnector, CoinbaseConnector)
}
"""Every exchange by its name; a new connector is one module and one entry here."""

__all__ = ["CONNECTORS", "BaseConnector", "BinanceConnector", "BinanceUsConnector", "CoinbaseConnector"]
