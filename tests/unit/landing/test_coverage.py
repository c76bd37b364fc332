"""The continuity ledger: what is here, missing, rejected or was never watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.landing.coverage import Coverage
from coattail.landing.ledger import FILL, Ledger, Run

NOW = datetime(2025, 3, 4, tzinfo=UTC)
KEY = ("binance", "BTC-USDT")


def run(first: int, last: int, session: str = "a", *, times: tuple[int, int] | None = None) -> Run:
    """Trades whose time is their id in seconds, unless given otherwise."""
    low, high = times or (first * 1_000_000, last * 1_000_000)
    return Run(*KEY, session, first, last, low, high, first_fill=low * FILL + 1, last_fill=high * FILL + 1)


def covered(runs: Sequence[Run], rejected: Sequence[tuple[int, int]] = ()) -> Coverage:
    return Coverage().with_changes(runs, [(*KEY, *pair) for pair in rejected])[0]


def states(coverage: Coverage) -> list[tuple[int, int, str]]:
    table = coverage.table(NOW)
    return list(table.select("first_id", "last_id", "state").iter_rows())


def test_a_hole_inside_a_session_is_a_gap_and_one_between_sessions_was_not_observed() -> None:
    coverage = covered([run(1, 5, "a"), run(8, 9, "a"), run(20, 25, "b")])
    assert states(coverage) == [
        (1, 5, "live"), (6, 7, "gap"), (8, 9, "live"), (10, 19, "unobserved"), (20, 25, "live"),
    ]  # fmt: skip


def test_a_rejected_id_is_neither_landed_nor_missing() -> None:
    coverage = covered([run(1, 5), run(8, 9)], [(6, 6)])
    assert states(coverage) == [(1, 5, "live"), (6, 6, "rejected"), (7, 7, "gap"), (8, 9, "live")]


def test_a_stretch_goes_on_over_rejected_ids_but_not_over_missing_ones() -> None:
    spans = covered([run(1, 5), run(8, 9), run(11, 12)], [(6, 7)]).spans()
    assert list(spans.select("first_id", "last_id").iter_rows()) == [(1, 9), (11, 12)]


def test_a_gap_that_is_refilled_is_gone_and_its_times_are_those_around_it() -> None:
    coverage = covered([run(1, 5), run(8, 9)])
    gap = coverage.table(NOW).row(1, named=True)
    assert (gap["state"], gap["first_ts"].second, gap["last_ts"].second) == ("gap", 5, 8)
    after, changed = coverage.with_changes([run(6, 7, "backfill")])
    assert states(after) == [(1, 9, "live")]
    assert changed == [(5_000_000, 8_000_000)]


def test_what_was_fetched_says_so_between_what_was_heard() -> None:
    coverage = covered([run(1, 5), replace(run(6, 7), fetched=True), run(8, 9)])
    assert states(coverage) == [(1, 5, "live"), (6, 7, "backfilled"), (8, 9, "live")]
    times = coverage.table(NOW).select(pl.col("first_ts", "last_ts").dt.second()).rows()
    assert times == [(1, 6), (6, 7), (7, 9)]
    assert coverage.spans().height == 1


def test_the_same_changes_leave_the_old_coverage_as_it_was() -> None:
    before = covered([run(1, 5)])
    for _ in range(2):
        after, _ = before.with_changes(
            [replace(run(6, 9), fetched=True), run(12, 13)], [(*KEY, 20, 21)], [(*KEY, 10, 11, "full disk")]
        )
        assert states(before) == states(covered([run(1, 5)])) == [(1, 5, "live")]
        assert states(after) == [
            (1, 5, "live"), (6, 9, "backfilled"), (10, 11, "gap"), (12, 13, "live"), (14, 19, "unobserved"),
            (20, 21, "rejected"),
        ]  # fmt: skip
        assert after.table(NOW)["cause"][2] == "full disk"


def test_what_may_have_changed_reaches_from_the_trades_before_to_those_behind() -> None:
    coverage = covered([run(1, 5), run(10, 12)])
    assert coverage.with_changes([run(20, 21)])[1] == [(12_000_000, 21_000_000)]
    assert coverage.with_changes([run(6, 9)])[1] == [(5_000_000, 10_000_000)]
    assert coverage.with_changes([], [(*KEY, 6, 9)])[1] == [(5_000_000, 10_000_000)]


def test_a_trade_whose_time_jumps_back_changes_everything_up_to_the_trades_it_joins() -> None:
    """It makes one stretch from its time on: the windows between were covered by nobody before."""
    coverage = covered([run(1_000, 1_010)])
    changed = coverage.with_changes([run(1_011, 1_011, times=(5_000_000, 5_000_000))])[1]
    assert changed == [(5_000_000, 1_000_000_000)]


class Touched(list[int]):
    """A list that counts the items that are looked at, copies included."""

    count = 0

    def __getitem__(self, place: object) -> object:  # type: ignore[override]
        found = super().__getitem__(place)  # type: ignore[index]
        Touched.count += len(found) if isinstance(found, list) else 1
        return found


def touched_by(gaps: int) -> int:
    """Ids looked at while a ledger with this many gaps is written down, and rejected ids arrive for half of them."""
    coverage = covered([run(10 * n, 10 * n + 5) for n in range(gaps)])
    ledger = coverage.ledgers[KEY]
    ledger.landed.firsts = Touched(ledger.landed.firsts)
    Touched.count = 0
    coverage.table(NOW)
    coverage.with_changes([], [(*KEY, 20 * n + 7, 20 * n + 7) for n in range(gaps // 2)])
    return Touched.count


def test_twice_the_gaps_take_about_twice_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "copy", lambda self: self)
    assert 1.8 < touched_by(2_000) / touched_by(1_000) < 2.5


def test_the_newest_time_is_that_of_the_whole_exchange() -> None:
    coverage = Coverage().with_changes([run(1, 5), Run("binance", "ETH-USDT", "a", 1, 2, 7, 90_000_000)])[0]
    assert coverage.newest() == {"binance": 90_000_000}


_changes = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 4), st.sampled_from(["a", "b", "fetched", "rejected"])), max_size=14
)


def disjoint(changes: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Ranges as dedup lets them through: no id lands twice, and what landed is not rejected."""
    taken: set[int] = set()
    kept = []
    for first, length, kind in changes:
        ids = set(range(first, first + length + 1))
        if not ids & taken:
            taken |= ids
            kept.append((first, first + length, kind))
    return kept


