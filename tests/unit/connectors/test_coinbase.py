"""Coinbase Exchange frames as they come, in short."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coattail.connectors.base import BaseConnector
from coattail.connectors.coinbase import CoinbaseConnector
from coattail.connectors.iso_time import iso_micros
from coattail.errors import MalformedMessage
from coattail.records import Trade

RECEIVED = 1_618_677_817_129_516
MATCH = (
    '{"type":"match","trade_id":280232,"maker_order_id":"2a0da34e-61f7-4c36-88e5-c9dd15927b16",'
    '"taker_order_id":"3c82abaa-c01e-4608-be59-6a1e69742891","side":"sell","size":"985","price":"0.00001305",'
    '"product_id":"SKL-BTC","sequence":177100030,"time":"2021-04-17T16:43:37.089723Z"}'
)
COINBASE = CoinbaseConnector()


def frame(drop: str | None = None, **changes: Any) -> bytes:
    """A match with some fields changed."""
    message = json.loads(MATCH) | changes
    if drop:
        del message[drop]
    return json.dumps(message).encode()


def trade(message: bytes | str) -> Trade:
    (only,) = COINBASE.normalize(message.encode() if isinstance(message, str) else message, RECEIVED)
    return only


def test_a_match_keeps_the_numbers_of_the_wire_and_the_frame() -> None:
    assert trade(MATCH) == Trade(
        exchange="coinbase",
        symbol="SKL-BTC",
        trade_id=280232,
        price="0.00001305",
        quantity="985",
        side="buy",
        timestamp=1_618_677_817_089_723,
        received=RECEIVED,
        source="replay",
        payload=MATCH,
    )


def test_the_side_of_a_match_is_the_makers_so_the_taker_did_the_opposite() -> None:
    assert trade(frame(side="sell")).side == "buy"
    assert trade(frame(side="buy")).side == "sell"


@pytest.mark.parametrize("message", [frame(side=None), frame(drop="side"), frame(side="both")])
def test_an_unknown_side_is_none(message: bytes) -> None:
    assert trade(message).side is None


def test_a_last_match_is_the_trade_it_repeats() -> None:
    first, repeat = trade(frame()), trade(frame(type="last_match"))
    assert (first.trade_id, first.symbol, first.timestamp) == (repeat.trade_id, repeat.symbol, repeat.timestamp)


def test_the_sequence_is_no_trade_counter() -> None:
    assert trade(frame(sequence=1)).trade_id == trade(frame(sequence=999)).trade_id == 280232


def test_a_dollar_is_not_a_tether() -> None:
    assert trade(frame(product_id="BTC-USD")).symbol == "BTC-USD"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2021-04-17T16:43:37.089723Z", 1_618_677_817_089_723),
        ("2018-04-17T00:55:04.358Z", 1_523_926_504_358_000),
        ("2021-04-17T16:43:37Z", 1_618_677_817_000_000),
        ("2021-04-17T16:43:37.0897239Z", 1_618_677_817_089_723),
        ("2021-04-17T16:43:37.999999999Z", 1_618_677_817_999_999),
        ("2021-04-17T18:43:37.089723+02:00", 1_618_677_817_089_723),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_times_are_read_exactly(text: str, micros: int) -> None:
    assert iso_micros(text) == micros
    assert iso_micros(text) == micros  # and from the cache


@pytest.mark.parametrize(
    "text",
    ["", "now", "2021-04-17T16:43:37.089723", "2021-02-30T16:43:37.089723Z", "2021-04-17 16:43:37Z", "1618677817",
     "2021-04-17T16:43:37.08972xZ", "2021-04-17T16:43:37.\u0661\u0662\u0663\u0664\u0665\u0666Z",
     "2021-04-17T25:43:37Z"],
)  # fmt: skip
def test_a_text_that_is_no_time_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        trade(frame(time=text))


def test_a_price_sent_as_a_number_is_its_text() -> None:
    assert trade(MATCH.replace('"0.00001305"', "0.000013050").replace('"985"', "985")).price == "0.000013050"


def test_a_trade_id_sent_as_digits_is_the_number() -> None:
    assert trade(frame(trade_id="280232")).trade_id == 280232


@pytest.mark.parametrize("field", ["trade_id", "price", "size", "product_id", "time"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_or_null_field_is_none_and_left_to_the_checks(field: str, missing: bool) -> None:
    one = trade(frame(drop=field) if missing else frame(**{field: None}))
    name = {"size": "quantity", "product_id": "symbol", "time": "timestamp"}.get(field, field)
    assert getattr(one, name) is None


@pytest.mark.parametrize(
    "changes",
    [{"price": True}, {"price": [1]}, {"size": {}}, {"product_id": 7}, {"trade_id": 1.5}, {"trade_id": "x"},
     {"trade_id": 2**63}, {"time": 1618677817}, {"side": 1}],
)  # fmt: skip
def test_a_match_whose_types_do_not_fit_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        trade(frame(**changes))


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":"heartbeat","last_trade_id":17393,"product_id":"BTC-USD","sequence":76,"time":"2021-04-17T16:43:37.0Z"}',
        b'{"type":"subscriptions","channels":[{"name":"level2","product_ids":["BAND-GBP"]}]}',
        b'{"type":"ticker","sequence":3,"product_id":"BAND-GBP","price":"14.7","side":"buy","trade_id":881613,"time":"x"}',
        b'{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],"time":"x"}',
        b'{"type":"snapshot","product_id":"BAND-GBP","asks":[["14.8024","12.77"]],"bids":[]}',
        b'{"type":"error","message":"Failed to subscribe","reason":"no such product"}',
        b'{"type":5,"price":[]}',
        b"{}",
        b"[]",
        b'"match"',
    ],
)
def test_frames_without_a_trade_are_not_malformed(message: bytes) -> None:
    assert COINBASE.normalize(message, RECEIVED) == []


@pytest.mark.parametrize(
    "message", [b"", b"pong", MATCH[:-1].encode(), b'{"type":"l2update","x":"\xff"}', b"[" * 200_000]
)
def test_a_frame_that_is_not_json_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        COINBASE.normalize(message, RECEIVED)


ADVANCED = (
    '{"channel":"market_trades","timestamp":"2026-08-09T21:05:48.2Z","sequence_num":0,"events":[{"type":"snapshot",'
    '"trades":[{"product_id":"BTC-USD","trade_id":"1068572090","price":"65083.67","size":"0.002186",'
    '"time":"2026-08-09T21:05:42.514318Z","side":"SELL"},{"product_id":"BTC-USD","trade_id":"1068572088",'
    '"price":"65083.66","size":"0.00007299","time":"2026-08-09T21:05:38.50436Z","side":"BUY"}]}]}'
)


def test_market_trades_are_read_oldest_first_each_with_its_own_slice() -> None:
    old, new = COINBASE.normalize(ADVANCED.encode(), RECEIVED)
    assert (old.trade_id, new.trade_id) == (1068572088, 1068572090)
    assert (new.symbol, new.price, new.quantity) == ("BTC-USD", "65083.67", "0.002186")
    assert (old.timestamp, new.timestamp) == (1_786_309_538_504_360, 1_786_309_542_514_318)
    assert json.loads(new.payload) == json.loads(ADVANCED)["events"][0]["trades"][0]
    assert new.payload in ADVANCED


def test_the_side_of_market_trades_is_the_makers_too() -> None:
    old, new = COINBASE.normalize(ADVANCED.encode(), RECEIVED)
    assert (old.side, new.side) == ("sell", "buy")


def test_a_trade_heard_on_both_feeds_is_one_trade() -> None:
    exchange = trade(frame(trade_id=1068572090, product_id="BTC-USD", side="sell"))
    _, advanced = COINBASE.normalize(ADVANCED.encode(), RECEIVED)
    assert (exchange.exchange, exchange.symbol, exchange.trade_id, exchange.side) == (
        advanced.exchange, advanced.symbol, advanced.trade_id, advanced.side)  # fmt: skip


@pytest.mark.parametrize("events", ["null", "[]", '[{"type":"update","trades":[]}]', '[{"type":"update"}]'])
def test_a_message_of_market_trades_may_hold_none(events: str) -> None:
    assert COINBASE.normalize(f'{{"channel":"market_trades","events":{events}}}'.encode(), RECEIVED) == []


@pytest.mark.parametrize(
    "change",
    [('"1068572090"', '"x"'), ('"65083.67"', "[1]"), ('"2026-08-09T21:05:42.514318Z"', '"now"'),
     ('"events":[{', '"events":[7,{'), ('"trades":[{', '"trades":[1,{'), ('"trades":[', '"trades":{},"x":[')],
)  # fmt: skip
def test_market_trades_of_another_shape_are_malformed_as_a_whole(change: tuple[str, str]) -> None:
    with pytest.raises(MalformedMessage):
        COINBASE.normalize(ADVANCED.replace(*change).encode(), RECEIVED)


@pytest.mark.parametrize(
    "change",
    [("", ""), ('"SELL"', "null"), ('"1068572090"', "1068572090"), ('"1068572090"', '"99999999999999999999"'),
     ('"1068572090"', '"x"'), ('"BTC-USD"', "null"), ('"2026-08-09T21:05:42.514318Z"', '"now"'), ('"65083.67"', "7"),
     ('"channel"', '"type":"match","channel"'), ('"channel"', '"type":7,"channel"'), ('"SELL"', '"\\u0053ELL"'),
     ('"market_trades"', '"trades"'), ('"trades":[{', '"trades":[ {'), ('"side":"SELL"', '"side":"SELL","x":[1]'),
     ("},{", "}, {"), ('"SELL"', '"SE{LL"'), ('"SELL"', '"SE},{LL"'), ('"SELL"', '"SE}LL"'), ('"SELL"', '{}'),
     ('"sequence_num":0', '"sequence_num":{}'), ('"BTC-USD","trade_id":"1068572088"', '"A-USD","trade_id":"1"'),
     ('"SELL"}', '"SELL"} '), ('"type":"snapshot",', ""), ('"1068572090"', '"\\u0661"'),
     (']}]}', '],"type":"update"}]}')],
)  # fmt: skip
def test_a_batch_of_market_trades_says_the_same_as_its_frames_one_by_one(change: tuple[str, str]) -> None:
    messages = [ADVANCED.encode(), ADVANCED.replace(*change).encode(), b'{"channel":"market_trades","events":[]}']
    fast, slow = (
        batch(COINBASE, messages, range(3), source="live", session="s")
        for batch in (CoinbaseConnector.batch, BaseConnector.batch)
    )
    assert fast == slow
