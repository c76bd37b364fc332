from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import polars as pl
import pytest

from coattail.market import Market
from coattail.market.exchange import HostLimits, Served, serving

Ask = Callable[..., httpx.Response]


def test_binance_pages_by_id_meet_every_trade_once(served: Served, ask: Ask) -> None:
    served.binance.release(6_000)
    expected = served.binance.trades().filter(code="BTCUSDT")
    found: list[dict[str, object]] = []
    next_id = expected["trade_id"][0]
    while page := ask(
        served.binance, "/api/v3/historicalTrades", params={"symbol": "BTCUSDT", "fromId": next_id, "limit": 700}
    ).json():
        found += page
        next_id = page[-1]["id"] + 1
    assert [each["id"] for each in found] == expected["trade_id"].to_list()
    assert [each["price"] for each in found] == expected["price"].to_list()
    assert [each["isBuyerMaker"] for each in found] == (expected["side"] == "sell").to_list()
    newest = ask(served.binance, "/api/v3/trades", params={"symbol": "BTCUSDT", "limit": 3}).json()
    assert newest == found[-3:]


def test_binance_aggregates_are_found_by_id_and_by_time(served: Served, ask: Ask) -> None:
    served.binance.release(3_000)

    def page(**params: object) -> list[dict[str, int]]:
        return ask(served.binance, "/api/v3/aggTrades", params={"symbol": "BTCUSDT", **params}).json()

    latest = page(limit=1000)
    first = latest[0]
    assert page(fromId=first["a"], limit=10) == latest[:10]
    assert page(startTime=first["T"], limit=10) == latest[:10]
    assert page(startTime=first["T"] * 1000, limit=1)[0] == first
    assert page(endTime=latest[-5]["T"], limit=2)[-1]["T"] == latest[-5]["T"]
    between = page(startTime=latest[10]["T"], endTime=latest[20]["T"])
    assert [each["a"] for each in between] == [
        each["a"] for each in latest if latest[10]["T"] <= each["T"] <= latest[20]["T"]
    ]
    trades = served.binance.trades().filter(pl.col("code") == "BTCUSDT", pl.col("trade_id") >= first["f"])
    ids = [number for each in latest for number in range(each["f"], each["l"] + 1)]
    assert ids == trades["trade_id"].to_list()[: len(ids)]


def test_rest_shows_only_what_has_been_released(served: Served, ask: Ask) -> None:
    served.release(Market().start + timedelta(seconds=30))
    for venue, path, field in (
        (served.binance, "/api/v3/trades?symbol=BTCUSDT&limit=1", "id"),
        (served.coinbase, "/products/BTC-USD/trades?limit=1", "trade_id"),
    ):
        code = "BTCUSDT" if venue is served.binance else "BTC-USD"
        newest = venue.trades().filter(code=code)
        assert ask(venue, path).json()[0][field] == newest["trade_id"][-1]
        assert newest["timestamp"][-1] <= Market().start + timedelta(seconds=30)


def test_coinbase_pages_backward_with_after_and_meet_every_trade(served: Served, ask: Ask) -> None:
    served.coinbase.release(3_000)
    expected = served.coinbase.trades().filter(code="BTC-USD")
    found: list[dict[str, object]] = []
    cursor: str | None = None
    while True:
        params = {"limit": 300, **({"after": cursor} if cursor else {})}
        answer = ask(served.coinbase, "/products/BTC-USD/trades", params=params)
        found += answer.json()
        cursor = answer.headers.get("cb-after")
        if cursor is None:
            break
    assert [each["trade_id"] for each in found] == expected["trade_id"].reverse().to_list()
    flipped = {"buy": "sell", "sell": "buy"}
    assert [each["side"] for each in found] == [flipped[side] for side in expected["side"].reverse()]


def test_before_gives_the_newest_page_above_the_cursor_not_the_next(served: Served, ask: Ask) -> None:
    served.coinbase.release(1_000)
    ids = served.coinbase.trades().filter(code="BTC-USD")["trade_id"]
    answer = ask(served.coinbase, "/products/BTC-USD/trades", params={"limit": 10, "before": ids[0]})
    assert [each["trade_id"] for each in answer.json()] == ids[-10:].reverse().to_list()
    assert (answer.headers["cb-before"], answer.headers["cb-after"]) == (str(ids[-1]), str(ids[-10]))
    assert ask(served.coinbase, "/products/BTC-USD/trades", params={"before": ids[-1]}).json() == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v3/trades", 400, -1102),
        ("/api/v3/trades?symbol=XUSDT", 400, -1121),
        ("/api/v3/trades?symbol=btcusdt", 400, -1100),
        ("/api/v3/trades?symbol=BTCUSDT&limit=x", 400, -1100),
        ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
    ],
)
def test_binance_refuses_in_its_own_words(served: Served, ask: Ask, path: str, status: int, code: int) -> None:
    answer = ask(served.binance, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_binance_counts_weight_and_then_refuses(ask: Ask) -> None:
    minute = -1
    while minute != int(time.time() // 60):  # once more where a new minute began in between
        minute = int(time.time() // 60)
        with serving(Market(seed=7), limits=HostLimits(binance_weight=30, binance_patience=1)) as served:
            answers = [ask(served.binance, "/api/v3/trades?symbol=BTCUSDT") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 418]
    assert [answer.headers["x-mbx-used-weight-1m"] for answer in answers] == ["25", "50", "75"]
    assert 0 < int(answers[1].headers["retry-after"]) <= 60 < int(answers[2].headers["retry-after"])


def test_coinbase_allows_a_burst_and_then_refuses(ask: Ask) -> None:
    with serving(Market(seed=7), limits=HostLimits(coinbase_requests=0.001, coinbase_burst=2)) as served:
        answers = [ask(served.coinbase, "/time") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_what_is_listed_is_what_is_traded(served: Served, ask: Ask) -> None:
    symbols = ask(served.binance, "/api/v3/exchangeInfo").json()["symbols"]
    assert [(each["symbol"], each["baseAsset"], each["quoteAsset"], each["status"]) for each in symbols] == [
        ("BTCUSDT", "BTC", "USDT", "TRADING"), ("ETHUSDT", "ETH", "USDT", "TRADING"),
        ("SOLUSDT", "SOL", "USDT", "TRADING"),
    ]  # fmt: skip
    assert symbols[0]["filters"][0] == {
        "filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    }  # fmt: skip
    products = ask(served.coinbase, "/products").json()
    assert [each["id"] for each in products] == ["BTC-USD", "ETH-USD", "SOL-USD", "USDT-USD"]
    assert {each["id"] for each in ask(served.coinbase, "/currencies").json()} == {"BTC", "ETH", "SOL", "USD", "USDT"}


def test_a_connection_serves_many_requests(served: Served) -> None:
    with httpx.Client(base_url=served.binance.rest_url, trust_env=False, limits=httpx.Limits(max_connections=1)) as one:
        assert [one.get("/api/v3/ping").json() for _ in range(3)] == [{}, {}, {}]
        assert len(served.exchanges.venues["binance"].connections) == 1
        assert one.post("/api/v3/ping", content=b"x").status_code == 405
        assert one.get("/nowhere").status_code == 404
