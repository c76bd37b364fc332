"""Step 1 of 7: an exchange's frames in, trades out. One module per exchange, which says all that is known of it."""

from __future__ import annotations

from importlib import import_module

from coattail.connectors.base import BaseConnector

_REGISTERED = (
    "binance.BinanceConnector",
    "binance_us.BinanceUsConnector",
    "coinbase.CoinbaseConnector",
)
"""Module and class of every exchange; a new connector is one module and one line here."""


def _connector(name: str) -> type[BaseConnector]:
    module, _, kind = name.partition(".")
    found: type[BaseConnector] = getattr(import_module(f"{__name__}.{module}"), kind)
    return found


CONNECTORS: dict[str, type[BaseConnector]] = {kind.exchange: kind for kind in map(_connector, _REGISTERED)}
"""Every exchange by its name."""

__all__ = ["CONNECTORS", "BaseConnector"]
