"""The feed's own faults in one market, through frames and the engine: none is called a volume or a spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from coattail.alerts import Alert
from coattail.connectors import CONNECTORS
from coattail.detectors import DETECTORS, Facts
from coattail.engines.local import LocalEngine
from coattail.market import (
    Market,
    PlantedBacklog,
    PlantedDepeg,
    PlantedOutlier,
    PlantedRefilledGap,
    PlantedStall,
    market_facts,
)
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.stores.current import current_alerts
from coattail.stores.lake import Lake
from coattail.tables import COVERAGE, QUALITY_METRICS
from tests.harness.running import AT_ONCE, feed, new_home, settings_of
from tests.harness.scenes import evenly

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


def faulty() -> Market:
    """The five faults in one market."""
    return Market(
        seed=5,
        start=START,
        duration=timedelta(hours=5),
        rate=0.5,
        heartbeat=None,
        planted=(
            PlantedOutlier(exchange="binance", symbol="BTC-USDT", start=at(100), pct=2.0),
            PlantedDepeg(start=at(120), length=20 * MINUTE, pct=-1.5),
            PlantedStall(exchange="coinbase", start=at(170), length=5 * MINUTE),
            PlantedRefilledGap(
                exchange="binance", symbol="ETH-USDT", start=at(210), length=4 * MINUTE, after=10 * MINUTE
            ),
            PlantedBacklog(exchange="coinbase", start=at(250), length=8 * MINUTE),
        ),
    )


class Landed:
    def __init__(self, lake: Lake, preset: str) -> None:
        self.coverage = lake.scan(COVERAGE)
        self.quality = lake.scan(QUALITY_METRICS)
        self.alerts = current_alerts(lake, None, now=START).filter(pl.col("preset") == preset)
        spreads = lake.iceberg("exchange_spreads").scan().to_arrow()
        volumes = lake.iceberg("volume_aggregates").scan().to_arrow()
        self.spreads, self.volumes = pl.DataFrame(spreads), pl.DataFrame(volumes)


def said(alerts: pl.DataFrame) -> list[tuple[object, ...]]:
    return alerts.select("alert_type", "exchange", "symbol", "detected_at").rows()


def quiet(preset: str) -> pl.DataFrame:
    """The alerts of the same market without faults."""
    market = replace(faulty(), planted=())
    facts = market_facts(market)
    judging = Facts(
        bars=facts.bars,
        orders=facts.orders,
        spans=facts.spans,
        since=market.start,
        until=market.end + timedelta(hours=1),
        watermark=market.end,
    )
    found = [alert for kind in DETECTORS[preset].values() for alert in kind().flag(kind().score(judging))]
    rows = [[getattr(a, f.name) for f in fields(Alert)] for a in found]
    return pl.DataFrame(rows, schema=[f.name for f in fields(Alert)], orient="row")


@pytest.fixture(scope="module", params=["default", "classic"])
def landed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Landed]]:
    records: list[Record] = []
    for frame in faulty().frames():
        session = f"{frame.exchange}-{frame.connection}"
        records += CONNECTORS[frame.exchange]().records(frame.data, frame.received // 1000, session=session)
    home = new_home(tmp_path_factory.mktemp("faulty") / "home")
    with LocalEngine(home, settings_of({**AT_ONCE, "preset": request.param})) as engine:
        feed(engine._stream, evenly(records, 12))
        engine.drain()
    lake = Lake(embedded(home.path), writable=False)
    yield request.param, Landed(lake, request.param)
    lake.close()


def test_only_the_depeg_and_the_stall_are_alerts_under_default(landed: tuple[str, Landed]) -> None:
    """Alarms of the same market without the faults are left out: the budget allows them."""
    preset, found = landed
    anyway = said(quiet(preset))
    alerts = [row for row in said(found.alerts) if row not in anyway]
    if preset == "classic":
        assert len(alerts) > 50, (
            "the control: without abstention and conversion the same market raises alarms all the time"
        )
        return
    assert sorted(alerts) == [
        ("stablecoin_depeg", "coinbase", "USDT-USD", at(121.5)),
        ("venue_stall", "coinbase", "ALL", at(172)),
    ]


def test_each_fault_is_reported_as_what_it_is(landed: tuple[str, Landed]) -> None:
    preset, found = landed
    if preset == "default":
        beside = found.spreads.filter((pl.col("symbol") == "BTC-USD") & (pl.col("window_start") == at(100)))
        assert beside["net_pct"].abs().max() < 0.1, "a print 2 % off moves no median"
        assert beside["state"].to_list() == ["judged"]
        stalled = found.volumes.filter(pl.col("state") == "stalled")["window_start"]
        assert stalled.min() == at(170)
        assert stalled.max() == at(174)
    assert set(found.coverage["state"]) == {"live"}, "the gap was refilled, and the ledger says so"
    assert found.quality["records_late"].sum() > 500, "backlog and refill came late, and are counted"
