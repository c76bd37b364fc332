"""Coin-margined futures: what a number of contracts is worth, in dollars and in coins, exactly.

A contract is worth a fixed number of dollars (`conf/contract_sizes.yaml`), so `quote_volume` is contracts times that,
and `quantity` is `quote_volume / price`, rounded once, half-even, to 8 decimals: what Binance calls `base_qty`.

Source: github.com/binance/binance-public-data (COIN-M trades: `qty` in contracts, `base_qty`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import msgspec
import yaml

from coattail.records import Row
from coattail.symbols import base_of

_SIZES = Path(__file__).parents[1] / "conf" / "contract_sizes.yaml"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST = 400
"""Characters, and decimal exponents, beyond which no double is a number above zero either."""
_UNITS = 10**8


@dataclass(frozen=True, slots=True)
class Listing:
    """What an exchange's own name for an instrument means."""

    exchange: str
    symbol: str
    """Canonical."""
    coin_margined: bool = False
    """Whether quantities count contracts, each worth a fixed number of dollars, instead of coins."""

    def row(self, row: Row) -> Row:
        """The same trade with its quantity in coins."""
        return coin_row(row, self.exchange, self.symbol) if self.coin_margined else row


@cache
def contract_size(exchange: str, base: str) -> Decimal:
    """US dollars that one contract of this base asset is worth."""
    sizes = _sizes().get(exchange) or _sizes()["binance"]
    return Decimal(str(sizes.get(base, sizes["default"])))


@cache
def _sizes() -> dict[str, dict[str, int]]:
    sizes: dict[str, dict[str, int]] = yaml.safe_load(_SIZES.read_text(encoding="utf-8"))
    return sizes


def coin_row(row: Row, exchange: str, symbol: str) -> Row:
    """The row of a coin-margined trade, its `quantity` in coins instead of contracts, and with `quote_volume`."""
    quantity, quote_volume = coin_figures(row.price, row.quantity, contract_size(exchange, base_of(symbol)))
    return msgspec.structs.replace(row, quantity=quantity, quote_volume=quote_volume)


def coin_figures(price: str | None, contracts: str | None, size: Decimal) -> tuple[str | None, str | None]:
    """(quantity in coins, quote volume in dollars) as text.

    Where the price or the contracts are missing, no number or no market's, the contracts stand for the quantity and
    there is no quote volume: the checks reject such a row for its price or its quantity, and its payload keeps both.
    """
    number, value = _exact(contracts), _exact(price)
    if number is None or value is None or value <= 0:
        return contracts, None
    volume = number * size
    units = round(Fraction(volume) / Fraction(value) * _UNITS)  # of a Fraction: exact, half-even
    sign, digits = "-" if units < 0 else "", str(abs(units)).rjust(9, "0")
    return f"{sign}{digits[:-8]}.{digits[-8:]}", f"{volume:f}"


def _exact(text: str | None) -> Decimal | None:
    if text is None or len(text) > _LONGEST or _NUMBER.fullmatch(text) is None:
        return None
    value = Decimal(text)
    return value if abs(value.adjusted()) <= _LONGEST else None
