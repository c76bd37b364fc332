"""The file of the hot store. Its promises are in contracts."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coattail.alerts import Alert
from coattail.errors import StoreError
from coattail.stores.hot_sqlite import SqliteHotStore

NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def alert(number: int) -> Alert:
    return Alert(
        alert_id=f"{number:032x}", revision=1, alert_type="volume_spike", module_id="MOD-001", symbol="BTC-USDT",
        exchange="binance", severity="high", detected_at=datetime(2019, 1, 1, tzinfo=UTC), status="final",
        message="m", details="{}", preset="classic",
    )  # fmt: skip


def test_a_sweep_empties_the_write_ahead_log_and_waits_for_no_reader(tmp_path: Path) -> None:
    log = tmp_path / "hot.db-wal"
    store = SqliteHotStore(tmp_path / "hot.db", ttl=DAY)
    store.put_alerts([alert(n) for n in range(500)], now=NOW)
    assert log.stat().st_size > 0
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    reader._connection.execute("BEGIN")
    assert len(reader.alerts(now=NOW)) == 500
    store.put_alerts([alert(501)], now=NOW)
    store.sweep(now=NOW)
    assert log.stat().st_size > 0
    reader.close()
    store.sweep(now=NOW)
    assert log.stat().st_size == 0
    store.close()


@pytest.mark.parametrize("writable", [True, False])
def test_a_file_that_cannot_be_used_is_not_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    (tmp_path / "hot.db").write_bytes(b"this is not a database, and long enough to tell" * 40)
    connection = sqlite3.connect(tmp_path / "hot.db", check_same_thread=False)
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: connection)
    with pytest.raises(StoreError, match=r"hot\.db"):
        SqliteHotStore(tmp_path / "hot.db", writable=writable)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
