"""Live producers against exchanges on loopback: whatever happens on the way, every trade lands once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from coattail import Workspace
from coattail.home import Home
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import AnswerWith, Drop
from coattail.producer import feed
from coattail.producer.replay import replay
from coattail.records import Trade
from coattail.streams.local import LocalStream
from tests.harness.commands import trades, until
from tests.harness.live import Live, assert_exact, connectors_of, listening, public
from tests.harness.running import drained, new_home

pytestmark = pytest.mark.slow

SYMBOLS = {"binance": ("BTC-USDT", "ETH-USDT"), "coinbase": ("BTC-USD", "USDT-USD")}


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Market(seed=7, duration=timedelta(hours=1))) as exchanges:
        yield exchanges


def release(served: Served, count: int) -> None:
    for name in SYMBOLS:
        served.venues[name].release(count)


def hear(served: Served, live: Live, count: int) -> None:
    """Both exchanges make trades public, and the producer has them."""
    release(served, count)
    live.until(lambda: live.up_to_date(served, SYMBOLS))


def cut(served: Served) -> None:
    """Every connection is reset, and nobody comes back at once."""
    for venue in served.venues.values():
        venue.strike(AnswerWith(at_trade=0, seconds=0.3, on="websocket"))
        served.call(lambda venue=venue: [connection.reset() for connection in list(venue.venue.connections)])  # type: ignore[misc]


def causes(home: Home) -> set[tuple[str, str]]:
    """(state, cause) of what was missed, without times."""
    drained(home)
    with Workspace(home.path) as ws:
        rows = ws.table("coverage").filter(pl.col("state").is_in(["gap", "backfilled"]))
    return {
        (state, re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME", why))
        for state, why in rows["state", "cause"].rows()
    }


def test_what_exchanges_say_lands_as_they_said_it(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 500)
    assert_exact(home, served, SYMBOLS)


def test_what_is_missed_while_a_connection_is_down_is_fetched(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 500)
        for times in (1, 2, 3):
            cut(served)
            release(served, 300)
            live.until(partial(live.is_back, served, times))
            hear(served, live, 200)
        state = live.producer.state()
    assert sum(i.refilled for e in state.exchanges for i in e.instruments) > 0
    assert sum(line.reconnects for e in state.exchanges for line in e.lines) >= 3
    assert_exact(home, served, SYMBOLS)
    for attempt in range(2):  # an engine that starts again reads the words from the table
        for backfilled, why in causes(home):
            assert backfilled == "backfilled"
            assert re.fullmatch(r"the connection was lost \(.+\), and made anew at TIME", why), (attempt, why)


def test_what_is_missed_between_two_runs_is_fetched(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 400)
    release(served, 500)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 300)
    assert_exact(home, served, SYMBOLS)
    assert causes(home) == {("backfilled", "nobody listened from TIME to TIME")}


def test_what_is_left_out_while_the_connection_is_open_is_fetched_and_said(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 300)
        served.binance.strike(Drop(at_trade=0, trades=50))
        hear(served, live, 300)
    assert_exact(home, served, SYMBOLS)
    assert causes(home) == {("backfilled", "left out by the exchange while the connection was open")}


def test_the_feed_of_advanced_trade_is_as_good(tmp_path: Path, served: Served) -> None:
    home, symbols = new_home(tmp_path), {"advanced": ("BTC-USD", "USDT-USD")}

    def release(count: int) -> None:
        served.coinbase.release(count)  # whose REST service has the history of both
        served.advanced.release(count)

    with listening(home, served, symbols, {"advanced": "market_trades"}) as live:
        for times in (1, 2):
            release(300)
            live.until(lambda: live.up_to_date(served, symbols))
            cut(served)
            release(300)  # a snapshot shows a hundred of these at most
            live.until(partial(live.is_back, served, times))
            release(100)
            live.until(lambda: live.up_to_date(served, symbols))
    assert_exact(home, served, symbols)


def test_a_history_that_is_behind_its_feed_is_asked_again(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ASK_AGAIN_SECONDS", (0.5,) * 30)
    home, symbols = new_home(tmp_path), {"advanced": ("BTC-USD",)}
    with listening(home, served, symbols, {"advanced": "market_trades"}) as live:
        served.advanced.release(100)
        live.until(lambda: live.up_to_date(served, symbols))
        cut(served)
        served.advanced.release(600)
        live.until(partial(live.is_back, served, 1))
        live.until(lambda: sum(live.producer.feeds[0].missing.values()) > 0)
        served.coinbase.release(700)
        live.until(lambda: live.up_to_date(served, symbols))
        assert live.producer.state().exchanges[0].instruments[0].lacking == 0
    assert_exact(home, served, symbols)


def test_what_the_exchange_never_gives_is_given_up_and_counted(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ASK_AGAIN_SECONDS", (0.1, 0.1))
    home, symbols = new_home(tmp_path), {"advanced": ("BTC-USD",)}
    with listening(home, served, symbols, {"advanced": "market_trades"}) as live:
        served.advanced.release(100)
        live.until(lambda: live.up_to_date(served, symbols))
        cut(served)
        served.advanced.release(600)
        live.until(lambda: live.producer.state().exchanges[0].instruments[0].lacking > 0)
        live.until(lambda: not live.missing)


def test_aggregates_cover_the_same_ids(tmp_path: Path, served: Served) -> None:
    home, symbols = new_home(tmp_path), {"binance": ("BTC-USDT",)}
    with listening(home, served, symbols, {"binance": "aggTrade"}) as live:
        served.binance.release(1000)
        live.until(lambda: live.heard("binance") > 0 and not live.missing)
        cut(served)
        served.binance.release(1000)
        live.until(lambda: live.is_back(served, 1))
        served.binance.release(1000)
        newest = public(served, symbols).filter("live")["trade_id"].max()
        live.until(lambda: (live.newest("binance")["BTC-USDT"] or 0) >= newest - 50 and not live.missing)
    drained(home)
    rows = trades(home.path).sort("trade_id")
    truth = public(served, symbols).filter(
        pl.col("trade_id").is_between(rows["trade_id"].min(), rows["last_trade_id"].max())
    )
    assert (rows["trade_id"][1:] == rows["last_trade_id"][:-1] + 1).all()
    assert (rows["last_trade_id"] > rows["trade_id"]).any()
    assert rows["quantity"].sum() == pytest.approx(truth["quantity"].sum())


def test_a_recording_replays_to_the_same_trades(tmp_path: Path, served: Served) -> None:
    home, again = new_home(tmp_path / "live"), new_home(tmp_path / "again")
    with listening(home, served, SYMBOLS, record=tmp_path / "frames") as live:
        hear(served, live, 500)
    paths = list((tmp_path / "frames").iterdir())
    assert len(paths) == len(SYMBOLS)
    replay(paths, LocalStream(again.stream))
    assert_exact(again, served, SYMBOLS)
    assert_exact(home, served, SYMBOLS)


def test_a_connector_streams_the_trades_it_hears(served: Served) -> None:
    [connector] = connectors_of(served, {"binance": ("BTC-USDT",)})

    async def first(count: int) -> list[Trade]:
        found: list[Trade] = []
        async with aclosing(connector.stream()) as stream:
            releasing = asyncio.create_task(asyncio.to_thread(release_when_heard))
            async for trade in stream:
                found.append(trade)
                if len(found) == count:
                    break
            await releasing
        return found

    def release_when_heard() -> None:
        until(lambda: served.binance.subscriptions > 0)
        served.binance.release(200)

    heard = asyncio.run(first(50))
    ids = [trade.trade_id for trade in heard]
    assert ids == public(served, {"binance": ("BTC-USDT",)}).filter("live")["trade_id"].to_list()[:50]
    assert {trade.source for trade in heard} == {"live"}
