"""What every hot store promises (`coattail.stores.hot`); a new implementation joins through `HOT_STORES`."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from coattail.alerts import FINAL, PROVISIONAL, RETRACTED, Alert
from coattail.errors import StoreError
from coattail.stores.hot import LASTING, AlertCount, Complete, HotStore, StoredAlert, Swept, Wanted, Written
from coattail.stores.hot_sqlite import SqliteHotStore
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.in_memory import MemoryHotStore

NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)
TTL = timedelta(hours=24)

Opener = Callable[[], HotStore]


def in_memory(_: Path) -> Opener:
    shared = MemoryHotStore(TTL)
    return lambda: MemoryHotStore(TTL, shared.stored, shared.noted, shared.said)


class OnDynamo:
    """A table of its own for each test, in an emulator of DynamoDB."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def __call__(self, folder: Path) -> Opener:
        from coattail.stores.dynamo import create
        from coattail.stores.hot_dynamo import DynamoHotStore

        name = "hot-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        at = {"region": "eu-central-1", "endpoint": self._endpoint}
        create(name, **at)
        return lambda: DynamoHotStore(name, **at, ttl=TTL)


HOT_STORES: dict[str, Callable[[ExitStack], Callable[[Path], Opener]]] = {
    "sqlite": lambda _: lambda folder: lambda: SqliteHotStore(folder / "hot.db", ttl=TTL),
    "memory": lambda _: in_memory,
    "dynamodb of the emulator": lambda running: OnDynamo(running.enter_context(emulator())),
}
"""What starts a service, and a folder -> what opens the store there; opened twice it is one store."""


