"""Tables that somebody else has changed or keeps busy: read right, or refused in a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from pyiceberg.manifest import ManifestContent, ManifestFile
from pyiceberg.types import StringType

import coattail.stores.catalog
from coattail.errors import StoreError, TableBusy
from coattail.home import Home
from coattail.sql import Sql
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import ORDERS, SESSIONS
from tests.harness.places import catalog_db

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def commit(lake: Lake, number: int) -> None:
    row = {
        "exchange": "binance", "symbol": "BTC-USDT", "trade_id": number, "last_trade_id": number,
        "timestamp": NOON + timedelta(minutes=number), "side": "buy", "fills": 1, "quantity": Decimal("1.5"),
        "notional": Decimal(100),
    }  # fmt: skip
    rows = ORDERS.conform(pl.DataFrame([row], schema_overrides=ORDERS.schema))
    lake.commit(ORDERS, lake.write(ORDERS, rows), {"note": "x"})


def sides(lake: Lake) -> list[tuple[int, str | None]]:
    return lake.scan(ORDERS, columns=("trade_id", "side")).sort("trade_id").rows()


def rename(lake: Lake, old: str, new: str) -> None:
    with lake.iceberg(ORDERS.name).update_schema() as schema:
        schema.rename_column(old, new)
    lake.iceberg(ORDERS.name)


def test_a_column_that_was_renamed_is_read_and_written_by_its_field_id(lake: Lake) -> None:
    commit(lake, 1)
    rename(lake, "side", "taker_side")
    assert sides(lake) == [(1, "buy")]
    commit(lake, 2)
    assert sides(lake) == [(1, "buy"), (2, "buy")]
    asked = Sql(lake).query(f"SELECT trade_id, taker_side FROM {ORDERS.name} ORDER BY 1")
    assert pl.DataFrame(asked).rows() == [(1, "buy"), (2, "buy")]
    rename(lake, "taker_side", "side")
    commit(lake, 3)
    assert sides(lake) == [(1, "buy"), (2, "buy"), (3, "buy")]


def test_a_column_that_only_bears_an_old_name_is_not_read_for_it(lake: Lake) -> None:
    commit(lake, 1)
    rename(lake, "side", "taker_side")
    with lake.iceberg(ORDERS.name).update_schema() as schema:
        schema.add_column("side", StringType())
    lake.iceberg(ORDERS.name)
    assert sides(lake) == [(1, None)]


def test_row_level_deletes_are_refused_and_never_read_over(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(lake, 1)
    monkeypatch.setattr(ManifestFile, "content", property(lambda _: ManifestContent.DELETES))
    ways: tuple[Callable[[], object], ...] = (
        lambda: lake.scan(ORDERS),
        lambda: lake.files(ORDERS.name),
        lambda: Sql(lake).query(f"SELECT * FROM {ORDERS.name}"),
    )
    for read in ways:
        with pytest.raises(StoreError, match=r"row-level deletes.*maintain --engine spark"):
            read()


def test_a_catalog_that_another_process_writes_to_is_busy_and_not_damaged(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coattail.stores.catalog, "PATIENCE_SECONDS", 0.1)
    lake = Lake(embedded(home.path))
    commit(lake, 1)
    with sqlite3.connect(catalog_db(home), isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for blocked in (lambda: lake.create(SESSIONS), lambda: commit(lake, 2), lambda: lake.names()):
            with pytest.raises(TableBusy, match=r"locked for .* s.*nothing is damaged"):
                blocked()
        other.execute("ROLLBACK")
    other.close()
    commit(lake, 2)
    assert len(sides(lake)) == 2
    lake.close()
