"""A place of AWS beside the home's own stores, on this machine: services are emulated, so figures are of the client.

The emulator (ministack) is one Python process beside the engine: it takes a share of the same cores, which AWS does
not, and answers within a millisecond, which AWS does not either.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from benchmarks import report
from benchmarks.conftest import Size
from benchmarks.engines import drained
from benchmarks.measuring import Spent, cpu_ratio, interleaved, ratio, seconds, spread, timed
from coattail.alerts import Alert
from coattail.config import CLASSIC, load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.stores.lake import Lake
from coattail.stores.opening import open_hot, open_lake
from coattail.streams.local import LocalStream
from coattail.streams.opening import open_stream
from coattail.tables import COVERAGE
from tests.harness.aws_place import folder_there, hot_there, lake_there, stream_there
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.faulty_front import Faults, faulty
from tests.harness.running import feed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")
EMULATED = "emulated: loopback, no latency of a network, and the emulator on the same cores"
_number = itertools.count(1)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with emulator() as address:
            yield address


def stores(service: str) -> dict[str, object]:
    """Lake, hot store and dead letters in a new corner of the service."""
    name = f"bench{next(_number)}"
    return {
        "lake": lake_there(name, service),
        "hot.url": hot_there(name, service),
        "dlq.url": folder_there(f"{name}-dlq", service),
    }


def fed(backlog: Path, service: str) -> str:
    """The address of a stream of the service that holds the backlog."""
    url = stream_there(f"bench{next(_number)}", service, shards=4)
    here, there = LocalStream(backlog), open_stream(url, backlog)
    after: dict[str, str] = {}
    while (read := here.read(after, limit_bytes=1 << 20)).packs:
        there.append([(pack.lane, pack.data) for pack in read.packs])
        after = dict(read.offsets)
    return url


def test_drain_through_kinesis_to_s3_and_dynamodb(
    backlog: Callable[[float], Path], service: str, size: Size, tmp_path: Path
) -> None:
    stream = backlog(0.3)
    url, landed = fed(stream, service), set[int]()

    def here(folder: Path) -> Spent:
        done = drained(LocalEngine, stream, folder)
        landed.add(done.landed)
        return done.spent

    def there(folder: Path) -> Spent:
        settings = load_settings(None, preset=CLASSIC, overrides={**stores(service), "stream.url": url})
        with LocalEngine(Home.open(folder / "home", create=True), settings) as engine:

            def work() -> None:
                engine.drain()
                engine.commit_derived()

            spent = timed(work)
            landed.add(engine.totals.landed)
        return spent

    mine, other = interleaved(tmp_path, size.rounds, there, here)
    assert len(landed) == 1, "the same trades"
    trades = landed.pop()
    report.row(
        "drain through emulated Kinesis, S3, Glue and DynamoDB",
        ours=trades / seconds(mine) / 1e3,
        peer=trades / seconds(other) / 1e3,
        unit="thousand trades/s",
        ratio=ratio(other, mine),
        must=0.5,
        aim=0.8,
        note=f"peer: the home's own stores; {cpu_ratio(other, mine)}; {EMULATED}; {spread(mine)}",
    )


def test_commits_a_second(service: str, size: Size, tmp_path: Path) -> None:
    rows = COVERAGE.conform(pl.DataFrame({
        "exchange": ["binance"], "symbol": ["BTC-USDT"], "first_id": [1], "last_id": [2], "state": ["live"],
    }))  # fmt: skip
    commits = 20

    def side(settings: Callable[[], dict[str, object]]) -> Callable[[Path], Spent]:
        def run(folder: Path) -> Spent:
            home = Home.open(folder / "home", create=True)
            with closing(open_lake(home, load_settings(None, overrides=settings()), writable=True)) as lake:
                lake.create(COVERAGE)

                def work() -> None:
                    for _ in range(commits):
                        lake.commit(COVERAGE, lake.write(COVERAGE, rows), {"through": "1"})

                return timed(work) / commits

        return run

    mine, other = interleaved(tmp_path, size.rounds, side(lambda: {"lake": stores(service)["lake"]}), side(dict))
    report.row(
        "commits a second to emulated S3 and Glue",
        ours=1 / seconds(mine),
        peer=1 / seconds(other),
        unit="commits/s",
        ratio=ratio(other, mine),
        must=None,
        aim=None,
        note="peer: files and SQLite in the home; 4 requests that put, 3 of Glue and up to 9 that read, a commit "
        f"(tests/engines/test_glue.py); {EMULATED}",
    )


def test_derived_tables_are_committed_side_by_side(
    service: str, size: Size, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, delay = Faults(1, share=0), 0.02

    def late(action: str, body: bytes) -> None:
        time.sleep(delay)

    faults.refuse = late
    with faulty(service, faults) as front:

        def side(served: bool) -> Callable[[Path], Spent]:
            def run(folder: Path) -> Spent:
                monkeypatch.setattr(Lake, "is_served", served)
                home = new_home(folder)
                feed(LocalStream(home.stream), evenly(market(), 1))
                with LocalEngine(home, settings_of(stores(front))) as engine:
                    monkeypatch.setattr(engine, "commit_derived", lambda: None)
                    engine.drain()
                    monkeypatch.undo()
                    monkeypatch.setattr(Lake, "is_served", served)
                    return timed(engine.commit_derived)

            return run

        mine, other = interleaved(tmp_path, size.rounds, side(True), side(False), warm_up=0)
    report.row(
        "derived tables committed to emulated S3 and Glue, each answer 20 ms late",
        ours=seconds(mine),
        peer=seconds(other),
        unit="s",
        ratio=ratio(other, mine),
        must=None,
        aim=None,
        less_is_better=True,
        note=f"peer: one after the other; the emulator on the same cores; {spread(mine)}",
    )


def test_put_alerts(service: str, size: Size, tmp_path: Path) -> None:
    now, count = datetime.now(UTC), size.million // 100
    base = Alert(
        alert_id="", alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange="binance",
        severity="low", detected_at=now, status="final", message="a large order", details='{"notional":123456.0}',
        preset=CLASSIC, revision=1, evidence="e" * 400,
    )  # fmt: skip
    alerts = [replace(base, alert_id=f"{n:032x}", detected_at=now - timedelta(seconds=n)) for n in range(count)]

    def side(settings: Callable[[], dict[str, object]]) -> Callable[[Path], Spent]:
        def run(folder: Path) -> Spent:
            home = Home.open(folder / "home", create=True)
            with closing(open_hot(home, load_settings(None, overrides=settings()), writable=True)) as hot:
                return timed(lambda: hot.put_alerts(alerts, now=now))

        return run

    mine, other = interleaved(
        tmp_path, size.rounds, side(lambda: {"hot.url": stores(service)["hot.url"]}), side(dict), warm_up=0
    )
    report.row(
        f"put_alerts of {count:,} alerts on emulated DynamoDB",
        ours=seconds(mine),
        peer=seconds(other),
        unit="s",
        ratio=None,
        must=None,
        aim=None,
        less_is_better=True,
        note=f"peer: SQLite in the home; 16 conditional puts under way at once; {EMULATED}",
    )
