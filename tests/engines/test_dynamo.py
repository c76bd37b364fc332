"""An engine whose hot store is DynamoDB, on a service that throttles, fails, loses answers and goes away."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from coattail.alerts import Alert
from coattail.engines.local import LocalEngine
from coattail.errors import StoreError
from coattail.home import Home
from coattail.sql import Sql
from coattail.stores.dlq import ALERT
from coattail.stores.hot import Complete, HotStore, Wanted
from coattail.stores.opening import open_hot, open_lake, open_letters
from coattail.streams.local import LocalStream
from tests.harness.aws_place import REGION, hot_there
from tests.harness.emulator import INSTALLED
from tests.harness.faulty_front import Faults, Refusal, faulty
from tests.harness.running import EVERY_SEGMENT, drained, feed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pauses between two attempts take no time."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def overrides(table: str, service: str, *, at: str | None = None) -> dict[str, object]:
    return {**EVERY_SEGMENT, "hot.url": hot_there(table, service, at=at)}


def everything(hot: HotStore) -> tuple[list[Alert], dict[str, bytes]]:
    now = datetime.now(UTC)
    alerts = [replace(stored.alert, evidence=None) for stored in hot.page(Wanted(), limit=1000, now=now)]
    return alerts, {name: text for name, (text, _) in hot.facts("symbol:").items()}


def fed(folder: Path, pieces: int = 6) -> Home:
    home = new_home(folder)
    feed(LocalStream(home.stream), evenly(market(), pieces))
    return home


def test_faults_lose_no_alert_and_double_none(service: str, tmp_path: Path) -> None:
    faults = Faults(7, share=0.5)
    with faulty(service, faults) as front:
        there = overrides("faults", service, at=front)
        home, local = fed(tmp_path / "there"), fed(tmp_path / "here")
        drained(home, there)
        drained(local)
        with closing(open_hot(home, settings_of(there))) as hot, closing(open_hot(local, settings_of({}))) as file:
            assert everything(hot) == everything(file)
            assert len(everything(file)[0]) > 5
            for alert in everything(file)[0]:
                assert [r.message for r in hot.revisions(alert.alert_id)][-1] == alert.message
    assert min(faults.met[kind] for kind in ("throttled", "failed", "lost")) >= 1


def test_an_engine_whose_hot_store_is_gone_stops_and_the_next_one_makes_up_for_it(service: str, tmp_path: Path) -> None:
    faults = Faults(1, share=0.0)
    with faulty(service, faults) as front:
        there = overrides("gone", service, at=front)
        home, local = fed(tmp_path / "there"), fed(tmp_path / "here")
        with pytest.raises(StoreError, match=r"of DynamoDB does not answer.*nothing landed is lost"):  # noqa: SIM117
            with LocalEngine(home, settings_of(there)) as engine:
                engine.drain(lambda _: setattr(faults, "down", True))
        faults.down = False
        drained(home, there)
        drained(local)
        with closing(open_hot(home, settings_of(there))) as hot, closing(open_hot(local, settings_of({}))) as file:
            assert {a.alert_id for a in everything(hot)[0]} == {a.alert_id for a in everything(file)[0]}
            assert everything(hot)[1] == everything(file)[1]


def test_a_write_that_is_no_longer_the_newest_never_wins_whoever_is_last(service: str, tmp_path: Path) -> None:
    there = overrides("race", service)
    home = new_home(tmp_path)
    now = datetime.now(UTC)
    base = Alert(
        alert_id="a", alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange=None, severity="low",
        detected_at=now, status="final", message="", details="{}", preset="classic",
    )  # fmt: skip
    revisions = [replace(base, revision=n, message=f"said {n}") for n in range(1, 31)]
    random.Random(3).shuffle(revisions)
    with closing(open_hot(home, settings_of(there), writable=True)) as hot:
        hot.put_alerts(revisions, now=now)
        stored = hot.alert("a", now=now)
        assert stored is not None
        assert (stored.alert.revision, stored.alert.message) == (30, "said 30")
        said = [revision.revision for revision in hot.revisions("a")]
        assert said == sorted(set(said))
        assert said[-1] == 30


def numbered(number: int, **fields: object) -> Alert:
    alert = Alert(
        alert_id=f"alert-{number}", alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT",
        exchange="binance", severity="low", detected_at=datetime(2025, 3, 4, 12, number, tzinfo=UTC), status="final",
        message="m", details="{}", preset="classic", revision=1,
    )  # fmt: skip
    return replace(alert, **fields)  # type: ignore[arg-type]


def too_large(*words: str) -> Callable[[str, bytes], Refusal | None]:
    """The service refuses writes that say one of these, as it does an item of more than 400 kB."""
    said = 400, "ValidationException", "Item size to update has exceeded the maximum allowed size"

    def answer(action: str, body: bytes) -> Refusal | None:
        writes = action.endswith(("UpdateItem", "PutItem"))
        return said if writes and any(word.encode() in body for word in words) else None

    return answer


def test_an_alert_that_the_service_never_takes_keeps_no_other_one_out(
    service: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults, now = Faults(1, share=0.0), datetime.now(UTC)
    with faulty(service, faults) as front:
        there = overrides("venom", service, at=front)
        with closing(open_hot(new_home(tmp_path), settings_of(there), writable=True)) as hot:
            hot.claim(Complete(None, None))
            assert hot.put_alerts([numbered(n) for n in range(4)], now=now) == []
            faults.refuse = too_large("poison")
            second = [numbered(n, revision=2, message="poison" if n == 1 else "m2") for n in range(4)]
            [refused] = hot.put_alerts(second, now=now)
            assert (refused.alert, "maximum allowed size" in refused.error) == (second[1], True)
            stored = {s.alert.alert_id: s.alert.message for s in hot.alerts(now=now)}
            assert stored == {"alert-0": "m2", "alert-2": "m2", "alert-3": "m2"}, (
                "what it said before is not so any more"
            )
            assert hot.complete(now=now) == Complete(None, second[1].detected_at), "later ones are all here"
    assert "the alert alert-1 is not in the hot store, only in anomaly_alerts" in caplog.text


def test_an_alert_that_grew_with_its_revisions_goes_on_with_its_newest(service: str, tmp_path: Path) -> None:
    faults, now = Faults(1, share=0.0), datetime.now(UTC)
    with faulty(service, faults) as front:
        there = overrides("grows", service, at=front)
        with closing(open_hot(new_home(tmp_path), settings_of(there), writable=True)) as hot:
            hot.claim(Complete(None, None))
            hot.put_alerts([numbered(1)], now=now)
            faults.refuse = too_large("list_append")
            assert hot.put_alerts([numbered(1, revision=2, evidence="e")], now=now) == []
            stored = hot.alert("alert-1", now=now)
            assert stored is not None
            assert stored.alert == numbered(1, revision=2, evidence="e")
            assert [said.revision for said in hot.revisions("alert-1")] == [2]
            assert hot.complete(now=now) == Complete(None, None)


def test_a_fact_that_the_service_never_takes_is_not_there_and_the_others_are(service: str, tmp_path: Path) -> None:
    faults, now = Faults(1, share=0.0), datetime.now(UTC)
    with faulty(service, faults) as front:
        there = overrides("fact", service, at=front)
        with closing(open_hot(new_home(tmp_path), settings_of(there), writable=True)) as hot:
            hot.put_facts({"a": {"v": 1}, "b": {"v": 1}}, now=now)
            faults.refuse = too_large("poison")
            hot.put_facts({"a": {"v": 2}, "b": {"v": "poison"}}, now=now)
            assert {name: text for name, (text, _) in hot.facts("").items()} == {"a": b'{"v":2}'}


def test_an_engine_with_such_an_alert_lands_the_same_and_people_see_it(service: str, tmp_path: Path) -> None:
    faults = Faults(1, share=0.0)
    with faulty(service, faults) as front:
        there = overrides("poisoned", service, at=front)
        home, local = fed(tmp_path / "there", 1), fed(tmp_path / "here", 1)
        drained(local)
        with closing(open_hot(local, settings_of({}))) as file:
            poison = everything(file)[0][1]
        faults.refuse = too_large(poison.alert_id)
        drained(home, there)
        drained(home, there)
        settings = settings_of(there)
        with (
            closing(open_hot(home, settings)) as hot,
            closing(open_lake(home, settings)) as lake,
            closing(open_hot(local, settings_of({}))) as file,
            closing(open_lake(local, settings_of({}))) as own,
        ):
            assert {a.alert_id for a in everything(file)[0]} - {a.alert_id for a in everything(hot)[0]} == {
                poison.alert_id
            }
            query = "SELECT alert_id, severity, status, message, details FROM alerts ORDER BY 1"
            assert Sql(lake, hot).query(query).equals(Sql(own, file).query(query))
        letters = list(open_letters(home, settings).rows(folder=ALERT))
    assert {row["stream_offset"] for row in letters} == {poison.alert_id}
    assert "maximum allowed size" in letters[0]["error"]
    assert msgspec.json.decode(letters[0]["payload"], type=Alert).message == poison.message


def test_an_alert_too_large_for_the_service_goes_without_its_evidence(service: str, tmp_path: Path) -> None:
    there, now = overrides("large", service), datetime.now(UTC)
    with closing(open_hot(new_home(tmp_path), settings_of(there), writable=True)) as hot:
        hot.put_alerts([numbered(1, evidence="é" * 250_000)], now=now)
        stored = hot.alert("alert-1", now=now)
    assert stored is not None
    assert stored.alert == numbered(1)


def test_a_table_that_is_not_there_is_named_with_what_to_do(service: str, tmp_path: Path) -> None:
    url = f"dynamodb://nowhere?region={REGION}&endpoint={quote(service, safe='')}"
    with (
        closing(open_hot(new_home(tmp_path), settings_of({"hot.url": url}))) as hot,
        pytest.raises(StoreError, match=r"table nowhere of DynamoDB is not there .*; create it, or correct hot\.url"),
    ):
        hot.facts("")
