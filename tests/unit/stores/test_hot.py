"""What leaves the hot store, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from coattail.alerts import Alert
from coattail.stores.hot import SqliteHotStore, Swept

NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def alert(number: int) -> Alert:
    return Alert(
        alert_id=f"{number:032x}", revision=1, alert_type="volume_spike", module_id="MOD-001", symbol="BTC-USDT",
        exchange="binance", severity="high", detected_at=datetime(2019, 1, 1, tzinfo=UTC), status="final",
        message="m", details="{}", preset="classic",
    )  # fmt: skip


def test_alerts_go_when_their_time_is_over_however_old_their_event_is(tmp_path: Path) -> None:
    store = SqliteHotStore(tmp_path / "hot.db", ttl=DAY)
    store.put_alerts([alert(1), alert(2)], now=NOW)
    store.put_alerts([alert(3)], now=NOW + timedelta(hours=1))
    assert store.sweep(now=NOW + DAY).alerts == 0
    assert store.sweep(now=NOW + DAY + timedelta(seconds=1)) == Swept(alerts=2, facts=0)
    assert [s.alert.alert_id for s in store.alerts(now=NOW)] == [alert(3).alert_id]
    store.close()


def test_facts_about_symbols_go_and_those_about_the_home_stay(tmp_path: Path) -> None:
    store = SqliteHotStore(tmp_path / "hot.db", ttl=DAY)
    for name in ("engine", "maintenance", "metrics:BTC-USDT"):
        store.put_fact(name, {"x": 1}, now=NOW)
    store.put_fact("metrics:ETH-USDT", {"x": 1}, now=NOW + DAY)
    assert store.sweep(now=NOW + DAY + timedelta(seconds=1)) == Swept(alerts=0, facts=1)
    kept = ("engine", "maintenance", "metrics:ETH-USDT", "metrics:BTC-USDT")
    assert [store.fact(name) is not None for name in kept] == [True, True, True, False]
    store.close()


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
