"""The verdict of the quality gate, from what the commits of raw_trades wrote down."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from coattail.stores.gate import GateEvent, verdict
from coattail.stores.outline import Outline
from tests.harness.outlines import NOON, table


def test_it_judges_what_came_in_the_last_day_before_the_newest_commit() -> None:
    of = table((0, 100, 100), (1, 190, 110), (25, 1_180, 120), (26, 2_179, 121))
    found = verdict(of, GateEvent())
    assert (found.records_passed, found.records_failed, found.commit, found.snapshot_id) == (1_989, 11, 4, "4")
    assert (found.quality_score, found.passed, found.threshold) == (99.45, True, 95.0)
    assert (found.since, found.until) == (NOON + timedelta(hours=2), NOON + timedelta(hours=26))
    assert found.reason == "99.45 % of 2,000 records since 2025-03-04 14:00:00 UTC passed"
    whole = verdict(of, GateEvent(hours=None))
    assert (whole.records_processed, whole.records_passed, whole.records_failed) == (2_301, 2_179, 121)
    assert (whole.records_duplicate, whole.records_late, whole.since) == (1, 2, None)
    assert (whole.quality_score, whole.passed) == (94.73913, False)
    assert whole.reason == "94.7391 % of 2,300 records passed, and 95 % should have: 121 were rejected"


def test_the_threshold_itself_passes() -> None:
    of = table((0, 95, 5))
    assert verdict(of, GateEvent(threshold=95)).passed
    assert not verdict(of, GateEvent(threshold=95.000001)).passed


def test_since_counts_the_commits_after_it_and_the_first_of_all_counts_from_nothing() -> None:
    of = table((0, 100, 0), (1, 150, 50))
    assert verdict(of, GateEvent(since=NOON)).quality_score == 50.0
    assert verdict(of, GateEvent(since=NOON - timedelta(hours=1))).quality_score == 75.0


def test_where_nothing_came_in_since_then_the_last_day_is_judged() -> None:
    of = table((0, 100, 0), (30, 190, 10))
    again = verdict(of, GateEvent(since=NOON + timedelta(hours=31)))
    assert (again.passed, again.quality_score, again.since) == (False, 90.0, NOON + timedelta(hours=6))
    ever = verdict(of, GateEvent(since=NOON + timedelta(hours=31), hours=None))
    assert (ever.quality_score, ever.since) == (95.0, None)
    nothing = verdict(table((0, 0, 0), (30, 0, 0)), GateEvent(since=NOON + timedelta(hours=31)))
    assert nothing.reason == "nothing came in since 2025-03-04 18:00:00 UTC"


def test_where_the_commit_before_has_expired_it_says_since_when_it_counts() -> None:
    of = table((0, 100, 0), (1, 200, 0), (2, 300, 7), gone=1)
    found = verdict(of, GateEvent())
    assert (found.records_passed, found.records_failed, found.since) == (100, 7, NOON + timedelta(hours=1))


def test_only_duplicates_are_nothing_that_could_be_bad() -> None:
    said = {"received": 7, "landed": 0, "rejected": 0, "duplicates": 7, "late": 0}
    one = table((0, 0, 0))
    summary = {**one.snapshots[0].summary, "coattail.totals": msgspec.json.encode(said).decode()}
    of = msgspec.structs.replace(one, snapshots=[msgspec.structs.replace(one.snapshots[0], summary=summary)])
    found = verdict(of, GateEvent(hours=None))
    assert (found.passed, found.quality_score, found.reason) == (True, None, "all 7 records were here already")


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (None, "raw_trades: nothing has landed yet"),
        (table(), "raw_trades: nothing has landed yet"),
        (table((0, 5, 5), own=False), "raw_trades: its commits carry no counts: somebody else wrote it"),
    ],
)
def test_without_counts_nothing_passes(of: Outline | None, reason: str) -> None:
    found = verdict(of, GateEvent())
    assert (found.passed, found.quality_score, found.reason) == (False, None, reason)
