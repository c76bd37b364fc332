"""The symbol that a person means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coattail.api.refusal import Refusal
from coattail.api.source import HotSource
from coattail.errors import UsageError
from coattail.stores.hot import HotStore
from coattail.stores.served import SYMBOL
from coattail.symbols import PERPETUAL_SUFFIX, USD_QUOTES, refuse_unseen

_QUOTES = sorted({*USD_QUOTES, "BTC", "ETH", "EUR", "GBP", "JPY", "TRY", "BNB"}, key=lambda quote: (-len(quote), quote))


def spellings(given: str) -> Iterator[str]:
    """The canonical symbols that a text may mean, the likeliest first: `btcusdt`, `BTC/USDT` and `btc_usdt` too."""
    text = given.strip().upper()
    for separator in "/_: ":
        text = text.replace(separator, "-")
    yield text
    if "-" not in text.removesuffix(PERPETUAL_SUFFIX):
        pair, perpetual = text.removesuffix(PERPETUAL_SUFFIX), text.endswith(PERPETUAL_SUFFIX)
        if pair.endswith("PERP") and not perpetual:
            pair, perpetual = pair.removesuffix("PERP"), True
        for quote in _QUOTES:
            if pair.endswith(quote) and len(pair) > len(quote):
                yield f"{pair[: -len(quote)]}-{quote}{PERPETUAL_SUFFIX if perpetual else ''}"


def meant(source: HotSource, hot: HotStore, given: str) -> str:
    """The symbol that has trades or alerts here and is meant by `given`; without any, the likeliest spelling.

    Raises: Refusal: 404, with the nearest one.
    """
    likely = list(spellings(given))
    for name in likely:
        if hot.fact(SYMBOL + name) is not None:
            return name
    here = known(source, hot)
    for name in likely:
        if name in here:
            return name
    refuse("symbol", likely[0], here)
    return likely[min(1, len(likely) - 1)]


def known(source: HotSource, hot: HotStore) -> set[str]:
    """The symbols that have trades or alerts here."""
    return {*source.symbols(hot), *(count.symbol for count in source.tally(hot))}


def refuse(kind: str, name: str, here: Iterable[str]) -> None:
    """Refuse a symbol or an exchange that is none of those here; where there is none, any may come.

    Raises: Refusal: 404, with the nearest one.
    """
    try:
        refuse_unseen(kind, name[:40], here)
    except UsageError as error:
        raise Refusal(404, f"unknown_{kind}", error.message, next_step=error.next_step, field=kind) from None
