from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx
import pytest
from websockets.sync.client import ClientConnection

from coattail.market.exchange import Served
from tests.harness.exchange_clients import Heard, heard, say

Listen = Callable[..., ClientConnection]
Ask = Callable[..., httpx.Response]


def subscribe(client: ClientConnection, *products: str, channel: str = "market_trades") -> None:
    say(client, {"type": "subscribe", "product_ids": list(products), "channel": channel})


def trades_of(message: Heard) -> list[Heard]:
    assert len(message["events"]) == 1
    trades: list[Heard] = message["events"][0]["trades"]
    return trades


def test_snapshots_come_first_then_the_acknowledgement_then_updates(served: Served, listen: Listen) -> None:
    served.advanced.release(2_000)
    client = listen(served.advanced)
    subscribe(client, "BTC-USD", "ETH-USD")
    *snapshots, acknowledged = heard(client, 3)
    served.advanced.release(1)
    served.advanced.release(300)
    for snapshot, code in zip(snapshots, ("BTC-USD", "ETH-USD"), strict=True):
        known = served.advanced.trades().filter(code=code)[:-1]
        assert snapshot["channel"] == "market_trades"
        assert snapshot["events"][0]["type"] == "snapshot"
        told = [int(trade["trade_id"]) for trade in trades_of(snapshot)]
        assert len(told) == 100
        assert told == sorted(told, reverse=True)
        assert told[0] in known["trade_id"].to_list()
    assert acknowledged["events"] == [{"subscriptions": {"market_trades": ["BTC-USD", "ETH-USD"]}}]
    update = heard(client, 1)[0]
    assert update["events"][0]["type"] == "update"
    numbers = [message["sequence_num"] for message in (*snapshots, acknowledged, update)]
    assert numbers == [0, 1, 2, 3]


def test_updates_are_exactly_the_trades_newest_first_with_the_makers_side(served: Served, listen: Listen) -> None:
    client = listen(served.advanced)
    subscribe(client, "BTC-USD", "ETH-USD")
    heard(client, 3)
    for _ in range(30):
        served.advanced.release(40)
    expected = served.advanced.trades().filter(live=True)
    expected = expected.filter(expected["code"].is_in(["BTC-USD", "ETH-USD"]))
    found: list[Heard] = []
    together = 0
    while len(found) < expected.height:
        trades = trades_of(heard(client, 1)[0])
        ids = [int(trade["trade_id"]) for trade in trades]
        assert ids == sorted(ids, reverse=True)
        assert len({trade["product_id"] for trade in trades}) == 1
        together += len(trades) > 1
        found += reversed(trades)
    assert together
    flipped = {"buy": "SELL", "sell": "BUY"}
    for code in ("BTC-USD", "ETH-USD"):
        rows = expected.filter(code=code).iter_rows(named=True)
        assert [
            (int(t["trade_id"]), t["price"], t["size"], t["side"], datetime.fromisoformat(t["time"]))
            for t in found
            if t["product_id"] == code
        ] == [(row["trade_id"], row["price"], row["quantity"], flipped[row["side"]], row["timestamp"]) for row in rows]


@pytest.mark.slow
def test_heartbeats_are_counted_and_share_the_sequence(served: Served, listen: Listen) -> None:
    client = listen(served.advanced)
    subscribe(client, channel="heartbeats")
    acknowledged, first = heard(client, 2)
    assert acknowledged["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"]}}]
    assert first["channel"] == "heartbeats"
    assert (first["sequence_num"], first["events"][0]["heartbeat_counter"]) == (1, 1)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "heartbeat"}, "heartbeat is not a valid channel"),
        ({"type": "subscribe", "product_ids": ["X-USD"], "channel": "market_trades"}, "X-USD is not a valid product"),
        ({"type": "buy"}, "Type has to be either subscribe or unsubscribe"),
    ],
)
def test_an_error_leaves_the_connection_open(
    served: Served, listen: Listen, message: dict[str, object], problem: str
) -> None:
    client = listen(served.advanced)
    say(client, message)
    subscribe(client, "BTC-USD")
    assert heard(client, 1) == [{"type": "error", "message": problem}]
    assert heard(client, 2)[1]["channel"] == "subscriptions"


def test_a_product_that_never_traded_has_no_snapshot(listen: Listen) -> None:
    from coattail.market.exchange import ListedInstrument, TradeTape, serving

    tape = TradeTape([ListedInstrument("BTC-USD", "BTC", "USD")], lambda: False)
    with serving({"coinbase": tape}) as served:
        client = listen(served.advanced)
        subscribe(client, "BTC-USD")
        assert heard(client, 1)[0]["channel"] == "subscriptions"
        client.close()


def test_products_and_recent_trades_are_served_without_a_signature(served: Served, ask: Ask) -> None:
    served.advanced.release(1_000)
    for path in ("/api/v3/brokerage/products", "/api/v3/brokerage/market/products"):
        products = ask(served.advanced, path).json()["products"]
        assert [each["product_id"] for each in products] == ["BTC-USD", "ETH-USD", "SOL-USD", "USDT-USD"]
    assert ask(served.advanced, "/api/v3/brokerage/market/products?product_type=FUTURE").json()["products"] == []
    newest = served.advanced.trades().filter(code="BTC-USD")
    product = ask(served.advanced, "/api/v3/brokerage/market/products/BTC-USD").json()
    assert product["price"] == newest["price"][-1]
    trades = ask(served.advanced, "/api/v3/brokerage/market/products/BTC-USD/ticker?limit=3").json()["trades"]
    assert [int(each["trade_id"]) for each in trades] == newest["trade_id"][-3:].reverse().to_list()
    assert ask(served.advanced, "/api/v3/brokerage/accounts").status_code == 401
    assert ask(served.advanced, "/api/v3/brokerage/market/products/X-USD").status_code == 404
    assert {each["code"] for each in ask(served.advanced, "/v2/currencies/crypto").json()["data"]} == {
        "BTC", "ETH", "SOL", "USDT"
    }  # fmt: skip
    rates = ask(served.advanced, "/v2/exchange-rates").json()["data"]["rates"]
    assert abs(float(rates["BTC"]) * float(newest["price"][-1]) - 1) < 1e-9
