"""One day of stored trades to alerts, by both engines and by scripts that somebody would write instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest

from benchmarks import report
from benchmarks.conftest import Size
from benchmarks.engines import drained
from benchmarks.measuring import Side, Spent, cpu_ratio, interleaved, ratio, seconds, spread, timed
from benchmarks.peers import duckdb_day, polars_day
from coattail.alerts import FINAL, Alert
from coattail.config import CLASSIC, DEFAULT, Settings, load_settings
from coattail.engines.local import LocalEngine
from coattail.engines.recompute import recompute
from coattail.engines.reduction import TradeFacts
from coattail.home import Home
from coattail.records import micros
from coattail.stores.catalog import embedded
from coattail.stores.files import TableFiles
from coattail.stores.lake import Lake
from coattail.values import read_value

Found = set[tuple[str, str | None, str, int]]
PEERS = {"DuckDB": duckdb_day.alerts, "Polars": polars_day.alerts}


@dataclass(frozen=True)
class Day:
    """A home with a day of trades in it."""

    home: Home
    trades: int
    paths: list[str]
    settings: Settings


@pytest.fixture(scope="module")
def day(one_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Day:
    done = drained(LocalEngine, one_day, tmp_path_factory.mktemp("home"))
    lake = Lake(embedded(done.home.path))
    paths = [file.file_path.removeprefix("file://") for file in lake.files("raw_trades")]
    lake.close()
    return Day(done.home, done.landed, paths, load_settings(done.home, overrides={"preset": "classic"}))


def closed(alerts: list[Alert]) -> Found:
    """What a script says of an alert: type, exchange, symbol, and the window's start or the order's time, µs."""

    def when(alert: Alert) -> int:
        details = msgspec.json.decode(alert.details)
        return micros(read_value(details.get("window_start") or details["timestamp"], datetime))

    return {(a.alert_type, a.exchange, a.symbol, when(a)) for a in alerts if a.status == FINAL}


def ours(day: Day, facts_of: Callable[[TableFiles], TradeFacts] | None = None) -> Found:
    lake = Lake(embedded(day.home.path))
    try:
        return closed(recompute(lake, day.settings, facts_of=facts_of).alerts)
    finally:
        lake.close()


def measured(day: Day, tmp_path: Path, rounds: int, work: Callable[[], Found], name: str) -> None:
    truth = ours(day)
    assert {kind for kind, *_ in truth} >= {"volume_spike", "whale_trade", "spread_divergence"}

    def side(work: Callable[[], Found]) -> Side:
        def run(_: Path) -> Spent:
            found: list[Found] = []
            spent = timed(lambda: found.append(work()))
            assert found == [truth], "not the same alerts"
            return spent

        return run

    peers = {name: side(partial(script, day.paths)) for name, script in PEERS.items()}
    times, *others = interleaved(tmp_path, rounds, side(work), *peers.values())
    best, peer = min(zip(others, peers, strict=True), key=lambda pair: seconds(pair[0]))
    report.row(
        name,
        ours=seconds(times),
        peer=seconds(best),
        unit="s",
        ratio=ratio(times, best),
        must=1.5,
        aim=1.0,
        less_is_better=True,
        note=f"{day.trades:,} trades, {len(truth)} equal alerts; peer: the {peer} script, the better of two; "
        f"{cpu_ratio(times, best)}; {spread(times)}",
    )


def test_a_day_reprocessed(day: Day, size: Size, tmp_path: Path) -> None:
    measured(day, tmp_path, size.rounds, lambda: ours(day), "one day reprocessed")


def again(day: Day, preset: str, facts_of: Callable[[TableFiles], TradeFacts] | None = None) -> Side:
    """Reprocesses the day under a preset; its alerts are the same each time, and the same as the local engine's."""
    settings = load_settings(day.home, overrides={"preset": preset})

    def ids(facts_of: Callable[[TableFiles], TradeFacts] | None) -> set[str]:
        lake = Lake(embedded(day.home.path))
        try:
            return {alert.alert_id for alert in recompute(lake, settings, facts_of=facts_of).alerts}
        finally:
            lake.close()

    truth = ids(None)
    assert truth, "no alert"

    def run(_: Path) -> Spent:
        found: list[set[str]] = []
        spent = timed(lambda: found.append(ids(facts_of)))
        assert found == [truth], "not the same alerts"
        return spent

    return run


def compared(day: Day, tmp_path: Path, rounds: int, where: str, side: Side, other: Side, peer: str) -> None:
    """No script computes the alerts of `default`, so the peer is ours too, and there is no budget."""
    times, others = interleaved(tmp_path, rounds, side, other)
    report.row(
        f"one day reprocessed{where}{report.under(DEFAULT)}",
        ours=seconds(times),
        peer=seconds(others),
        unit="s",
        ratio=ratio(times, others),
        must=None,
        aim=None,
        less_is_better=True,
        note=f"{day.trades:,} trades; peer: {peer}; {cpu_ratio(times, others)}; {spread(times)}",
    )


def test_a_day_reprocessed_by_the_default_preset(day: Day, size: Size, tmp_path: Path) -> None:
    compared(day, tmp_path, size.rounds, "", again(day, DEFAULT), again(day, CLASSIC), "ours under classic")


@pytest.mark.spark
@pytest.mark.usefixtures("warm_spark")
def test_a_day_reprocessed_on_spark(day: Day, size: Size, tmp_path: Path) -> None:
    from coattail.engines.spark_batch import facts_by
    from coattail.spark.session import spark_session, stop_session

    session = spark_session("bench")
    reduced = facts_by(session)
    measured(day, tmp_path / CLASSIC, size.rounds, lambda: ours(day, reduced), "one day reprocessed on Spark")
    sides = again(day, DEFAULT, reduced), again(day, DEFAULT)
    compared(day, tmp_path / DEFAULT, size.rounds, " on Spark", *sides, "the local engine")
    stop_session(session)
