"""A lake that is not in the home: the same recordings land in a bucket, and every step gives what it gives locally."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.batch.drill import schema_drill
from coattail.batch.export_rows import Rows
from coattail.batch.forecast import forecast
from coattail.batch.maintenance import kept_tables, maintain
from coattail.config import Settings, load_settings
from coattail.engines.local import LocalEngine
from coattail.engines.promote import checks, promote
from coattail.engines.recompute import recompute
from coattail.engines.reprocess import Request, reprocess
from coattail.errors import ConfigError, StoreError
from coattail.home import Home
from coattail.producer.replay import replay
from coattail.records import Record
from coattail.sql import Sql
from coattail.stores.history import at_newest
from coattail.stores.lake import Lake
from coattail.stores.opening import open_hot, open_lake
from coattail.stores.outline import Outlines
from coattail.stores.repair import Repaired, find_tables, read_metadata, rebuild_catalog
from coattail.streams.local import LocalStream
from coattail.tables import ALERTS, BARS, RAW_TRADES, Table
from tests.harness.bucket import OBJECTS, keys, new_bucket
from tests.harness.oracle import Expected, expected
from tests.harness.places import catalog_db, warehouse
from tests.harness.running import DERIVED_ALWAYS, Found, differences, drained, feed, found, new_home, settings_of
from tests.harness.scenes import evenly, market

NOBODY = timedelta(0)


@dataclass
class Place:
    """A home, and what its lake is opened with."""

    home: Home
    overrides: dict[str, object]

    @property
    def settings(self) -> Settings:
        return settings_of(self.overrides)

    @property
    def bucket(self) -> dict[str, str]:
        return dict(self.settings.lake)

    def lake(self, *, writable: bool = False) -> Any:
        return closing(open_lake(self.home, self.settings, writable=writable))

    def found(self) -> Found:
        return found(self.home, self.settings)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        with self.lake() as lake, closing(open_hot(self.home, self.settings)) as hot:
            return pl.DataFrame(Sql(lake, hot).query(query)).rows()

    def maintained(self) -> None:
        done = maintain(self.home, self.settings, now=datetime.now(UTC) + timedelta(minutes=1), older_than=NOBODY)
        assert done.notes == []


def place(folder: Path, lake: dict[str, str], pieces: Sequence[Sequence[Record]]) -> Place:
    made = Place(new_home(folder), {**DERIVED_ALWAYS, "engine.keep_snapshots": 1, "lake": lake})
    feed(LocalStream(made.home.stream), pieces)
    drained(made.home, made.overrides)
    return made


@pytest.fixture(scope="module")
def wanted() -> Expected:
    return expected(market())


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    """A home whose lake is in a bucket: the simulated market has landed, in six commits."""
    made = place(tmp_path / "there", new_bucket(), evenly(market(), 6))
    yield made
    assert list(warehouse(made.home).rglob("*")) == [], "a file of the warehouse was written beside the bucket"


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path / "here", {}, evenly(market(), 6))


def test_what_lands_in_a_bucket_is_what_lands_here(there: Place, wanted: Expected) -> None:
    assert differences(wanted, there.found()) == []
    with there.lake() as lake:
        files = [f.file_path for t in kept_tables(lake) for f in lake.files(t.name)]
        assert files
        assert {f.startswith(f"{there.bucket['warehouse']}/coattail/") for f in files} == {True}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT exchange, symbol, count(*), max(quote_volume) FROM raw_trades GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT alert_id, alert_type, severity, status FROM alerts ORDER BY 1",
        "SELECT max(trades), sum(notional) FROM bars WHERE symbol = 'BTC-USDT'",
        "SELECT count(*) FROM raw_trades WHERE timestamp >= TIMESTAMP '2025-03-04 13:00:00 UTC'",
        'SELECT count(*), sum(record_count) FROM "raw_trades$files"',
    ],
)
def test_sql_answers_the_same(query: str, here: Place, there: Place) -> None:
    assert there.asked(query) == here.asked(query) != []


def test_sql_reads_the_past_from_a_bucket(there: Place) -> None:
    with there.lake() as lake:
        first = lake.iceberg(RAW_TRADES.name).history()[0].snapshot_id
    counted = "SELECT count(*) FROM raw_trades"
    ((whole,),), ((part,),) = there.asked(counted), there.asked(f"{counted} FOR VERSION AS OF {first}")
    assert 0 < part < whole


def test_exported_rows_are_the_same(here: Place, there: Place) -> None:
    read = []
    for each in (here, there):
        with each.lake() as lake:
            rows = Rows(lake=lake, hot=None, name=RAW_TRADES.name, now=datetime.now(UTC), symbol="BTC-USD")
            read.append(pl.concat([pl.DataFrame(batch) for _, batch in rows.batches()]).sort("event_id"))
    assert read[0].equals(read[1])
    assert read[0].height > 0


def test_reprocessing_and_promoting_in_a_bucket(there: Place) -> None:
    with there.lake(writable=True) as lake, closing(open_hot(there.home, there.settings, writable=True)) as hot:
        again = recompute(lake, there.settings)
        final = {a.alert_id for a in again.alerts if a.status == "final"}
        assert final == set(lake.scan(ALERTS)["alert_id"])
        asked = settings_of({**there.overrides, "detectors": {"whale-detector": {"medium": 90_000}}})
        request = Request(
            as_of=at_newest(lake, RAW_TRADES.name), original=there.settings, asked=asked, since=None, until=None
        )
        done = reprocess(lake, request)
        assert [c.detail for c in checks(lake, done) if not c.passed] == []
        revised = promote(lake, hot, "branch-of-a-bucket", done, now=datetime.now(UTC))
        assert revised
        assert {a.alert_id for a in revised} <= set(lake.scan(ALERTS)["alert_id"])


def filled(lake: Lake) -> Iterator[tuple[str, Table]]:
    return ((table.name, table) for table in kept_tables(lake) if lake.files(table.name))


def test_maintenance_compacts_expires_and_sweeps_a_bucket(here: Place, there: Place, wanted: Expected) -> None:
    before = keys(there.bucket)
    stray = f"{there.bucket['warehouse'].removeprefix('s3://')}/coattail/raw_trades/data/stray.parquet"
    OBJECTS[stray] = (b"x", datetime(2025, 1, 1, tzinfo=UTC))
    here.maintained()
    there.maintained()
    after = keys(there.bucket)
    assert stray not in after
    local = Counter(path.suffix for path in warehouse(here.home).rglob("*") if path.is_file())
    assert Counter(Path(key).suffix for key in after) == local
    assert local[".parquet"] < sum(key.endswith(".parquet") for key in before)
    with there.lake() as lake:
        assert len(lake.files(BARS.name)) == 1
        for location in lake.locations().values():
            read_metadata(lake.storage, location)
        coming = forecast(Outlines(lake.properties), free_bytes=10**9, now=datetime.now(UTC))
        assert {t.table: t.rows for t in coming.tables if t.rows} == {n: lake.scan(t).height for n, t in filled(lake)}
    assert sum(table.disk_bytes for table in coming.tables) == sum(len(OBJECTS[key][0]) for key in after)
    assert differences(wanted, there.found(), counts=False) == []
    feed(LocalStream(there.home.stream), [[]])
    drained(there.home, there.overrides)
    assert differences(wanted, there.found(), counts=False) == []


@pytest.mark.parametrize("table", ["raw_trades", "bars"])
def test_a_bucket_is_repaired_from_its_own_metadata(table: str, tmp_path: Path, wanted: Expected) -> None:
    *most, last = evenly(market(), 4)
    there = place(tmp_path, new_bucket(), most)
    with there.lake() as lake:
        location = lake.locations()[table]
        database = catalog_db(there.home)
    key = location.removeprefix("s3://")
    OBJECTS[key] = (OBJECTS[key][0][:700], datetime.now(UTC))
    database.unlink()
    with there.lake() as lake, pytest.raises(StoreError, match="missing"):
        lake.names()
    repaired = Repaired(there.home.path / "aside" / "now")
    rebuild_catalog(there.home, there.settings, repaired)
    assert any(table in said for said in repaired.done)
    assert any("/aside/now/" in key for key in keys(there.bucket))
    with there.lake() as lake:
        assert all(t.metadata is not None and t.unreadable == () for t in find_tables(lake.storage))
    feed(LocalStream(there.home.stream), [last])
    drained(there.home, there.overrides)
    assert differences(wanted, there.found(), counts=False) == []


def test_the_schema_drill_passes_in_a_bucket(there: Place) -> None:
    done = schema_drill(there.home, there.settings, rows=120, spark=False)
    assert [step.name for step in done.steps if not step.ok] == []
    assert not [key for key in keys(there.bucket) if "schema_drill" in key]


def test_a_catalog_of_another_kind_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lake.type = 'rest'"):
        open_lake(new_home(tmp_path), settings_of({"lake": {"type": "rest"}}))


def test_a_real_recording_lands_in_a_bucket_as_it_lands_here(recordings: Path, tmp_path: Path) -> None:
    outcomes = []
    for name, lake in (("here", {}), ("there", new_bucket())):
        home = Home.open(tmp_path / name, create=True)
        settings = load_settings(home, overrides={"preset": "classic", "engine.batch_bytes": "64 KiB", "lake": lake})
        replay([recordings / "binance-ws/spot_btcusdt_20240808.gz"], LocalStream(home.stream))
        with LocalEngine(home, settings) as engine:
            engine.drain()
        outcomes.append(found(home, settings))
        maintain(home, settings, now=datetime.now(UTC) + timedelta(minutes=1), older_than=NOBODY)
        outcomes.append(found(home, settings))
    first = outcomes[0]
    assert first.trades
    assert all((o.trades, o.bars, o.alerts) == (first.trades, first.bars, first.alerts) for o in outcomes)
