"""What each exchange is asked about its past, and how its answers are read."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.connectors.binance_rest import AGGREGATES, TRADES, BinanceHistory
from coattail.connectors.coinbase_rest import CoinbaseHistory
from coattail.connectors.history import Ask, History, Search, WrongAnswer, smallest_key
from coattail.connectors.okx_rest import OkxHistory
from tests.harness.asked import BEGIN_MS, Answering, BinanceAnswering, CoinbaseAnswering, OkxAnswering, Past, past

T = TypeVar("T")


def found(search: Search[T], answering: Answering) -> tuple[T, int]:
    """(what it finds, how many questions it takes)."""
    asked = 0
    try:
        ask = next(search)
        while True:
            asked += 1
            ask = search.send(answering(httpx.Request("GET", f"https://x{ask.path}")).content)
    except StopIteration as end:
        result: T = end.value
        return result, asked


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 40)), max_size=80), st.integers(-1, 1500),
       st.integers(1, 9), st.booleans())  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_the_smallest_key_is_found_whatever_keys_there_are(
    steps: list[tuple[int, int]], value: int, size: int, upwards: bool
) -> None:
    keys = sorted({key for key, _ in steps})
    known, at = list[tuple[int, int]](), 0
    for key, (_, rise) in zip(keys, steps, strict=False):
        at += rise
        known.append((key, at))

    def page(body: bytes) -> list[tuple[int, int]]:
        key = int(body)
        if upwards:
            return [pair for pair in known if pair[0] >= key - size // 2][:size]
        return [pair for pair in known if pair[0] <= key + size // 2][-size:]

    newest = Ask(str(keys[-1] if keys else 0), 1)
    search = smallest_key(value, newest, lambda key: Ask(str(key), 1), page)
    body, rights = None, [key for key, there in known if there >= value]
    for _ in range(60):
        try:
            body = search.send(body).path.encode()  # type: ignore[arg-type]
        except StopIteration as end:
            found_key = end.value
            break
    assert found_key == (rights[0] if rights else None)


@pytest.mark.parametrize(
    ("history", "kind", "most"),
    [
        (BinanceHistory(), BinanceAnswering, 1),
        (CoinbaseHistory(), CoinbaseAnswering, 12),
        (OkxHistory(), OkxAnswering, 14),
    ],
)
def test_the_first_id_at_a_time_is_found(history: History, kind: type[BinanceAnswering], most: int) -> None:
    quiet = past(1, 3000, every_ms=60_000)
    busy = past(3001, 12_000, every_ms=10, begin_ms=quiet[-1].ms + 1)
    market, answering = quiet + busy, kind(quiet + busy)
    native, times = answering.native, [t.ms * 1000 for t in market]
    for at in (0, times[0], times[1] - 1, times[2999], times[3000] + 1, times[9_000], times[-1]):
        first, asked = found(history.first_id_at(native, at), answering)
        assert first == market[bisect_left(times, at)].id
        assert asked <= most
    assert found(history.first_id_at(native, times[-1] + 1000), answering)[0] is None
    assert found(history.newest(native), answering) == (12_000, 1)
    assert found(history.newest(native), kind([]))[0] is None


def test_the_aggregate_of_a_trade_is_found_in_few_questions() -> None:
    market = [Past(n, BEGIN_MS + n // (3 if n < 8_000 else 1)) for n in range(16_000)]
    answering = BinanceAnswering(market)
    for trade in (0, 1, 5_000, 7_999, 8_000, 15_000):
        key, asked = found(BinanceHistory().key_of("BTCUSDT", trade, AGGREGATES), answering)
        aggregate = answering.aggregates()[key or 0]
        assert int(str(aggregate["f"])) <= trade <= int(str(aggregate["l"]))
        assert asked <= 8


def test_what_is_asked_of_binance_costs_what_binance_says() -> None:
    history = BinanceHistory()
    assert history.page("BTCUSDT", 5, 9, TRADES) == Ask("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=5&limit=5", 25)
    assert history.page("BTCUSDT", 5, 9999, AGGREGATES) == Ask(
        "/api/v3/aggTrades?symbol=BTCUSDT&fromId=5&limit=1000", 4
    )
    assert history.limits[:2] == (6000, 60.0)


BINANCE_ROW = (
    b'{"id":870281750,"isBestMatch":true,"isBuyerMaker":true,"price":"38172.11000000","qty":"0.15000000",'
    b'"quoteQty":"5725.81650000","time":1621933655947}'
)


def test_a_trade_of_binance_is_read_whole() -> None:
    page = BinanceHistory().read(b"[" + BINANCE_ROW + b"]", 7, TRADES)
    (row,) = page.rows
    assert (row.received, row.trade_id, row.price, row.quantity) == (7, 870281750, "38172.11000000", "0.15000000")
    assert (row.side, row.timestamp, row.quote_volume) == ("sell", 1621933655947_000, None)
    assert page.payloads == [BINANCE_ROW]


def test_microseconds_are_known_by_their_size() -> None:
    body = b"[" + BINANCE_ROW.replace(b"1621933655947", b"1621933655947123") + b"]"
    assert BinanceHistory().read(body, 0, TRADES).rows[0].timestamp == 1621933655947123


def test_a_field_that_is_null_is_a_bad_row_and_not_a_bad_page() -> None:
    page = BinanceHistory().read(b"[" + BINANCE_ROW.replace(b'"38172.11000000"', b"null") + b"]", 0, TRADES)
    assert (page.rows[0].trade_id, page.rows[0].price) == (870281750, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"code":-1,"msg":"x"}', b"[1]", b"[{}]", b'[{"id":null,"a":null,"trade_id":null}]', b"[[]]",
     b'[{"id":"x","a":"x","trade_id":"x"}]', b"\xff", b"[" * 100_000, b'[{"id":1,"time":true,"trade_id":1,"a":1}]'],
)  # fmt: skip
@pytest.mark.parametrize("way", [TRADES, AGGREGATES, "trades"])
def test_what_is_no_page_is_refused(body: bytes, way: str) -> None:
    history = CoinbaseHistory() if way == "trades" else BinanceHistory()
    with pytest.raises(WrongAnswer):
        history.read(body, 0, way)


def test_two_trades_with_one_id_are_a_wrong_answer_and_a_repeat_is_one() -> None:
    other = BINANCE_ROW.replace(b"0.15", b"0.16")
    assert len(BinanceHistory().read(b"[" + BINANCE_ROW + b"," + BINANCE_ROW + b"]", 0, TRADES).rows) == 1
    with pytest.raises(WrongAnswer, match="two different trades have the id 870281750"):
        BinanceHistory().read(b"[" + BINANCE_ROW + b"," + other + b"]", 0, TRADES)


def test_what_is_listed_is_read_with_whether_it_trades() -> None:
    body = b'{"symbols":[{"symbol":"BTCUSDT","status":"TRADING"},{"symbol":"LUNAUSDT","status":"BREAK"}]}'
    assert BinanceHistory().read_listed(body) == {"BTCUSDT": True, "LUNAUSDT": False}
    products = b'[{"id":"BTC-USD","status":"online"},{"id":"XRP-USD","status":"delisted","trading_disabled":true}]'
    assert CoinbaseHistory().read_listed(products) == {"BTC-USD": True, "XRP-USD": False}
    for history in (BinanceHistory(), CoinbaseHistory()):
        with pytest.raises(WrongAnswer):
            history.read_listed(b"<html>")
