"""What every connector promises, whatever its exchange; a new one joins through `CONNECTORS`."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.connectors import CONNECTORS
from coattail.connectors.base import MAX_FRAME, BaseConnector, MarketType, UnsupportedMessage
from coattail.connectors.batch import Batch
from coattail.connectors.binance import BinanceConnector
from coattail.errors import MalformedMessage
from coattail.landing.checks import SYMBOL
from coattail.packing import Packer
from coattail.packs import encode_packs
from coattail.recordings import Format
from coattail.records import Malformed, Trade
from coattail.unpacking import decode_pack

RECEIVED = 1_723_161_254_087_896


every_connector = pytest.mark.parametrize("name", CONNECTORS)


def frames_of(name: str) -> list[bytes]:
    samples = CONNECTORS[name].samples
    return [samples.bought, samples.sold, *samples.silent]


def outcome(connector: BaseConnector, message: bytes) -> list[Trade] | str:
    """The trades, or the refusal as text. Any other exception fails the test by itself."""
    try:
        return connector.normalize(message, RECEIVED, source="live", session="s")
    except MalformedMessage as error:
        return str(error)


def survives(trades: list[Trade]) -> None:
    """A record that was accepted comes back from a pack with every value it had."""
    assert [record for pack in encode_packs(trades) for record in decode_pack(pack)] == trades


@every_connector
def test_it_names_itself_and_what_its_ids_promise(name: str) -> None:
    connector = CONNECTORS[name]
    assert connector.exchange == name
    assert isinstance(connector.ids_contiguous, bool)


@every_connector
def test_frames_without_a_trade_give_none_and_are_not_malformed(name: str) -> None:
    for message in CONNECTORS[name].samples.silent:
        assert CONNECTORS[name]().normalize(message, RECEIVED) == []


@every_connector
def test_its_own_messages_are_taken_for_its_own_or_for_those_of_one_that_speaks_the_same(name: str) -> None:
    claims = [{n for n, c in CONNECTORS.items() if c.is_own(message)} for message in frames_of(name)]
    assert all(len(claimed) <= 1 for claimed in claims)
    (claimed,) = set().union(*claims)
    assert issubclass(CONNECTORS[name], CONNECTORS[claimed])


def test_no_two_connectors_claim_the_same_host_or_the_same_name_in_a_layout() -> None:
    hosts = [host for connector in CONNECTORS.values() for host in connector.hosts]
    names = [(f, n) for connector in CONNECTORS.values() for f, called in connector.layouts.items() for n in called]
    assert len(set(hosts)) == len(hosts)
    assert len(set(names)) == len(names)


@every_connector
def test_its_hosts_and_layouts_are_such(name: str) -> None:
    connector = CONNECTORS[name]
    assert connector.hosts
    assert connector.layouts.keys() <= set(get_args(Format)) - {"frames", "table"}
    named = [*connector.layouts.values(), connector.hosts]
    assert {market for called in named for market in called.values()} <= set(get_args(MarketType))


@every_connector
def test_a_symbol_and_its_native_name_say_the_same(name: str) -> None:
    connector = CONNECTORS[name]
    for message in (connector.samples.bought, connector.samples.sold):
        (trade,) = connector().normalize(message, RECEIVED)
        assert trade.symbol is not None
        assert re.fullmatch(SYMBOL, trade.symbol)
        listing = connector.listing(connector.native(trade.symbol), connector.market)
        assert (listing.exchange, listing.symbol) == (name, trade.symbol)


@every_connector
def test_the_side_is_the_takers(name: str) -> None:
    (bought,) = CONNECTORS[name]().normalize(CONNECTORS[name].samples.bought, RECEIVED)
    (sold,) = CONNECTORS[name]().normalize(CONNECTORS[name].samples.sold, RECEIVED)
    assert (bought.side, sold.side) == ("buy", "sell")


@every_connector
def test_a_trade_carries_what_the_checks_need_and_its_part_of_the_frame_as_received(name: str) -> None:
    for message in (CONNECTORS[name].samples.bought, CONNECTORS[name].samples.sold):
        (trade,) = CONNECTORS[name]().normalize(message, RECEIVED, source="live", session="here")
        assert trade.exchange == name
        assert None not in (trade.symbol, trade.trade_id, trade.price, trade.quantity, trade.timestamp)
        assert trade.payload.encode() in message  # of a frame that holds a list, the trade's own slice
        assert (trade.received, trade.source, trade.session) == (RECEIVED, "live", "here")
        survives([trade])


@every_connector
def test_the_same_frame_always_gives_the_same_trades(name: str) -> None:
    for message in frames_of(name):
        assert outcome(CONNECTORS[name](), message) == outcome(CONNECTORS[name](), message)


@every_connector
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_bytes_are_refused_or_hold_no_trade(name: str, data: st.DataObject) -> None:
    result = outcome(CONNECTORS[name](), data.draw(st.binary(max_size=200)))
    assert isinstance(result, str) or result == []


@every_connector
@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_frame_is_read_or_refused_and_what_is_read_survives_the_stream(
    name: str, data: st.DataObject
) -> None:
    message = bytearray(data.draw(st.sampled_from(frames_of(name))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(message) - 1, 0)))
        length = data.draw(st.integers(0, 5))
        message[place : place + length] = data.draw(st.binary(max_size=4) | st.sampled_from(_SPICE))
    result = outcome(CONNECTORS[name](), bytes(message))
    if isinstance(result, list):
        assert result == outcome(CONNECTORS[name](), bytes(message))
        if result:
            survives(result)


_SPICE = [b"null", b"true", b'"', b"{", b"}", b"[", b",", b"-", b"1e9", b"99999999999999999999", b"\\u0000",
          b"\\ud83d\\ude00", b"\xff", b"NaN", b"\n", b'"":1,', "é€".encode()]  # fmt: skip

_values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.none(), max_size=2)
)  # fmt: skip


@every_connector
@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_field_of_any_value_is_read_or_refused_and_what_is_read_survives_the_stream(
    name: str, data: st.DataObject
) -> None:
    samples = CONNECTORS[name].samples
    message = msgspec.json.decode(data.draw(st.sampled_from([samples.bought, samples.sold])))
    inner = message.get("data", message)
    inner = inner[0] if isinstance(inner, list) else inner
    inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(_values)
    result = outcome(CONNECTORS[name](), msgspec.json.encode(message))
    if isinstance(result, list) and result:
        survives(result)


@every_connector
def test_what_normalize_refuses_becomes_one_record_of_bounded_size(name: str) -> None:
    for message in (b"", b"\xff\x00", b"[" * 1_000_000, b'"' * 3, b"x" * 1_000_000):
        (record,) = CONNECTORS[name]().records(message, RECEIVED, session="s")
        assert isinstance(record, Malformed)
        assert record.exchange == name
        assert len(record.payload) <= 4 * MAX_FRAME
        assert [r for pack in encode_packs([record]) for r in decode_pack(pack)] == [record]


@every_connector
def test_an_unsupported_message_is_kept_by_code_that_knows_only_malformed_ones(name: str) -> None:
    assert issubclass(UnsupportedMessage, MalformedMessage)


def one_by_one(connector: BaseConnector, messages: list[bytes]) -> Batch:
    """The plain path, which every connector's own `batch` must agree with."""
    return BaseConnector.batch(connector, messages, range(len(messages)), source="live", session="s")


