"""Couriers beside an engine: processes that are killed, engines elsewhere, and what is said of it all."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import Alert
from coattail.cli import main
from coattail.config import load_settings
from coattail.errors import ConfigError
from coattail.home import Home
from coattail.notify import sinks_of
from coattail.notify.beside import notified
from coattail.notify.ledger import DeliveryLedger
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.streams.local import LocalStream
from coattail.workspace.landing import land
from coattail.workspace.notify import standing
from tests.harness.alerts import make_alert
from tests.harness.commands import Child
from tests.harness.processes import ROOT
from tests.harness.running import feed, new_home
from tests.harness.scenes import market
from tests.harness.scripted_server import Reply, ScriptedServer, serving

pytestmark = pytest.mark.slow

PATIENCE = 30


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path)


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*arguments: object) -> Child:
        children.append(Child(*arguments, folder=tmp_path))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
        child.process.communicate()


def configured(home: Home, server: ScriptedServer, **more: object) -> None:
    sink = {"kind": "webhook", "url": server.url, "min_severity": "low", "max_per_minute": 1000, **more}
    home.config_file.write_text(json.dumps({"preset": "classic", "notify": {"sinks": {"phone": sink}}}))


def written(home: Home, *alerts: Alert) -> None:
    with closing(SqliteHotStore(home.hot_db)) as hot:
        hot.put_alerts(alerts, now=datetime.now(UTC))


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_a_notifier_killed_between_sending_and_noting_sends_again_under_the_same_key(
    home: Home, spawn: Callable[..., Child]
) -> None:
    with serving(Reply(how="silent")) as server:
        configured(home, server)
        first = spawn("notify", "run", "--home", home.path)
        first.line_with("sending alerts")
        eventually(lambda: bool(known(home)))
        written(home, make_alert("a"))
        eventually(lambda: len(server.asked) == 1)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        written(home, make_alert("b"))  # an engine goes on meanwhile
        second = spawn("notify", "run", "--home", home.path)
        eventually(lambda: {"a" * 32, "b" * 32} <= {asked.key for asked in server.asked[1:]})
        done = second.end(signal.SIGTERM)
    assert (done.code, done.err) == (0, "")
    assert sorted(asked.key[0] for asked in server.asked) == ["a", "a", "b"]
    (fares,) = standing(home, load_settings(home), now=datetime.now(UTC))
    assert (fares.sent, fares.waiting, fares.dead) == (2, 0, 0)


def known(home: Home) -> list[Any]:
    """The sinks that a notifier has begun with."""
    if not home.notify_db.exists():
        return []
    with closing(DeliveryLedger(home.notify_db)) as ledger:
        return ledger._connection.execute("SELECT name FROM sinks").fetchall()


def test_landing_sends_what_it_finds_and_a_second_landing_nothing_again(home: Home) -> None:
    with serving() as server:
        configured(home, server)
        settings = load_settings(home)
        feed(LocalStream(home.stream), [list(market())])
        land(home, settings, drain=True)
        keys = [asked.key for asked in server.asked]
        land(home, settings, drain=True)
    with closing(SqliteHotStore(home.hot_db)) as hot:
        final = {s.alert.alert_id for s in hot.alerts(now=datetime.now(UTC)) if s.alert.status == "final"}
    assert set(keys) == final != set()
    assert len(keys) == len(final) == len(server.asked)


def test_one_process_at_a_time_sends_and_the_next_takes_over(home: Home) -> None:
    with serving() as server:
        configured(home, server)
        settings = load_settings(home)
        with home.notify_lock("notify run"), notified(home, settings, by="land"):
            written(home, make_alert("a"))
            assert main(["notify", "run", "--home", str(home.path)]) == 1
        assert server.asked == []
        with notified(home, settings, by="land"):
            eventually(lambda: bool(known(home)))
            written(home, make_alert("b"))
            eventually(lambda: len(server.asked) == 1)
    assert [asked.key[0] for asked in server.asked] == ["b"]


def test_a_slow_sink_holds_up_neither_another_one_nor_the_end(home: Home) -> None:
    with serving(Reply(how="silent")) as slow, serving() as quick:
        sinks = {name: {"kind": "webhook", "url": server.url} for name, server in (("a", slow), ("b", quick))}
        home.config_file.write_text(json.dumps({"notify": {"sinks": sinks}}))
        with notified(home, load_settings(home), by="land"):
            eventually(lambda: len(known(home)) == 2)
            written(home, make_alert("a"))
            eventually(lambda: len(quick.asked) == len(slow.asked) == 1)
            began = time.monotonic()
            threading.Timer(1.0, slow.over.set).start()
        assert time.monotonic() - began < 8


def test_where_no_sink_is_configured_nothing_runs_and_nothing_is_made(home: Home) -> None:
    before = threading.active_count()
    with notified(home, load_settings(home), by="land"):
        assert threading.active_count() == before
    assert not home.notify_db.exists()


def test_status_and_doctor_say_how_deliveries_fare(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--home", str(home.path))
    with serving(Reply(404, body="no_service")) as server:
        configured(home, server)
        assert main(["status", *at]) == 0
        assert "notify     phone: 0 sent\n" in capsys.readouterr().out
        with notified(home, load_settings(home), by="land"):
            eventually(lambda: bool(known(home)))
            written(home, make_alert("a"))
            eventually(lambda: len(server.asked) == 1)
            written(home, make_alert("b"))
    main(["status", *at])
    said = "phone: 1 sent, 1 GIVEN UP (404 Not Found: no_service); last "
    assert f"notify     {said}" in capsys.readouterr().out
    main(["status", "--json", *at])
    (sink,) = json.loads(capsys.readouterr().out)["notify"]
    page = (ROOT / "docs" / "CLI.md").read_text()
    listed = re.search(r"`notify` is `\[\{(.*?)\}\]`", page, re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[1]) == list(sink)
    main(["doctor", "--json", *at])
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["notify"]["state"] == "note"
    assert said in findings["notify"]["detail"]
    main(["notify", "retry", *at])
    assert capsys.readouterr().out == "phone: 1 to send again\n"
    with serving() as server:
        configured(home, server)
        with notified(home, load_settings(home), by="land"):
            eventually(lambda: len(server.asked) == 1)
    assert main(["notify", "retry", "nobody", *at]) == 2
    assert "there is no sink 'nobody'; known: phone" in capsys.readouterr().err
    home.config_file.write_text("notify: {sinks: {phone: {kind: webhook, url: 'env:NOT_SET_ANYWHERE'}}}\n")
    main(["doctor", "--json", *at])
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["notify"]["state"] == "broken"
    assert "NOT_SET_ANYWHERE is not set" in findings["notify"]["detail"]


# -- configuration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ({}, r"notify.sinks.phone.kind is missing; known: webhook, command, desktop"),
        ({"kind": "webhok"}, r"notify.sinks.phone.kind 'webhok' is unknown; did you mean webhook\?"),
        ({"kind": "webhook", "url": "https://x", "tokn": "hunter2"},
         r"unknown setting notify.sinks.phone.tokn = '\*\*\*' in .*yaml; did you mean notify.sinks.phone.token\?"),
        ({"kind": "webhook", "url": "https://x", "timeout": "soon"}, r"timeout = 'soon' in .* must be a duration"),
        ({"kind": "webhook", "url": "https://x", "types": ["whale"]}, r"names 'whale', which is unknown; known: "),
        ({"kind": "webhook", "url": "https://x", "exchanges": ["Binance"]}, r"names 'Binance', which is unknown"),
        ({"kind": "webhook", "url": "https://x", "symbols": ["btc-usdt"]}, r"symbols = .* in .* like BTC-USDT"),
        ({"kind": "webhook", "url": "https://x", "headers": "hunter2"}, r"headers = '\*\*\*' in .* must be a mapping"),
        ({"kind": "webhook", "url": "https://x", "attempts": 0}, r"attempts = 0 in .* must be above zero"),
    ],
)  # fmt: skip
def test_a_sink_that_is_misspelt_is_refused_in_a_sentence(home: Home, sink: dict[str, object], words: str) -> None:
    home.config_file.write_text(json.dumps({"notify": {"sinks": {"phone": sink}}}))
    with pytest.raises(ConfigError, match=words) as caught:
        sinks_of(load_settings(home))
    assert "hunter2" not in str(caught.value)


def test_landing_with_a_sink_that_cannot_work_is_refused_before_anything_lands(home: Home) -> None:
    sink = {"kind": "webhook", "url": "env:NOT_SET_ANYWHERE"}
    home.config_file.write_text(json.dumps({"notify": {"sinks": {"phone": sink}}}))
    with pytest.raises(ConfigError, match="the environment variable NOT_SET_ANYWHERE is not set"):
        land(home, load_settings(home), drain=True)
    assert not (home.path / "catalog.db").exists()


def test_config_show_masks_whatever_may_be_secret(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    sinks = {
        "a": {"kind": "webhook", "url": "https://u:hunter2@hooks.slack.com/hunter2?x=hunter2", "token": "hunter2",
              "headers": {"X-Key": "hunter2"}, "body": {"default": "hunter2"}, "types": ["volume_spike"]},
        "b": {"kind": "command", "command": ["curl", "hunter2"]},
        "c": {"kind": "webhook", "url": "env:SLACK_URL", "secert": "hunter2"},
        "classic": "hunter2",
    }  # fmt: skip
    home.config_file.write_text(json.dumps({"notify": {"sinks": sinks}}))
    main(["config", "show", "--home", str(home.path)])
    shown = capsys.readouterr()
    del sinks["classic"]
    home.config_file.write_text(json.dumps({"notify": {"sinks": sinks}}))
    assert "hunter2" not in repr(load_settings(home))
    main(["config", "show", "--home", str(home.path), "--json"])
    listed = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err + listed.out + listed.err
    rows = {row["key"]: row["value"] for row in json.loads(listed.out)["settings"]}
    assert rows["notify.sinks.a.url"] == "https://hooks.slack.com/***"
    assert rows["notify.sinks.c.url"] == "env:SLACK_URL"
    assert rows["notify.sinks.a.types"] == ["volume_spike"]


# -- trying --------------------------------------------------------------------------------------------------------


def test_notify_test_says_what_came_back_from_each_sink(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Reply(200), Reply(403, body="no")) as server:
        sinks = {name: {"kind": "webhook", "url": server.url} for name in ("a", "b")}
        home.config_file.write_text(json.dumps({"notify": {"sinks": sinks}}))
        assert main(["notify", "test", "--home", str(home.path)]) == 1
        out = capsys.readouterr().out.splitlines()
        assert main(["notify", "test", "b", "--home", str(home.path), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
    assert out[0].startswith("a (generic at 127.0.0.1): 200 OK in 0.")
    assert out[1].startswith("b (generic at 127.0.0.1): FAILED, 403 Forbidden: no in 0.")
    assert [tried["sink"] for tried in document["sinks"]] == ["b"]
    assert len({asked.key for asked in server.asked}) == 3
    assert all(asked.json["occasion"] == "sample" for asked in server.asked)
    assert not home.notify_db.exists()


def test_notify_test_without_a_sink_says_where_to_read_how(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "test", "--home", str(home.path)]) == 2
    assert "no sink is configured; write one into coattail.yaml" in capsys.readouterr().err
    home.config_file.write_text("notify: {sinks: {a: {kind: command, command: ['true']}}}\n")
    assert main(["notify", "test", "b", "--home", str(home.path)]) == 2
    assert "there is no sink 'b'; known: a" in capsys.readouterr().err
    assert timedelta(hours=1) == load_settings(home).notify.max_age
