"""Homes of a version that did not count orders: read as they are, and counted exactly from the next engine start on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from coattail.home import Home
from coattail.landing.bars import merge_bars
from coattail.landing.coverage import Coverage
from coattail.sql import Sql
from coattail.stores.catalog import NAMESPACE, embedded
from coattail.stores.lake import Lake
from coattail.tables import BARS, COVERAGE, SESSIONS
from tests.harness.maintaining import between, half_landed, rest_landed
from tests.harness.oracle import expected
from tests.harness.running import DERIVED_ALWAYS, differences, drained, found, interrupted
from tests.harness.scenes import market

NEW = {BARS: ("orders",), COVERAGE: ("first_fill", "last_fill")}


def of_before(home: Home) -> None:
    """Make the home one whose tables the former version wrote."""
    lake = Lake(embedded(home.path))
    for table, names in NEW.items():
        newest = lake.newest(table.name)
        assert newest is not None
        rows = lake.scan(table).drop(names)
        lake.catalog.drop_table((NAMESPACE, table.name))
        lake.forget(table.name)
        former = replace(table, columns=tuple(c for c in table.columns if c.name not in names))
        lake.commit(former, lake.write(former, rows), {"through": newest.properties["through"]})
    lake.close()


def is_counted(home: Home) -> bool:
    """Whether every bar says its orders, and the ledger is one to go on from."""
    lake = Lake(embedded(home.path), writable=False)
    orders = lake.scan(BARS, columns=("orders",))["orders"]
    coverage = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS))
    lake.close()
    return orders.null_count() == 0 and coverage.knows_fills


def snapshots(home: Home) -> dict[str, int]:
    lake = Lake(embedded(home.path), writable=False)
    try:
        return {table.name: len(lake.iceberg(table.name).snapshots()) for table in NEW}
    finally:
        lake.close()


@pytest.fixture
def former(tmp_path: Path) -> Home:
    home = half_landed(tmp_path)
    of_before(home)
    return home


def test_a_home_of_before_is_read_as_it_is(former: Home) -> None:
    lake = Lake(embedded(former.path), writable=False)
    bars = merge_bars(lake.scan(BARS))
    shown = pl.DataFrame(Sql(lake).query("SELECT sum(trades), count(coalesce(orders, trades)) FROM bars_merged"))
    lake.close()
    assert bars["orders"].null_count() == bars.height == shown.row(0)[1]
    assert bars["trades"].sum() == shown.row(0)[0]


def test_the_next_engine_counts_the_orders_of_before_too(former: Home) -> None:
    drained(former)
    assert is_counted(former), "also where nothing new lands"
    rest_landed(former)
    assert differences(expected(market()), found(former), counts=False) == []


@pytest.mark.parametrize("steps", [(), ("compact trades", "expire")], ids=lambda steps: "+".join(steps))
def test_an_engine_that_dies_before_it_has_written_all_of_it_gives_the_same(
    former: Home, steps: tuple[str, ...]
) -> None:
    """The bars are whole then, and the ledger is still that of before."""
    interrupted(former, DERIVED_ALWAYS, lambda engine: None)
    assert not is_counted(former)
    for step in steps:
        between(former, step)
    rest_landed(former)
    assert is_counted(former)
    assert differences(expected(market()), found(former), counts=False) == []


def test_what_is_counted_is_not_derived_again(former: Home) -> None:
    drained(former)
    before = snapshots(former)
    drained(former)
    assert snapshots(former) == before