def apply(coverage: Coverage, change: tuple[int, int, str]) -> Coverage:
    first, last, kind = change
    if kind == "rejected":
        return coverage.with_changes([], [(*KEY, first, last)])[0]
    found = replace(run(first, last, "a"), fetched=True) if kind == "fetched" else run(first, last, kind)
    return coverage.with_changes([found])[0]


@settings(max_examples=150, deadline=None)
@given(changes=_changes.map(disjoint), random=st.randoms())
def test_the_order_of_arrival_does_not_matter(changes: list[tuple[int, int, str]], random: object) -> None:
    mixed = list(changes)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = Coverage(), Coverage()
    for change in changes:
        one = apply(one, change)
    for change in mixed:
        other = apply(other, change)
    assert one.table(NOW).equals(other.table(NOW))
    assert one.spans().equals(other.spans())
    assert one.sessions().equals(other.sessions())


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(changes=_changes.map(disjoint), more=_changes)
def test_what_was_written_down_and_restored_is_the_same_and_goes_on_the_same(
    changes: list[tuple[int, int, str]], more: list[tuple[int, int, str]]
) -> None:
    original = Coverage()
    for change in changes:
        original = apply(original, change)
    restored = Coverage.restored(original.table(NOW), original.sessions())
    for change in disjoint([*((f, last - f, k) for f, last, k in changes), *more])[len(changes) :]:
        assert restored.table(NOW).equals(original.table(NOW))
        assert restored.spans().equals(original.spans())
        assert restored.sessions().equals(original.sessions())
        original, restored = apply(original, change), apply(restored, change)
    assert restored.newest() == original.newest()
    assert restored.spans().equals(original.spans())


@settings(max_examples=150, deadline=None)
@given(changes=_changes.map(disjoint))
def test_every_id_between_the_first_and_the_last_has_one_state(changes: list[tuple[int, int, str]]) -> None:
    coverage = Coverage()
    for change in changes:
        coverage = apply(coverage, change)
    seen: dict[int, str] = {}
    for first, last, state in states(coverage):
        for identity in range(first, last + 1):
            assert identity not in seen
            seen[identity] = state
    for first, last, kind in changes:
        for identity in range(first, last + 1):
            assert seen[identity] == {"rejected": "rejected", "fetched": "backfilled"}.get(kind, "live")
    landed = [i for f, last, kind in changes if kind != "rejected" for i in range(f, last + 1)]
    if landed:
        assert set(range(min(landed), max(landed) + 1)) <= seen.keys()
