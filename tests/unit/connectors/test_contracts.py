"""Contracts to coins: exact, rounded once, and nothing invented where a number is none."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.connectors.base import UnsupportedMessage
from coattail.connectors.binance import BinanceConnector
from coattail.connectors.contracts import Listing, coin_figures, contract_size

HUNDRED = Decimal(100)


@pytest.mark.parametrize(("base", "dollars"), [("BTC", 100), ("ETH", 10), ("NEVER-HEARD-OF", 10)])
def test_a_contract_of_bitcoin_is_100_dollars_and_any_other_10(base: str, dollars: int) -> None:
    assert contract_size("binance", base) == dollars


def test_the_quantity_is_what_binance_itself_calls_base_qty() -> None:
    assert coin_figures("78526.1", "83.0", HUNDRED) == ("0.10569734", "8300.0")


@pytest.mark.parametrize(
    ("price", "contracts", "quantity"),
    [
        ("16000000", "1", "0.00000625"),
        ("64000000", "1", "0.00000156"),  # 0.0000015625
        ("800000000", "1", "0.00000012"),  # 0.000000125 lies in the middle: to the even digit
        ("800000000", "3", "0.00000038"),  # 0.000000375: to the even digit, upwards
        ("3", "1", "33.33333333"),
        ("1e5", "2", "0.00200000"),
    ],
)
def test_a_quotient_is_rounded_once_half_even_to_eight_decimals(price: str, contracts: str, quantity: str) -> None:
    assert coin_figures(price, contracts, HUNDRED)[0] == quantity


_prices = st.decimals(Decimal("0.0000001"), Decimal("10000000"), places=7)


@given(price=_prices, contracts=st.integers(1, 10**7), size=st.sampled_from([Decimal(10), HUNDRED]))
def test_any_quotient_is_the_nearest_of_eight_decimals(price: Decimal, contracts: int, size: Decimal) -> None:
    quantity, volume = coin_figures(f"{price:f}", str(contracts), size)
    assert Decimal(volume or "NaN") == contracts * size
    assert abs(Fraction(quantity or "") - Fraction(contracts * size) / Fraction(price)) <= Fraction(1, 2 * 10**8)
    assert len((quantity or "").partition(".")[2]) == 8


@pytest.mark.parametrize("price", [None, "", "x", "0", "-5", "nan", "inf", "1_0", "\u0661", "1e999", "9" * 500])
def test_without_a_price_that_divides_the_contracts_stay_and_no_volume_is_made_up(price: str | None) -> None:
    assert coin_figures(price, "7", HUNDRED) == ("7", None)


@pytest.mark.parametrize("contracts", [None, "", "x", "nan", "inf", "1_0", " 1"])
def test_contracts_that_are_no_number_stay_as_they_were_sent(contracts: str | None) -> None:
    assert coin_figures("61800.3", contracts, HUNDRED) == (contracts, None)


@pytest.mark.parametrize("price", ["1e-400", "1e-330", "1e-300", "1e300", "1e308", "1e309", "1e401"])
def test_a_price_is_either_divided_by_or_refused_by_the_checks(price: str) -> None:
    quantity, volume = coin_figures(price, "7", HUNDRED)
    number = pl.Series([price]).cast(pl.Float64)[0]
    refused = number <= 0 or number > 1e12
    coins = float(quantity or "nan")
    assert refused or (volume is not None and coins > 1e14)


@pytest.mark.parametrize(
    ("native", "symbol"),
    [("BTCUSD_PERP", "BTC-USD-PERP"), ("1INCHUSD_PERP", "1INCH-USD-PERP"), ("BTCUSD_240927", None), ("BTCUSDT", None),
     ("USD_PERP", None), ("BTCUSDT_PERP", None), ("", None)],
)  # fmt: skip
def test_only_a_perpetual_margined_in_its_coin_has_such_a_symbol(native: str, symbol: str | None) -> None:
    if symbol is None:
        with pytest.raises(UnsupportedMessage):
            BinanceConnector.listing(native, "coinm")
    else:
        assert BinanceConnector.listing(native, "coinm") == Listing("binance", symbol, coin_margined=True)
        assert BinanceConnector.native(symbol) == native
