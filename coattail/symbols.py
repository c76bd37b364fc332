"""Canonical symbols: spot `BASE-QUOTE`, perpetual `BASE-QUOTE-PERP` (coin-margined: quote `USD`), and their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

USD_QUOTES = frozenset({
    "USD", "USDT", "USDC", "BUSD", "TUSD", "FDUSD", "USDP", "PAX", "DAI", "USDS", "USDSB", "GUSD", "PYUSD", "USD1",
    "USDE", "RLUSD", "XUSD", "BFUSD", "UST", "LUSD", "SUSD", "USD4",
})  # fmt: skip
"""Quotes that mean about one US dollar; about, because USDT has been 1.08 and 0.97."""

PERPETUAL_SUFFIX = "-PERP"


def split_native(
    native: str, quotes: Sequence[str], exceptions: Mapping[str, tuple[str, str]]
) -> tuple[str, str] | None:
    """(base, quote) of a symbol written without a separator, as `BTCUSDT`; None where no known quote ends it.

    The quote is the first of `quotes` that ends it, so longer ones stand first; `exceptions` come before them all.
    """
    if native in exceptions:
        return exceptions[native]
    for quote in quotes:
        if native.endswith(quote) and len(native) > len(quote):
            return native[: -len(quote)], quote
    return None


def base_of(symbol: str) -> str:
    """`BTC` of `BTC-USDT` and `BTC-USDT-PERP`; all of a symbol that has no parts."""
    return symbol.partition("-")[0]


def quote_of(symbol: str) -> str:
    """`USDT` of `BTC-USDT` and `BTC-USDT-PERP`; empty for a symbol that has no parts."""
    return symbol.removesuffix(PERPETUAL_SUFFIX).partition("-")[2]


def is_perpetual(symbol: str) -> bool:
    """Whether this is a perpetual future, whose price may stand apart from the spot price."""
    return symbol.endswith(PERPETUAL_SUFFIX)
