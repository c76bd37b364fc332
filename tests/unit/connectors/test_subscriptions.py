"""What connectors say to hear trades, and what they make of messages without one."""

from __future__ import annotations

import json

import pytest

from coattail.connectors import CONNECTORS
from coattail.errors import UsageError


def said(exchange: str, *symbols: str, channel: str = "") -> list[tuple[str, list[dict[str, object]]]]:
    connector = CONNECTORS[exchange](symbols=symbols, channel=channel)
    return [(s.url, [json.loads(message) for message in s.opening]) for s in connector.subscriptions()]


def test_binance_asks_for_streams_of_two_hundred_symbols_at_a_time() -> None:
    [(url, [asked])] = said("binance", "BTC-USDT", "ETH-USDT", channel="aggTrade")
    assert url == "wss://stream.binance.com:9443/stream"
    assert asked == {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade", "ethusdt@aggTrade"], "id": 1}
    many = said("binance", *(f"A{n}-USDT" for n in range(450)))
    assert [len(asked["params"]) for _, [asked] in many] == [200, 200, 50]  # type: ignore[arg-type]


def test_coinbase_has_a_connection_for_each_product_and_at_most_ten() -> None:
    few = said("coinbase", "BTC-USD", "ETH-USD")
    assert [asked["product_ids"] for _, [asked] in few] == [["BTC-USD"], ["ETH-USD"]]
    many = said("coinbase", *(f"A{n}-USD" for n in range(35)))
    assert len(many) <= 10
    assert sum(len(asked["product_ids"]) for _, [asked] in many) == 35  # type: ignore[arg-type]


def test_advanced_trade_is_asked_for_one_channel_in_each_message() -> None:
    [(url, asked)] = said("coinbase", "BTC-USD", channel="market_trades")
    assert url == "wss://advanced-trade-ws.coinbase.com"
    assert asked == [
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "market_trades"},
        {"type": "subscribe", "channel": "heartbeats"},
    ]


def test_kraken_is_asked_for_a_hundred_symbols_at_a_time_with_the_newest_trades_first() -> None:
    [(url, [asked])] = said("kraken", "BTC-USD", "ETH-EUR")
    assert url == "wss://ws.kraken.com/v2"
    wanted = {"channel": "trade", "symbol": ["BTC/USD", "ETH/EUR"], "snapshot": True}
    assert asked == {"method": "subscribe", "params": wanted}
    many = said("kraken", *(f"A{n}-USD" for n in range(250)))
    assert [len(asked["params"]["symbol"]) for _, [asked] in many] == [100, 100, 50]  # type: ignore[index]


@pytest.mark.parametrize(("channel", "path"), [("", "business"), ("trades-all", "business"), ("trades", "public")])
def test_okx_has_each_feed_at_a_path_of_its_own_and_wants_to_be_talked_to(channel: str, path: str) -> None:
    [(url, [asked])] = said("okx", "BTC-USDT", channel=channel)
    assert url == f"wss://ws.okx.com:8443/ws/v5/{path}"
    assert asked == {"op": "subscribe", "args": [{"channel": channel or "trades-all", "instId": "BTC-USDT"}]}
    (line,) = CONNECTORS["okx"](symbols=("BTC-USDT",)).subscriptions()
    assert line.again is not None
    assert (line.again.text, line.again.every.total_seconds()) == ("ping", 20)


@pytest.mark.parametrize("exchange", ["kraken", "okx"])
def test_what_is_refused_can_be_asked_for_by_itself(exchange: str) -> None:
    (line,) = CONNECTORS[exchange](symbols=("BTC-USD", "ETH-USD")).subscriptions()
    alone = [CONNECTORS[exchange](symbols=(symbol,)).subscriptions()[0].opening for symbol in line.symbols]
    assert [(said,) for said in line.singly] == alone


def test_a_feed_that_an_exchange_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(UsageError, match="coinbase has no feed 'trade'") as refused:
        said("coinbase", "BTC-USD", channel="trade")
    assert refused.value.next_step == "it has: matches, market_trades"


@pytest.mark.parametrize("exchange", ["binance", "kraken", "okx"])
def test_a_future_is_refused_and_not_taken_for_its_spot_market(exchange: str) -> None:
    with pytest.raises(UsageError, match=f"BTC-USDT-PERP is a future, and live only spot markets of {exchange}"):
        said(exchange, "ETH-USDT", "BTC-USDT-PERP")


def test_nothing_to_hear_needs_no_connection() -> None:
    assert said("binance") == said("coinbase") == said("kraken") == said("okx") == []


@pytest.mark.parametrize(
    ("exchange", "message", "kind"),
    [
        ("binance", b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', "closing"),
        ("binance", b'{"e":"serverShutdown","E":1}', "closing"),
        ("binance", b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', "refused"),
        ("binance", b'{"code":2,"msg":"Invalid request","id":1}', "refused"),
        ("binance", b'{"result":null,"id":1}', None),
        ("binance", b"\xff", None),
        (
            "coinbase",
            b'{"type":"heartbeat","sequence":9,"last_trade_id":20,"product_id":"BTC-USD","time":"x"}',
            "heartbeat",
        ),
        ("coinbase", b'{"channel":"heartbeats","events":[{"heartbeat_counter":4}]}', "heartbeat"),
        (
            "coinbase",
            b'{"type":"error","message":"Failed to subscribe","reason":"X-USD is no product"}',
            "refused",
        ),
        ("coinbase", b'{"type":"subscriptions","channels":[]}', None),
        ("coinbase", b"{", None),
        ("kraken", b'{"channel":"heartbeat"}', "heartbeat"),
        ("kraken", b'{"method":"subscribe","success":false,"error":"Currency pair not supported X/USD"}', "refused"),
        ("kraken", b'{"method":"subscribe","success":true,"result":{"channel":"trade"}}', None),
        ("kraken", b"[]", None),
        ("kraken", b'{"method":"subscribe","success":false,"error":"Already subscribed to X/USD"}', None),
        ("okx", b'{"event":"error","code":"60018","msg":"channel doesn\'t exist","connId":"a"}', "refused"),
        ("okx", b'{"event":"notice","code":"64008","msg":"will soon be closed","connId":"a"}', "closing"),
        ("okx", b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"}}', None),
        ("okx", b"pong", None),
    ],
)
def test_what_a_message_without_a_trade_says(exchange: str, message: bytes, kind: str | None) -> None:
    connector = CONNECTORS[exchange]()
    assert connector.trade_mark not in message
    notice = connector.notice(message)
    assert (notice and notice.kind) == kind


def test_a_heartbeat_says_which_trade_is_the_newest() -> None:
    message = b'{"type":"heartbeat","sequence":9,"last_trade_id":20,"product_id":"BTC-USD","time":"x"}'
    notice = CONNECTORS["coinbase"]().notice(message)
    assert notice is not None
    assert notice.newest == {"BTC-USD": 20}


@pytest.mark.parametrize("name", list(CONNECTORS))
def test_every_sample_of_a_trade_has_the_mark(name: str) -> None:
    samples = CONNECTORS[name].samples
    assert all(CONNECTORS[name].trade_mark in message for message in (samples.bought, samples.sold))
