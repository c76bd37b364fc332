"""Kraken's WebSocket v2 as its documentation shows it: no recording of it is at hand."""

from __future__ import annotations

import pytest

from coattail.connectors.base import UnsupportedMessage
from coattail.connectors.kraken import KrakenConnector
from coattail.errors import MalformedMessage
from coattail.records import Trade
from tests.harness.said import kraken_message, kraken_trade

RECEIVED = 1_695_628_177_800_000
KRAKEN = KrakenConnector()
TIME = "2023-09-25T07:49:37.708706Z"
TRADE = kraken_trade(4665906, TIME, symbol="MATIC/USD", price="0.5117", qty="40.0")


def read(*trades: str) -> list[Trade]:
    return KRAKEN.normalize(kraken_message(*trades).encode(), RECEIVED)


def test_a_trade_keeps_the_numbers_of_the_wire_and_its_slice() -> None:
    assert read(TRADE) == [
        Trade(
            exchange="kraken",
            symbol="MATIC-USD",
            trade_id=4665906,
            price="0.5117",
            quantity="40.0",
            side="buy",
            timestamp=1_695_628_177_708_706,
            received=RECEIVED,
            source="replay",
            payload=TRADE,
        )
    ]


def test_a_message_holds_several_trades_and_a_snapshot_is_one_of_them() -> None:
    both = [kraken_trade(1, TIME), kraken_trade(2, TIME, symbol="ETH/EUR")]
    message = kraken_message(*both, kind="snapshot").encode()
    assert [(t.symbol, t.trade_id, t.payload) for t in KRAKEN.normalize(message, RECEIVED)] == [
        ("BTC-USD", 1, both[0]),
        ("ETH-EUR", 2, both[1]),
    ]


@pytest.mark.parametrize("written", ["105944.20", "0.00000001", "1e-8", "61000"])
def test_a_number_is_the_text_that_was_sent(written: str) -> None:
    (trade,) = read(kraken_trade(1, TIME, price=written, qty=written))
    assert (trade.price, trade.quantity) == (written, written)


@pytest.mark.parametrize(
    ("changed", "price", "quantity", "number", "side"),
    [
        (TRADE.replace("0.5117", '"0.5117"'), "0.5117", "40.0", 4665906, "buy"),
        (TRADE.replace("40.0", "null"), "0.5117", None, 4665906, "buy"),
        (TRADE.replace('"qty":40.0,', ""), "0.5117", None, 4665906, "buy"),
        (TRADE.replace("4665906", '"4665906"'), "0.5117", "40.0", 4665906, "buy"),
        (TRADE.replace('"buy"', '"b"'), "0.5117", "40.0", 4665906, None),
        (TRADE.replace("0.5117", "-0.5117"), "-0.5117", "40.0", 4665906, "buy"),
    ],
)
def test_other_types_are_read_leniently(
    changed: str, price: str | None, quantity: str | None, number: int, side: str | None
) -> None:
    (trade,) = read(changed)
    assert (trade.price, trade.quantity, trade.trade_id, trade.side) == (price, quantity, number, side)


@pytest.mark.parametrize(
    "changed",
    [
        TRADE.replace("0.5117", "true"),
        TRADE.replace("4665906", "1.5"),
        TRADE.replace(TIME, "yesterday"),
        "7",
        '"x"',
    ],
)
def test_one_trade_that_cannot_be_read_makes_the_message_malformed(changed: str) -> None:
    with pytest.raises(MalformedMessage):
        read(kraken_trade(1, TIME), changed)
    message = kraken_message(kraken_trade(1, TIME), changed).encode()
    batch = KRAKEN.batch([message], [RECEIVED])
    assert (len(batch.malformed), list(batch.trades())) == (1, [])
    assert batch.malformed[0].payload == message.decode()


@pytest.mark.parametrize("data", ["7", "{}", '"x"'])
def test_trades_that_are_no_list_are_malformed(data: str) -> None:
    with pytest.raises(MalformedMessage, match="kraken trade"):
        KRAKEN.normalize(f'{{"channel":"trade","type":"update","data":{data}}}'.encode(), RECEIVED)


def test_the_first_version_has_no_ids_and_is_counted_as_unsupported() -> None:
    message = b'[0,[["5541.20000","0.15850568","1534614057.321597","s","l",""]],"trade","XBT/USD"]'
    with pytest.raises(UnsupportedMessage, match="WebSocket v1, which have no ids"):
        KRAKEN.normalize(message, RECEIVED)
    assert KRAKEN.normalize(b'[0,{"a":["5525.4",1,"1.0"]},"ticker","XBT/USD"]', RECEIVED) == []


def test_names_of_assets_that_only_kraken_uses_are_everybodys() -> None:
    names = ["BTC/USD", "XBT/EUR", "XDG/USD", "USDT/USD"]
    symbols = [KrakenConnector.listing(name, "spot").symbol for name in names]
    assert symbols == ["BTC-USD", "BTC-EUR", "DOGE-USD", "USDT-USD"]
