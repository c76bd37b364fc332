"""Muting and acknowledging: what is not sent is still there, and says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coattail import Workspace
from coattail.alerts import Alert
from coattail.cli import main
from coattail.errors import UsageError
from coattail.home import Home
from coattail.notify.ledger import DeliveryLedger
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.opening import open_replies
from coattail.workspace.alerts import AlertQuery, find, follow
from coattail.workspace.opening import open_stores
from coattail.workspace.replies import acknowledge, mute, mutes, unmute
from tests.harness.alerts import NOW, make_alert

HOUR = timedelta(hours=1)
Commit = Callable[[Sequence[Alert]], None]


def put(home: Home, *alerts: Alert, now: datetime = NOW) -> None:
    with closing(SqliteHotStore(home.hot_db)) as hot:
        hot.put_alerts(alerts, now=now)


def marks(home: Home) -> dict[str, tuple[bool | None, str | None]]:
    with open_stores(home) as stores:
        page = find(stores, AlertQuery(), now=NOW + HOUR)
    return {a.alert_id[0]: (a.muted, a.acknowledged.note if a.acknowledged else None) for a in page}


@pytest.mark.parametrize(
    ("wish", "muted"),
    [
        ({"symbol": "btc-usdt"}, "abe"),
        ({"type": "volume_spike"}, "b"),
        ({"exchange": "Coinbase"}, "c"),
        ({"symbol": "BTC-USDT", "type": "whale_trade", "exchange": "binance"}, "a"),
        ({"until": NOW + HOUR}, "abce"),
    ],
)
def test_what_is_written_while_it_is_muted_is_listed_and_marked(
    home: Home, wish: dict[str, object], muted: str
) -> None:
    put(home, make_alert("o"), now=NOW - timedelta(seconds=1))
    mute(home, now=NOW, **wish)  # type: ignore[arg-type]
    put(
        home,
        make_alert("a"),
        make_alert("b", alert_type="volume_spike"),
        make_alert("c", symbol="ETH-USD", exchange="coinbase"),
        make_alert("e", exchange=None),
    )
    found = marks(home)
    assert set(found) == set("abceo")
    assert {name for name, (is_muted, _) in found.items() if is_muted} == set(muted)


def test_a_mute_ends_by_itself_or_by_being_ended_and_what_was_muted_stays_marked(home: Home) -> None:
    mute(home, "BTC-USDT", until=NOW + HOUR, now=NOW)
    mute(home, "ETH-USD", now=NOW)
    mute(home, type="whale_trade", now=NOW)
    put(home, make_alert("a"))
    left = unmute(home, type="whale_trade", now=NOW + timedelta(minutes=1))
    assert repr(left) == (
        "all alerts of ETH-USD, until `coattail unmute`\nall alerts of BTC-USDT, until 2025-06-01 13:00:00Z"
    )
    with open_stores(home) as stores:
        assert [m.symbol for m in mutes(stores, now=NOW + HOUR).mutes] == ["ETH-USD"]
    put(home, make_alert("b"), now=NOW + HOUR)
    assert marks(home) == {"a": (True, None), "b": (False, None)}


def test_a_second_mute_of_the_same_alerts_takes_the_place_of_the_first(home: Home) -> None:
    mute(home, "BTC-USDT", now=NOW)
    mute(home, "BTC-USDT", until=NOW + HOUR, now=NOW + timedelta(minutes=1))
    with open_stores(home) as stores:
        assert [m.until for m in mutes(stores, now=NOW + timedelta(minutes=2)).mutes] == [NOW + HOUR]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "mute what"),
        ({"symbol": "BTCUSDT"}, "symbol 'BTCUSDT' must be a canonical symbol"),
        ({"type": "whale"}, "type 'whale' is unknown; known: "),
        ({"exchange": "nyse"}, "exchange 'nyse' is unknown; known: binance"),
        ({"symbol": "BTC-USDT", "until": NOW}, "until 2025-06-01 12:00:00Z has passed"),
    ],
)
def test_a_mute_that_cannot_be_meant_is_refused(home: Home, wish: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        mute(home, now=NOW, **wish)  # type: ignore[arg-type]
    assert not home.notify_db.exists()


def test_unmuting_what_is_not_muted_says_what_is(home: Home) -> None:
    mute(home, "ETH-USD", now=NOW)
    with pytest.raises(UsageError, match=r"all alerts of BTC-USDT: not muted as such; muted: all alerts of ETH-USD"):
        unmute(home, "BTC-USDT", now=NOW)


def test_an_alert_is_acknowledged_by_the_beginning_of_its_id_wherever_it_is(home: Home, commit: Commit) -> None:
    commit([make_alert("a", ago=40 * 24 * HOUR)])
    put(home, make_alert("b"))
    with open_stores(home) as stores:
        assert (
            repr(acknowledge(stores, "aaaa", note="a\x1blisting", now=NOW)) == f"acknowledged {'a' * 12}: a\\x1blisting"
        )
        acknowledge(stores, "b" * 12, now=NOW)
        acknowledge(stores, "b" * 12, note="again", now=NOW)
        with pytest.raises(UsageError, match="no alert's id begins with 'c'"):
            acknowledge(stores, "c")
        page = find(stores, AlertQuery(), now=NOW)
        assert "(acknowledged: again)" in repr(page)
        first = next(follow(stores, AlertQuery(), wait=lambda: None, now=NOW))
    assert marks(home) == {"a": (False, "a\x1blisting"), "b": (False, "again")}
    assert first.alert.acknowledged is not None


def test_replies_survive_the_loss_of_the_hot_store(home: Home, commit: Commit) -> None:
    mute(home, "BTC-USDT", now=NOW - HOUR)
    commit([make_alert("a")])
    with open_stores(home) as stores:
        acknowledge(stores, "a", now=NOW)
    home.hot_db.unlink(missing_ok=True)
    assert marks(home) == {"a": (True, None)}
    with open_stores(home) as stores:
        assert stores.marks().acknowledged["a" * 32].at == NOW


def test_a_file_that_only_one_of_the_two_has_made_is_read_by_the_other(home: Home) -> None:
    DeliveryLedger(home.notify_db).close()
    with closing(open_replies(home)) as replies:
        assert (replies.mutes(), replies.acknowledged()) == ([], {})
    home.notify_db.unlink()
    open_replies(home, writable=True).close()
    with closing(DeliveryLedger(home.notify_db, writable=False)) as ledger:
        assert ledger.counts("phone", NOW) == {}
        assert ledger.latest("phone", "sent") is None


def test_a_workspace_answers_alerts(day: Home, tmp_path: Path) -> None:
    ws = Workspace(day.path)
    alert = ws.alerts()[0].alert_id
    made = ws.mute("BTC-USDT", duration=2 * HOUR)
    assert made.until is not None
    assert (made.until - made.since, len(ws.mutes().mutes)) == (2 * HOUR, 1)
    assert repr(ws.unmute("BTC-USDT")) == "nothing is muted"
    assert ws.acknowledge(alert[:12], note="seen").alert_id == alert
    assert f"acknowledged {datetime.now(UTC):%Y-%m-%d}" in repr(ws.explain(alert))
    ws.report(tmp_path / "day.html", light=True)
    assert "acknowledged: seen" in (tmp_path / "day.html").read_text()
    day.notify_db.unlink()


def test_the_commands_say_what_they_did(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, make_alert("a"), now=datetime.now(UTC))
    at = ("--home", str(home.path))
    assert main(["mute", "btc-usdt", "--type", "volume_spike", "--for", "2h", *at]) == 0
    assert capsys.readouterr().out.startswith("muted: volume_spike of BTC-USDT, until 20")
    assert main(["mutes", "--json", *at]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["mutes"]
    assert (listed["symbol"], listed["type"], listed["exchange"]) == ("BTC-USDT", "volume_spike", None)
    assert main(["unmute", "BTC-USDT", "--type", "volume_spike", *at]) == 0
    assert capsys.readouterr().out == "nothing is muted\n"
    assert main(["ack", "aaaaaa", "--note", "a listing", *at]) == 0
    assert capsys.readouterr().out == "acknowledged aaaaaaaaaaaa: a listing\n"
    assert main(["alerts", *at]) == 0
    assert "a whale (acknowledged: a listing)" in capsys.readouterr().out
    for wrong in (["mute", "BTC-USDT", "--for", "2h", "--until", "2030-01-01"], ["mute", "BTC-USDT", "--for", "soon"]):
        assert main([*wrong, *at]) == 2