def same(messages: list[bytes], connector: BaseConnector) -> None:
    fast = connector.batch(messages, range(len(messages)), source="live", session="s")
    slow = one_by_one(connector, messages)
    assert (fast.other, fast.malformed, fast.unsupported) == (slow.other, slow.malformed, slow.unsupported)
    assert fast.parts == slow.parts
    assert list(fast.parts) == list(slow.parts)
    assert [trade for symbol in slow.parts for trade in fast.trades() if trade.symbol == symbol] == list(slow.trades())


_ODD = [
    b"", b" ", b"{}", b"\n", b"[]", b"null", b'{"type":"match"', b'"trade"', b"\xff\xfe", b"{}{}",
    b"x" * (MAX_FRAME + 1),
    b'{"e":"trade","s":"BTCUSD_PERP","t":3,"p":"1","q":"1","T":1,"X":"MARKET","m":true}',
    b'{"e":"trade","s":"BTCUSDT_210625","t":3,"p":"1","q":"1","T":1,"X":"MARKET","m":true}',
    b'{"e":"trade","s":"BTCUSDT","t":3,"p":"1","q":"1","T":1,"X":"ADL","m":true}',
    b'{"e":"trade","s":"BTCUSDT","t":3,"p":"1","q":"1","T":1,"X":"MARKET","m":true}',
    b'{"e":"tr\\u0061de","s":"BTCUSDT","t":3,"p":"1","q":"1","T":1,"m":true}',
    b'{"e":"aggTrade","s":"BTCUSDT","p":"1","q":"1","f":9,"l":3,"T":1,"m":true}',
    b'{"data":{"e":"trade","s":"A","t":1,"p":"1","q":"1","T":1,"m":true},"e":"trade","s":"B","t":2,"p":"1","q":"1",'
    b'"T":1,"m":true}',
    b'{"stream":"x","e":"trade","s":"B","t":2,"p":"1","q":"1","T":1,"m":true}',
    b'{"stream":"x","data":null,"e":"trade","s":"B","t":2,"p":"1","q":"1","T":1,"m":true}',
    b'{"type":"match","trade_id":1,"time":"yesterday"}', b'{"type":null,"product_id":"X"}',
    b'{"channel":"market_trades"}', "{\"type\":\"match\",\"product_id\":\"\u5e01-USD\"}".encode(),
]  # fmt: skip


