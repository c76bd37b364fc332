"""A connector by the name of its exchange."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from coattail.connectors import CONNECTORS, BaseConnector
from coattail.errors import UsageError
from coattail.values import SYMBOL


def connector_named(
    exchange: str, symbols: Sequence[str], *, channel: str = "", websocket_host: str | None = None,
    rest_host: str | None = None,
) -> BaseConnector:  # fmt: skip
    """The connector of an exchange for these instruments; hosts: None means the exchange's own.

    Raises: UsageError: If there is no such exchange, or a text names no symbol.
    """
    for symbol in symbols:
        if not SYMBOL.fullmatch(symbol):
            raise UsageError(f"{symbol!r} names no symbol", next_step="write it like binance:BTC-USDT or BTC-USDT")
    kind = CONNECTORS.get(exchange)
    if kind is None:
        near = difflib.get_close_matches(exchange, CONNECTORS, n=1)
        raise UsageError(
            f"there is no exchange {exchange!r}",
            next_step=(f"did you mean {near[0]}? " if near else "") + f"known: {', '.join(sorted(CONNECTORS))}",
        )
    return kind(symbols=tuple(symbols), channel=channel, websocket_host=websocket_host, rest_host=rest_host)
