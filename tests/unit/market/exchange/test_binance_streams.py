from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from websockets.sync.client import ClientConnection

from coattail.market.exchange import Served, ServedVenue
from tests.harness.exchange_clients import heard, say

Listen = Callable[..., ClientConnection]


def truth(venue: ServedVenue, code: str) -> pl.DataFrame:
    return venue.trades().filter(code=code)


def test_a_client_gets_exactly_the_trades_released_since_it_came(served: Served, listen: Listen) -> None:
    served.binance.release(200)
    client = listen(served.binance, "/ws/btcusdt@trade")
    served.binance.release(5_000)
    expected = truth(served.binance, "BTCUSDT").filter(pl.col("position") >= 200)
    trades = heard(client, expected.height)
    assert [trade["t"] for trade in trades] == expected["trade_id"].to_list()
    assert [trade["p"] for trade in trades] == expected["price"].to_list()
    assert [trade["q"] for trade in trades] == expected["quantity"].to_list()
    assert [trade["T"] for trade in trades] == expected["timestamp"].dt.epoch("ms").to_list()
    # m: the buyer was the maker, so the taker sold
    assert [trade["m"] for trade in trades] == (expected["side"] == "sell").to_list()
    assert all(trade["e"] == "trade" and trade["s"] == "BTCUSDT" and trade["M"] and trade["E"] > trade["T"]
               for trade in trades)  # fmt: skip


def test_a_combined_stream_says_which_stream_each_event_is_of(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/stream?streams=btcusdt@trade/ethusdt@trade")
    served.binance.release(300)
    expected = served.binance.trades().filter(pl.col("code") != "SOLUSDT")
    told = heard(client, expected.height)
    assert [(each["stream"], each["data"]["t"]) for each in told] == [
        (f"{code.lower()}@trade", trade_id) for code, trade_id in expected.select("code", "trade_id").iter_rows()
    ]


@pytest.mark.parametrize("number", [1, 1741089600000, "8ef0-uuid"])
def test_an_acknowledgement_repeats_the_id_and_is_never_wrapped(
    served: Served, listen: Listen, number: int | str
) -> None:
    client = listen(served.binance, "/stream")
    say(client, {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": number})
    assert heard(client, 1) == [{"result": None, "id": number}]


def test_subscriptions_are_changed_and_listed(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/ws/nothing")
    assert served.binance.subscriptions == 0
    say(client, {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@trade"], "id": 1})
    say(client, {"method": "UNSUBSCRIBE", "params": ["nothing", "btcusdt@trade"], "id": 2})
    say(client, {"method": "LIST_SUBSCRIPTIONS", "id": 3})
    assert heard(client, 3)[2] == {"result": ["ethusdt@trade"], "id": 3}
    assert served.binance.subscriptions == 1
    served.binance.release(100)
    expected = truth(served.binance, "ETHUSDT")
    assert [trade["t"] for trade in heard(client, expected.height)] == expected["trade_id"].to_list()


def test_a_stream_asked_for_twice_is_sent_once(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/stream?streams=btcusdt@trade")
    say(client, {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
    heard(client, 1)
    served.binance.release(100)
    expected = truth(served.binance, "BTCUSDT")
    assert [each["data"]["t"] for each in heard(client, expected.height)] == expected["trade_id"].to_list()
    say(client, {"method": "LIST_SUBSCRIPTIONS", "id": 2})
    assert heard(client, 1) == [{"result": ["btcusdt@trade"], "id": 2}]


def test_aggregates_are_a_partition_of_the_trades(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/ws/btcusdt@aggTrade")
    served.binance.release(5_000)
    trades = truth(served.binance, "BTCUSDT")
    told, covered = [], 0
    while covered < trades.height - 3:  # the last may still be open
        told += heard(client, 1)
        covered += told[-1]["l"] - told[-1]["f"] + 1
    by_id = {row["trade_id"]: row for row in trades.iter_rows(named=True)}
    assert told[0]["f"] == trades["trade_id"][0]
    assert any(each["l"] > each["f"] for each in told)
    for before, each in zip([None, *told], told, strict=False):
        if before is not None:
            assert (each["a"], each["f"]) == (before["a"] + 1, before["l"] + 1)
        fills = [by_id[number] for number in range(each["f"], each["l"] + 1)]
        units = sum(int(fill["quantity"].replace(".", "")) for fill in fills)
        assert int(each["q"].replace(".", "")) == units
        assert {(fill["price"], fill["side"]) for fill in fills} == {(each["p"], "sell" if each["m"] else "buy")}
        assert len({fill["timestamp"] for fill in fills}) == 1


def test_times_are_in_microseconds_on_request(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/ws/btcusdt@trade?timeUnit=MICROSECOND")
    served.binance.release(50)
    expected = truth(served.binance, "BTCUSDT")
    assert [trade["T"] for trade in heard(client, expected.height)] == expected["timestamp"].dt.epoch("us").to_list()


@pytest.mark.parametrize(
    ("sent", "code"),
    [("{", 3), ("[]", 2), ('{"id":1}', 2), ('{"method":"BUY","id":1}', 2), ('{"method":"SUBSCRIBE","params":1}', 2)],
)
def test_a_wrong_message_is_answered_with_an_error(served: Served, listen: Listen, sent: str, code: int) -> None:
    client = listen(served.binance, "/ws")
    client.send(sent)
    assert heard(client, 1)[0]["error"]["code"] == code


def test_compression_is_agreed_on_where_the_exchange_offers_it(listen: Listen) -> None:
    from coattail.market import Market
    from coattail.market.exchange import serving

    with serving(Market(seed=7), deflate=True) as served:
        client = listen(served.binance, "/ws/btcusdt@trade", compression="deflate")
        assert [type(each).__name__ for each in client.protocol.extensions] == ["PerMessageDeflate"]
        served.binance.release(500)
        expected = truth(served.binance, "BTCUSDT")
        assert [trade["t"] for trade in heard(client, expected.height)] == expected["trade_id"].to_list()
        client.close()