@st.composite
def any_frames(draw: st.DrawFn, name: str) -> list[bytes]:
    """Mostly sound frames, with their ids and symbols varied, and odd, mutated and random ones among them."""
    whole = [m.replace(b"BTC", b).replace(b"SKL", b) for m in frames_of(name) for b in (b"BTC", b"ETH", b"BTCUSD_")]
    messages = draw(st.lists(st.sampled_from(whole[:6]), max_size=12))
    for odd in draw(st.lists(st.sampled_from([*whole, *_ODD]) | st.binary(max_size=40), max_size=4)):
        messages.insert(draw(st.integers(0, len(messages))), odd)
    for _ in range(draw(st.integers(0, 2)) if messages else 0):
        place = draw(st.integers(0, len(messages) - 1))
        cut = draw(st.integers(0, len(messages[place])))
        spice = draw(st.sampled_from(_SPICE))
        messages[place] = messages[place][:cut] + spice + messages[place][cut + draw(st.integers(0, 5)) :]
    return messages


@every_connector
@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_batch_says_the_same_as_its_frames_one_by_one(name: str, data: st.DataObject) -> None:
    same(data.draw(any_frames(name)), CONNECTORS[name]())


@every_connector
def test_each_odd_frame_among_sound_ones_is_read_as_it_is_alone(name: str) -> None:
    samples = CONNECTORS[name].samples
    oversized = samples.sold[:-1] + b',"pad":"' + b"x" * MAX_FRAME + b'"}'
    for odd in [*_ODD, *samples.silent, oversized]:
        for sound in (samples.bought, samples.sold):
            same([sound, odd, sound], CONNECTORS[name]())
            same([odd], CONNECTORS[name]())
    same([], CONNECTORS[name]())


@pytest.mark.parametrize("name", ["binance", "binance_us", "coinbase"])
def test_a_frame_of_one_trade_alone_is_kept_whole(name: str) -> None:
    for message in (CONNECTORS[name].samples.bought, CONNECTORS[name].samples.sold):
        assert [t.payload.encode() for t in CONNECTORS[name]().normalize(message, RECEIVED)] == [message]


def test_a_batch_of_futures_says_the_same_as_its_frames_one_by_one() -> None:
    message = b'{"e":"aggTrade","E":1,"a":1,"s":"BTCUSDT","p":"1","q":"1","f":3,"l":3,"T":1,"m":true}'
    connector = BinanceConnector(market="usdm")
    same([message, message.replace(b"}", b',"M":true}'), CONNECTORS["binance"].samples.bought, message], connector)
    assert list(connector.batch([message], [0]).parts) == ["BTC-USDT-PERP"]


@every_connector
def test_what_a_batch_holds_comes_back_from_its_packs(name: str) -> None:
    messages = frames_of(name) * 3
    batch = CONNECTORS[name]().batch(messages, range(len(messages)), session="s")
    packer = Packer(pack_records=4)
    for symbol, part in batch.parts.items():
        packer.add_rows(batch.shared(symbol), part.rows, part.payloads)
    back = [record for _, pack in packer.take() for record in decode_pack(pack)]
    assert sorted(back, key=lambda r: r.received) == sorted(batch.trades(), key=lambda r: r.received)
    assert len(back) == 6
