"""Real recordings by every way: both engines, live and drained, half and half, and recomputed. One result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coattail.config import load_settings
from coattail.engines.engine import Engine
from coattail.engines.local import LocalEngine
from coattail.engines.recompute import recompute
from coattail.engines.spark import SparkEngine
from coattail.home import Home
from coattail.producer.replay import replay
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.harness.running import Found, found

FILES = (
    "binance-ws/spot_btcusdt_20240808.gz",
    "binance-ws/usdm_btcusdt_20240808.gz",
    "coinbase-ws-2018/gdax_raw_all_types_20180417.csv.gz",
)
SMALL = {"preset": "classic", "engine.batch_bytes": "64 KiB", "spark.batch_bytes": "256 KiB", "engine.trigger": "10ms"}

Way = Callable[[Home], None]


def drained(kind: type[Engine]) -> Way:
    def land(home: Home) -> None:
        with kind(home, load_settings(home, overrides=SMALL)) as engine:
            engine.drain()

    return land


def live(kind: type[Engine]) -> Way:
    def land(home: Home) -> None:
        stop = threading.Event()
        with kind(home, load_settings(home, overrides=SMALL)) as engine:
            thread = threading.Thread(target=engine.run, args=(stop,))
            thread.start()
            while engine.waiting_bytes and thread.is_alive():
                stop.wait(0.05)
            stop.set()
            thread.join()

    return land


def half_and_half(home: Home) -> None:
    class Enough(Exception):
        pass

    def enough(_: object) -> None:
        raise Enough

    for kind in (LocalEngine, SparkEngine):
        with suppress(Enough), kind(home, load_settings(home, overrides=SMALL)) as engine:
            engine.drain(enough)
    drained(LocalEngine)(home)


def by(way: Way, recordings: Path, folder: Path) -> tuple[Home, Found]:
    home = Home.open(folder / "home", create=True)
    replay([recordings / name for name in FILES], LocalStream(home.stream))
    way(home)
    return home, found(home)


@pytest.fixture(scope="module")
def reference(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Found]:
    return by(drained(LocalEngine), recordings, tmp_path_factory.mktemp("reference"))


def assert_same(actual: Found, wanted: Found) -> None:
    assert wanted.trades
    assert actual.trades == wanted.trades
    assert actual.bars == wanted.bars
    assert actual.alerts == wanted.alerts
    assert actual.texts == wanted.texts
    assert actual.rejected == wanted.rejected
    assert actual.counts == wanted.counts


def test_local_live(reference: tuple[Home, Found], recordings: Path, tmp_path: Path) -> None:
    assert_same(by(live(LocalEngine), recordings, tmp_path)[1], reference[1])


@pytest.mark.parametrize(
    "way", [drained(SparkEngine), live(SparkEngine), half_and_half], ids=["drain", "live", "half and half"]
)
def test_on_spark(way: Way, spark: Any, reference: tuple[Home, Found], recordings: Path, tmp_path: Path) -> None:
    assert_same(by(way, recordings, tmp_path)[1], reference[1])


def test_recomputed_here_and_on_spark(
    spark: Callable[[Home], Any], reference: tuple[Home, Found], recordings: Path
) -> None:
    from coattail.engines.spark_batch import facts_by

    home, wanted = reference
    lake = Lake(embedded(home.path), writable=False)
    for facts_of in (None, facts_by(spark(home))):
        again = recompute(lake, load_settings(home, overrides=SMALL), facts_of=facts_of)
        assert {a.alert_id: a.details for a in again.alerts} == wanted.texts
    lake.close()
