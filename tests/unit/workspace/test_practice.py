"""A home to practise on: the hole is there, and filling it brings what was in it."""

import pytest

from coattail.workspace.practice import SYMBOL, VENUE, Practice

pytestmark = pytest.mark.slow


def test_the_hole_is_there_and_can_be_filled() -> None:
    with Practice() as practice:
        ws = practice.ws
        gap = ws.gaps().row(0, named=True)
        assert (gap["exchange"], gap["symbol"]) == (VENUE, SYMBOL)
        before = {alert.alert_id for alert in ws.alerts(limit=None)}
        done = ws.backfill(gaps=True)
        assert done.document.complete
        assert sum(one.trades for one in done.document.instruments) == gap["last_id"] - gap["first_id"] + 1
        assert ws.gaps().is_empty()
        new = [alert for alert in ws.alerts(limit=None) if alert.alert_id not in before]
        assert {alert.alert_type for alert in new} == {"volume_spike", "whale_trade"}
        folder = ws.home.path
    assert not folder.exists()
