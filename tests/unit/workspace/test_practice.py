"""Markets to practise on: the hole is there, and filling it brings what was in it; what goes on is seen going on."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from coattail import Workspace
from coattail.errors import UsageError
from coattail.home import Home
from coattail.workspace.practice import SYMBOL, VENUE, LiveMarket, Practice
from coattail.workspace.watching import Glance, live

pytestmark = pytest.mark.slow


def test_the_hole_is_there_and_can_be_filled() -> None:
    with closing(Practice()) as practice:
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


def test_a_market_that_goes_on_is_seen_going_on() -> None:
    market = LiveMarket(seconds=20)
    looks: list[Glance] = []

    def show(seen: Glance) -> None:
        looks.append(seen)
        if len(looks) > 1 and seen.trades and seen.venues:
            raise KeyboardInterrupt

    try:
        seen = live(market.ws.stores, every=timedelta(seconds=1), severity="high", show=show)
    finally:
        market.close()
    assert seen is looks[-1]
    assert (looks[0].trades, looks[0].new) == (0, ())
    assert seen.state.engine.running
    assert "an engine runs" in repr(seen)
    assert "<svg" in seen._repr_html_()
    assert [venue.coverage_pct for venue in seen.venues] == [100.0]
    assert "100 % of its trade ids are here" in repr(seen)
    assert not market.ws.home.path.exists()


def test_what_cannot_be_watched_is_refused(day: Home, tmp_path: Path) -> None:
    with Workspace(day.path) as ws:
        for asked in ({"refreshes": 0}, {"severity": "grave"}, {"symbol": "NONE-USD", "refreshes": 1}):
            with pytest.raises(UsageError):
                ws.live(**asked)  # type: ignore[arg-type]
    with Workspace(Home.open(tmp_path / "empty", create=True).path) as ws:
        assert "nothing has landed yet" in repr(ws.live(refreshes=1))
