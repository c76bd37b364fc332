"""Iceberg's own procedures between two runs of an engine, and Spark as a reader of the schema drill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coattail.batch.drill import schema_drill
from coattail.batch.spark_maintenance import maintain_with_spark
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import BARS, RAW_TRADES
from tests.harness.oracle import expected
from tests.harness.running import (
    DERIVED_ALWAYS,
    EVERY_SEGMENT,
    differences,
    drained,
    feed,
    found,
    new_home,
    settings_of,
)
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.spark


@pytest.mark.parametrize("older_than", [timedelta(0), timedelta(days=3)], ids=str)
def test_an_engine_goes_on_after_spark_has_rewritten_and_expired(older_than: timedelta, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    pieces = evenly(market(), 8)
    feed(LocalStream(home.stream), pieces[:4])
    drained(home, DERIVED_ALWAYS)
    now = datetime.now(UTC) + timedelta(minutes=1)  # every snapshot is older
    settings = settings_of({"engine.keep_snapshots": 1})
    upkeep = [
        maintain_with_spark(home, settings, now=now, table=name, older_than=older_than).tables[0]
        for name in (RAW_TRADES.name, BARS.name)
    ]
    assert [u.notes for u in upkeep] == [[], []]
    raw = upkeep[0]
    assert (raw.table, raw.compacted.files_before, raw.compacted.files_after) == (RAW_TRADES.name, 4, 1)
    assert raw.snapshots_forgotten > 0
    lake = Lake(embedded(home.path))
    assert lake.scan(RAW_TRADES, after_commit=1).is_empty(), "what Spark rewrote counts as earlier commits"
    newest = lake.newest(RAW_TRADES.name)
    assert newest is not None
    assert (newest.sequence, newest.properties["maintenance"]) == (4, "position")
    lake.close()
    feed(LocalStream(home.stream), pieces[4:])
    drained(home, EVERY_SEGMENT)
    assert differences(expected(market()), found(home), counts=False) == []


def test_spark_is_right_after_every_step_of_the_schema_drill(tmp_path: Path) -> None:
    done = schema_drill(new_home(tmp_path), settings_of({}), rows=120)
    assert [c.detail for s in done.steps for c in s.checks if c.ok is not True] == []
    assert done.ok
