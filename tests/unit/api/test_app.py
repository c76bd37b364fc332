"""What the endpoints answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

from coattail.alerts import DISCLAIMER
from coattail.api.app import make_app
from coattail.api.asked import TYPES
from coattail.api.source import HotSource
from coattail.detectors import ALERT_TYPES
from coattail.stores.hot import Complete, HotStore
from coattail.stores.served import MARKET
from coattail.workspace.documents.serving import (
    AlertDetailDocument,
    MetricsDocument,
    ServedAlertsDocument,
    ServingHealthDocument,
    SymbolsDocument,
)
from tests.harness.asgi import Answer, ask
from tests.harness.served import NEWEST, NOW, beat, fill, market_fact, numbered


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [alert["alert_id"] for alert in answer.json["alerts"]]


def of(*numbers: int) -> list[str]:
    return [numbered(n).alert_id for n in numbers]


@pytest.mark.parametrize(
    ("address", "kind"),
    [("/alerts", ServedAlertsDocument), ("/metrics/BTC-USDT", MetricsDocument), ("/symbols", SymbolsDocument),
     ("/health", ServingHealthDocument), (f"/alerts/{numbered(0).alert_id}", AlertDetailDocument)],
)  # fmt: skip
def test_every_answer_is_a_document_with_the_disclaimer(app: FastAPI, address: str, kind: type[Any]) -> None:
    answer = ask(app, address)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = msgspec.json.decode(answer.body, type=kind)
    assert document.disclaimer == DISCLAIMER
    assert answer.json == msgspec.to_builtins(document, str_keys=True)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("limit=3", (0, 1, 2)),
        ("type=whale_trade&limit=3", (0, 2, 4)),
        ("symbol=ETH-USDT&limit=3", (1, 4, 7)),
        ("exchange=Coinbase&limit=9", (2, 7, 12, 17)),
        ("severity=high&limit=3", (2, 3, 6)),
        ("status=retracted", (19,)),
        ("since=2025-03-04T14:00:29Z", (0, 1)),
        ("since=2025-03-04T15:00:29%2B01:00", (0, 1)),
        ("since=2025-03-04T15:00:29+01:00", (0, 1)),
        ("until=2025-03-04T14:00:13Z", (18,)),
        ("symbol=btcusdt&type=volume_spike&severity=critical", (3, 11, 15)),
    ],
)
def test_alerts_are_those_asked_for_newest_first(
    app: FastAPI, store: HotStore, query: str, numbers: tuple[int, ...]
) -> None:
    store.put_alerts([numbered(19, status="retracted", revision=2)], now=NOW)
    assert ids(ask(app, f"/alerts?{query}")) == of(*numbers)


def test_a_page_says_what_comes_after_it_and_what_the_store_holds(app: FastAPI, store: HotStore) -> None:
    first = ask(app, "/alerts?limit=12").json
    assert (first["count"], first["has_more"], first["known"], first["complete_after"]) == (12, True, True, None)
    assert first["newest_recorded_at"] == "2025-03-04T14:00:32Z"
    second = ask(app, f"/alerts?limit=12&cursor={first['next_cursor']}").json
    assert (second["count"], second["has_more"], second["next_cursor"]) == (8, False, None)
    store.claim(Complete(5, NEWEST - timedelta(hours=3)))
    assert ask(app, "/alerts?limit=1").json["complete_after"] == "2025-03-04T11:00:30Z"


def test_an_empty_store_has_an_empty_page_and_no_health_to_speak_of() -> None:
    from tests.harness.in_memory import MemoryHotStore

    app = make_app(HotSource(lambda: MemoryHotStore(timedelta(days=1)), clock=lambda: NOW))
    page = ask(app, "/alerts?symbol=btcusdt&exchange=kraken").json
    assert (page["alerts"], page["count"], page["has_more"], page["known"]) == ([], 0, False, False)
    assert ask(app, "/symbols").json["symbols"] == []
    health = ask(app, "/health").json
    assert (health["status"], health["engine"]["state"], health["totals"]) == ("empty", "never", None)
    assert ask(app, "/metrics/BTC-USDT").json["error"] == "not_measured"


def test_the_types_that_can_be_asked_for_are_those_that_detectors_raise() -> None:
    assert sorted(TYPES) == sorted(ALERT_TYPES)


def test_one_alert_comes_with_its_evidence_and_its_revisions(app: FastAPI, store: HotStore) -> None:
    alert = numbered(4, revision=2, severity="high", message="more")
    store.put_alerts([alert], now=NOW)
    for given in (alert.alert_id, alert.alert_id[:12], alert.alert_id.upper()):
        found = ask(app, f"/alerts/{given}").json
        assert found["alert"]["alert_id"] == alert.alert_id
    assert found["evidence"]["parameters"] == {"budget": 96.0}
    assert [(said["revision"], said["message"]) for said in found["revisions"]] == [
        (1, numbered(4).message),
        (2, "more"),
    ]
    assert found["explain"] == {
        "sentences": [
            "Measured: fills 8, notional 760,000, price 62,016.1.",
            "Computed by whale-detector (default: budget 96) from 101 bars, 2025-03-04 13:50:20 to "
            "2025-03-04 14:00:20 UTC, commit 7 of raw_trades.",
        ],
        "command": f"coattail explain {alert.alert_id[:12]}",
    }


def test_why_says_how_often_it_fired_and_leaves_out_what_is_no_number_or_word(app: FastAPI, store: HotStore) -> None:
    details = (
        '{"fired":6,"last_window_end":"2025-03-04T13:54:10Z","window_end":"x","budget_days":0.5,"source":"like",'
        '"incomplete":false,"fitted_days":null,"deep":[1]}'
    )
    store.put_alerts([numbered(70, details=details, evidence=None)], now=NOW)
    assert ask(app, f"/alerts/{numbered(70).alert_id}").json["explain"]["sentences"] == [
        "It fired 6 times, last at 2025-03-04T13:54:10Z.", "Measured: budget days 0.5, source like, incomplete no.",
    ]  # fmt: skip


def test_evidence_of_an_older_version_has_no_rules(app: FastAPI, store: HotStore) -> None:
    evidence = (numbered(4).evidence or "").replace('"rules":2,', "")
    store.put_alerts([numbered(4, revision=2, evidence=evidence), numbered(6, revision=2, evidence=None)], now=NOW)
    assert ask(app, f"/alerts/{numbered(4).alert_id}").json["evidence"]["rules"] is None
    assert ask(app, f"/alerts/{numbered(6).alert_id}").json["evidence"] is None


def test_an_alert_that_cannot_be_had_says_why(app: FastAPI, store: HotStore, source: HotSource) -> None:
    twins = [numbered(50, alert_id="ab" * 6 + str(n) * 20) for n in range(2)]
    store.put_alerts(twins, now=NOW)
    said = {
        given: (answer.status, answer.json["error"])
        for given in ("f" * 32, "f" * 12, "ab" * 6, "abc", "x" * 32)
        for answer in [ask(app, f"/alerts/{given}")]
    }
    assert said == {
        "f" * 32: (404, "not_found"), "f" * 12: (404, "not_found"), "ab" * 6: (409, "ambiguous"),
        "abc": (400, "bad_request"), "x" * 32: (400, "bad_request"),
    }  # fmt: skip
    source.clock = lambda: NOW + timedelta(hours=25)
    gone = ask(app, f"/alerts/{numbered(0).alert_id}")
    assert (gone.status, gone.json["error"]) == (410, "expired")
    assert gone.json["next_step"].endswith(f"run `coattail explain {numbered(0).alert_id}` where these are")


def test_metrics_are_those_of_the_facts_with_the_alerts_in_their_place(app: FastAPI, store: HotStore) -> None:
    store.put_alerts([numbered(0, alert_type="volume_spike", module_id="MOD-001", alert_id="b" * 32)], now=NOW)
    found = ask(app, "/metrics/BTC-USDT").json
    assert found["price"]["coinbase"] == {"price": 62017.1, "at": "2025-03-04T14:00:29Z", "change_1h_pct": 0.4}
    assert (found["spread_pct"], found["net_spread_pct"], found["change_1h_pct"]) == (0.05, 0.01, 0.4)
    assert found["volume_1h"] == {"binance": 1e6, "coinbase": 5e5}
    assert found["last_whale"]["alert_id"] == numbered(0).alert_id
    assert found["updated_at"] == "2025-03-04T14:00:32Z"
    assert found["anomaly_count_24h"] == 14
    rows = found["windows"][0]["rows"]
    assert (len(rows), rows[0]["start"], rows[-1]["state"]) == (60, "2025-03-04T13:01:00Z", "open")
    assert rows[-1]["alert_id"] == "b" * 32, "one of 14:00:30 is in the minute of 14:00"
    assert rows[-2]["alert_id"] is None, "the others of that minute are of whales or of another venue"
    assert found["gaps"][0]["trades"] == 12
    assert ask(app, "/metrics/ETH-USDT").json["spreads"] == []


def test_an_alert_at_the_end_of_a_window_is_in_that_window(app: FastAPI, store: HotStore) -> None:
    at_the_end = numbered(1, symbol="BTC-USDT", detected_at=NEWEST.replace(second=0), alert_id="c" * 32)
    store.put_alerts([at_the_end], now=NOW)
    rows = ask(app, "/metrics/BTC-USDT").json["windows"][0]["rows"]
    assert {row["start"]: row["alert_id"] for row in rows}["2025-03-04T13:59:00Z"] == "c" * 32


@pytest.mark.parametrize(
    "given", ["BTC-USDT", "btcusdt", "BTC/USDT", "btc%2Fusdt", "btc_usdt", "BTC:USDT", "%20btc-usdt%20"]
)
def test_a_symbol_is_understood_as_people_write_it(app: FastAPI, given: str) -> None:
    assert ask(app, f"/metrics/{given}").json["symbol"] == "BTC-USDT"


@pytest.mark.parametrize(("given", "near"), [("BTC-USDX", "BTC-USDT"), ("etusdt", "ETH-USDT"), ("DOGE", None)])
def test_an_unknown_symbol_is_answered_with_the_nearest(app: FastAPI, given: str, near: str | None) -> None:
    for address in (f"/metrics/{given}", f"/alerts?symbol={given}"):
        answer = ask(app, address)
        assert (answer.status, answer.json["error"], answer.json["field"]) == (404, "unknown_symbol", "symbol")
        step = answer.json["next_step"]
        assert step.startswith(f"did you mean {near}? " if near else "known: BTC-USDT, ETH-USDT")


def test_a_perpetual_is_told_from_its_spot_market(app: FastAPI, store: HotStore) -> None:
    store.put_alerts([numbered(60, symbol="BTC-USDT-PERP")], now=NOW)
    for given in ("btcusdtperp", "BTCUSDT-PERP", "BTC-USDT-PERP"):
        assert ids(ask(app, f"/alerts?symbol={given}")) == of(60)


def test_symbols_are_those_with_most_alerts_first(app: FastAPI) -> None:
    found = ask(app, "/symbols").json["symbols"]
    assert [(one["symbol"], one["alerts_24h"], one["price"]) for one in found] == [
        ("BTC-USDT", 13, 62016.1), ("ETH-USDT", 7, 62016.1),
    ]  # fmt: skip
    assert found[0]["volume_1h"] == 1.5e6


def test_health_says_what_engine_and_venues_say(app: FastAPI, store: HotStore) -> None:
    found = ask(app, "/health").json
    assert found["totals"] == {**beat()["totals"], "holds": True}
    assert (found["lag_seconds"], found["watermark"]) == (2.0, "2025-03-04T14:00:20Z")
    assert [venue["behind_seconds"] for venue in found["venues"]] == [0.0, 1.0]
    assert found["alerts_24h"] == {"low": 5, "medium": 5, "high": 5, "critical": 5}
    assert {record["module"] for record in found["track_record"]} >= {"volume-anomaly", "whale-detector"}
    store.put_fact("engine", beat(received=11), now=NOW)
    assert ask(app, "/health").json["totals"]["holds"] is False


@pytest.mark.parametrize(
    ("runs", "silent", "behind", "status"),
    [
        (None, 5, 2, "live"),
        (None, 91, 2, "stopped"),
        (None, 5, 200, "stale"),
        (True, 3_000, 2, "live"),
        (True, 5, 200, "stale"),
        (False, 0, 0, "stopped"),
    ],
)
def test_the_status_follows_from_heartbeat_and_newest_trade(
    app: FastAPI, store: HotStore, source: HotSource, runs: bool | None, silent: int, behind: int, status: str
) -> None:
    source.engine_runs = None if runs is None else lambda: runs
    at = NOW - timedelta(seconds=silent)
    store.put_facts({"engine": beat(), MARKET: market_fact(newest=at - timedelta(seconds=behind))}, now=at)
    assert ask(app, "/health").json["status"] == status
    store.put_facts({MARKET: market_fact(newest=at - timedelta(days=300), simulated=True)}, now=at)
    found = ask(app, "/health").json
    assert (found["lag_seconds"], found["status"]) == (None, "live" if status == "stale" else status)


def test_a_day_counts_back_from_the_newest_trade(app: FastAPI, store: HotStore) -> None:
    old = [replace(numbered(n), detected_at=NEWEST - timedelta(hours=24, seconds=n - 70)) for n in (69, 70, 71)]
    store.put_alerts(old, now=NOW)
    assert sum(ask(app, "/health").json["alerts_24h"].values()) == 22


def test_an_answer_that_the_client_has_is_not_sent_again(app: FastAPI, store: HotStore) -> None:
    tag = ask(app, "/alerts").headers["etag"]
    for has in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        again = ask(app, "/alerts", headers={"If-None-Match": has})
        assert (again.status, again.raw, again.headers["etag"]) == (304, b"", tag)
    store.put_alerts([numbered(30)], now=NOW)
    changed = ask(app, "/alerts", headers={"If-None-Match": tag})
    assert (changed.status, len(changed.json["alerts"])) == (200, 21)


def test_long_answers_are_compressed_for_whoever_can_read_it(app: FastAPI) -> None:
    plain, packed = ask(app, "/alerts"), ask(app, "/alerts", headers={"Accept-Encoding": "br, gzip"})
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert packed.body == plain.raw
    assert len(packed.raw) < len(plain.raw) / 4
    assert packed.headers["content-length"] == str(len(packed.raw))


def test_head_and_options_say_what_get_would(app: FastAPI) -> None:
    got, head = ask(app, "/alerts"), ask(app, "/alerts", method="HEAD")
    assert (head.status, head.raw, head.headers) == (200, b"", got.headers)
    options = ask(app, "/alerts", method="OPTIONS", headers={"Origin": "https://elsewhere.example"})
    assert (options.status, options.headers["access-control-allow-origin"]) == (204, "*")
    assert "access-control-allow-credentials" not in options.headers


def test_who_asks_the_same_is_told_the_same_until_something_is_written_or_a_second_has_passed(
    app: FastAPI, store: HotStore, source: HotSource
) -> None:
    pages = []

    def asked() -> int:
        page = source._hot.page  # type: ignore[union-attr]
        source._hot.page = lambda *a, **k: pages.append(1) or page(*a, **k)  # type: ignore[union-attr,method-assign,func-returns-value]
        ask(app, "/alerts")
        source._hot.page = page  # type: ignore[union-attr,method-assign]
        return len(pages)

    ask(app, "/alerts")
    assert asked() == 0
    store.put_fact("anything", {}, now=NOW)
    assert [asked(), asked()] == [1, 1]
    source.clock = lambda: NOW + timedelta(seconds=1)
    assert asked() == 2
    for n in range(300):
        ask(app, f"/alerts?limit=1&since=2025-01-01T00:00:00.{n:06}Z")
    assert len(source._told) <= 200


def test_a_store_filled_anew_is_read_anew(app: FastAPI, store: HotStore) -> None:
    assert len(ids(ask(app, "/alerts?limit=200"))) == 20
    fill(store, 40)
    assert len(ids(ask(app, "/alerts?limit=200"))) == 40
