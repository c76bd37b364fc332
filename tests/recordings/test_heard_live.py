"""A recording heard live lands the same trades and alerts as its replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.home import Home
from coattail.market import Market, write
from coattail.market.exchange import recorded_tapes, serving
from coattail.producer.replay import replay
from coattail.recordings import Recording
from coattail.streams.local import LocalStream
from tests.harness.live import listening
from tests.harness.running import drained, found, new_home


def replayed(folder: Path, paths: Sequence[Path]) -> Home:
    home = new_home(folder)
    replay(paths, LocalStream(home.stream))
    drained(home)
    return home


def heard(folder: Path, paths: Sequence[Path], symbols: dict[str, Sequence[str]], trades: int) -> Home:
    """The home of a producer that listened to exchanges that serve the recordings."""
    home = new_home(folder)
    with serving(recorded_tapes([Recording(path) for path in paths])) as served:
        with listening(home, served, symbols) as live:
            live.until(lambda: sum(venue.subscriptions for venue in served.venues.values()) >= len(symbols))
            for name in symbols:
                served.venues[name].release()
            live.until(lambda: sum(live.heard(name) for name in symbols) >= trades)
        assert sum(i.gaps for e in live.producer.state().exchanges for i in e.instruments) == 0
    drained(home)
    return home


def assert_same(one: Home, other: Home) -> None:
    first, second = found(one), found(other)
    assert first.trades == second.trades
    assert first.alerts == second.alerts
    assert first.bars == second.bars


def test_real_sessions_of_binance_heard_live_land_as_replayed(recordings: Path, tmp_path: Path) -> None:
    paths = [recordings / "binance-ws" / f"spot_{name}_20240808.gz" for name in ("btcusdt", "ethusdt")]
    there = replayed(tmp_path / "replayed", paths)
    count = len(found(there).trades)
    assert count > 9_757
    here = heard(tmp_path / "heard", paths, {"binance": ("BTC-USDT", "ETH-USDT")}, count)
    assert found(there).alerts
    assert_same(here, there)


@pytest.mark.parametrize("seed", [7])
def test_a_market_with_events_heard_live_lands_as_replayed(tmp_path: Path, seed: int) -> None:
    written = write(Market(seed=seed, rate=0.3, duration=timedelta(minutes=100)), tmp_path / "market")
    paths = [written.recordings[name] for name in ("binance", "coinbase")]
    there = replayed(tmp_path / "replayed", paths)
    coinbase = ("BTC-USD", "ETH-USD", "SOL-USD", "USDT-USD")
    symbols = {"binance": ("BTC-USDT", "ETH-USDT", "SOL-USDT"), "coinbase": coinbase}
    here = heard(tmp_path / "heard", paths, symbols, len(found(there).trades))
    assert found(there).alerts
    assert_same(here, there)
