"""Hot stores as they may be: hostile, huge, locked, damaged, older, away, and not made yet."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from fastapi import FastAPI

from coattail.api.app import make_app
from coattail.api.opening import source_of
from coattail.api.source import PATIENCE, HotSource
from coattail.config import load_settings
from coattail.home import Home
from coattail.stores.hot import HotStore
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.served import SYMBOL
from tests.harness.asgi import Answer, ask
from tests.harness.executed import PAYLOADS
from tests.harness.served import NOW, fill, numbered, symbol_fact

EVERYTHING = ("/alerts", f"/alerts/{numbered(0).alert_id}", "/metrics/BTC-USDT", "/symbols", "/health")


@contextmanager
def over(path: Path) -> Iterator[FastAPI]:
    source = HotSource(lambda: SqliteHotStore(path, writable=False, patience=PATIENCE), clock=lambda: NOW)
    yield make_app(source)
    source.close()


def statuses(app: FastAPI) -> set[int]:
    return {ask(app, address).status for address in EVERYTHING}


def unavailable(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.json["error"], answer.headers["retry-after"]


def test_markup_in_every_field_comes_out_as_json_and_as_nothing_else(app: FastAPI, store: HotStore) -> None:
    alerts = [
        numbered(
            100 + n, message=text, symbol=text, exchange=text, alert_type=text, module_id=text, preset=text,
            details=msgspec.json.encode({text: text, "side": text}).decode(), evidence=None,
        )
        for n, text in enumerate(PAYLOADS)
    ]  # fmt: skip
    store.put_alerts(alerts, now=NOW)
    facts = {f"{SYMBOL}{text}": symbol_fact(text, (text, "binance")) for text in PAYLOADS}
    store.put_facts(facts, now=NOW)
    asked = ["/alerts?limit=200", "/symbols", "/health", *(f"/alerts/{alert.alert_id}" for alert in alerts)]
    for address in asked:
        answer = ask(app, address)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    listed = {alert["alert_id"]: alert for alert in ask(app, "/alerts?limit=200").json["alerts"]}
    assert all(listed[alert.alert_id]["message"] == alert.message for alert in alerts)
    assert {one["symbol"] for one in ask(app, "/symbols").json["symbols"]} >= set(PAYLOADS)


def test_ten_thousand_alerts_are_walked_page_by_page_while_others_are_written(tmp_path: Path) -> None:
    with closing(SqliteHotStore(tmp_path / "hot.db")) as writer, over(tmp_path / "hot.db") as app:
        fill(writer, 10_000)
        seen: list[str] = []
        cursor = ""
        for page in range(51):
            found = ask(app, f"/alerts?limit=200{cursor}").json
            seen += [alert["alert_id"] for alert in found["alerts"]]
            if not found["has_more"]:
                break
            cursor = f"&cursor={found['next_cursor']}"
            new = [numbered(-1 - page), numbered(20_000 + page), numbered(page * 190, revision=page + 2)]
            writer.put_alerts(new, now=NOW)
        assert len(seen) == len(set(seen))
        assert set(seen) >= {numbered(n).alert_id for n in range(10_000)}


def test_a_locked_store_is_answered_at_once_and_read_as_soon_as_it_is_free(tmp_path: Path) -> None:
    with closing(SqliteHotStore(tmp_path / "hot.db")) as writer:
        fill(writer)
    with over(tmp_path / "hot.db") as app:
        with closing(sqlite3.connect(tmp_path / "hot.db", isolation_level=None)) as hog:
            hog.execute("PRAGMA locking_mode=EXCLUSIVE")
            hog.execute("BEGIN IMMEDIATE")
            hog.execute("DELETE FROM facts WHERE name = 'x'")
            began = time.process_time()
            answers = [ask(app, address) for address in EVERYTHING]
            assert {unavailable(answer) for answer in answers} == {(503, "unavailable", "1")}
            assert time.process_time() - began < 1.0
            assert str(tmp_path) not in answers[0].body.decode(), "a path of the server is nobody's business"
        assert statuses(app) == {200}


@pytest.mark.parametrize("offset", [0, 4_096, 8_192], ids=["head", "page", "other page"])
def test_a_damaged_store_is_unavailable_until_it_is_mended(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "hot.db"
    with closing(SqliteHotStore(path)) as writer:
        fill(writer, 300)
    sound = path.read_bytes()
    path.write_bytes(sound[:offset] + b"\xa5" * 4_096 + sound[offset + 4_096 :])
    with over(path) as app:
        answers = [ask(app, address) for address in EVERYTHING]
        failed = {unavailable(answer) for answer in answers if answer.status != 200}
        assert failed == {(503, "unavailable", "10")}
        mended = tmp_path / "mended.db"
        mended.write_bytes(sound)
        mended.replace(path)
        assert statuses(app) == {200}


def test_details_that_are_no_json_are_a_damaged_store(app: FastAPI, store: HotStore) -> None:
    store.put_alerts([numbered(50, details="{")], now=NOW)
    assert unavailable(ask(app, "/alerts?limit=200")) == (503, "unavailable", "10")


def test_a_store_of_an_older_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "hot.db"
    with closing(SqliteHotStore(path)) as writer:
        fill(writer)
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        for trigger in ("gone", "forgotten"):
            older.execute(f"DROP TRIGGER {trigger}")
        for table in ("facts", "complete", "revisions"):
            older.execute(f"DROP TABLE {table}")
        older.execute("ALTER TABLE alerts DROP COLUMN evidence")
    with over(path) as app:
        page = ask(app, "/alerts").json
        assert (page["count"], page["known"]) == (20, False)
        alert = ask(app, EVERYTHING[1]).json
        assert (alert["evidence"], alert["revisions"]) == (None, [])
        assert ask(app, "/symbols").json["count"] == 0
        assert ask(app, "/health").json["status"] == "empty"
        assert ask(app, "/metrics/BTC-USDT").json["error"] == "not_measured"


def test_facts_of_another_version_make_their_own_endpoint_unavailable_and_no_other(
    app: FastAPI, store: HotStore
) -> None:
    store.put_fact(SYMBOL + "BTC-USDT", {"symbol": "BTC-USDT"}, now=NOW)
    assert ask(app, "/metrics/BTC-USDT").status == 503
    assert ask(app, "/metrics/ETH-USDT").status == ask(app, "/alerts").status == ask(app, "/health").status == 200


def test_a_home_is_answered_for_before_it_has_a_hot_store_and_after_it_was_away(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    source = source_of(home, load_settings(home))
    source.clock = lambda: NOW
    app = make_app(source)
    assert (ask(app, "/alerts").json["count"], ask(app, "/health").json["status"]) == (0, "empty")
    assert not home.hot_db.exists()
    with closing(SqliteHotStore(home.hot_db)) as writer:
        fill(writer)
        assert ask(app, "/alerts").json["count"] == 20
    assert ask(app, "/health").json["status"] == "stopped", "no engine holds the home"
    with home.engine_lock("test"):
        assert ask(app, "/health").json["engine"]["state"] == "running"
    away = shutil.move(home.path, tmp_path / "elsewhere")
    assert unavailable(ask(app, "/alerts")) == (503, "unavailable", "10")
    shutil.move(away, home.path)
    assert ask(app, "/alerts").json["count"] == 20
    source.close()
