"""Alerts: the same answer whoever gives it, page by page, and no more read than needed."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import RETRACTED, Alert
from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.current import current_alerts
from coattail.stores.files import TableFiles
from coattail.stores.hot import Complete
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.streams.local import LocalStream
from coattail.tables import ALERTS
from coattail.workspace.alerts import AlertQuery, find, follow
from coattail.workspace.exports import export
from coattail.workspace.opening import open_stores
from tests.harness.alerts import NOW, make_alert
from tests.harness.commands import Child
from tests.harness.running import drained, feed, interrupted, new_home
from tests.harness.scenes import START, make_trade, market

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
Commit = Callable[[Sequence[Alert]], None]


def ids(home: Home, now: datetime = NOW, **query: Any) -> list[str]:
    with open_stores(home) as stores:
        return [alert.alert_id[0] for alert in find(stores, AlertQuery(**query), now=now)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The data files of tables that were read."""
    paths: list[str] = []
    read = TableFiles.rows

    def noting(files: TableFiles) -> Any:
        paths.extend(files.locations)
        return read(files)

    monkeypatch.setattr(TableFiles, "rows", noting)
    return paths


# -- what is asked for -----------------------------------------------------------------------------------------


def test_newest_first_across_types_and_by_id_within_one_moment(home: Home, commit: Commit) -> None:
    commit([make_alert("c", ago=HOUR), make_alert("b", alert_type="volume_spike"), make_alert("a"),
            make_alert("d", ago=2 * DAY)])  # fmt: skip
    assert ids(home) == ["a", "b", "c", "d"]


def test_only_current_revisions_are_shown_and_retracted_ones_only_when_asked_for(home: Home, commit: Commit) -> None:
    commit([make_alert("a"), make_alert("b")])
    commit([make_alert("a", revision=2, severity="low"), make_alert("b", revision=2, status=RETRACTED)])
    assert ids(home) == ["a"]
    assert ids(home, severity="medium") == []
    assert ids(home, status="retracted") == ["b"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "volume_spike"}, "b"),
        ({"symbol": "eth-usd"}, "c"),
        ({"exchange": "Coinbase"}, "c"),
        ({"severity": "critical"}, "d"),
        ({"since": NOW - 2 * HOUR}, "ab"),
        ({"until": NOW - 2 * HOUR}, "cd"),
        ({"since": NOW - 3 * HOUR, "until": NOW - HOUR}, "c"),
    ],
)
def test_alerts_are_chosen(home: Home, commit: Commit, query: dict[str, Any], found: str) -> None:
    commit(
        [
            make_alert("a"),
            make_alert("b", ago=HOUR, alert_type="volume_spike"),
            make_alert("c", ago=3 * HOUR, symbol="ETH-USD", exchange="coinbase"),
            make_alert("d", ago=2 * DAY, severity="critical"),
        ]
    )
    assert ids(home, **query) == list(found)


@pytest.mark.parametrize(
    "query",
    [
        {"severity": "bad"},
        {"status": "done"},
        {"cursor": "x"},
        {"cursor": "9" * 30 + ".a"},
        {"type": "spick"},
        {"limit": 0},
        {"limit": "5"},
        {"limit": 2.5},
        {"cursor": 5},
        {"cursor": "253402300799999999.a"},
        {"symbol": ["BTC-USDT"]},
        {"exchange": 5},
    ],
)
def test_what_is_unknown_is_refused(home: Home, commit: Commit, query: dict[str, Any]) -> None:
    commit([make_alert("a")])
    with pytest.raises(UsageError):
        ids(home, **query)


def test_a_type_that_only_an_older_alert_bears_is_known(home: Home, commit: Commit) -> None:
    commit([make_alert("a", ago=9 * DAY, alert_type="of_old")])
    assert ids(home, type="of_old", since=NOW - DAY) == []
    assert ids(home, type="of_old") == ["a"]


def test_a_time_without_alerts_brings_the_newest_of_any_time(home: Home, commit: Commit) -> None:
    commit([make_alert(name, ago=9 * DAY + i * HOUR) for i, name in enumerate("abcdefg")])
    with open_stores(home) as stores:
        page = find(stores, AlertQuery(since=NOW - 2 * HOUR), now=NOW)
    assert (page.count, page.has_more, [a.alert_id[0] for a in page.elsewhere]) == (0, False, list("abcde"))
    assert "the newest alert is of 2025-05-23 12:00:00Z" in repr(page)


