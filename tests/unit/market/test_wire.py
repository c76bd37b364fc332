"""The messages have the shape in which the exchanges send them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from coattail.market import DEFAULT_INSTRUMENTS, Frame, Market
from coattail.market.wire import trade_of

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
PRODUCTS = ["BTC-USD", "ETH-USD", "SOL-USD", "USDT-USD"]


def frames_of(exchange: str, *, heartbeat: timedelta | None = timedelta(seconds=5)) -> list[Frame]:
    market = Market(start=START, duration=timedelta(minutes=3), exchanges=(exchange,), heartbeat=heartbeat)
    return list(market.frames())


def messages_of(exchange: str, kind: str) -> list[dict[str, Any]]:
    messages = [msgspec.json.decode(f.data) for f in frames_of(exchange)]
    return [m for m in messages if m.get("type", "trade") == kind]


def test_a_binance_trade_has_the_fields_of_the_combined_stream_in_order() -> None:
    for message in messages_of("binance", "trade"):
        assert list(message) == ["stream", "data"]
        trade = message["data"]
        assert message["stream"] == f"{trade['s'].lower()}@trade"
        assert list(trade) == ["e", "E", "s", "t", "p", "q", "T", "m", "M"]
        assert re.fullmatch(r"\d+\.\d{8}", trade["p"])
        assert re.fullmatch(r"\d+\.\d{8}", trade["q"])
        assert 0 < trade["E"] - trade["T"] < 5
        assert len(str(trade["T"])) == 13
        assert isinstance(trade["m"], bool)
        assert trade["M"] is True


def test_a_coinbase_match_has_the_fields_of_the_matches_channel_in_order() -> None:
    uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")
    matches = messages_of("coinbase", "match")
    fields = ["type", "trade_id", "maker_order_id", "taker_order_id", "side", "size", "price"]
    for match in matches:
        assert list(match) == [*fields, "product_id", "sequence", "time"]
        assert uuid.fullmatch(match["maker_order_id"])
        assert uuid.fullmatch(match["taker_order_id"])
        assert re.fullmatch(r"\d+(\.\d*[1-9])?", match["size"])
        assert re.fullmatch(r"\d+(\.\d*[1-9])?", match["price"])
        assert re.fullmatch(r"2025-03-04T12:0\d:\d\d\.\d{6}Z", match["time"])
    assert len({m["maker_order_id"] for m in matches}) == len(matches)


def test_a_coinbase_side_is_the_makers_so_a_buying_taker_says_sell_and_pays_more() -> None:
    matches = [m for m in messages_of("coinbase", "match") if m["product_id"] == "USDT-USD"]
    first = {m["taker_order_id"]: m for m in reversed(matches)}.values()
    prices = {side: [float(m["price"]) for m in first if m["side"] == side] for side in ("buy", "sell")}
    assert sum(prices["sell"]) / len(prices["sell"]) > sum(prices["buy"]) / len(prices["buy"])


def test_fills_of_one_coinbase_order_share_the_taker_and_the_time() -> None:
    by_taker: dict[str, list[dict[str, Any]]] = {}
    for match in messages_of("coinbase", "match"):
        by_taker.setdefault(match["taker_order_id"], []).append(match)
    assert any(len(fills) > 1 for fills in by_taker.values())
    assert all(len({(f["time"], f["side"], f["product_id"]) for f in fills}) == 1 for fills in by_taker.values())


def test_a_coinbase_sequence_rises_in_steps_that_are_no_trade_count() -> None:
    sequences = [m["sequence"] for m in messages_of("coinbase", "match") if m["product_id"] == "BTC-USD"]
    steps = {b - a for a, b in pairwise(sequences)}
    assert min(steps) >= 1
    assert len(steps) > 20


def test_coinbase_begins_with_the_subscription_and_a_repeat_of_each_products_last_trade() -> None:
    first = [msgspec.json.decode(f.data) for f in frames_of("coinbase")[:5]]
    assert first[0]["type"] == "subscriptions"
    assert [c["name"] for c in first[0]["channels"]] == ["matches", "heartbeat"]
    assert [m["type"] for m in first[1:]] == ["last_match"] * 4
    assert [m["product_id"] for m in first[1:]] == PRODUCTS
    assert all(m["time"] < "2025-03-04T12:00:00" for m in first[1:])
    newest = {m["product_id"]: m["trade_id"] for m in reversed(messages_of("coinbase", "match"))}
    assert [m["trade_id"] + 1 for m in first[1:]] == [newest[p] for p in PRODUCTS]


def test_a_heartbeat_names_the_newest_trade_that_has_arrived() -> None:
    newest = {}
    heartbeats = 0
    for frame in frames_of("coinbase"):
        message = msgspec.json.decode(frame.data)
        if message["type"] in ("match", "last_match"):
            newest[message["product_id"]] = message
        elif message["type"] == "heartbeat":
            heartbeats += 1
            assert list(message) == ["type", "last_trade_id", "product_id", "sequence", "time"]
            assert message["last_trade_id"] == newest[message["product_id"]]["trade_id"]
            assert message["sequence"] == newest[message["product_id"]]["sequence"]
    assert heartbeats == 4 * 36


def test_without_heartbeats_none_are_subscribed_or_sent() -> None:
    frames = frames_of("coinbase", heartbeat=None)
    assert not any(b"heartbeat" in f.data for f in frames)


def test_a_trade_is_recognised_in_every_frame_that_holds_one() -> None:
    codes = {i.code for i in DEFAULT_INSTRUMENTS}
    for exchange in ("binance", "coinbase"):
        for frame in frames_of(exchange):
            trade = trade_of(frame)
            holds_one = b'"e":"trade"' in frame.data or b"match" in frame.data.split(b",")[0]
            assert (trade is not None) == holds_one
            assert trade is None or trade[0] in codes
