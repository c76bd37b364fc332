"""Live producers against Kraken, whose ids show no loss, and OKX, whose ids do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.connectors import kraken
from coattail.connectors.base import BaseConnector
from coattail.connectors.kraken import KrakenConnector
from coattail.connectors.okx import OkxConnector
from coattail.home import Home
from coattail.landing.coverage import Coverage
from coattail.producer import live as live_module
from coattail.producer.live import Producer
from coattail.producer.replay import replay
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import COVERAGE, SESSIONS
from tests.harness.asked import OkxAnswering, past
from tests.harness.commands import trades
from tests.harness.live import Live
from tests.harness.running import drained, new_home
from tests.harness.said import Saying, answering, kraken_message, kraken_trade, okx_trade, saying

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=300)


def second(number: int) -> str:
    """A time of these tests, as Kraken writes it."""
    return (NOW + timedelta(seconds=number)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def update(number: int, symbol: str = "BTC/USD") -> str:
    """A trade in the second of its number; its id is a multiple, because ids are only unique."""
    return kraken_message(kraken_trade(number * 17, second(number), symbol=symbol))


def acknowledge(text: str) -> Sequence[str]:
    """What Kraken answers: a success for each symbol."""
    asked = json.loads(text)["params"]["symbol"]
    results = [{"channel": "trade", "snapshot": True, "symbol": symbol} for symbol in asked]
    return [json.dumps({"method": "subscribe", "result": result, "success": True}) for result in results]


class Heard:
    """A producer that hears one connector."""

    def __init__(self, home: Home, connector: BaseConnector, **options: Any) -> None:
        options = {"least_free": 0, "journal": home.path / "live.json", **options}
        self.live = Live(Producer(LocalStream(home.stream), [connector], **options))
        self.feed = self.live.producer.feeds[0]

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def until(self, condition: Callable[[], bool]) -> None:
        self.live.until(condition)

    def arrived(self, count: int) -> bool:
        """Whether that many messages have come."""
        return self.feed.received["messages"] + len(self.feed.listener.inbox) >= count

    @property
    def reconnects(self) -> int:
        return sum(line.reconnects for line in self.feed.listener.health)


def stretches(home: Home) -> dict[str, list[tuple[int, int]]]:
    """Symbol -> the seconds between which everything was heard, as detectors are told."""
    drained(home)
    with closing(Lake(embedded(home.path), writable=False)) as lake:
        spans = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS)).spans()
    began = pl.lit(NOW).cast(pl.Datetime("us", "UTC"))
    seconds = spans.with_columns((pl.col("first_ts", "last_ts") - began).dt.total_seconds()).sort("symbol", "first_ts")
    found: dict[str, list[tuple[int, int]]] = {}
    for symbol, first, last in seconds.select("symbol", "first_ts", "last_ts").rows():
        found.setdefault(symbol, []).append((first, last))
    return found


def hear(heard: Heard, server: Saying, *messages: str) -> None:
    """The exchange says this to all, and it has arrived."""
    before = heard.feed.received["messages"] + len(heard.feed.listener.inbox)
    listeners = server.listeners
    server.say(*messages)
    heard.until(lambda: heard.arrived(before + listeners * len(messages)))


def come_back(heard: Heard, server: Saying, having: str = "") -> None:
    """Connections are cut, and made anew."""
    before, said = heard.reconnects, len(server.heard)
    lines = sum(having in line for line in server.lines)
    server.cut(having)
    heard.until(lambda: heard.reconnects >= before + lines and len(server.heard) >= said + lines)
    heard.until(lambda: server.listeners == len(heard.feed.listener.health))


@pytest.mark.parametrize("linger", [0.02, 60.0])
def test_after_a_loss_the_time_between_is_not_taken_for_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linger: float
) -> None:
    """Also if all of it goes to the stream at once."""
    monkeypatch.setattr(live_module, "LINGER_SECONDS", linger)
    home = new_home(tmp_path)
    with saying(acknowledge) as server:
        connector = KrakenConnector(symbols=("BTC-USD", "ETH-USD"), websocket_host=server.url)
        with Heard(home, connector) as heard:
            heard.until(lambda: server.listeners == 1)
            hear(heard, server, update(1), update(2), update(3, "ETH/USD"), update(5), update(6, "ETH/USD"))
            come_back(heard, server)
            hear(heard, server, update(20), update(21, "ETH/USD"), update(30), update(31, "ETH/USD"))
            assert heard.live.producer.state().exchanges[0].lines[0].reconnects == 1
    assert stretches(home) == {"BTC-USD": [(1, 5), (20, 30)], "ETH-USD": [(3, 6), (21, 31)]}


def test_what_another_connection_hears_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kraken, "_SYMBOLS_OF_A_LINE", 1)
    home = new_home(tmp_path)
    with saying(acknowledge) as server:
        connector = KrakenConnector(symbols=("BTC-USD", "ETH-USD"), websocket_host=server.url)
        with Heard(home, connector) as heard:
            heard.until(lambda: server.listeners == 2)
            hear(heard, server, update(1), update(2, "ETH/USD"), update(3), update(4, "ETH/USD"))
            come_back(heard, server, "ETH/USD")
            hear(heard, server, update(11), update(12, "ETH/USD"), update(13), update(14, "ETH/USD"))
    assert stretches(home) == {"BTC-USD": [(1, 13)], "ETH-USD": [(2, 4), (12, 14)]}
    assert len(trades(home.path)) == 8  # what both connections heard counts once


def test_what_a_snapshot_repeats_counts_once_and_what_it_adds_was_heard(tmp_path: Path) -> None:
    home, said = new_home(tmp_path), [1, 2]

    def answers(text: str) -> Sequence[str]:
        newest = [kraken_trade(n * 17, second(n)) for n in said]
        return [*acknowledge(text), kraken_message(*newest, kind="snapshot")]

    with saying(answers) as server, Heard(home, KrakenConnector(symbols=("BTC-USD",), websocket_host=server.url)) as h:
        h.until(lambda: h.arrived(2))
        hear(h, server, update(3))
        said += [3, 4, 5]  # 4 and 5 happen while nobody listens
        come_back(h, server)
        h.until(lambda: h.arrived(5))
        hear(h, server, update(6))
    assert stretches(home) == {"BTC-USD": [(1, 3), (4, 6)]}
    assert sorted(trades(home.path)["trade_id"]) == [17, 34, 51, 68, 85, 102]


@pytest.mark.parametrize(
    ("whole", "damaged", "ethereum"),
    [
        ("61000.1", "null", [(3, 6)]),
        ('"trade_id"', '"id"', [(3, 6)]),
        ("61000.1", "true", [(3, 3), (6, 6)]),  # a message that is damaged does not say of which symbol it is
        ("}]}", "", [(3, 3), (6, 6)]),
    ],
)
def test_after_a_damaged_trade_the_time_between_is_not_taken_for_observed(
    tmp_path: Path, whole: str, damaged: str, ethereum: list[tuple[int, int]]
) -> None:
    home, fourth = new_home(tmp_path), update(4).replace(whole, damaged)
    with saying(acknowledge) as server:
        connector = KrakenConnector(symbols=("BTC-USD", "ETH-USD"), websocket_host=server.url)
        with Heard(home, connector) as heard:
            heard.until(lambda: server.listeners == 1)
            said = [update(1), update(2), update(3, "ETH/USD"), fourth, update(5), update(6, "ETH/USD"), update(7)]
            hear(heard, server, *said)
    assert stretches(home) == {"BTC-USD": [(1, 2), (5, 7)], "ETH-USD": ethereum}
    assert len(trades(home.path)) == 6


def test_two_runs_are_two_sessions(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with saying(acknowledge) as server:
        connector = KrakenConnector(symbols=("BTC-USD",), websocket_host=server.url)
        for begin in (1, 11):
            with Heard(home, connector) as heard:
                heard.until(lambda: server.listeners == 1)
                hear(heard, server, update(begin), update(begin + 2))
    assert stretches(home) == {"BTC-USD": [(1, 3), (11, 13)]}


def test_a_recording_says_the_same(tmp_path: Path) -> None:
    home, again = new_home(tmp_path / "live"), new_home(tmp_path / "again")
    with saying(acknowledge) as server:
        connector = KrakenConnector(symbols=("BTC-USD",), websocket_host=server.url)
        with Heard(home, connector, record=tmp_path / "frames") as heard:
            heard.until(lambda: server.listeners == 1)
            hear(heard, server, update(1), update(3))
            come_back(heard, server)
            hear(heard, server, update(11), update(13))
    replay(sorted((tmp_path / "frames").iterdir()), LocalStream(again.stream))
    assert stretches(again) == stretches(home) == {"BTC-USD": [(1, 3), (11, 13)]}


def test_what_okx_said_while_nobody_listened_is_fetched_by_id(tmp_path: Path) -> None:
    home, market = new_home(tmp_path), past(1, 400, every_ms=10, begin_ms=int(NOW.timestamp() * 1000))

    def said(first: int, last: int) -> list[str]:
        return [okx_trade(t.id, t.ms, price=t.price, size=t.size) for t in market[first - 1 : last]]

    def subscribed(text: str) -> Sequence[str]:
        return ["pong"] if text == "ping" else ['{"event":"subscribe","connId":"a4d3ae55"}']

    past_trades = OkxAnswering(market)
    with saying(subscribed) as server, answering(past_trades) as rest:
        connector = OkxConnector(symbols=("BTC-USDT",), websocket_host=server.url, rest_host=rest)
        with Heard(home, connector) as heard:
            heard.until(lambda: server.listeners == 1)
            hear(heard, server, *said(1, 20))
            come_back(heard, server)
            hear(heard, server, *said(381, 400))
            heard.until(lambda: heard.feed.continuity["BTC-USDT"].floor == 400)
            state = heard.live.producer.state().exchanges[0].instruments[0]
    assert (state.gaps, state.refilled, state.lacking) == (1, 360, 0)
    drained(home)
    assert sorted(trades(home.path)["trade_id"]) == list(range(1, 401))
    assert len(past_trades.asked) <= 5