# -- pages -----------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_while_new_alerts_come_in(home: Home, commit: Commit) -> None:
    commit([make_alert(name, ago=(i // 2) * 30 * HOUR) for i, name in enumerate("abcdefg")])
    with open_stores(home) as stores:
        first = find(stores, AlertQuery(limit=3), now=NOW)
        commit([make_alert("z", ago=-MINUTE), make_alert("A", ago=HOUR)])
        second = find(stores, AlertQuery(limit=3, cursor=first.next_cursor), now=NOW)
        last = find(stores, AlertQuery(limit=3, cursor=second.next_cursor), now=NOW)
    pages = ["".join(a.alert_id[0] for a in page) for page in (first, second, last)]
    assert pages == ["abc", "def", "g"]
    assert [page.has_more for page in (first, second, last)] == [True, True, False]
    assert last.next_cursor is None


def test_a_page_is_a_frame_documents_lines_and_html(home: Home, commit: Commit) -> None:
    commit([make_alert("a", message="<b>\x1b[2J"), make_alert("b", ago=HOUR)])
    with open_stores(home) as stores:
        page = find(stores, AlertQuery(limit=1), now=NOW)
    assert page.rows.schema == ALERTS.schema
    assert page.rows["alert_id"].to_list() == ["a" * 32]
    assert (len(page), page.document().count, page.document().alerts[0].details) == (1, 1, {})
    shown = page._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "\x1b" not in shown + repr(page)
    assert "older ones are not shown" in repr(page)


# -- who answers -----------------------------------------------------------------------------------------------


def test_only_the_days_asked_for_are_read(home: Home, commit: Commit, opened: list[str]) -> None:
    commit([make_alert(f"{n:02}", ago=n * DAY) for n in range(30)])
    assert len(ids(home, since=NOW - HOUR)) == 1
    assert len(opened) == 1
    opened.clear()
    assert len(ids(home, limit=2)) == 2
    assert len(opened) <= 4  # one day, then two, beside the one that begins where they end
    opened.clear()
    assert len(ids(home, limit=None)) == 30
    assert len(opened) == 30


def claimed(home: Home, alerts: Sequence[Alert], *, after: datetime | None = None, now: datetime = NOW) -> None:
    """The hot store as an engine leaves it: it holds these alerts, and says as of which state of the table."""
    hot = SqliteHotStore(home.hot_db)
    hot.claim(Complete(open_stores(home).outlines.of(ALERTS.name).written, after))
    hot.put_alerts(alerts, now=now)
    hot.close()


def test_a_store_that_holds_everything_answers_alone(home: Home, commit: Commit, opened: list[str]) -> None:
    alerts = [make_alert("a"), make_alert("b", ago=40 * DAY)]
    commit(alerts)
    claimed(home, [*alerts, make_alert("c", ago=HOUR, status="provisional")])
    assert ids(home) == ["a", "c", "b"]
    assert ids(home, limit=None) == ["a", "c", "b"]
    assert opened == []


def test_a_store_that_has_lost_old_alerts_answers_for_the_time_since(
    home: Home, commit: Commit, opened: list[str]
) -> None:
    alerts = [make_alert("a"), make_alert("b", ago=HOUR), make_alert("c", ago=2 * DAY)]
    commit(alerts)
    claimed(home, alerts[:2], after=NOW - 2 * DAY)
    assert ids(home, since=NOW - 2 * HOUR) == ["a", "b"]
    assert ids(home, limit=1) == ["a"]
    assert opened == []
    assert ids(home, since=NOW - 2 * DAY) == ["a", "b", "c"]
    assert opened
    opened.clear()
    assert ids(home, limit=2) == ["a", "b"]  # whether there are more, only the table knows
    assert opened


def test_alerts_past_their_time_to_live_are_read_from_the_table(home: Home, commit: Commit) -> None:
    alerts = [make_alert("a"), make_alert("b", ago=HOUR)]
    commit(alerts)
    claimed(home, alerts)
    assert ids(home, NOW + 25 * HOUR, limit=None) == ["a", "b"]


def test_a_commit_that_the_store_knows_nothing_of_is_seen(home: Home, commit: Commit) -> None:
    """An engine that died between the commit and its note of it, another version, or a store from a backup."""
    commit([make_alert("a")])
    claimed(home, [make_alert("a")])
    commit([make_alert("b")])
    assert ids(home) == ["a", "b"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["rows", "file"])
def test_an_emptied_store_changes_no_answer(day: Home, tmp_path: Path, how: str) -> None:
    copy = copied(day, tmp_path)
    queries: list[dict[str, Any]] = [{}, {"limit": 2}, {"type": "whale_trade"}, {"since": "x"}, {"limit": None}]
    moment = datetime.fromisoformat("2025-03-04T13:20:00Z")
    asked = [{**q, "status": "final"} | ({"since": moment} if "since" in q else {}) for q in queries]
    before = [answer(copy, **q) for q in asked]
    assert len(before[0]) > 3
    if how == "file":
        copy.hot_db.unlink()
    else:
        hot = SqliteHotStore(copy.hot_db)
        hot.sweep(now=datetime.max.replace(tzinfo=NOW.tzinfo) - DAY)
        assert hot.alerts(now=NOW) == []
        hot.close()
    assert [answer(copy, **q) for q in asked] == before


def answer(home: Home, *, final: bool = True, **query: Any) -> list[tuple[str, int, str]]:
    """What is found; `final`: without provisional alerts, which are in no table."""
    with open_stores(home) as stores:
        found = find(stores, AlertQuery(**query))
        return [(a.alert_id, a.revision, a.status) for a in found if a.status == "final" or not final]


def copied(home: Home, folder: Path) -> Home:
    """The same tables with a hot store of its own."""
    path = folder / "copy"
    path.mkdir()
    shutil.copy(home.hot_db, path)
    for name in ("warehouse", "catalog.db"):
        (path / name).symlink_to(home.path / name)
    return replace(home, path=path)


def test_an_engine_leaves_a_store_that_answers_alone(day: Home, opened: list[str]) -> None:
    assert len(answer(day, limit=None)) > 3
    assert opened == []


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["file", "claim", "note"])
def test_an_engine_that_cannot_know_what_the_store_lacks_claims_what_comes_later(tmp_path: Path, lost: str) -> None:
    """The store is gone, an older version made it, or the engine died before it noted its last commit."""
    home = new_home(tmp_path)
    records = list(market())
    for half in (records[: len(records) * 4 // 5], records[len(records) * 4 // 5 :]):
        feed(LocalStream(home.stream), [half])
        drained(home)
        if half[0] is records[0]:
            with open_stores(home) as stores:
                newest = stores.lake.scan(ALERTS)["detected_at"].max()
            assert isinstance(newest, datetime)
            if lost == "file":
                home.hot_db.unlink()
            else:
                change = "DELETE FROM complete" if lost == "claim" else "UPDATE complete SET snapshot = 7"
                with closing(sqlite3.connect(home.hot_db)) as connection, connection:
                    connection.execute(change)
    with open_stores(home) as stores:
        claim = stores.hot.complete(now=datetime.now(UTC))
        everything = current_alerts(stores.lake, stores.hot, now=datetime.now(UTC))["alert_id"].to_list()
    assert claim is not None
    assert claim.after == newest
    assert [i for i, *_ in answer(home, limit=None, final=False)] == everything
    later = [i for i, *_ in answer(home, limit=None, since=newest + MINUTE, final=False)]
    assert later == [i for i in everything if i in set(later)] != []


def test_what_is_written_while_the_current_ones_are_read_is_news(home: Home) -> None:
    claimed(home, [make_alert("a")], now=datetime.now(UTC))
    with open_stores(home) as stores:
        changes = follow(stores, AlertQuery(), wait=lambda: None)
        first = next(changes)
        claimed(home, [make_alert("b")], now=datetime.now(UTC))
        second = next(changes)
    assert [(c.alert.alert_id[0], c.change) for c in (first, second)] == [("a", "current"), ("b", "new")]


@pytest.mark.slow
def test_following_sees_what_an_engine_began_to_write_before_anybody_followed(home: Home) -> None:
    """A revision carries the time at which its batch began, which may be minutes before it is there."""
    began = datetime.now(UTC) - 10 * MINUTE
    with open_stores(home) as stores:
        changes = follow(stores, AlertQuery(limit=1), wait=lambda: claimed(home, [make_alert("a")], now=began))
        assert [(c.alert.alert_id[0], c.change) for c in (next(changes),)] == [("a", "new")]


def test_a_clock_that_is_set_back_hides_nothing_from_those_who_follow(home: Home) -> None:
    now = datetime.now(UTC)
    claimed(home, [make_alert("a")], now=now + HOUR)
    with open_stores(home) as stores:
        changes = follow(stores, AlertQuery(), wait=lambda: claimed(home, [make_alert("b")], now=now))
        assert [next(changes).alert.alert_id[0] for _ in "ab"] == ["a", "b"]


def test_following_goes_on_where_it_stopped(home: Home) -> None:
    """What was written since is shown, however long ago it happened, and what was taken back meanwhile."""
    stopped = datetime.now(UTC) - 2 * HOUR
    claimed(home, [make_alert(name, ago=DAY) for name in "abc"], now=stopped - HOUR)
    claimed(home, [make_alert("d", ago=40 * DAY), make_alert("b", ago=DAY, revision=2, status=RETRACTED),
                   make_alert("c", ago=DAY, revision=2, severity="low")], now=stopped)  # fmt: skip
    claimed(home, [make_alert("e")], now=stopped + MINUTE)
    later = partial(claimed, home, [make_alert("f", ago=DAY)], now=stopped + HOUR)
    with open_stores(home) as stores:
        changes = follow(stores, AlertQuery(since=stopped, limit=None), wait=later)
        shown = [(c.alert.alert_id[0], c.alert.revision, c.change) for c in islice(changes, 5)]
    assert shown == [("d", 1, "current"), ("b", 2, "retracted"), ("c", 2, "current"), ("e", 1, "current"),
                     ("f", 1, "new")]  # fmt: skip


@pytest.mark.slow
def test_following_beside_an_engine_prints_a_document_per_line_and_ends_in_order(home: Home) -> None:
    claimed(home, [make_alert("a")], now=datetime.now(UTC))
    child = Child("alerts", "--follow", "--json", "--home", home.path, folder=home.path)
    try:
        first = json.loads(child.line_with("{"))
        claimed(home, [make_alert("b")], now=datetime.now(UTC))
        second = json.loads(child.line_with("{"))
        done = child.end(signal.SIGINT)
    finally:
        child.process.kill()
        child.process.communicate()
    assert [(line["alert_id"][0], line["change"]) for line in (first, second)] == [("a", "current"), ("b", "new")]
    assert (done.code, done.err) == (0, "")


@pytest.mark.slow
def test_a_symbol_that_landed_a_moment_ago_is_known(tmp_path: Path) -> None:
    """Coverage, bars and alerts are committed once a minute, trades at once."""
    home = new_home(tmp_path)
    feed(LocalStream(home.stream), [list(market())])
    drained(home)
    feed(LocalStream(home.stream), [[make_trade(1, START, symbol="NEW-USDT")]])
    interrupted(home, {"engine.derived_commit_every": "1h"}, lambda engine: engine.drain())
    with open_stores(home) as stores:
        assert find(stores, AlertQuery(symbol="NEW-USDT")).count == 0
        with pytest.raises(UsageError, match="symbol 'NEW-USD' has no trades here; did you mean NEW-USDT"):
            find(stores, AlertQuery(symbol="NEW-USD"))
        assert export(stores, "raw_trades", str(tmp_path / "new.csv"), symbol="new-usdt").done.rows == 1


@pytest.mark.slow
def test_alerts_and_status_import_neither_pyarrow_nor_pyiceberg(day: Home) -> None:
    for command in ("alerts", "alerts --json", "status"):
        code = (
            f"import sys; from coattail.cli import main; main(['--home', {str(day.path)!r}, *{command.split()!r}]); "
            "print(sorted({'pyarrow', 'pyiceberg', 'polars', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", command
        assert "volume_spike" in done.stdout
