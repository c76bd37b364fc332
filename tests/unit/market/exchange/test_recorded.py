from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import polars as pl
import pytest
from websockets.sync.client import ClientConnection

from coattail.errors import UsageError
from coattail.market import Market, write
from coattail.market.exchange import ServedVenue, recorded_tapes, serving
from coattail.recordings import Recording
from tests.harness.exchange_clients import heard, say

Listen = Callable[..., ClientConnection]
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from datetime import timedelta

    folder = tmp_path_factory.mktemp("recorded")
    write(Market(seed=3, duration=timedelta(minutes=4), planted=()), folder)
    return folder


def lines(path: Path, kind: str) -> list[bytes]:
    return [line.data for line in Recording(path).frames() if kind.encode() in line.data]


def test_a_recording_is_served_word_for_word(folder: Path, listen: Listen) -> None:
    recordings = [Recording(folder / f"{name}.frames.zst") for name in ("binance", "coinbase")]
    binance = lines(folder / "binance.frames.zst", '"e":"trade"')
    coinbase = lines(folder / "coinbase.frames.zst", '"type":"match"')
    with serving(recorded_tapes(recordings)) as served:
        streams = "/".join(f"{code.lower()}@trade" for code in served.binance.venue.tape.numbers)
        one, other = listen(served.binance, f"/stream?streams={streams}"), listen(served.coinbase)
        say(
            other,
            {"type": "subscribe", "product_ids": list(served.coinbase.venue.tape.numbers), "channels": ["matches"]},
        )
        heard(other, 1)
        served.binance.release()
        served.coinbase.release()
        received = [one.recv(timeout=5, decode=False) for _ in binance]
        matches = [other.recv(timeout=5, decode=False) for _ in range(served.coinbase.released)]
        one.close()
        other.close()
    assert sorted(received) == sorted(binance)
    last = lines(folder / "coinbase.frames.zst", '"type":"last_match"')
    as_matches = [message.replace(b"last_match", b"match") for message in last]
    assert sorted(matches) == sorted([*coinbase, *as_matches])


def test_rest_tells_the_same_trades(folder: Path, ask: Ask) -> None:
    with serving(recorded_tapes([Recording(folder / "binance.frames.zst")])) as served:
        served.binance.release()
        trades = ask(served.binance, "/api/v3/trades?symbol=BTCUSDT&limit=1000").json()
    recorded = [json.loads(line)["data"] for line in lines(folder / "binance.frames.zst", '"s":"BTCUSDT"')]
    assert [(each["id"], each["price"], each["qty"], each["time"], each["isBuyerMaker"]) for each in trades] == [
        (each["t"], each["p"], each["q"], each["T"], each["m"]) for each in recorded
    ][-1000:]


def test_a_trade_that_was_recorded_twice_is_there_once(folder: Path) -> None:
    path = folder / "binance.frames.zst"
    once, twice = (recorded_tapes([Recording(path)] * times)["binance"] for times in (1, 2))
    once.draw(position=10**9)
    twice.draw(position=10**9)
    assert once.end == twice.end == len(lines(path, '"e":"trade"'))


def test_a_tape_of_advanced_trade_has_the_takers_side(tmp_path: Path) -> None:
    trade = {"product_id": "BTC-USD", "price": "65083.67", "size": "0.002", "side": "SELL"}
    update = {
        "channel": "market_trades", "timestamp": "2026-08-09T21:05:48.228Z", "sequence_num": 3,
        "events": [{"type": "update", "trades": [
            {**trade, "trade_id": "12", "time": "2026-08-09T21:05:48.5Z"},
            {**trade, "trade_id": "11", "time": "2026-08-09T21:05:48.2Z", "side": "BUY"},
        ]}],
    }  # fmt: skip
    path = tmp_path / "advanced.frames"
    path.write_text(f"1786309548628000000 {json.dumps(update)}\n" * 2)
    tape = recorded_tapes([Recording(path)])["coinbase"]
    tape.draw(position=10)
    assert tape.slice(0, 10).select("id", "buy", "time").rows() == [
        (11, False, 1786309548200000), (12, True, 1786309548500000)
    ]  # fmt: skip
    assert tape.listings[0]._asdict() == {
        "code": "BTC-USD", "base": "BTC", "quote": "USD", "tick": "0.01", "lot": "0.001"
    }  # fmt: skip


AGGREGATE = (
    '{"e":"aggTrade","E":2,"s":"BTCUSDT","a":1,"p":"1.0","q":"1.0","f":1,"l":2,"T":1617566591314,"m":true,"M":true}'
)
FUTURE = '{"e":"trade","E":2,"s":"BTCUSDT","t":1,"p":"1.0","q":"1.0","T":1617566591314,"m":true,"X":"MARKET"}'


@pytest.mark.parametrize(
    ("message", "problem"),
    [(AGGREGATE, "aggregated trades only"), (FUTURE, "of binance usdm, which is not served")],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, message: str, problem: str) -> None:
    path = tmp_path / "x.frames"
    path.write_text(f"1617566591315000000 {message}\n")
    with pytest.raises(UsageError, match=problem):
        recorded_tapes([Recording(path)])


def test_a_loop_goes_on_with_further_ids_and_later_times(folder: Path) -> None:
    once = recorded_tapes([Recording(folder / "binance.frames.zst")])["binance"]
    once.draw(position=10**9)
    looped = recorded_tapes([Recording(folder / "binance.frames.zst")], loop=True)["binance"]
    looped.draw(position=3 * once.end)
    trades = looped.slice(0, 3 * once.end)
    assert trades.head(once.end).equals(once.slice(0, once.end))
    for _, ids in trades.group_by("listing"):
        assert ids["id"].diff().drop_nulls().unique().to_list() == [1]
    assert trades["time"].is_sorted()
    assert not trades["message"].tail(2 * once.end).is_not_null().any()


def seen(venue: ServedVenue) -> pl.DataFrame:
    return venue.trades().select("code", "trade_id", "price", "quantity", "side", "timestamp")


def test_a_recording_is_the_market_it_was_made_of(folder: Path) -> None:
    from datetime import timedelta

    market = Market(seed=3, duration=timedelta(minutes=4), planted=())
    recordings = [Recording(folder / f"{name}.frames.zst") for name in ("binance", "coinbase")]
    with serving(market) as simulated, serving(recorded_tapes(recordings)) as recorded:
        for name in ("binance", "coinbase"):
            recorded.venues[name].release()
            simulated.venues[name].release(recorded.venues[name].released - simulated.venues[name].released)
            mine, theirs = seen(recorded.venues[name]), seen(simulated.venues[name])
            whole = mine.filter(pl.col("timestamp") < market.end - timedelta(seconds=1))
            keys = ["code", "trade_id"]
            expected = theirs.filter(pl.col("timestamp") < market.end - timedelta(seconds=1))
            ms = pl.col("timestamp").dt.truncate("1ms" if name == "binance" else "1us")
            assert whole.sort(keys).equals(expected.with_columns(ms).sort(keys))
