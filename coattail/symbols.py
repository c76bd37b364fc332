"""Canonical symbols: spot `BASE-QUOTE`, perpetual `BASE-QUOTE-PERP` (coin-margined: quote `USD`), and their parts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from coattail.errors import UsageError

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


def refuse_unseen(kind: str, name: str, seen: Iterable[str]) -> None:
    """Refuse a symbol or an exchange that is none of those seen; where none was, any may come.

    Raises: UsageError: With the nearest one, and some of the others.
    """
    here = sorted(set(seen))
    if name in here or not here:
        return
    near = difflib.get_close_matches(name, here, n=1, cutoff=0.6)
    meant = f"did you mean {near[0]}? known: " if near else "known: "
    more = f" and {len(here) - 12} more (`coattail coverage`)" if len(here) > 12 else ""
    raise UsageError(f"{kind} {name!r} has no trades here", next_step=meant + ", ".join(here[:12]) + more)
