from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection

from coattail.errors import UsageError
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import (
    AnswerWith,
    ChangedType,
    Close,
    Delist,
    Drip,
    Drop,
    Duplicate,
    Garbage,
    MutedConnections,
    OtherPages,
    Refuse,
    RefuseSubscriptions,
    Reorder,
    Reset,
    ShiftedPages,
    Shutdown,
    Silence,
    Skew,
    Stall,
    TruncatedFrame,
    TruncatedJson,
    read_faults,
)
from tests.harness.exchange_clients import Heard, heard, say

pytestmark = pytest.mark.slow

Listen = Callable[..., ClientConnection]
Ask = Callable[..., httpx.Response]

ALL = "/ws/btcusdt@trade/ethusdt@trade/solusdt@trade"


@pytest.fixture
def client(served: Served, listen: Listen) -> Iterator[ClientConnection]:
    """It hears all trades of Binance."""
    return listen(served.binance, ALL)


def until_the_end(client: ClientConnection) -> tuple[list[Heard], ConnectionClosed]:
    """All further messages, and how the connection ended."""
    found: list[Heard] = []
    try:
        while True:
            found += heard(client, 1)
    except ConnectionClosed as end:
        return found, end


def ids(served: Served, start: int = 0, stop: int | None = None) -> list[int]:
    return served.binance.trades()["trade_id"].to_list()[start:stop]


def told(messages: list[Heard]) -> list[int]:
    return [message["t"] for message in messages]


def test_a_reset_strikes_after_exactly_so_many_trades_and_loses_what_follows(
    served: Served, client: ClientConnection, listen: Listen
) -> None:
    served.binance.strike(Reset(at_trade=100))
    served.binance.release(300)
    found, end = until_the_end(client)
    assert isinstance(end, ConnectionClosedError)
    assert end.rcvd is None
    again = listen(served.binance, ALL)
    served.binance.release(50)
    # a reset discards what has not been read yet, so that fewer than 100 may have arrived
    assert told(found) == ids(served, 0, len(found))
    assert len(found) <= 100
    assert told(heard(again, 50)) == ids(served, 300)


def test_a_silent_connection_answers_no_ping_and_is_reset_in_the_end(served: Served, client: ClientConnection) -> None:
    served.binance.release(10)
    heard(client, 10)
    served.binance.strike(Silence(at_trade=10, seconds=0.4))
    served.binance.release(10)
    assert not client.ping().wait(0.2)
    found, end = until_the_end(client)
    assert found == []
    assert end.rcvd is None


def test_a_stalled_connection_gets_everything_late(served: Served, client: ClientConnection) -> None:
    served.binance.strike(Stall(at_trade=0, seconds=0.3))
    began = time.monotonic()
    served.binance.release(200)
    pong = client.ping()
    assert told(heard(client, 200)) == ids(served)
    assert time.monotonic() - began >= 0.3
    assert pong.wait(5)


def test_a_dripping_connection_loses_nothing(served: Served, client: ClientConnection) -> None:
    served.binance.strike(Drip(at_trade=0, seconds=0.5, bytes_per_second=400))
    served.binance.release(1)
    began = time.monotonic()
    assert told(heard(client, 1)) == ids(served)
    assert time.monotonic() - began > 0.3
    served.binance.release(100)
    assert told(heard(client, 100)) == ids(served, 1)


@pytest.mark.parametrize(
    "fault", [TruncatedFrame(at_trade=50), Garbage(at_trade=50, what="bytes"), Garbage(at_trade=50, what="not_utf8")]
)
def test_a_broken_frame_ends_the_connection(
    served: Served, client: ClientConnection, fault: TruncatedFrame | Garbage
) -> None:
    served.binance.strike(fault)
    served.binance.release(50)
    found, end = until_the_end(client)
    assert told(found) == ids(served)
    assert isinstance(end, ConnectionClosedError)


