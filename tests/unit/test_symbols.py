"""Native symbols and their canonical form."""

from __future__ import annotations

import pytest

from coattail.connectors.binance import BinanceConnector
from coattail.connectors.binance_us import BinanceUsConnector
from coattail.errors import UsageError
from coattail.symbols import (
    USD_QUOTES,
    base_of,
    is_perpetual,
    quote_of,
    refuse_unseen,
)


@pytest.mark.parametrize(
    ("native", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("TUSDUSDT", ("TUSD", "USDT")),
        ("USDCUSDT", ("USDC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("WBTCBTC", ("WBTC", "BTC")),
        ("BNBBIDR", ("BNB", "BIDR")),
        ("USDSBUSDT", ("USDSB", "USDT")),
        ("ADAEUR", ("ADA", "EUR")),
        ("GALAEUR", ("GALA", "EUR")),
        ("BTCAEUR", ("BTC", "AEUR")),
        ("1000SHIBUSDT", ("1000SHIB", "USDT")),
    ],
)
def test_the_longest_known_quote_splits_a_binance_symbol(native: str, parts: tuple[str, str]) -> None:
    assert BinanceConnector.listing(native, "spot").symbol == "-".join(parts)


@pytest.mark.parametrize(
    ("native", "parts"),
    [
        ("BTCUSD", ("BTC", "USD")),
        ("BNBUSD", ("BNB", "USD")),
        ("BTCBUSD", ("BTC", "BUSD")),
        ("USDTUSD", ("USDT", "USD")),
    ],
)
def test_binance_us_has_dollars_among_its_quotes(native: str, parts: tuple[str, str]) -> None:
    assert BinanceUsConnector.listing(native, "spot").symbol == "-".join(parts)


@pytest.mark.parametrize("native", ["", "USDT", "BTC", "BTCXYZ", "btcusdt"])
def test_a_symbol_without_a_known_quote_stays_as_it_is(native: str) -> None:
    assert BinanceConnector.listing(native, "spot").symbol == native
    assert BinanceConnector.listing(native, "usdm").symbol == native


def test_a_perpetual_is_another_instrument_than_the_spot_pair() -> None:
    assert BinanceConnector.listing("BTCUSDT", "spot").symbol == "BTC-USDT"
    assert BinanceConnector.listing("BTCUSDT", "usdm").symbol == "BTC-USDT-PERP"
    assert is_perpetual("BTC-USDT-PERP")
    assert not is_perpetual("BTC-USDT")


@pytest.mark.parametrize("symbol", ["BTC-USDT", "BTC-USDT-PERP"])
def test_the_parts_of_a_symbol_are_its_base_and_its_quote(symbol: str) -> None:
    assert (base_of(symbol), quote_of(symbol), BinanceConnector.native(symbol)) == ("BTC", "USDT", "BTCUSDT")


def test_a_symbol_without_parts_is_all_base() -> None:
    assert (base_of("BTCXYZ"), quote_of("BTCXYZ")) == ("BTCXYZ", "")


def test_a_stablecoin_is_like_a_dollar_but_a_coin_is_not() -> None:
    assert {"USD", "USDT", "USDC", "BUSD", "TUSD", "FDUSD", "USDP", "DAI"} <= USD_QUOTES
    assert not {"BTC", "EUR", "ETH"} & USD_QUOTES


def test_an_unseen_symbol_names_the_nearest_but_where_nothing_was_seen_any_may_come() -> None:
    with pytest.raises(UsageError) as raised:
        refuse_unseen("symbol", "ETH-USTD", ["ETH-USDT", "ETH-USDT", "BTC-USDT"])
    assert str(raised.value) == "symbol 'ETH-USTD' has no trades here; did you mean ETH-USDT? known: BTC-USDT, ETH-USDT"
    refuse_unseen("symbol", "ETH-USTD", [])
