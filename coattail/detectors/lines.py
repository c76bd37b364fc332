"""Which prices are compared with which: two venues' spot markets, a perpetual and its spot market, two whole venues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from coattail.detectors.grid import IntArray
from coattail.symbols import PERPETUAL_SUFFIX, USD_QUOTES, base_of, is_perpetual, quote_of

VENUES, PERPETUAL, WHOLE = "venues", "perpetual", "whole"
"""One coin at two venues; a perpetual against its spot market; every coin of two venues together."""
ALL_COINS = "*"
"""The base of a whole venue's symbol: `*-USDT`."""


class PriceLine(NamedTuple):
    """One thing that is compared over time: what a row of the module's table is about."""

    kind: str
    base: str
    exchange_a: str
    symbol_a: str
    exchange_b: str
    symbol_b: str
    a: int
    """Place of the first market among the instruments; -1 of a whole venue."""
    b: int

    @property
    def quotes(self) -> tuple[str, str]:
        """What both are priced in."""
        return quote_of(self.symbol_a), quote_of(self.symbol_b)


@dataclass(frozen=True)
class Lines:
    """All of them: pairs first, then whole venues."""

    all: list[PriceLine]
    groups: list[list[int]]
    """Of each whole venue, in their order, which of `all` are its coins'."""
    least_coins: int
    """Coins that must have prices for a whole venue to be judged."""

    @property
    def pairs(self) -> list[PriceLine]:
        """Those between two markets."""
        return self.all[: len(self.all) - len(self.groups)]

    @property
    def places(self) -> tuple[IntArray, IntArray]:
        """Of every pair, which instruments its two markets are."""
        a, b = (np.array([line[end] for line in self.pairs], np.int64) for end in (-2, -1))
        return a, b


def is_compared(symbol: str) -> bool:
    """Whether prices of this symbol matter: it is quoted in dollars or in a stablecoin of theirs."""
    return quote_of(symbol) in USD_QUOTES


@lru_cache(maxsize=8)  # the same in every batch, and thousands
def lines_of(instruments: tuple[tuple[str, str], ...], least_coins: int) -> Lines:
    """The lines between instruments (exchange, symbol), which are sorted.

    Of a coin every two venues' spot markets, the venues in alphabetical order; every perpetual and the spot market of
    its venue and quote; and of every two venues and their quotes that share `least_coins` coins, all of these together.
    """
    spots: dict[str, list[int]] = {}
    for place, (_, symbol) in enumerate(instruments):
        if not is_perpetual(symbol) and is_compared(symbol) and base_of(symbol) not in USD_QUOTES:
            spots.setdefault(base_of(symbol), []).append(place)
    pairs = [
        _line(VENUES, instruments, a, b)
        for places in spots.values()
        for a, b in combinations(places, 2)
        if instruments[a][0] < instruments[b][0]
    ]
    known = {instrument: place for place, instrument in enumerate(instruments)}
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for number, line in enumerate(pairs):
        groups.setdefault((line.exchange_a, line.quotes[0], line.exchange_b, line.quotes[1]), []).append(number)
    for exchange, symbol in instruments:
        spot = (exchange, symbol.removesuffix(PERPETUAL_SUFFIX))
        if is_perpetual(symbol) and is_compared(symbol) and spot in known:
            pairs.append(_line(PERPETUAL, instruments, known[exchange, symbol], known[spot]))
    shared = {names: coins for names, coins in sorted(groups.items()) if len(coins) >= least_coins}
    wholes = [
        PriceLine(WHOLE, ALL_COINS, exchange_a, f"{ALL_COINS}-{quote_a}", exchange_b, f"{ALL_COINS}-{quote_b}", -1, -1)
        for exchange_a, quote_a, exchange_b, quote_b in shared
    ]
    return Lines([*pairs, *wholes], list(shared.values()), least_coins)


def _line(kind: str, instruments: Sequence[tuple[str, str]], a: int, b: int) -> PriceLine:
    return PriceLine(kind, base_of(instruments[a][1]), *instruments[a], *instruments[b], a, b)
