from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
import polars as pl

from coattail.market.exchange import Served

Ask = Callable[..., httpx.Response]


def test_summaries_are_those_of_the_trades_released(served: Served, ask: Ask) -> None:
    served.binance.release(4_000)
    trades = served.binance.trades().filter(code="BTCUSDT")
    price = trades["price"].cast(pl.Float64)
    volume = sum(map(Decimal, trades["quantity"]), Decimal(0))
    day = ask(served.binance, "/api/v3/ticker/24hr?symbol=BTCUSDT").json()
    assert (day["lastPrice"], day["count"], Decimal(day["volume"])) == (trades["price"][-1], trades.height, volume)
    assert (float(day["highPrice"]), float(day["lowPrice"])) == (price.max(), price.min())
    assert ask(served.binance, "/api/v3/ticker/price").json()[0] == {"symbol": "BTCUSDT", "price": trades["price"][-1]}
    candles = ask(served.binance, "/api/v3/klines?symbol=BTCUSDT&interval=1m").json()
    assert sum(Decimal(row[5]) for row in candles) == volume
    assert sum(row[8] for row in candles) == trades.height
    assert all(row[0] % 60_000 == 0 and row[6] == row[0] + 59_999 for row in candles)
    assert ask(served.binance, "/api/v3/klines?symbol=BTCUSDT&interval=7m").json()["code"] == -1120


def test_coinbase_sums_up_too(served: Served, ask: Ask) -> None:
    served.coinbase.release(2_000)
    trades = served.coinbase.trades().filter(code="BTC-USD")
    ticker = ask(served.coinbase, "/products/BTC-USD/ticker").json()
    assert (ticker["trade_id"], Decimal(ticker["price"])) == (trades["trade_id"][-1], Decimal(trades["price"][-1]))
    volume = sum(map(Decimal, trades["quantity"]), Decimal(0))
    assert Decimal(ask(served.coinbase, "/products/BTC-USD/stats").json()["volume"]) == volume
    candles = ask(served.coinbase, "/products/BTC-USD/candles?granularity=60").json()
    assert candles[0][0] > candles[-1][0]


def test_what_needs_a_key_is_refused_as_binance_does(served: Served, ask: Ask) -> None:
    answer = ask(served.binance, "/sapi/v1/capital/config/getall")
    assert (answer.status_code, answer.json()["code"]) == (401, -2014)
    assert ask(served.binance, "/fapi/v1/exchangeInfo").json()["symbols"] == []
