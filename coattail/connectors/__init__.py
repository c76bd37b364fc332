"""Step 1 of 7: an exchange's frames in, trades out. One module per exchange holds all that is known about it."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from coattail.connectors.base import BaseConnector

_REGISTERED = (
    "binance.BinanceConnector",
    "binance_us.BinanceUsConnector",
    "coinbase.CoinbaseConnector",
    "kraken.KrakenConnector",
    "okx.OkxConnector",
)
"""Module and class of every exchange; a new connector is one module and one line here."""


def _connector(name: str) -> type[BaseConnector]:
    module, _, kind = name.partition(".")
    found: type[BaseConnector] = getattr(import_module(f"{__name__}.{module}"), kind)
    return found


CONNECTORS: dict[str, type[BaseConnector]] = {kind.exchange: kind for kind in map(_connector, _REGISTERED)}
"""Every exchange by its name."""


def ids_remembered() -> dict[str, timedelta]:
    """The exchanges whose trade ids are only unique -> how long a repeated one is noticed (event time)."""
    return {name: kind.ids_remembered for name, kind in CONNECTORS.items() if not kind.ids_contiguous}


__all__ = ["CONNECTORS", "BaseConnector", "ids_remembered"]
