"""Binance frames as they come, in short."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coattail.connectors.base import MAX_FRAME, UnsupportedMessage
from coattail.connectors.binance import BinanceConnector
from coattail.connectors.binance_us import BinanceUsConnector
from coattail.errors import MalformedMessage
from coattail.records import Malformed, Trade

RECEIVED = 1_723_161_254_087_896
SPOT = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    '"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
FUTURE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256320,"s":"BTCUSDT","t":5266583935,'
    '"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
)
AGGREGATE = (
    '{"stream":"ethusdt@aggTrade","data":{"e":"aggTrade","E":1617566591315,"s":"ETHUSDT","a":665076760,'
    '"p":"2066.07000000","q":"0.5","f":745522877,"l":745522879,"T":1617566591314,"m":false,"M":true}}'
)
BINANCE = BinanceConnector()


def frame(text: str = SPOT, /, *, bare: bool = False, drop: str | None = None, **changes: Any) -> bytes:
    """A frame with some fields of its trade changed; a str that begins with `raw:` goes in as it stands."""
    message = json.loads(text)
    data = message["data"] | changes
    if drop:
        del data[drop]
    inner = "{" + ",".join(f"{json.dumps(key)}:{_value(value)}" for key, value in data.items()) + "}"
    return (inner if bare else f'{{"stream":"{message["stream"]}","data":{inner}}}').encode()


def _value(value: Any) -> str:
    return value[4:] if isinstance(value, str) and value.startswith("raw:") else json.dumps(value)


def trade(message: bytes | str, connector: BinanceConnector = BINANCE) -> Trade:
    (only,) = connector.normalize(message.encode() if isinstance(message, str) else message, RECEIVED)
    return only


def test_a_spot_trade_keeps_the_numbers_of_the_wire_and_the_frame() -> None:
    assert trade(SPOT) == Trade(
        exchange="binance",
        symbol="BTC-USDT",
        trade_id=3735683259,
        price="61837.63000000",
        quantity="0.02000000",
        side="sell",
        timestamp=1_723_161_255_342_000,
        received=RECEIVED,
        source="replay",
        payload=SPOT,
    )


def test_source_and_session_are_what_the_caller_says() -> None:
    (one,) = BINANCE.normalize(SPOT.encode(), RECEIVED, source="live", session="live:1")
    assert (one.source, one.session) == ("live", "live:1")


def test_m_true_means_that_the_taker_sold() -> None:
    assert trade(frame(m=True)).side == "sell"
    assert trade(frame(m=False)).side == "buy"


@pytest.mark.parametrize("message", [frame(m=None), frame(drop="m")])
def test_without_m_nobody_knows_the_side(message: bytes) -> None:
    assert trade(message).side is None


def test_the_timestamp_is_the_trades_own_time_not_the_events() -> None:
    assert trade(frame(E=1)).timestamp == 1_723_161_255_342_000


def test_times_in_microseconds_are_told_by_their_size() -> None:
    assert trade(frame(T=1723161255342123)).timestamp == 1_723_161_255_342_123


def test_receive_time_may_precede_event_time() -> None:
    (one,) = BINANCE.normalize(SPOT.encode(), 1_723_161_254_087_896)
    assert one.timestamp is not None
    assert one.received < one.timestamp


def test_bare_frames_are_read_as_enveloped_ones_are() -> None:
    assert trade(frame(bare=True)).trade_id == trade(frame()).trade_id


def test_the_order_of_the_keys_does_not_matter() -> None:
    data = dict(reversed(json.loads(SPOT)["data"].items()))
    assert trade(json.dumps({"data": data, "stream": "btcusdt@trade"})).trade_id == 3735683259


def test_an_aggregate_covers_its_first_to_last_trade() -> None:
    one = trade(AGGREGATE)
    assert (one.trade_id, one.last_trade_id, one.symbol) == (745522877, 745522879, "ETH-USDT")


def test_an_aggregate_of_one_trade_is_that_trade() -> None:
    assert trade(frame(AGGREGATE, l=745522877)).last_trade_id is None


@pytest.mark.parametrize("end", ["f", "l"])
def test_an_aggregate_without_one_of_its_ends_has_no_id(end: str) -> None:
    one = trade(frame(AGGREGATE, drop=end))
    assert (one.trade_id, one.last_trade_id) == (None, None)


def test_an_aggregate_of_no_trade_has_no_id() -> None:
    assert trade(frame(AGGREGATE, f=-1, l=-1, p="0.0", q="0.0")).trade_id is None


def test_an_aggregate_that_ends_before_it_begins_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="ends before it begins"):
        BINANCE.normalize(frame(AGGREGATE, l=5), RECEIVED)


def test_a_futures_trade_says_by_x_that_it_is_one() -> None:
    assert trade(FUTURE).symbol == "BTC-USDT-PERP"
    assert trade(SPOT, BinanceConnector(market="usdm")).symbol == "BTC-USDT"


def test_a_futures_aggregate_is_told_by_the_configuration_only() -> None:
    message = frame(AGGREGATE, drop="M")
    assert trade(message, BinanceConnector(market="usdm")).symbol == "ETH-USDT-PERP"
    assert trade(message).symbol == "ETH-USDT"


@pytest.mark.parametrize("order", ["INSURANCE_FUND", "ADL", "NA"])
def test_a_fill_that_never_met_the_book_says_so_and_keeps_its_price(order: str) -> None:
    one = trade(frame(FUTURE, X=order))
    assert (one.trade_id, one.price, one.side, one.quantity) == (5266583935, "61800.30", "off_book", "0.006")


@pytest.mark.parametrize(
    ("native", "kind"),
    [("BTCUSD_240927", "coin-margined delivery"), ("BTCUSDT_240927", "binance delivery"), ("USD_PERP", "delivery")],
)
def test_contracts_that_are_not_read_yet_are_named_not_malformed(native: str, kind: str) -> None:
    with pytest.raises(UnsupportedMessage) as caught:
        BINANCE.normalize(frame(FUTURE, s=native), RECEIVED)
    assert kind in caught.value.kind


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("sent", ["5", "raw:5"])  # decoded strictly, and leniently
def test_contracts_of_a_coin_margined_perpetual_become_coins_and_dollars(bare: bool, sent: str) -> None:
    one = trade(frame(FUTURE, bare=bare, s="BTCUSD_PERP", q=sent))
    assert (one.symbol, one.price) == ("BTC-USD-PERP", "61800.30")
    assert (one.quantity, one.quote_volume) == ("0.00809058", "500")
    other = trade(frame(FUTURE, bare=bare, s="ETHUSD_PERP", q=sent, p="2000"))
    assert (other.symbol, other.quantity, other.quote_volume) == ("ETH-USD-PERP", "0.02500000", "50")


def test_a_coin_margined_aggregate_needs_no_configuration_and_covers_its_ids() -> None:
    one = trade(frame(AGGREGATE, drop="M", s="BTCUSD_PERP", q="7"))
    assert (one.symbol, one.trade_id, one.last_trade_id, one.quote_volume) == (
        "BTC-USD-PERP", 745522877, 745522879, "700")  # fmt: skip


def test_a_batch_counts_contracts_of_every_trade_not_only_of_the_first() -> None:
    messages = [frame(FUTURE, bare=True, s="BTCUSD_PERP", q=str(n), t=n) for n in (1, 2, 3)]
    messages.insert(1, frame(FUTURE, bare=True))
    batch = BINANCE.batch(messages, [RECEIVED] * 4)
    assert [row.quote_volume for row in batch.parts["BTC-USD-PERP"].rows] == ["100", "200", "300"]
    assert [row.quote_volume for row in batch.parts["BTC-USDT-PERP"].rows] == [None]


def test_a_price_sent_as_a_number_is_its_text() -> None:
    one = trade(frame(p="raw:61837.630", q="raw:2e-2"))
    assert (one.price, one.quantity) == ("61837.630", "2e-2")


def test_a_trade_id_sent_as_digits_is_the_number() -> None:
    assert trade(frame(t="3735683259")).trade_id == 3735683259
    one = trade(frame(AGGREGATE, f="5", l="7"))
    assert (one.trade_id, one.last_trade_id) == (5, 7)


@pytest.mark.parametrize("field", ["s", "t", "p", "q", "T"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_or_null_field_is_none_and_left_to_the_checks(field: str, missing: bool) -> None:
    one = trade(frame(drop=field) if missing else frame(**{field: None}))
    names = {"s": "symbol", "t": "trade_id", "p": "price", "q": "quantity", "T": "timestamp"}
    assert getattr(one, names[field]) is None


def test_a_trade_that_lost_its_kind_is_known_by_its_stream() -> None:
    assert trade(frame(drop="e")).trade_id == 3735683259


@pytest.mark.parametrize(
    "changes",
    [
        {"p": True}, {"p": ["1"]}, {"p": {"a": 1}}, {"q": False}, {"s": 5}, {"t": 1.5}, {"t": "12a"}, {"t": ""},
        {"t": True}, {"t": 2**63}, {"t": str(2**64)}, {"T": "1723161255342"}, {"T": 1.5}, {"T": 2**63}, {"m": "true"},
        {"m": 1}, {"X": 5}, {"p": "raw:NaN"}, {"p": "raw:Infinity"}, {"p": 'raw:"\\ud800"'},
    ],
)  # fmt: skip
def test_a_trade_whose_types_do_not_fit_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        BINANCE.normalize(frame(**changes), RECEIVED)


@pytest.mark.parametrize(
    "message",
    [
        b'{"result":null,"id":1}',
        b'{"error":{"code":2,"msg":"Invalid request"},"id":1}',
        b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.6","B":"3.7","a":"61837.7","A":"1"}}',
        b'{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":2,"pu":1,"b":[["1","2"]],"a":[]}',
        b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1,"T":2,"f":1,"L":2}}}',
        b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"1","T":2}}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
        b'{"lastUpdateId": 2710246765483, "bids": [["28145.10", "3.818"]], "asks": []}',
        b'{"stream":"btcusdt@depth","data":null}',
        b'[{"e":"24hrTicker"}]',
        b"[]",
        b"null",
        b"5",
    ],
)
def test_frames_without_a_trade_are_not_malformed(message: bytes) -> None:
    assert BINANCE.normalize(message, RECEIVED) == []


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"ping",
        SPOT[:-1].encode(),
        SPOT.encode() + b"x",
        SPOT.replace("BTCUSDT", "BTC\udcff").encode("utf-8", "surrogateescape"),
        b'{"e":"depthUpdate","x":"\xff"}',
        b'{"e":"depthUpdate","b":[["1"',
        b'{"stream":"btcusdt@trade","data":[1,2]}',
        b'{"data":' * 50_000,
        b"[" * 200_000,
    ],
)
def test_a_frame_that_is_not_json_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        BINANCE.normalize(message, RECEIVED)


def test_a_malformed_frame_becomes_a_record_with_its_bytes_readable() -> None:
    (record,) = BINANCE.records(b'{"e":"trade","p":"\xff"}', RECEIVED, session="s")
    assert isinstance(record, Malformed)
    assert (record.exchange, record.session, record.received) == ("binance", "s", RECEIVED)
    assert record.payload == '{"e":"trade","p":"\\xff"}'


def test_a_megabyte_in_a_field_becomes_one_malformed_record_of_bounded_size() -> None:
    (record,) = BINANCE.records(frame(p="1" * 1_000_000), RECEIVED)
    assert isinstance(record, Malformed)
    assert len(record.payload) == MAX_FRAME
    assert "payload cut" in record.error


def test_an_unknown_quote_leaves_the_symbol_as_it_came() -> None:
    assert trade(frame(s="BTCWXYZ")).symbol == "BTCWXYZ"


def test_invented_symbols_do_not_fill_the_memory() -> None:
    before = len(BinanceConnector._spot)
    trade(frame(s="X" * 1000 + "USDT"))
    assert len(BinanceConnector._spot) == before


def test_binance_us_is_an_exchange_of_its_own_with_dollars() -> None:
    one = trade(frame(s="BTCUSD"), BinanceUsConnector())
    assert (one.exchange, one.symbol) == ("binance_us", "BTC-USD")
    assert trade(frame(s="BNBUSD"), BinanceUsConnector()).symbol == "BNB-USD"
    assert trade(frame(s="USDTUSD"), BinanceUsConnector()).symbol == "USDT-USD"