def test_a_message_that_is_not_json_leaves_the_connection_open(served: Served, client: ClientConnection) -> None:
    served.binance.strike(Garbage(at_trade=1))
    served.binance.release(2)
    first, garbage, second = (client.recv(timeout=5) for _ in range(3))
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(garbage)
    assert told([json.loads(first), json.loads(second)]) == ids(served)


def test_a_close_says_its_code_and_comes_after_the_trades(served: Served, client: ClientConnection) -> None:
    served.binance.strike(Close(at_trade=20, code=1001, reason="24 h"))
    served.binance.release(30)
    found, end = until_the_end(client)
    assert told(found) == ids(served, 0, 20)
    assert isinstance(end, ConnectionClosedOK)
    assert end.rcvd is not None
    assert (end.rcvd.code, end.rcvd.reason) == (1001, "24 h")


def test_a_shutdown_is_announced_and_then_comes(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/stream?streams=btcusdt@trade")
    served.binance.strike(Shutdown(at_trade=0, after=0.1))
    announced = heard(client, 1)[0]
    assert (announced["stream"], announced["data"]["e"]) == ("!serverShutdown", "serverShutdown")
    assert until_the_end(client)[1].rcvd is not None


def test_dropped_trades_are_missing_on_the_feed_and_there_in_rest(
    served: Served, client: ClientConnection, ask: Ask
) -> None:
    served.binance.strike(Drop(at_trade=100, trades=50))
    served.binance.release(250)
    assert told(heard(client, 200)) == ids(served, 0, 100) + ids(served, 150)
    everything = [
        each["id"]
        for code in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        for each in ask(served.binance, f"/api/v3/trades?symbol={code}&limit=1000").json()
    ]
    assert sorted(everything) == sorted(ids(served))


def test_only_the_symbol_named_is_struck(served: Served, client: ClientConnection) -> None:
    served.binance.strike(Drop(at_trade=0, trades=200, symbol="BTCUSDT"))
    served.binance.release(200)
    left = served.binance.trades().filter(~(served.binance.trades()["code"] == "BTCUSDT"))
    assert told(heard(client, left.height)) == left["trade_id"].to_list()


def test_duplicates_come_twice_and_a_reordered_range_in_reverse(served: Served, client: ClientConnection) -> None:
    served.binance.strike(Duplicate(at_trade=10, trades=5))
    served.binance.strike(Reorder(at_trade=20, trades=10))
    for _ in range(40):  # one by one: the range is turned round all the same
        served.binance.release(1)
    expected = ids(served)
    twice = [number for number in expected[10:15] for _ in range(2)]
    assert told(heard(client, 45)) == [
        *expected[:10], *twice, *expected[15:20], *reversed(expected[20:30]), *expected[30:]
    ]  # fmt: skip


def test_json_breaks_off_and_fields_change_their_type(served: Served, client: ClientConnection) -> None:
    served.binance.strike(TruncatedJson(at_trade=1))
    served.binance.strike(ChangedType(at_trade=2, field="p", to="number"))
    served.binance.strike(ChangedType(at_trade=3, field="t", to="text"))
    served.binance.strike(ChangedType(at_trade=4, field="q", to="missing"))
    served.binance.release(5)
    texts = [client.recv(timeout=5) for _ in range(5)]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(texts[1])
    messages = [json.loads(text) for number, text in enumerate(texts) if number != 1]
    assert isinstance(messages[1]["p"], float)
    assert messages[2]["t"] == str(ids(served)[3])
    assert "q" not in messages[3]


def test_a_refused_port_opens_again(served: Served, listen: Listen) -> None:
    served.binance.strike(Refuse(at_trade=0, seconds=0.3))
    with pytest.raises(ConnectionRefusedError):
        listen(served.binance, ALL)
    deadline = time.monotonic() + 5
    while True:
        try:
            client = listen(served.binance, ALL)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
    served.binance.release(5)
    assert told(heard(client, 5)) == ids(served)


@pytest.mark.parametrize("status", [429, 418, 451, 503])
def test_requests_are_answered_with_a_status_for_a_while(served: Served, listen: Listen, ask: Ask, status: int) -> None:
    served.coinbase.strike(AnswerWith(at_trade=0, seconds=0.3, status=status, retry_after=7))
    answer = ask(served.coinbase, "/time")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    with pytest.raises(InvalidStatus) as refused:
        listen(served.coinbase)
    assert refused.value.response.status_code == status
    assert refused.value.response.headers["Retry-After"] == "7"
    deadline = time.monotonic() + 5
    while ask(served.coinbase, "/time").status_code != 200:
        assert time.monotonic() < deadline


def test_a_skewed_clock_shows_in_event_times_and_not_in_trades(
    served: Served, client: ClientConnection, ask: Ask
) -> None:
    right = ask(served.binance, "/api/v3/time").json()["serverTime"]
    served.binance.strike(Skew(at_trade=0, seconds=60, by=-90))
    served.binance.release(1)
    message = heard(client, 1)[0]
    assert message["T"] == served.binance.trades()["timestamp"].dt.epoch("ms")[0]
    assert -90_000 < message["E"] - message["T"] <= -89_998
    assert ask(served.binance, "/api/v3/time").json()["serverTime"] < right


def test_half_a_subscription_is_refused(served: Served, listen: Listen) -> None:
    served.coinbase.strike(RefuseSubscriptions(at_trade=0, seconds=60, symbols=["ETH-USD"]))
    served.binance.strike(RefuseSubscriptions(at_trade=0, seconds=60, symbols=["ETHUSDT"]))
    coinbase, binance = listen(served.coinbase), listen(served.binance, "/ws")
    say(coinbase, {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": ["matches"]})
    assert heard(coinbase, 1)[0]["reason"] == "ETH-USD is not a valid product"
    say(binance, {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@trade"], "id": 1})
    say(binance, {"method": "LIST_SUBSCRIPTIONS", "id": 2})
    assert heard(binance, 2) == [{"result": None, "id": 1}, {"result": ["btcusdt@trade"], "id": 2}]


def test_a_delisted_symbol_falls_silent_and_is_unknown(served: Served, client: ClientConnection, ask: Ask) -> None:
    served.binance.strike(Delist(at_trade=100, symbol="BTCUSDT"))
    served.binance.release(300)
    trades = served.binance.trades()
    left = trades.filter((trades["position"] < 100) | (trades["code"] != "BTCUSDT"))
    assert told(heard(client, left.height)) == left["trade_id"].to_list()
    assert ask(served.binance, "/api/v3/trades?symbol=BTCUSDT").json()["code"] == -1121
    listed = ask(served.binance, "/api/v3/exchangeInfo").json()["symbols"]
    assert [each["symbol"] for each in listed] == ["ETHUSDT", "SOLUSDT"]


def test_no_heartbeat_comes_of_a_delisted_symbol(served: Served, listen: Listen) -> None:
    client = listen(served.coinbase)
    say(client, {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": ["heartbeat"]})
    assert heard(client, 1)[0]["type"] == "subscriptions"
    served.coinbase.strike(Delist(at_trade=0, symbol="BTC-USD"))
    assert [message["product_id"] for message in heard(client, 2)] == ["ETH-USD", "ETH-USD"]


def test_pages_overlap_or_skip(served: Served, ask: Ask) -> None:
    served.binance.strike(ShiftedPages(at_trade=0, by=-3))
    served.binance.strike(ShiftedPages(at_trade=0, by=4))
    served.coinbase.strike(ShiftedPages(at_trade=0, by=-2))
    served.binance.release(1_000)
    served.coinbase.release(1_000)
    mine = served.binance.trades().filter(code="BTCUSDT")["trade_id"]
    first = mine[50]
    pages = [
        ask(served.binance, f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={first}&limit=5").json() for _ in range(3)
    ]
    assert [page[0]["id"] for page in pages] == [first - 3, first + 4, first]
    newest = served.coinbase.trades().filter(code="BTC-USD")["trade_id"][-1]
    page = ask(served.coinbase, f"/products/BTC-USD/trades?after={newest - 9}&limit=5").json()
    assert page[0]["trade_id"] == newest - 10 + 2


def test_pages_are_of_another_symbol(served: Served, ask: Ask) -> None:
    served.binance.strike(OtherPages(at_trade=0, symbol="ETHUSDT"))
    served.coinbase.strike(OtherPages(at_trade=0, symbol="ETH-USD"))
    for venue, path in (
        (served.binance, "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=0&limit=1000"),
        (served.coinbase, f"/products/BTC-USD/trades?after={2**53}"),
    ):
        venue.release(300)
        pages = [ask(venue, path).json() for _ in range(2)]
        for page, base in zip(pages, ("ETH", "BTC"), strict=True):
            truth = venue.trades().filter(pl.col("code").str.starts_with(base))["trade_id"].to_list()
            assert sorted(row.get("id") or row["trade_id"] for row in page) == truth


def test_a_connection_that_is_mute_looks_alive_and_a_new_one_hears(
    served: Served, client: ClientConnection, listen: Listen
) -> None:
    served.binance.strike(MutedConnections(at_trade=100))
    served.binance.release(200)
    assert told(heard(client, 100)) == ids(served, 0, 100)
    assert client.ping().wait(5)
    fresh = listen(served.binance, ALL)
    served.binance.release(50)
    assert told(heard(fresh, 50)) == ids(served, 200, 250)
    assert client.ping().wait(5)
    with pytest.raises(TimeoutError):
        client.recv(timeout=0)


def test_nobody_takes_the_port_on_which_nobody_listens_for_a_while(served: Served) -> None:
    port = served.binance.venue.port
    for seconds in (0.2, 0.1):  # two at once
        served.binance.strike(Refuse(at_trade=0, seconds=seconds))
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline


def test_a_step_at_a_time_strikes_between_the_trades_of_that_time(listen: Listen) -> None:
    with serving(Market(seed=7), faults=[Drop(at_second=10, trades=5)]) as served:
        client = listen(served.binance, ALL)
        served.binance.release(500)
        trades = served.binance.trades()
        begin = trades.filter(trades["timestamp"] <= Market().start.replace(second=10)).height
        assert 0 < begin < 400
        assert told(heard(client, 495)) == ids(served, 0, begin) + ids(served, begin + 5)
        client.close()


def test_a_script_is_read_from_yaml(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text(
        "- {at_trade: 2000, do: reset}\n"
        "- {at_second: 30, do: silence, for: 20}\n"
        "- {at_trade: 5000, do: drop, trades: 100, exchange: binance}\n"
    )
    assert read_faults(script) == [
        Reset(at_trade=2000),
        Silence(at_second=30, seconds=20),
        Drop(at_trade=5000, trades=100, exchange="binance"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("reset: 1", "not a list of steps"),
        ("- {do: explode, at_trade: 1}", "step 1 of .*: Invalid value 'explode'"),
        ("- {do: reset, at_trade: 1}\n- {do: silence, at_trade: 1}", "step 2 of .*missing required field `for`"),
        ("- {do: reset, at_trade: 1, exchange: bynance}", "Invalid enum value 'bynance'"),
        ("- {do: reset}", "either `at_trade` or `at_second`"),
        ("- {do: reset, at_trade: 1, at_second: 1}", "either `at_trade` or `at_second`"),
        ("- {do: drop, at_trade: 1, trade: 5}", "unknown field `trade`"),
        ("- {do: stall, at_trade: -1, for: 5}", "strikes after the opening"),
        ("- {do: answer, at_trade: 1, for: 5, status: 200}", "one of 400 to 599"),
        ("- {", "cannot be read"),
    ],
)
def test_a_wrong_script_is_refused_with_the_step(tmp_path: Path, text: str, problem: str) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_faults(script)


def test_on_is_a_word_and_not_true(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("- {at_trade: 0, do: answer, status: 451, for: 2, on: websocket}\n- {at_trade: 1, do: reset}\n")
    answer, _ = read_faults(script)
    assert isinstance(answer, AnswerWith)
    assert answer.on == "websocket"