@pytest.fixture(scope="module")
def started() -> Iterator[Mapping[str, Callable[[Path], Opener]]]:
    """Openers by name, each service started when it is first needed."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)

        class Started(dict[str, Callable[[Path], Opener]]):
            def __missing__(self, name: str) -> Callable[[Path], Opener]:
                self[name] = HOT_STORES[name](running)
                return self[name]

        yield Started()


@pytest.fixture(params=list(HOT_STORES))
def opened(request: pytest.FixtureRequest, started: Mapping[str, Callable[[Path], Opener]], tmp_path: Path) -> Opener:
    if "emulator" in request.param and not INSTALLED:
        pytest.skip("the emulator of AWS is not installed: pip install 'coattail[dev,aws]'")
    return started[request.param](tmp_path)


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


def ids(found: Iterable[StoredAlert]) -> str:
    return "".join(stored.alert.alert_id for stored in found)


def test_a_page_is_newest_first_across_types_and_of_one_moment_by_id(store: HotStore) -> None:
    for name, minute, kind in (("b", 1, "x"), ("d", 0, "y"), ("a", 1, "y"), ("c", 2, "x"), ("e", 0, "x")):
        store.put_alerts([make_alert(name, minute=minute, alert_type=kind)], now=NOW)
    assert ids(store.page(Wanted(), limit=9, now=NOW)) == "cabde"
    assert ids(store.page(Wanted(), limit=2, now=NOW)) == "ca"
    behind = Wanted(after=(NOW + timedelta(minutes=1), "a"))
    assert ids(store.page(behind, limit=2, now=NOW)) == "bd"
    assert ids(store.page(replace(behind, alert_type="x"), limit=2, now=NOW)) == "be"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(alert_type="volume_spike"), "b"),
        (Wanted(symbol="ETH-USDT"), "c"),
        (Wanted(exchange="coinbase"), "d"),
        (Wanted(severities=("low", "critical")), "ae"),
        (Wanted(statuses=(PROVISIONAL, RETRACTED)), "ec"),
        (Wanted(since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=3)), "cb"),
        (Wanted(symbol="ETH-USDT", severities=("low",)), ""),
        (Wanted(severities=()), ""),
    ],
    ids=str,
)
def test_a_page_shows_what_is_wanted(store: HotStore, wanted: Wanted, found: str) -> None:
    rows = [
        make_alert("a", severity="low"),
        make_alert("b", minute=1, alert_type="volume_spike"),
        make_alert("c", minute=2, symbol="ETH-USDT", status=PROVISIONAL),
        make_alert("d", minute=3, exchange="coinbase"),
        make_alert("e", minute=-1, severity="critical", status=RETRACTED),
    ]
    store.put_alerts(rows, now=NOW)
    page = ids(store.page(wanted, limit=9, now=NOW))
    assert sorted(page) == sorted(found)
    assert page == ids(s for s in store.alerts(now=NOW) if s.alert.alert_id in found)


@pytest.mark.parametrize("seed", range(3))
def test_pages_that_follow_each_other_hold_each_alert_once_whatever_is_written_meanwhile(
    store: HotStore, seed: int
) -> None:
    chance = random.Random(seed)
    first = [make_alert(f"old{n:03}", minute=chance.randrange(40)) for n in range(60)]
    store.put_alerts(first, now=NOW)
    walked: list[str] = []
    after: tuple[datetime, str] | None = None
    while found := store.page(Wanted(after=after), limit=7, now=NOW):
        walked += [stored.alert.alert_id for stored in found]
        after = found[-1].alert.detected_at, found[-1].alert.alert_id
        new = [make_alert(f"new{len(walked)}-{n}", minute=chance.randrange(40)) for n in range(5)]
        revised = [replace(alert, revision=len(walked)) for alert in chance.sample(first, 5)]
        store.put_alerts([*new, *revised], now=NOW)
    assert len(walked) == len(set(walked))
    assert set(walked) >= {alert.alert_id for alert in first}


def test_one_alert_is_found_by_its_id_with_what_its_revisions_said(store: HotStore) -> None:
    store.put_alerts([make_alert(status=PROVISIONAL, message="perhaps", severity="low")], now=NOW)
    later = NOW + timedelta(seconds=9)
    for _ in range(2):  # what is put again says nothing new
        store.put_alerts([make_alert(revision=2)], now=later)
        later += timedelta(seconds=1)
    assert store.alert("a", now=NOW) == StoredAlert(make_alert(revision=2), NOW + timedelta(seconds=9))
    assert [(r.revision, r.severity, r.status, r.message) for r in store.revisions("a")] == [
        (1, "low", PROVISIONAL, "perhaps"), (2, "high", FINAL, "a whale"),
    ]  # fmt: skip
    assert [r.recorded_at for r in store.revisions("a")] == [NOW, NOW + timedelta(seconds=9)]
    assert (store.alert("b", now=NOW), store.revisions("b")) == (None, [])
    over = NOW + TTL + timedelta(minutes=1)
    assert store.alert("a", now=over) is None
    store.sweep(now=over)
    assert store.revisions("a") == []


def test_ids_are_found_by_how_they_begin(store: HotStore) -> None:
    store.put_alerts([make_alert(name) for name in ("abc", "abd", "b", "ab%", "ab")], now=NOW)
    assert store.ids("ab", limit=9, now=NOW) == ["ab", "ab%", "abc", "abd"]
    assert store.ids("ab", limit=2, now=NOW) == ["ab", "ab%"]
    assert (store.ids("abc", limit=2, now=NOW), store.ids("ab_", limit=2, now=NOW)) == (["abc"], [])
    assert store.ids("ab", limit=2, now=NOW + TTL + timedelta(minutes=1)) == []


def test_what_was_written_comes_in_its_order_and_goes_on_behind_a_place(store: HotStore) -> None:
    later = NOW + timedelta(microseconds=1)
    store.put_alerts([make_alert(name) for name in "cab"], now=NOW)
    store.put_alerts([make_alert("d"), make_alert("a", revision=2)], now=later)
    told = [(one.alert_id, one.revision) for one in store.written((NOW, ""), limit=9, now=NOW)]
    assert told == [("b", 1), ("c", 1), ("a", 2), ("d", 1)]
    assert store.written((NOW, "b"), limit=2, now=NOW) == [Written(NOW, "c", 1), Written(later, "a", 2)]
    assert store.written((later, "d"), limit=2, now=NOW) == []


def test_the_version_is_another_one_after_somebody_else_has_written(opened: Opener) -> None:
    reader, writer = opened(), opened()
    writes: list[Callable[[], object]] = [
        lambda: writer.put_alerts([make_alert()], now=NOW),
        lambda: writer.put_alerts([make_alert(revision=2)], now=NOW),
        lambda: writer.put_fact("engine", {}, now=NOW),
        lambda: writer.claim(Complete(1, None)),
        lambda: writer.sweep(now=NOW + TTL + timedelta(minutes=1)),
    ]
    for write in writes:
        before = reader.version()
        assert reader.version() == before
        write()
        assert before is None or reader.version() != before
    reader.close()
    writer.close()


def test_current_alerts_are_counted_by_symbol_type_and_severity(store: HotStore) -> None:
    rows = [
        make_alert("a"),
        make_alert("b", minute=4),
        make_alert("c", severity="low"),
        make_alert("d", symbol="ETH-USDT", minute=2),
        make_alert("e", minute=-60),
        make_alert("f", status=RETRACTED),
    ]
    store.put_alerts(rows, now=NOW)
    assert store.tally(since=NOW, now=NOW) == [
        AlertCount("BTC-USDT", "whale_trade", "high", 2, NOW + timedelta(minutes=4)),
        AlertCount("BTC-USDT", "whale_trade", "low", 1, NOW),
        AlertCount("ETH-USDT", "whale_trade", "high", 1, NOW + timedelta(minutes=2)),
    ]
    assert sum(t.count for t in store.tally(now=NOW)) == 5


def test_facts_are_found_by_how_their_names_begin(store: HotStore) -> None:
    store.put_facts({"symbol:BTC_USDT": {"n": 1}, "symbol:B": {"n": 2}, "sym": {}, "symbolic": {}}, now=NOW)
    store.put_fact("symbol:B", {"n": 3}, now=NOW + timedelta(seconds=1))
    assert {name: (msgspec.json.decode(text), at) for name, (text, at) in store.facts("symbol:").items()} == {
        "symbol:B": ({"n": 3}, NOW + timedelta(seconds=1)), "symbol:BTC_USDT": ({"n": 1}, NOW),
    }  # fmt: skip
    assert store.facts("symbol:%") == {}


def test_a_reader_that_stays_open_sees_what_is_written_later(opened: Opener) -> None:
    reader, writer = opened(), opened()
    for n in range(3):
        writer.put_alerts([make_alert(str(n), minute=n)], now=NOW)
        writer.put_fact("engine", {"n": n}, now=NOW)
        assert ids(reader.page(Wanted(), limit=9, now=NOW)) == "210"[2 - n :]
        assert reader.fact("engine") == ({"n": n}, NOW)
    reader.close()
    writer.close()


# -- what the file adds ----------------------------------------------------------------------------------------------


def test_a_file_that_was_replaced_is_another_version(tmp_path: Path) -> None:
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    versions = [reader.version()]
    for name in ("a", "b"):
        with closing(SqliteHotStore(tmp_path / "new.db")) as made:
            made.put_alerts([make_alert(name)], now=NOW)
        (tmp_path / "new.db").replace(tmp_path / "hot.db")
        versions.append(reader.version())
        assert alerts(reader) == [make_alert(name)]
    assert len(set(versions)) == 3
    reader.close()


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
        with closing(SqliteHotStore(tmp_path / "hot.db")) as maker:
            maker.put_alerts([make_alert()], now=NOW)
            assert alerts(reader) == [make_alert()], "what was made is only in the log yet"
        reader.close()


def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "hot.db").write_bytes(b"this is not a database, and long enough to tell" * 40)
    with pytest.raises(StoreError, match=r"hot\.db.*doctor"):
        SqliteHotStore(tmp_path / "hot.db")


def test_a_reader_of_the_file_follows_one_that_is_made_later_and_one_that_replaces_it(tmp_path: Path) -> None:
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    assert alerts(reader) == []
    for name in ("first", "repaired"):
        with closing(SqliteHotStore(tmp_path / "new.db")) as writer:
            writer.put_alerts([make_alert(name)], now=NOW)
        (tmp_path / "new.db").rename(tmp_path / "hot.db")
        assert [a.alert_id for a in alerts(reader)] == [name]
    reader.close()


def test_a_reader_that_cannot_follow_the_log_sees_what_has_come_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a medium that nobody may write to, where SQLite opens the file only as one that never changes."""
    writer = SqliteHotStore(tmp_path / "hot.db")
    real = sqlite3.connect

    def refusing(path: object, *args: object, **named: object) -> sqlite3.Connection:
        if str(path).endswith("?mode=ro"):
            return cast("sqlite3.Connection", _Refusing())
        return real(path, *args, **named)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", refusing)
    reader = SqliteHotStore(tmp_path / "hot.db", writable=False)
    for name in ("a", "b"):
        writer.put_alerts([make_alert(name)], now=NOW)
        writer.sweep(now=NOW)
        assert name in {alert.alert_id for alert in alerts(reader)}
    reader.close()
    writer.close()


