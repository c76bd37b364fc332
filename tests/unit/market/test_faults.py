"""A worse line: repeats, gaps and disorder, each within its stated bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from coattail.market import Frame, Market
from coattail.market.faults import shuffled, with_duplicates, with_gap
from coattail.market.wire import trade_of

FRAMES = list(Market(start=datetime(2025, 3, 4, 12, tzinfo=UTC), duration=timedelta(minutes=3)).frames())


def arrivals_never_go_back(frames: list[Frame]) -> bool:
    return all(a.received <= b.received for a, b in pairwise(frames))


def contents(frames: Iterable[Frame]) -> list[bytes]:
    return [f.data for f in frames]


def test_duplicates_repeat_the_asked_share_and_lose_nothing() -> None:
    worse = list(with_duplicates(FRAMES, 0.1, seed=1))
    counts = Counter(contents(worse))
    assert set(counts.values()) == {1, 2}
    assert set(counts) == set(contents(FRAMES))
    assert 0.07 < len(worse) / len(FRAMES) - 1 < 0.13
    assert arrivals_never_go_back(worse)
    assert list(dict.fromkeys(contents(worse))) == contents(FRAMES)


def test_no_rate_means_no_duplicates() -> None:
    assert list(with_duplicates(FRAMES, 0.0)) == FRAMES


def test_a_gap_takes_exactly_the_named_ids_of_one_instrument() -> None:
    ids = [t[1] for f in FRAMES if (t := trade_of(f)) and t[0] == "ETHUSDT"]
    gap = range(ids[10], ids[30])
    left = list(with_gap(FRAMES, exchange="binance", code="ETHUSDT", ids=gap))
    missing = [trade_of(f) for f in FRAMES if f not in set(left)]
    assert missing == [("ETHUSDT", i) for i in gap]


def test_shuffled_frames_are_late_by_less_than_the_bound_and_complete() -> None:
    worse = list(shuffled(FRAMES, timedelta(seconds=2), seed=3))
    assert sorted(contents(worse)) == sorted(contents(FRAMES))
    assert contents(worse) != contents(FRAMES)
    assert arrivals_never_go_back(worse)
    before = {f.data: f.received for f in FRAMES}
    assert all(0 <= f.received - before[f.data] < 2_000_000_000 for f in worse)


def test_faults_with_the_same_seed_are_the_same() -> None:
    second = timedelta(seconds=1)
    assert list(shuffled(FRAMES, second, seed=3)) == list(shuffled(FRAMES, second, seed=3))
    assert list(shuffled(FRAMES, second, seed=3)) != list(shuffled(FRAMES, second, seed=4))
    assert list(with_duplicates(FRAMES, 0.1, 3)) == list(with_duplicates(FRAMES, 0.1, 3))
