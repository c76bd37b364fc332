"""Live producers against exchanges on loopback: whatever happens on the way, every trade lands once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.producer.replay import replay
from coattail.streams.local import LocalStream
from tests.harness.live import Live, assert_exact, listening
from tests.harness.running import new_home

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
    """Every connection is reset."""
    for venue in served.venues.values():
        served.call(lambda venue=venue: [connection.reset() for connection in list(venue.venue.connections)])  # type: ignore[misc]


def test_what_exchanges_say_lands_as_they_said_it(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 500)
    assert_exact(home, served, SYMBOLS)


def test_what_is_missed_while_a_connection_is_down_is_fetched(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 500)
        for _ in range(3):
            cut(served)
            release(served, 300)
            live.until(lambda: live.listening)
            hear(served, live, 200)
        state = live.producer.state()
    assert sum(i.refilled for e in state.exchanges for i in e.instruments) > 0
    assert sum(line.reconnects for e in state.exchanges for line in e.lines) >= 3
    assert_exact(home, served, SYMBOLS)


def test_what_is_missed_between_two_runs_is_fetched(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 400)
    release(served, 500)
    with listening(home, served, SYMBOLS) as live:
        hear(served, live, 300)
    assert_exact(home, served, SYMBOLS)


def test_a_recording_replays_to_the_same_trades(tmp_path: Path, served: Served) -> None:
    home, again = new_home(tmp_path / "live"), new_home(tmp_path / "again")
    with listening(home, served, SYMBOLS, record=tmp_path / "frames") as live:
        hear(served, live, 500)
    paths = list((tmp_path / "frames").iterdir())
    assert len(paths) == len(SYMBOLS)
    replay(paths, LocalStream(again.stream))
    assert_exact(again, served, SYMBOLS)
    assert_exact(home, served, SYMBOLS)