class _Refusing:
    def execute(self, _: str) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(symbol="S7"), Wanted(alert_type="T3"), Wanted(after=(NOW, "7"))])
def test_a_page_reads_no_more_of_ten_thousand_alerts_than_it_shows(tmp_path: Path, wanted: Wanted) -> None:
    store = SqliteHotStore(tmp_path / "hot.db")
    rows = [make_alert(f"{n:05}", minute=-n, symbol=f"S{n % 9}", alert_type=f"T{n % 5}") for n in range(10_000)]
    store.put_alerts(rows, now=NOW)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    store._connection.set_progress_handler(count, 100)
    assert len(store.page(wanted, limit=50, now=NOW)) == 50
    assert steps < 60  # a scan of all takes thousands
    store.close()


def test_a_store_of_an_older_version_is_read_and_has_no_revisions_yet(tmp_path: Path) -> None:
    with closing(SqliteHotStore(tmp_path / "hot.db")) as store:
        store.put_alerts([make_alert()], now=NOW)
    with closing(sqlite3.connect(tmp_path / "hot.db")) as connection:
        connection.executescript("DROP TRIGGER forgotten; DROP TABLE revisions;")
    with closing(SqliteHotStore(tmp_path / "hot.db", writable=False)) as reader:
        assert (alerts(reader), reader.revisions("a")) == ([make_alert()], [])
    with closing(SqliteHotStore(tmp_path / "hot.db")) as again:
        again.put_alerts([make_alert(revision=2)], now=NOW)
        assert [r.revision for r in again.revisions("a")] == [2]


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
