import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coattail.alerts import FINAL, PROVISIONAL, RETRACTED, Alert
from coattail.cli.firing import AlertLog
from coattail.cli.screen import Screen


def make_alert(identity: str = "a", status: str = PROVISIONAL, severity: str = "medium", revision: int = 1) -> Alert:
    return Alert(
        alert_id=identity, alert_type="volume_spike", module_id="MOD-001", symbol="BTC-USDT", exchange="binance",
        severity=severity, detected_at=datetime(2025, 3, 4, 12, tzinfo=UTC), status=status, message="much",
        details='{"z_score":3}', preset="classic", revision=revision,
    )  # fmt: skip


def said(capsys: pytest.CaptureFixture[str], log: AlertLog, *batch: Alert) -> str:
    log.fired(batch)
    return capsys.readouterr().out.strip()


def test_an_alert_is_told_once_and_again_when_it_gets_worse_or_is_taken_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = AlertLog(Screen(), show=True)
    assert said(capsys, log, make_alert()) == "12:00:00 medium   volume_spike      much (provisional)"
    assert said(capsys, log, make_alert(status=FINAL, revision=2)) == ""
    assert said(capsys, log, make_alert(status=FINAL, severity="high", revision=3)).endswith("much (was medium)")
    assert said(capsys, log, make_alert(status=RETRACTED, severity="high", revision=4)).endswith("(retracted)")
    assert log.words() == "0 alerts"
    assert said(capsys, log, make_alert(revision=5)).endswith("much (provisional, was high)")
    assert log.words() == "1 alert: 1 volume_spike (1 medium)"


def test_an_alert_that_never_stood_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    log = AlertLog(Screen(), show=True)
    assert said(capsys, log, make_alert(status=RETRACTED)) == ""


def test_many_alerts_at_once_are_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    log = AlertLog(Screen(), show=True)
    lines = said(capsys, log, *(make_alert(str(n)) for n in range(25))).splitlines()
    assert lines[0] == "… 15 alerts before these"
    assert len(lines) == 11
    assert len(log.current()) == 25


def test_json_has_every_revision_with_its_details(capsys: pytest.CaptureFixture[str]) -> None:
    log = AlertLog(Screen(silent=True), show=True, json_lines=True)
    log.fired([make_alert(), make_alert("b", severity="critical")])
    log.fired([make_alert(status=FINAL, revision=2)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["alert_id"], line["revision"]) for line in lines] == [
        ("alert", "a", 1), ("alert", "b", 1), ("alert", "a", 2),
    ]  # fmt: skip
    assert lines[0]["details"] == {"z_score": 3}
    assert log.counts() == {"volume_spike": {"critical": 1, "medium": 1}}


def test_a_long_run_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coattail.workspace.standing._MOST_KEPT", 8)
    log = AlertLog(Screen(silent=True), show=False)
    start = make_alert().detected_at
    log.fired([replace(make_alert(str(n)), detected_at=start.replace(minute=n)) for n in range(9)])
    assert [alert.alert_id for alert in log.current()] == ["2", "3", "4", "5", "6", "7", "8"]
