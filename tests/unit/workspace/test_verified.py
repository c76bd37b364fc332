"""What an analysis rests on: equal for equal trades however they came, and different where they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail import Workspace
from coattail.home import Home
from coattail.workspace.verified import AGAIN, MIME
from tests.harness.running import DERIVED_ALWAYS, landed
from tests.harness.scenes import evenly, market
from tests.harness.time_travel import shuffled_within

pytestmark = pytest.mark.slow


def test_fingerprints_follow_what_is_there_and_not_how_it_came(day: Home, tmp_path: Path) -> None:
    cut = landed(tmp_path / "cut", evenly(shuffled_within(market(), 20), 7), DERIVED_ALWAYS)
    short = landed(tmp_path / "short", [market()[:-1]])
    with Workspace(day.path) as one, Workspace(cut.path) as other, Workspace(short.path) as less:
        first, second, third = (ws.verify().document for ws in (one, other, less))
        assert first.holds
        assert first.received == first.landed + first.rejected + first.duplicates == len(market())
        assert (first.trades, first.rules) == (second.trades, second.rules)
        assert first.snapshot_id != second.snapshot_id
        assert (first.trades == third.trades, first.rules == third.rules) == (False, True)
        assert first.alert_count == len(one.alerts(limit=None)) > 0
    with Workspace(day.path, settings={"detectors.volume-anomaly.minimum_windows": 60}) as ws:
        assert ws.verify().document.rules != first.rules
    with Workspace(day.path, settings={"engine.trigger": "7s"}) as ws:
        assert ws.verify().document.rules == first.rules


def test_it_shows_itself_and_says_the_command(day: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AGAIN, "coattail notebook run first_look -p 'symbol=<b>'")
    bundle = Workspace(day.path).verify()._repr_mimebundle_()
    assert bundle[MIME]["again"].endswith("'symbol=<b>'")
    assert "symbol=&lt;b&gt;" in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]
    assert bundle["text/plain"].startswith("snapshot  ")
    monkeypatch.delenv(AGAIN)
    assert "again" not in repr(Workspace(day.path).verify())
    empty = Workspace(Home.open(tmp_path / "empty", create=True).path)
    assert "nothing has landed yet" in repr(empty.verify())
