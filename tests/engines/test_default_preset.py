"""The preset `default` learns from days before and gathers episodes: still a view of the trades, however they come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coattail.alerts import Alert
from coattail.engines.comparison import same_alert
from coattail.engines.judge import Judge
from coattail.engines.lessons import Lessons
from coattail.engines.local import LocalEngine
from coattail.engines.recompute import recompute
from coattail.landing.coverage import Coverage
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.stores.current import current_alerts
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from tests.harness.memory import landed_in_memory
from tests.harness.running import feed, new_home, settings_of
from tests.harness.scenes import SPARSE_MARKETS, START, at, cut, evenly, make_trade, two_days

SETTINGS = settings_of({
    "preset": "default",
    "detectors.spread-calculator.minimum_windows": 3,
})  # fmt: skip


def judged(pieces: Sequence[Sequence[Record]]) -> dict[str, Alert]:
    return landed_in_memory(pieces, SETTINGS).current()


def differing(one: dict[str, Alert], other: dict[str, Alert]) -> list[str]:
    return [
        f"{one.get(i)}\n{other.get(i)}" for i in one.keys() | other.keys() if not same_alert(one.get(i), other.get(i))
    ]


@cache
def at_once() -> dict[str, Alert]:
    return judged([two_days()])


def test_the_scene_has_every_kind_of_alert_and_fitted_thresholds() -> None:
    kinds = {a.alert_type for a in at_once().values()}
    assert {"volume_spike", "whale_trade", "spread_divergence", "stablecoin_depeg"} <= kinds
    assert any('"learned_days":7' in a.details for a in at_once().values() if a.alert_type == "volume_spike")
    gaps = [a.details for a in at_once().values() if a.alert_type == "spread_divergence"]
    assert any('"as_wide":1' in details for details in gaps)
    assert any('"fired":1' not in a.details for a in at_once().values() if a.alert_type == "volume_spike")


@pytest.mark.parametrize("pieces", [2, 7])
def test_any_number_of_batches_gives_the_same(pieces: int) -> None:
    assert differing(at_once(), judged(evenly(two_days(), pieces))) == []


def test_any_order_of_arrival_gives_the_same() -> None:
    pieces = evenly(two_days(), 6)
    random.Random(5).shuffle(pieces)
    assert differing(at_once(), judged(pieces)) == []


def test_a_day_that_came_after_what_it_learns_from_is_not_judged_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    judged_again: list[int] = []
    settle = Judge.settle

    def watched(self: Judge, coverage: Coverage, **options: Any) -> list[Alert]:
        with monkeypatch.context() as patch:
            patch.setattr(Judge, "_facts_of", lambda *_: judged_again.append(1))
            return settle(self, coverage, **options)

    monkeypatch.setattr(Judge, "settle", watched)
    landed_in_memory(evenly(two_days(), 7), SETTINGS)
    assert judged_again == []


def test_what_was_learned_is_forgotten_when_its_trades_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with an engine that keeps what it learned, the order of arrival shows."""
    pieces = evenly(two_days(), 6)
    order = [0, 1, 3, 5, 4, 2]
    monkeypatch.setattr(Lessons, "forget", lambda self, changed: None)
    assert differing(at_once(), judged([pieces[i] for i in order])) != []


def test_a_recomputed_range_is_what_the_engine_wrote(tmp_path: Path) -> None:
    """From raw_trades alone, and with the days that are only learned from taken out of the tables of bars."""
    home = new_home(tmp_path / "home")
    with LocalEngine(home, SETTINGS) as engine:
        feed(engine_stream(engine), evenly(two_days(), 3))
        engine.drain()
    lake = Lake(embedded(home.path))
    hot = SqliteHotStore(home.hot_db)
    written = current_alerts(lake, hot, now=START)
    everything = {a.alert_id: a for a in recompute(lake, SETTINGS).alerts}
    assert set(written["alert_id"]) == set(everything)
    since, until = START + timedelta(hours=34), START + timedelta(hours=43)
    part = {a.alert_id: a for a in recompute(lake, SETTINGS, since=since, until=until).alerts}
    inside = {i: a for i, a in everything.items() if since <= a.detected_at < until}
    assert inside
    assert differing(part, inside) == []
    row = written.filter(pl.col("evidence").is_null())
    assert row.is_empty(), "an alert without evidence"
    hot.close()
    lake.close()


def engine_stream(engine: LocalEngine):  # type: ignore[no-untyped-def]
    return engine._stream


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Three markets in steps of seconds to half days, ids missing, times jumping back, any order."""
    records: list[Record] = []
    for exchange, symbol, price in SPARSE_MARKETS:
        steps = draw(st.lists(st.sampled_from([1, 20, 20, 45, 61, 400, 9_000, 40_000]), min_size=1, max_size=30))
        jumps = st.sampled_from([0] * 12 + [-9, -70, -4_000, -50_000, 2])
        now, trade_id = draw(st.integers(0, 200)), draw(st.integers(0, 3))
        for step in steps:
            now += step
            trade_id += draw(st.sampled_from([1] * 12 + [2]))
            when = at(0) + timedelta(seconds=max(now + draw(jumps), 0))
            quantity = draw(st.sampled_from(["0.01", "0.011", "0.5", "2.5"])) if price > 1 else "1000"
            moved = price * draw(st.sampled_from([1, 1, 1, 1.0001, 1.02]))
            records.append(
                make_trade(trade_id, when, exchange=exchange, symbol=symbol, price=f"{moved:g}", quantity=quantity)
            )
    return draw(st.permutations(records)) if draw(st.booleans()) else records


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(records=histories(), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_any_history_cut_anywhere_gives_what_it_gives_at_once(records: list[Record], cuts: list[int]) -> None:
    assert differing(judged([records]), judged(cut(records, cuts))) == []
