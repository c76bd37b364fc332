"""The same trades, bars and alerts, however the input is cut, ordered, repeated or interrupted: always the oracle's."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.alerts import Alert
from coattail.engines.engine import DrainProgress
from coattail.engines.judge import Judge
from coattail.engines.local import LocalEngine
from coattail.engines.recompute import recompute
from coattail.records import Record, Trade
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.harness.oracle import Expected, expected
from tests.harness.running import (
    AT_ONCE,
    DERIVED_ALWAYS,
    EVERY_SEGMENT,
    Killed,
    differences,
    drained,
    feed,
    found,
    interrupted,
    landed,
    new_home,
    settings_of,
)
from tests.harness.scenes import aggregated, at, cut, evenly, make_trade, market, spoiled, with_duplicates
from tests.harness.scenes import with_gap_refilled as with_gap


@cache
def truth() -> Expected:
    return expected(market())


def test_the_scene_has_every_kind_of_alert_final_and_provisional() -> None:
    alerts = truth().alerts.values()
    assert {a["alert_type"] for a in alerts} == {"volume_spike", "volume_drop", "whale_trade", "spread_divergence"}
    assert {a["status"] for a in alerts} == {"final", "provisional"}


@pytest.mark.parametrize(
    ("pieces", "overrides"),
    [
        (1, EVERY_SEGMENT),
        (2, DERIVED_ALWAYS),
        (9, EVERY_SEGMENT),
        (9, AT_ONCE),
        (9, DERIVED_ALWAYS),
        (40, EVERY_SEGMENT),
    ],
)
def test_any_number_of_batches_gives_the_same(pieces: int, overrides: dict[str, object], tmp_path: Path) -> None:
    assert differences(truth(), found(landed(tmp_path, evenly(market(), pieces), overrides))) == []


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, 100_000), max_size=8))
def test_any_cut_into_batches_gives_the_same(cuts: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    home = landed(tmp_path_factory.mktemp("cut"), cut(market(), cuts))
    assert differences(truth(), found(home)) == []


def test_a_cut_just_before_a_whale_on_the_full_hour_gives_the_same(tmp_path: Path) -> None:
    records = market()
    whale = next(
        place
        for place, r in enumerate(records)
        if isinstance(r, Trade) and r.exchange == "binance" and r.timestamp is not None and r.timestamp >= _micros(60)
    )
    assert differences(truth(), found(landed(tmp_path, cut(records, [whale, whale + 3])))) == []


def _micros(minutes: float) -> int:
    return int(at(minutes).timestamp()) * 1_000_000


def shuffled_within(records: Sequence[Record], seconds: float) -> list[Record]:
    rng = random.Random(3)
    return sorted(records, key=lambda r: r.received + rng.uniform(0, seconds * 1e6))


@pytest.mark.parametrize("seconds", [8, 300, 100_000])
def test_any_order_of_arrival_gives_the_same(seconds: float, tmp_path: Path) -> None:
    """Within the lateness of ten seconds, far beyond it, and everything in any order."""
    home = landed(tmp_path, evenly(shuffled_within(market(), seconds), 6))
    assert differences(truth(), found(home)) == []


def test_pieces_in_reverse_order_give_the_same(tmp_path: Path) -> None:
    home = landed(tmp_path, list(reversed(evenly(market(), 7))), DERIVED_ALWAYS)
    assert differences(truth(), found(home)) == []


def test_one_exchange_after_the_other_gives_the_same(tmp_path: Path) -> None:
    one, other = ([r for r in market() if r.exchange == e] for e in ("binance", "coinbase"))
    home = landed(tmp_path, [*evenly(one, 3), *evenly(other, 3)], DERIVED_ALWAYS)
    assert differences(truth(), found(home)) == []


def test_duplicates_count_once_however_late_they_come(tmp_path: Path) -> None:
    records = [*with_duplicates(market(), 0.05, seed=1), *market()[:500], *market()[-500:]]
    actual = found(landed(tmp_path, evenly(records, 6), DERIVED_ALWAYS))
    assert differences(truth(), actual, counts=False) == []
    assert actual.counts == expected(records).counts


def test_a_gap_that_is_refilled_later_leaves_no_trace(tmp_path: Path) -> None:
    records = with_gap(market(), "binance", at(71), at(73.5))
    home = landed(tmp_path, evenly(records, 6), DERIVED_ALWAYS)
    assert differences(truth(), found(home)) == []


def test_windows_around_a_gap_are_not_judged(tmp_path: Path) -> None:
    records = with_gap(market(), "binance", at(71.1), at(71.2))
    records = [r for r in records if r.source != "backfill"]
    wanted = expected(records)
    assert truth().alerts.keys() - wanted.alerts.keys(), "the gap hides an alert"
    assert differences(wanted, found(landed(tmp_path, evenly(records, 5)))) == []


@pytest.mark.parametrize("pieces", [1, 12])
def test_aggregated_trades_give_the_same(pieces: int, tmp_path: Path) -> None:
    records = aggregated(market())
    assert any(isinstance(r, Trade) and r.last_trade_id is not None for r in records)
    wanted = expected(records)
    home = landed(tmp_path, evenly(with_duplicates(records, 0.01), pieces))
    assert differences(wanted, found(home), counts=False) == []


@pytest.mark.parametrize("pieces", [1, 9])
def test_rejected_rows_in_the_middle_give_the_same(pieces: int, tmp_path: Path) -> None:
    records = spoiled(market(), seed=4)
    wanted = expected(records)
    assert {reason for *_, reason in wanted.rejected} == {"malformed", "incomplete", "invalid"}
    assert differences(wanted, found(landed(tmp_path, evenly(records, pieces), DERIVED_ALWAYS))) == []


def test_rejected_rows_in_any_order_give_the_same(tmp_path: Path) -> None:
    records = spoiled(market(), seed=4)
    home = landed(tmp_path, evenly(shuffled_within(records, 100_000), 5), DERIVED_ALWAYS)
    assert differences(expected(records), found(home)) == []


@pytest.mark.parametrize("overrides", [EVERY_SEGMENT, DERIVED_ALWAYS])
def test_a_restart_after_every_batch_gives_the_same(overrides: dict[str, object], tmp_path: Path) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    for piece in evenly(spoiled(market(), seed=6), 5):
        feed(stream, [piece])
        drained(home, overrides)
    assert differences(expected(spoiled(market(), seed=6)), found(home)) == []


def test_an_engine_that_never_commits_its_derived_tables_gives_the_same(tmp_path: Path) -> None:
    """Every run is abandoned after its batches; only the last one ends in order."""
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    records = with_duplicates(spoiled(with_gap(market(), "coinbase", at(50), at(52)), seed=7), 0.01)
    for piece in evenly(records, 6):
        feed(stream, [piece])
        interrupted(home, EVERY_SEGMENT, LocalEngine.step)
    drained(home)
    assert differences(expected(records), found(home)) == []


def test_a_drain_judges_several_batches_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    judge = Judge.judge

    def counted(self: Judge, *args: Any, **kwargs: Any) -> list[Alert]:
        judged.append(kwargs["revision"])
        return judge(self, *args, **kwargs)

    monkeypatch.setattr(Judge, "judge", counted)
    assert differences(truth(), found(landed(tmp_path, evenly(market(), 21)))) == []
    assert judged == [1, 4, 16, 21]


@pytest.mark.parametrize("batches", [3, 7])
def test_a_drain_that_dies_before_it_has_judged_its_batches_gives_the_same(batches: int, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    feed(LocalStream(home.stream), evenly(market(), 9))
    seen = itertools.count(1)

    def dies(_: DrainProgress) -> None:
        if next(seen) == batches:
            raise Killed

    with pytest.raises(Killed), LocalEngine(home, settings_of(EVERY_SEGMENT)) as engine:
        engine.drain(dies)
    drained(home)
    assert differences(truth(), found(home)) == []


def test_the_live_loop_gives_what_a_drain_gives(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    pieces = evenly(market(), 8)
    stop = threading.Event()
    live = {**DERIVED_ALWAYS, "engine.trigger": "10ms"}
    seen: list[Alert] = []
    with LocalEngine(home, settings_of(live), stream=stream, on_alerts=seen.extend) as engine:
        thread = threading.Thread(target=lambda: (feed(stream, pieces), _when_empty(engine, len(market()), stop)))
        thread.start()
        engine.run(stop)
        thread.join()
    actual = found(home)
    assert differences(truth(), actual) == []
    assert {a.alert_id for a in seen} >= actual.alerts.keys()


def _when_empty(engine: LocalEngine, records: int, stop: threading.Event) -> None:
    waited = threading.Event()
    for _ in range(3_000):
        if engine.totals.received >= records:
            break
        waited.wait(0.01)
    stop.set()


def test_recomputing_everything_from_the_stored_trades_gives_the_same_bytes(tmp_path: Path) -> None:
    records = with_duplicates(spoiled(market(), seed=8), 0.01)
    home = landed(tmp_path, evenly(shuffled_within(records, 60), 6), DERIVED_ALWAYS)
    live = found(home)
    lake = Lake(embedded(home.path))
    again = recompute(lake, settings_of({})).alerts
    lake.close()
    assert {a.alert_id: (a.status, a.severity, a.details) for a in again} == {
        i: (a["status"], a["severity"], live.texts[i]) for i, a in live.alerts.items()
    }


def test_two_ways_of_landing_the_same_write_the_same_details_byte_for_byte(tmp_path: Path) -> None:
    one = found(landed(tmp_path / "a", evenly(market(), 1)))
    other = found(landed(tmp_path / "b", evenly(shuffled_within(market(), 400), 7), DERIVED_ALWAYS))
    assert one.texts == other.texts


def test_a_trade_too_small_to_have_a_notional_lands(tmp_path: Path) -> None:
    dust = make_trade(7, at(1), price="0.00001", quantity="0.0001")
    wanted = expected([dust])
    assert differences(wanted, found(landed(tmp_path, [[dust]]))) == []


def test_only_one_engine_runs_on_a_home(tmp_path: Path) -> None:
    from coattail.errors import HomeError

    home = new_home(tmp_path)
    with LocalEngine(home, settings_of({})), pytest.raises(HomeError, match="already runs"):
        LocalEngine(home, settings_of({})).__enter__()
