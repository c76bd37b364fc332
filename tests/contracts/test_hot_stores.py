"""What every hot store promises (`coattail.stores.hot`); a new implementation joins through `HOT_STORES`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coattail.alerts import FINAL, PROVISIONAL, RETRACTED, Alert
from coattail.errors import StoreError
from coattail.stores.hot import LASTING, Complete, HotStore, SqliteHotStore, Swept
from tests.harness.in_memory import MemoryHotStore

NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)
TTL = timedelta(hours=24)

Opener = Callable[[], HotStore]


def in_memory(_: Path) -> Opener:
    shared = MemoryHotStore(TTL)
    return lambda: MemoryHotStore(TTL, shared.stored, shared.facts)


HOT_STORES: dict[str, Callable[[Path], Opener]] = {
    "sqlite": lambda folder: lambda: SqliteHotStore(folder / "hot.db", ttl=TTL),
    "memory": in_memory,
}
"""A folder -> what opens the store there; opened twice it is one store."""


@pytest.fixture(params=HOT_STORES.values(), ids=list(HOT_STORES))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    opener: Opener = request.param(tmp_path)
    return opener


@pytest.fixture
def store(opened: Opener) -> Iterator[HotStore]:
    store = opened()
    yield store
    store.close()


def make_alert(name: str = "a", *, minute: int = 0, **fields: object) -> Alert:
    alert = Alert(
        alert_id=name,
        alert_type="whale_trade",
        module_id="MOD-002",
        symbol="BTC-USDT",
        exchange="binance",
        severity="high",
        detected_at=NOW + timedelta(minutes=minute),
        status=FINAL,
        message="a whale",
        details="{}",
        preset="classic",
        revision=1,
    )
    return replace(alert, **fields)  # type: ignore[arg-type]


def alerts(store: HotStore, now: datetime = NOW) -> list[Alert]:
    return [stored.alert for stored in store.alerts(now=now)]


def test_an_alert_comes_back_with_everything_it_had(store: HotStore) -> None:
    strange = make_alert(exchange=None, message="'; DROP TABLE alerts; -- é", details='{"x":"\\u0000"}', minute=1)
    store.put_alerts([strange], now=NOW)
    assert alerts(store) == [strange]
    assert store.alerts(now=NOW)[0].recorded_at == NOW


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_only_a_newer_revision_replaces_an_alert(store: HotStore, order: tuple[int, ...]) -> None:
    for revision in order:
        store.put_alerts([make_alert(revision=revision, details=f'{{"r":{revision}}}')], now=NOW)
    assert [(a.revision, a.details) for a in alerts(store)] == [(3, '{"r":3}')]


def test_the_same_revision_again_changes_nothing(store: HotStore) -> None:
    store.put_alerts([make_alert(message="first")], now=NOW)
    store.put_alerts([make_alert(message="second")], now=NOW + timedelta(hours=1))
    assert [a.message for a in alerts(store)] == ["first"]
    assert store.alerts(now=NOW)[0].recorded_at == NOW


def test_a_retraction_is_stored_like_any_revision(store: HotStore) -> None:
    store.put_alerts([make_alert(status=PROVISIONAL)], now=NOW)
    store.put_alerts([make_alert(status=RETRACTED, revision=2)], now=NOW)
    assert [a.status for a in alerts(store)] == [RETRACTED]


def test_alerts_come_newest_first_within_the_range_asked_for(store: HotStore) -> None:
    store.put_alerts([make_alert(name, minute=m) for name, m in (("b", 1), ("c", 2), ("a", 0), ("d", 3))], now=NOW)
    assert [a.alert_id for a in alerts(store)] == ["d", "c", "b", "a"]
    some = store.alerts(since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=3), now=NOW)
    assert [s.alert.alert_id for s in some] == ["c", "b"]


def test_alerts_written_after_a_moment_can_be_asked_for(store: HotStore) -> None:
    store.put_alerts([make_alert("old")], now=NOW)
    store.put_alerts([make_alert("new")], now=NOW + timedelta(microseconds=1))
    later = store.alerts(written_after=NOW, now=NOW)
    assert [s.alert.alert_id for s in later] == ["new"]


def test_an_alert_lives_a_day_from_its_writing_however_old_its_event_is(store: HotStore) -> None:
    store.put_alerts([make_alert(minute=-600_000)], now=NOW)
    assert len(alerts(store, NOW + TTL - timedelta(seconds=1))) == 1
    assert alerts(store, NOW + TTL + timedelta(seconds=2)) == []


def test_an_alert_whose_time_is_over_does_not_keep_out_a_new_one_of_a_lower_revision(store: HotStore) -> None:
    """As when an engine numbers a window's alert anew, because the provisional one it had is gone."""
    store.put_alerts([make_alert(status=PROVISIONAL, revision=2)], now=NOW)
    later = NOW + timedelta(hours=25)
    store.put_alerts([make_alert(status=FINAL, revision=1)], now=later)
    assert [(a.status, a.revision) for a in alerts(store, later)] == [(FINAL, 1)]


def test_nothing_of_a_failed_write_is_kept(store: HotStore) -> None:
    broken = make_alert("b", details=None)
    with pytest.raises((StoreError, TypeError)):
        store.put_alerts([make_alert("a"), broken], now=NOW)
    assert alerts(store) == []
    store.put_alerts([make_alert("c")], now=NOW)
    assert [a.alert_id for a in alerts(store)] == ["c"]


