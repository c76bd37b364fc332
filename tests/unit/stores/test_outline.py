"""How tables stand, read without PyIceberg, is what PyIceberg reads."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.compaction import compact
from coattail.stores.history import newest_written
from coattail.stores.lake import Lake
from coattail.stores.outline import Outlines
from coattail.tables import ORDERS
from tests.harness.places import catalog_db

DAY = datetime(2025, 3, 4, tzinfo=UTC)


def of(home: Home) -> Outlines:
    return Outlines(embedded(home.path))


def commit(lake: Lake, rows: int, through: int) -> None:
    ids = pl.DataFrame({"trade_id": pl.int_range(rows, eager=True)})
    frame = ids.with_columns(last_trade_id="trade_id", exchange=pl.lit("e"), symbol=pl.lit("S"), timestamp=pl.lit(DAY))
    lake.commit(ORDERS, lake.write(ORDERS, ORDERS.conform(frame)), {"through": str(through)})


def test_a_home_where_nothing_has_landed_has_no_tables(home: Home) -> None:
    assert of(home).all() == {}
    assert of(home).of("bars").current is None
    assert not catalog_db(home).exists()


def test_an_empty_table_has_no_snapshot(home: Home, lake: Lake) -> None:
    lake.create(ORDERS)
    found = of(home).of(ORDERS.name)
    assert (found.current, found.newest, found.written, found.past) == (None, None, None, [])


def test_totals_commits_and_times_are_those_of_the_table(home: Home, lake: Lake) -> None:
    for n in (1, 2, 3):
        commit(lake, 10 * n, n)
    (found,) = of(home).all().values()
    newest = lake.newest(ORDERS.name)
    assert newest is not None
    assert found.newest is not None
    assert (found.newest.snapshot_id, found.newest.committed_at) == (newest.snapshot_id, newest.committed_at)
    assert dict(found.newest.properties) == dict(newest.properties) == {"through": "3"}
    assert found.current is not None
    assert found.current.total("records") == 60
    assert found.current.total("data-files") == 3
    assert found.current.total("files-size") == sum(f.file_size_in_bytes for f in lake.files(ORDERS.name))
    assert [s.snapshot_id for s in found.past] == [s.snapshot_id for s in lake.iceberg(ORDERS.name).snapshots()]


def test_maintenance_writes_no_rows(home: Home, lake: Lake) -> None:
    for n in (1, 2, 3, 4):
        commit(lake, 10, n)
    before = of(home).of(ORDERS.name)
    assert compact(lake, ORDERS).commits == 1
    after = of(home).of(ORDERS.name)
    assert after.current_snapshot_id != before.current_snapshot_id
    assert after.written == before.written == before.current_snapshot_id == newest_written(lake, ORDERS.name)


def test_a_rollback_is_seen(home: Home, lake: Lake) -> None:
    commit(lake, 10, 1)
    first = of(home).of(ORDERS.name)
    commit(lake, 10, 2)
    lake.iceberg(ORDERS.name).manage_snapshots().rollback_to_snapshot(first.current_snapshot_id or 0).commit()
    rolled_back = of(home).of(ORDERS.name)
    assert rolled_back.written == first.written == newest_written(lake, ORDERS.name)


def test_what_is_damaged_is_named_with_what_to_do(home: Home, lake: Lake) -> None:
    commit(lake, 10, 1)
    metadata = Path(lake.iceberg(ORDERS.name).metadata_location.removeprefix("file://"))
    metadata.write_text("{")
    with pytest.raises(StoreError, match=r"metadata of table 'large_trades'.*doctor --repair"):
        of(home).all()
    catalog_db(home).write_bytes(b"not a database, and long enough to be told apart" * 40)
    with pytest.raises(StoreError, match=r"catalog\.db cannot be used.*doctor --repair"):
        of(home).all()
    catalog_db(home).unlink()
    with pytest.raises(StoreError, match=r"catalog\.db is missing"):
        of(home).all()


def test_nothing_heavy_is_imported(home: Home, lake: Lake) -> None:
    commit(lake, 10, 1)
    code = (
        "import sys; from coattail.workspace.opening import open_stores; "
        f"print(list(open_stores({str(home.path)!r}).outlines.all()), "
        "{'polars', 'pyarrow', 'pyiceberg', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['large_trades'] set()"
