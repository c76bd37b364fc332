"""What every dead letter queue promises (`coattail.stores.dlq`); a new implementation joins through `DEAD_LETTERS`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from coattail.alerts import Alert
from coattail.landing.decode import Undecodable
from coattail.landing.kernel import REJECTED_SCHEMA
from coattail.stores.dlq import ALERT, DeadLetters
from coattail.stores.dlq_folder import FolderDeadLetters
from coattail.stores.hot import RefusedAlert
from tests.harness.aws_place import folder_there
from tests.harness.in_memory import MemoryDeadLetters

NOW = datetime(2025, 3, 4, 23, 59, 59, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)

Opener = Callable[[], DeadLetters]


def in_folder(folder: Path, _: Callable[[], str]) -> Opener:
    return lambda: FolderDeadLetters(folder / "dlq")


def in_memory(_: Path, __: Callable[[], str]) -> Opener:
    shared = MemoryDeadLetters()
    return lambda: MemoryDeadLetters(shared.kept)


def in_bucket(folder: Path, service: Callable[[], str]) -> Opener:
    from coattail.service_url import bucket_url
    from coattail.stores.dlq_bucket import BucketDeadLetters

    name = "letters-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    at = bucket_url("dlq.url", folder_there(name, service()))
    return lambda: BucketDeadLetters(at)


DEAD_LETTERS: dict[str, Callable[[Path, Callable[[], str]], Opener]] = {
    "folder": in_folder,
    "memory": in_memory,
    "bucket of the emulator": in_bucket,
}
"""A folder, and what gives the address of an emulator of AWS -> what opens the store; opened twice it is one store."""


@pytest.fixture(params=list(DEAD_LETTERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return DEAD_LETTERS[request.param](tmp_path, lambda: str(request.getfixturevalue("service")))


@pytest.fixture
def letters(opened: Opener) -> DeadLetters:
    return opened()


def rejected(*rows: dict[str, object]) -> pl.DataFrame:
    base = {"stream_lane": 1, "stream_offset": "1.0", "stream_index": 0, "reason": "invalid", "reasons": ["overlap"]}
    return pl.DataFrame([{**base, **row} for row in rows], schema=REJECTED_SCHEMA)


def indices(letters: DeadLetters, **chosen: datetime) -> list[int]:
    return sorted(row["stream_index"] for row in letters.rows(**chosen))


def test_a_row_comes_back_with_all_its_reasons_and_its_payload(letters: DeadLetters) -> None:
    letters.write(rejected({"payload": 'é"\n', "reasons": ["a", "b"], "price": "NaN"}), [], stream="s", now=NOW)
    (row,) = letters.rows()
    assert (row["payload"], row["reasons"], row["price"], row["stream_id"]) == ('é"\n', ["a", "b"], "NaN", "s")


def test_each_reason_can_be_asked_for_and_bytes_that_are_no_record_have_theirs(letters: DeadLetters) -> None:
    rows = [{"reason": r, "stream_index": n} for n, r in enumerate(("malformed", "incomplete", "invalid"))]
    letters.write(rejected(*rows), [Undecodable(3, "7.0", -1, "not zstd", b"\xff\x00")], stream="s", now=NOW)
    for index, reason in enumerate(("malformed", "incomplete", "invalid")):
        assert [row["stream_index"] for row in letters.rows(folder=reason)] == [index]
    (entry,) = letters.rows(folder="stream")
    assert (entry["payload_base64"], entry["error"], entry["stream_id"]) == ("/wA=", "not zstd", "s")


def test_a_row_that_a_crash_wrote_twice_is_read_and_counted_once(letters: DeadLetters) -> None:
    for second in range(2):
        letters.write(rejected({}, {"stream_index": 1}), [], stream="s", now=NOW + timedelta(seconds=second))
    assert indices(letters) == [0, 1]
    assert letters.summary() == {"invalid": {"overlap": 2}}


def test_equal_positions_of_two_streams_are_two_rows(letters: DeadLetters) -> None:
    """A stream that was removed and made anew gives its positions again."""
    for stream, payload in (("first", "a"), ("second", "b")):
        letters.write(rejected({"payload": payload}), [Undecodable(3, "7.0", -1, payload, b"")], stream=stream, now=NOW)
    assert sorted(row["payload"] for row in letters.rows(folder="invalid")) == ["a", "b"]
    assert sorted(row["error"] for row in letters.rows(folder="stream")) == ["a", "b"]
    assert letters.summary() == {"invalid": {"overlap": 2}, "stream": {"undecodable": 2}}


def test_nothing_rejected_is_nothing_written(letters: DeadLetters) -> None:
    letters.write(rejected().clear(), [], stream="s", now=NOW)
    assert list(letters.rows()) == []
    assert letters.summary() == {}


def test_the_newest_come_first(letters: DeadLetters) -> None:
    for number in (1, 0, 2):
        letters.write(rejected({"stream_index": number}), [], stream="s", now=NOW - number * DAY)
    assert [row["stream_index"] for row in letters.rows()] == [0, 1, 2]


def test_days_go_when_they_were_written_long_ago_however_old_the_trades_are(letters: DeadLetters) -> None:
    for number, days in enumerate((8, 7, 0)):
        row = rejected({"timestamp": 1, "stream_index": number})
        letters.write(row, [], stream="s", now=NOW - timedelta(days=days))
    assert letters.purge(keep=WEEK, now=NOW, dry_run=True) == 1
    assert indices(letters) == [0, 1, 2]
    assert letters.purge(keep=WEEK, now=NOW) == 1
    assert indices(letters) == [1, 2]
    assert letters.purge(keep=WEEK, now=NOW) == 0


def test_rows_can_be_chosen_by_the_day_they_were_written(letters: DeadLetters) -> None:
    for days in range(3):
        letters.write(rejected({"stream_index": days}), [], stream="s", now=NOW - days * DAY)
    assert indices(letters, since=NOW - DAY) == [0, 1]


def test_rows_can_be_chosen_by_when_they_were_stored(letters: DeadLetters) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    letters.write(rejected({}), [], stream="s", now=NOW)
    assert indices(letters, stored_since=before) == [0]
    assert indices(letters, stored_since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_the_counts_follow_another_writer_a_crash_and_a_purge(opened: Opener) -> None:
    """Whoever counts has counted before, and remembers."""
    engine, other = opened(), opened()
    engine.write(rejected({"reasons": ["a"]}), [], stream="s", now=NOW - 9 * DAY)
    assert engine.summary() == {"invalid": {"a": 1}}
    other.write(rejected({"stream_index": 1, "reasons": ["a", "b"]}), [], stream="s", now=NOW)
    assert engine.summary() == other.summary() == {"invalid": {"a": 2, "b": 1}}
    again = rejected({"stream_index": 1, "reasons": ["a", "b"]}, {"stream_index": 2, "reasons": ["b"]})
    engine.write(again, [], stream="s", now=NOW + DAY)
    assert engine.summary() == other.summary() == {"invalid": {"a": 2, "b": 2}}
    assert other.purge(keep=WEEK, now=NOW) == 1
    assert engine.summary() == other.summary() == {"invalid": {"a": 1, "b": 2}}
    assert engine.purge(keep=WEEK, now=NOW + 30 * DAY) == 2
    assert engine.summary() == other.summary() == opened().summary() == {}


def test_alerts_that_the_hot_store_cannot_hold_are_kept_apart_from_records(letters: DeadLetters) -> None:
    alert = Alert(
        alert_id="a" * 32, alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange="binance",
        severity="low", detected_at=NOW, status="final", message="m", details="{}", preset="classic", revision=2,
    )  # fmt: skip
    letters.write(rejected({}), [], stream="s", now=NOW)
    for refused in ([], [RefusedAlert(alert, "too large")], [RefusedAlert(alert, "too large")]):
        letters.write_alerts(refused, now=NOW)
    assert [row["reason"] for row in letters.rows()] == ["invalid"]
    (row,) = letters.rows(folder=ALERT)
    assert (row["error"], row["reasons"], row["stream_index"]) == ("too large", ["not_in_hot_store"], 2)
    assert msgspec.json.decode(row["payload"], type=Alert) == alert
    assert letters.summary() == {"invalid": {"overlap": 1}, "alert": {"not_in_hot_store": 1}}
    assert letters.purge(keep=WEEK, now=NOW + 30 * DAY) == 2
    assert list(letters.rows(folder=ALERT)) == []


def test_a_summary_can_be_refreshed_whenever(opened: Opener) -> None:
    opened().write_summary(now=NOW)
    opened().write(rejected({}), [], stream="s", now=NOW)
    opened().write_summary(now=NOW)
    assert opened().summary() == {"invalid": {"overlap": 1}}
