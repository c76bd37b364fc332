"""Canonical symbols: spot `BASE-QUOTE`, perpetual `BASE-QUOTE-PERP` (coin-margined: quote `USD`), and their parts.

Coinbase sends `BTC-USD`, which already is canonical. Binance sends `BTCUSDT`: the quote is the longest known
quote asset that the text ends with, and the known exceptions come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

USD_QUOTES = frozenset({
    "USD", "USDT", "USDC", "BUSD", "TUSD", "FDUSD", "USDP", "PAX", "DAI", "USDS", "USDSB", "GUSD", "PYUSD", "USD1",
    "USDE", "RLUSD", "XUSD", "BFUSD", "UST", "LUSD", "SUSD", "USD4",
})  # fmt: skip
"""Quotes that mean about one US dollar; about, because USDT has been 1.08 and 0.97."""

PERPETUAL_SUFFIX = "-PERP"
_COIN_MARGINED_SUFFIX = "USD_PERP"

_BINANCE_QUOTES = (
    "FDUSD", "USDSB", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USDS", "USD1", "USDE", "XUSD", "RLUSD", "BFUSD",
    "BIDR", "IDRT", "BKRW", "BVND", "EURI", "DOGE", "DAI", "UST", "VAI", "PAX", "BTC", "ETH", "BNB", "XRP", "TRX",
    "SOL", "DOT", "NGN", "EUR", "GBP", "AUD", "BRL", "TRY", "RUB", "UAH", "ZAR", "JPY", "ARS", "MXN", "COP", "CZK",
    "PLN", "RON",
)  # fmt: skip
# `AEUR` is a quote too, but ADAEUR is ADA-EUR and GALAEUR is GALA-EUR: its own pairs are exceptions below.

_BINANCE_EXCEPTIONS = {
    "BTCAEUR": ("BTC", "AEUR"),
    "ETHAEUR": ("ETH", "AEUR"),
    "EURAEUR": ("EUR", "AEUR"),
    "AEURUSDT": ("AEUR", "USDT"),
}

_BINANCE_US_QUOTES = ("USDT", "USDC", "USD4", "BUSD", "DAI", "USD", "BTC", "ETH", "BNB")

_BINANCE_US_EXCEPTIONS = {
    "BNBUSD": ("BNB", "USD"),
    "SHIBUSD": ("SHIB", "USD"),
    "ARBUSD": ("ARB", "USD"),
}
# Binance.US has dollars and BUSD: a base that ends with B would lose it to the longer quote.

_NATIVE: Mapping[str, tuple[Sequence[str], Mapping[str, tuple[str, str]]]] = {
    "binance": (sorted(_BINANCE_QUOTES, key=len, reverse=True), _BINANCE_EXCEPTIONS),
    "binance_us": (sorted(_BINANCE_US_QUOTES, key=len, reverse=True), _BINANCE_US_EXCEPTIONS),
}


def split_native(native: str, *, exchange: str = "binance") -> tuple[str, str] | None:
    """(base, quote) of a symbol written without a separator, as `BTCUSDT`; None where no known quote ends it."""
    quotes, exceptions = _NATIVE[exchange]
    if native in exceptions:
        return exceptions[native]
    for quote in quotes:
        if native.endswith(quote) and len(native) > len(quote):
            return native[: -len(quote)], quote
    return None


def spot_symbol(native: str, *, exchange: str = "binance") -> str:
    """`BTC-USDT` of `BTCUSDT`; the text itself where no known quote ends it (a check may then reject it)."""
    parts = split_native(native, exchange=exchange)
    return "-".join(parts) if parts else native


def perpetual_symbol(native: str, *, exchange: str = "binance") -> str:
    """`BTC-USDT-PERP` of `BTCUSDT`; the text itself where no known quote ends it (a check may then reject it)."""
    parts = split_native(native, exchange=exchange)
    return "-".join(parts) + PERPETUAL_SUFFIX if parts else native


def coin_margined_symbol(native: str) -> str | None:
    """`BTC-USD-PERP` of `BTCUSD_PERP`; None of anything but a coin-margined perpetual, a delivery contract for one."""
    base = native.removesuffix(_COIN_MARGINED_SUFFIX)
    return f"{base}-USD{PERPETUAL_SUFFIX}" if base and base != native else None


def native_symbol(symbol: str) -> str:
    """`BTCUSDT` of `BTC-USDT` and of `BTC-USDT-PERP`, `BTCUSD_PERP` of `BTC-USD-PERP`: how Binance writes it."""
    if is_perpetual(symbol) and quote_of(symbol) == "USD":
        return base_of(symbol) + _COIN_MARGINED_SUFFIX
    return symbol.removesuffix(PERPETUAL_SUFFIX).replace("-", "")


def base_of(symbol: str) -> str:
    """`BTC` of `BTC-USDT` and `BTC-USDT-PERP`; all of a symbol that has no parts."""
    return symbol.partition("-")[0]


def quote_of(symbol: str) -> str:
    """`USDT` of `BTC-USDT` and `BTC-USDT-PERP`; empty for a symbol that has no parts."""
    return symbol.removesuffix(PERPETUAL_SUFFIX).partition("-")[2]


def is_perpetual(symbol: str) -> bool:
    """Whether this is a perpetual future, whose price may stand apart from the spot price."""
    return symbol.endswith(PERPETUAL_SUFFIX)
