"""The state of a home: what the tables say, without reading them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import Alert
from coattail.home import Home
from coattail.stores.history import latest_event
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, RAW_TRADES
from coattail.workspace.alerts import AlertQuery, find
from coattail.workspace.documents import encoded
from coattail.workspace.opening import open_stores
from coattail.workspace.state import state
from tests.harness.alerts import NOW, make_alert
from tests.harness.places import catalog_db
from tests.harness.running import landed
from tests.harness.scenes import market

Commit = Callable[[Sequence[Alert]], None]


def test_an_empty_home_has_nothing_and_no_engine(home: Home) -> None:
    with open_stores(home) as stores:
        found = state(stores)
    assert (found.commit, found.tables, found.alerts, found.engine.running) == (None, [], [], False)
    assert (found.time.newest_trade, found.time.watermark, found.trades.received) == (None, None, 0)
    assert not catalog_db(home).exists()


def test_the_state_is_what_the_tables_say(day: Home) -> None:
    with open_stores(day) as stores:
        found = state(stores)
        raw = stores.lake.newest(RAW_TRADES.name)
        assert raw is not None
        assert found.commit is not None
        assert (found.commit.snapshot_id, found.commit.sequence) == (str(raw.snapshot_id), raw.sequence)
        assert found.commit.committed_at == raw.committed_at
        assert found.time.newest_trade == latest_event(stores.lake, RAW_TRADES)
        alerts = stores.lake.newest(ALERTS.name)
        assert alerts is not None
        assert found.time.watermark is not None
        assert int(alerts.properties["watermark"]) == found.time.watermark.timestamp() * 1e6
        for table in found.tables:
            assert table.rows == stores.lake.iceberg(table.name).scan().count(), table.name
        assert {table.name for table in found.tables} == set(stores.lake.names())
        assert sum(counts.count for counts in found.alerts) == find(stores, AlertQuery(limit=None)).count > 3
    assert found.trades.landed == next(t.rows for t in found.tables if t.name == RAW_TRADES.name)
    json.loads(encoded(found))


def test_thenewest_trade_of_a_home_of_an_older_version_is_read_from_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Lake.commit

    def older(lake: Lake, table: Any, files: Any, properties: dict[str, str], **more: Any) -> Any:
        return commit(lake, table, files, {k: v for k, v in properties.items() if k != "newest"}, **more)

    monkeypatch.setattr(Lake, "commit", older)
    home = landed(tmp_path, [market()[:500]])
    with open_stores(home) as stores:
        newest = latest_event(stores.lake, RAW_TRADES)
        assert newest is not None
        assert state(stores).time.newest_trade == newest


def test_alerts_are_counted_back_from_thenewest_trade(
    home: Home, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coattail.workspace.state.newest_trade", lambda *_: NOW)
    commit(
        [
            make_alert("a"),
            make_alert("b", ago=timedelta(hours=23), severity="low"),
            make_alert("c", ago=timedelta(hours=25)),
            make_alert("d", ago=timedelta(hours=1), alert_type="volume_spike", severity="critical"),
        ]
    )
    with open_stores(home) as stores:
        spike, whale = sorted(state(stores, now=datetime.now(UTC)).alerts, key=lambda counts: counts.alert_type)
    assert (whale.count, whale.high, whale.low, whale.newest) == (2, 1, 1, NOW)
    assert (spike.count, spike.critical, spike.newest) == (1, 1, NOW - timedelta(hours=1))
