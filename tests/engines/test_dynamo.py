"""An engine whose hot store is DynamoDB, on a service that throttles, fails, loses answers and goes away."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from coattail.alerts import Alert
from coattail.engines.local import LocalEngine
from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.hot import HotStore, Wanted
from coattail.stores.opening import open_hot
from coattail.streams.local import LocalStream
from tests.harness.aws_place import REGION, hot_there
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.faulty_front import Faults, faulty
from tests.harness.running import EVERY_SEGMENT, drained, feed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with emulator() as address:
            yield address


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


def fed(folder: Path) -> Home:
    home = new_home(folder)
    feed(LocalStream(home.stream), evenly(market(), 6))
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


def test_an_alert_too_large_for_the_service_goes_without_its_evidence(service: str, tmp_path: Path) -> None:
    there = overrides("large", service)
    now = datetime.now(UTC)
    alert = Alert(
        alert_id="a", alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange="binance",
        severity="low", detected_at=now, status="final", message="m", details="{}", preset="classic", revision=1,
        evidence="é" * 250_000,
    )  # fmt: skip
    with closing(open_hot(new_home(tmp_path), settings_of(there), writable=True)) as hot:
        hot.put_alerts([alert], now=now)
        stored = hot.alert("a", now=now)
    assert stored is not None
    assert stored.alert == replace(alert, evidence=None)


def test_a_table_that_is_not_there_is_named_with_what_to_do(service: str, tmp_path: Path) -> None:
    url = f"dynamodb://nowhere?region={REGION}&endpoint={quote(service, safe='')}"
    with (
        closing(open_hot(new_home(tmp_path), settings_of({"hot.url": url}))) as hot,
        pytest.raises(StoreError, match=r"table nowhere of DynamoDB is not there .*; create it, or correct hot\.url"),
    ):
        hot.facts("")