def test_a_fact_is_the_last_one_put_under_its_name(store: HotStore) -> None:
    assert store.fact("engine") is None
    store.put_fact("engine", {"commit": 1}, now=NOW)
    store.put_fact("engine", {"commit": 2, "deep": {"x": [1, 2]}}, now=NOW + timedelta(seconds=1))
    store.put_fact("other", {"commit": 9}, now=NOW)
    assert store.fact("engine") == ({"commit": 2, "deep": {"x": [1, 2]}}, NOW + timedelta(seconds=1))


def test_what_was_written_is_there_for_another_reader_at_once(store: HotStore, opened: Opener) -> None:
    store.put_alerts([make_alert()], now=NOW)
    store.put_fact("engine", {"commit": 1}, now=NOW)
    reader = opened()
    assert (alerts(reader), reader.fact("engine")) == ([make_alert()], ({"commit": 1}, NOW))
    reader.close()


def test_what_is_past_its_time_is_swept_but_for_what_the_home_says_of_itself(store: HotStore) -> None:
    store.put_alerts([make_alert("old")], now=NOW - timedelta(hours=1))
    store.put_alerts([make_alert("new")], now=NOW)
    for name in ("BTC-USDT", *LASTING):
        store.put_fact(name, {}, now=NOW - timedelta(hours=1))
    over = NOW + TTL - timedelta(hours=1)
    assert store.sweep(now=over) == Swept(alerts=0, facts=0)
    assert store.sweep(now=over + timedelta(seconds=1)) == Swept(alerts=1, facts=1)
    assert [a.alert_id for a in alerts(store)] == ["new"]
    assert store.fact("BTC-USDT") is None
    assert all(store.fact(name) is not None for name in LASTING)


# -- what the file adds ----------------------------------------------------------------------------------------------


def test_a_read_only_store_sees_what_a_writer_has_put_there(tmp_path: Path) -> None:
    writer = SqliteHotStore(tmp_path / "hot.db")
    writer.put_alerts([make_alert()], now=NOW)
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    assert alerts(reader) == [make_alert()]
    reader.close()
    writer.close()


def test_a_reader_of_a_store_that_is_not_there_sees_an_empty_one(tmp_path: Path) -> None:
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    assert alerts(reader) == []
    reader.close()
    assert not (tmp_path / "hot.db").exists()


def test_a_reader_of_a_store_that_is_only_just_being_made_sees_an_empty_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "hot.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
        assert (alerts(reader), reader.fact("engine")) == ([], None)
        reader.close()


def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "hot.db").write_bytes(b"this is not a database, and long enough to tell" * 40)
    with pytest.raises(StoreError, match=r"hot\.db.*doctor"):
        SqliteHotStore(tmp_path / "hot.db")


# -- which alerts it holds all of ----------------------------------------------------------------------------


def test_nobody_knows_what_is_complete_before_somebody_says_so(store: HotStore) -> None:
    store.put_alerts([make_alert()], now=NOW)
    store.carry(7)
    assert store.complete(now=NOW) is None


def test_a_claim_is_carried_to_newer_snapshots(store: HotStore) -> None:
    store.claim(Complete(None, None))
    store.put_alerts([make_alert()], now=NOW)
    assert store.complete(now=NOW) == Complete(None, None)
    store.carry(7)
    assert store.complete(now=NOW) == Complete(7, None)


@pytest.mark.parametrize("swept", [False, True])
def test_an_alert_whose_time_is_over_narrows_the_claim_removed_or_not(store: HotStore, swept: bool) -> None:
    store.claim(Complete(7, None))
    store.put_alerts([make_alert("a", minute=5), make_alert("b", minute=3)], now=NOW)
    later = NOW + timedelta(hours=23)
    store.put_alerts([make_alert("c", minute=1)], now=later)
    over = NOW + TTL + timedelta(seconds=2)
    assert store.complete(now=later) == Complete(7, None)
    if swept:
        store.sweep(now=over)
    assert store.complete(now=over) == Complete(7, NOW + timedelta(minutes=5))
    store.put_alerts([make_alert("d", minute=4)], now=over)
    assert store.complete(now=over) == Complete(7, NOW + timedelta(minutes=5))


def test_a_newer_revision_removes_nothing(store: HotStore) -> None:
    store.claim(Complete(7, None))
    for revision in (1, 2):
        store.put_alerts([make_alert(revision=revision)], now=NOW)
    assert store.complete(now=NOW) == Complete(7, None)


def test_a_claim_begins_after_what_was_never_here(store: HotStore) -> None:
    store.claim(Complete(7, NOW))
    store.put_alerts([make_alert(minute=-5)], now=NOW)
    store.sweep(now=NOW + TTL + timedelta(seconds=2))
    assert store.complete(now=NOW) == Complete(7, NOW)


def test_a_store_of_an_older_version_claims_nothing(tmp_path: Path) -> None:
    SqliteHotStore(tmp_path / "hot.db").close()
    with closing(sqlite3.connect(tmp_path / "hot.db")) as connection:
        connection.executescript("DROP TRIGGER gone; DROP TABLE complete")
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    assert reader.complete(now=NOW) is None
    reader.close()


def test_alerts_removed_by_an_older_version_narrow_the_claim_too(tmp_path: Path) -> None:
    store = SqliteHotStore(tmp_path / "hot.db")
    store.claim(Complete(7, None))
    store.put_alerts([make_alert(minute=5)], now=NOW)
    with closing(sqlite3.connect(tmp_path / "hot.db")) as connection, connection:
        connection.execute("DELETE FROM alerts")
    assert store.complete(now=NOW) == Complete(7, NOW + timedelta(minutes=5))
    store.close()
