"""Plans of events for evidence."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from coattail.market import DEFAULT_INSTRUMENTS, LIVELY, Market, PlantedBurst, PlantedSpread, PlantedWhale, planted_week
from coattail.market.plan import APART, BURST_FACTORS, BURST_MINUTES, WARM_UP
from coattail.market.planted import concerns

START = datetime(2025, 3, 3, tzinfo=UTC)
WEEK = planted_week(7, START)
KINDS = {
    "burst", "drought", "whale", "spread", "depeg", "outlier", "gap", "refilled_gap", "duplicates", "stall", "backlog",
    "skew", "wash", "side_flip", "runaway",
}  # fmt: skip


def test_equal_seeds_give_equal_plans_and_a_longer_one_begins_alike() -> None:
    assert planted_week(7, START) == WEEK
    assert planted_week(8, START) != WEEK
    assert planted_week(7, START, 2) == tuple(e for e in WEEK if e.start < START + timedelta(days=2))


def test_events_of_an_instrument_are_apart_and_none_is_in_the_warm_up_or_behind_the_end() -> None:
    for instrument in DEFAULT_INSTRUMENTS:
        here = [event for event in WEEK if concerns(event, instrument)]
        assert all(a.end + APART <= b.start for a, b in pairwise(here))
    assert min(event.start for event in WEEK) >= START + WARM_UP
    assert max(event.end for event in WEEK) <= START + timedelta(days=7)


def test_a_week_has_every_kind_and_every_size_of_burst() -> None:
    truth = Market(seed=7, start=START, duration=timedelta(days=7), planted=WEEK).truth()
    assert set(truth["kind"]) == KINDS
    bursts = Counter((e.factor, e.length) for e in WEEK if isinstance(e, PlantedBurst))
    assert set(bursts) == {(f, timedelta(minutes=m)) for f in BURST_FACTORS for m in BURST_MINUTES}
    assert min(bursts.values()) >= 5
    whales = [e for e in WEEK if isinstance(e, PlantedWhale)]
    assert min(e.notional for e in whales) > 100_000
    assert max(e.notional for e in whales) > 2e6
    assert {e.fills == 1 for e in whales} == {True, False}
    shifts = [abs(e.pct) for e in WEEK if isinstance(e, PlantedSpread)]
    assert min(shifts) >= 0.2
    assert max(shifts) <= 2.0
    assert len(WEEK) > 600


def test_a_plan_may_be_without_faults_of_the_feed_and_for_few_instruments() -> None:
    one = DEFAULT_INSTRUMENTS[:1]
    few = planted_week(1, START, 2, one, faults=False)
    market = Market(start=START, duration=timedelta(days=2), character=LIVELY, instruments=one, planted=few)
    kinds = set(market.truth()["kind"])
    assert kinds == {"burst", "drought", "whale", "spread", "depeg", "outlier", "wash"}
