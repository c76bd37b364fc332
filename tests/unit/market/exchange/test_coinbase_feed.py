from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.sync.client import ClientConnection

from coattail.market.exchange import Served
from tests.harness.exchange_clients import heard, say

Listen = Callable[..., ClientConnection]


def test_the_last_match_comes_before_the_acknowledgement(served: Served, listen: Listen) -> None:
    served.coinbase.release(500)
    client = listen(served.coinbase)
    say(client, {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": ["matches"]})
    *last, acknowledged = heard(client, 3)
    newest = served.coinbase.trades().group_by("code", maintain_order=True).last()
    assert {(each["type"], each["product_id"], each["trade_id"]) for each in last} == {
        ("last_match", row["code"], row["trade_id"])
        for row in newest.iter_rows(named=True)
        if row["code"] in ("BTC-USD", "ETH-USD")
    }
    assert acknowledged == {
        "type": "subscriptions",
        "channels": [{"name": "matches", "product_ids": ["BTC-USD", "ETH-USD"]}],
    }


def test_matches_are_exactly_the_trades_with_the_makers_side(served: Served, listen: Listen) -> None:
    client = listen(served.coinbase)
    say(client, {"type": "subscribe", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]})
    heard(client, 2)
    served.coinbase.release(3_000)
    expected = served.coinbase.trades().filter(code="BTC-USD", live=True)
    told = heard(client, expected.height)
    assert [each["trade_id"] for each in told] == expected["trade_id"].to_list()
    assert [each["side"] for each in told] == [{"buy": "sell", "sell": "buy"}[side] for side in expected["side"]]
    assert [(each["price"], each["size"]) for each in told] == list(expected.select("price", "quantity").iter_rows())
    assert [each["time"] for each in told] == expected["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_list()
    sequence = [each["sequence"] for each in told]
    assert sequence == sorted(set(sequence))


@pytest.mark.slow
def test_heartbeats_say_the_newest_trade(served: Served, listen: Listen) -> None:
    served.coinbase.release(100)
    client = listen(served.coinbase)
    say(client, {"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]})
    heard(client, 1)
    newest = served.coinbase.trades().filter(code="ETH-USD")["trade_id"][-1]
    beat = heard(client, 1)[0]
    assert (beat["type"], beat["product_id"], beat["last_trade_id"]) == ("heartbeat", "ETH-USD", newest)


def test_several_frames_add_up_and_unsubscribing_takes_away(served: Served, listen: Listen) -> None:
    client = listen(served.coinbase)
    say(client, {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat"]})
    say(client, {"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]})
    say(client, {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat"]})
    told = [each for each in heard(client, 3) if each["type"] == "subscriptions"]
    assert [each["channels"] for each in told] == [
        [{"name": "heartbeat", "product_ids": ["BTC-USD"]}],
        [{"name": "heartbeat", "product_ids": ["BTC-USD", "ETH-USD"]}],
        [{"name": "heartbeat", "product_ids": ["ETH-USD"]}],
    ]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "subscribe", "product_ids": ["X-USD"], "channels": ["matches"]}, "X-USD is not a valid product"),
        ({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["x"]}, "x is not a valid channel"),
        (
            {"type": "unsubscribe", "channels": ["heartbeat"]},
            "You need to specify at least one product ID for channel heartbeat",
        ),
    ],
)
def test_a_wrong_subscription_is_refused_with_the_reason(
    served: Served, listen: Listen, message: dict[str, object], reason: str
) -> None:
    client = listen(served.coinbase)
    say(client, message)
    assert heard(client, 1) == [{"type": "error", "message": f"Failed to {message['type']}", "reason": reason}]
