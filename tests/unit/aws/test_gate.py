"""The verdict of the quality gate, from what the commits of raw_trades wrote down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from coattail.aws.lambdas import gate
from coattail.aws.lambdas.gate import GateEvent, handler, verdict
from coattail.aws.lambdas.invoked import METRICS
from coattail.errors import UsageError
from coattail.stores.outline import Outline

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def table(*commits: tuple[float, int, int], gone: int = 0, own: bool = True) -> Outline:
    """raw_trades after commits (hours after noon, landed and rejected so far), of which the first `gone` are gone."""
    snapshots: list[dict[str, Any]] = []
    for number, (hours, landed, rejected) in enumerate(commits, start=1):
        totals = {"received": landed + rejected + 1, "landed": landed, "rejected": rejected, "duplicates": 1, "late": 2}
        own_words = {"coattail.commit": str(number), "coattail.totals": msgspec.json.encode(totals).decode()}
        snapshots.append({
            "snapshot-id": number, "parent-snapshot-id": number - 1 or None, "sequence-number": number,
            "timestamp-ms": int((NOON + timedelta(hours=hours)).timestamp() * 1000),
            "summary": {"operation": "append", **(own_words if own else {})},
        })  # fmt: skip
    log = [{"snapshot-id": one["snapshot-id"], "timestamp-ms": one["timestamp-ms"]} for one in snapshots]
    said = {
        "location": "s3://b/raw_trades", "snapshots": snapshots[gone:], "snapshot-log": log[gone:],
        "current-snapshot-id": len(snapshots) or -1,
    }  # fmt: skip
    return Outline.read(msgspec.json.encode(said))


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
    nothing = verdict(of, GateEvent(since=NOON + timedelta(hours=1)))
    assert (nothing.passed, nothing.quality_score) == (False, None)
    assert nothing.reason == "nothing came in since 2025-03-04 13:00:00 UTC"


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


def test_it_logs_a_line_of_json_and_one_of_metrics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "outline", lambda name: table((0, 199, 1)))
    monkeypatch.setenv(METRICS, "mine")
    answer = handler({"hours": None}, None)
    metrics, line = map(msgspec.json.decode, capsys.readouterr().out.splitlines())
    assert (metrics["QualityScore"], metrics["RecordsFailed"], metrics["Function"]) == (99.5, 1, "gate")
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "mine"
    assert (line["level"], line["function"], line["answer"]) == ("INFO", "gate", answer)
    with pytest.raises(UsageError):
        handler({"hour": 1}, None)
    refused = msgspec.json.decode(capsys.readouterr().out)
    assert (refused["level"], refused["error"]) == ("ERROR", "UsageError")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"treshold": 90}, "unknown field `treshold`.*it takes threshold, hours, since"),
        ({"threshold": 101}, "<= 100"),
        ({"hours": 0}, "> 0"),
        ({"since": "2025-03-04T12:00:00"}, "timezone"),
        ([1], "Expected `object`"),
    ],
)
def test_an_event_of_another_form_is_refused_in_a_sentence(event: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        handler(event, None)
