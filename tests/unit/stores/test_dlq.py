"""The dead letter queue: every rejected record, with all its reasons, as files."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from coattail.errors import StoreError
from coattail.landing.decode import Undecodable
from coattail.landing.kernel import REJECTED_SCHEMA
from coattail.stores.dlq import DeadLetters

NOW = datetime(2025, 3, 4, 23, 59, 59, tzinfo=UTC)
NONE = REJECTED_SCHEMA.to_frame()


def rejected(*rows: dict[str, object]) -> pl.DataFrame:
    base = {"stream_lane": 1, "stream_offset": "1.0", "stream_index": 0, "reason": "invalid", "reasons": ["overlap"]}
    return pl.DataFrame([{**base, **row} for row in rows], schema=REJECTED_SCHEMA)


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path / "dlq")


def test_a_row_comes_back_with_all_its_reasons_and_its_payload(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(rejected({"payload": 'é"\n', "reasons": ["a", "b"], "price": "NaN"}), [], now=NOW)
    (row,) = letters.rows()
    assert (row["payload"], row["reasons"], row["price"]) == ('é"\n', ["a", "b"], "NaN")
    (path,) = (tmp_path / "dlq").glob("invalid/dt=2025-03-04/*.jsonl")
    assert json.loads(path.read_text())["payload"] == 'é"\n'


def test_each_reason_has_its_folder_and_bytes_that_are_no_record_theirs(letters: DeadLetters, tmp_path: Path) -> None:
    rows = [{"reason": r, "stream_index": n} for n, r in enumerate(("malformed", "incomplete", "invalid"))]
    letters.write(rejected(*rows), [Undecodable(3, "7.0", -1, "not zstd", b"\xff\x00")], now=NOW)
    folders = {p.parent.parent.name for p in (tmp_path / "dlq").glob("*/*/*.jsonl")}
    assert folders == {"malformed", "incomplete", "invalid", "stream"}
    (entry,) = letters.rows(folder="stream")
    assert (entry["payload_base64"], entry["error"]) == ("/wA=", "not zstd")


def test_a_row_that_a_crash_wrote_twice_is_read_once(letters: DeadLetters) -> None:
    for second in range(2):
        letters.write(rejected({}, {"stream_index": 1}), [], now=NOW + timedelta(seconds=second))
    assert sorted(row["stream_index"] for row in letters.rows()) == [0, 1]
    assert letters.summary() == {"invalid": {"overlap": 2}}


def test_a_batch_without_rejected_rows_leaves_no_file(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(NONE, [], now=NOW)
    assert not list(tmp_path.rglob("*.jsonl"))
    assert list(letters.rows()) == []


def test_half_a_file_is_never_read(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(rejected({}), [], now=NOW)
    (path,) = tmp_path.rglob("*.jsonl")
    path.with_suffix(".tmp").write_text('{"half')
    assert len(list(letters.rows())) == 1


def test_a_damaged_file_is_named(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(rejected({}), [], now=NOW)
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_text('{"half')
    with pytest.raises(StoreError, match=path.name):
        list(letters.rows())


def test_days_go_when_they_were_written_long_ago_however_old_the_trades_are(letters: DeadLetters) -> None:
    letters.write(rejected({"timestamp": 1, "stream_index": 0}), [], now=NOW - timedelta(days=8))
    letters.write(rejected({"timestamp": 1, "stream_index": 1}), [], now=NOW - timedelta(days=7))
    letters.write(rejected({"timestamp": 1, "stream_index": 2}), [], now=NOW)
    assert letters.purge(keep=timedelta(days=7), now=NOW) == 1
    assert sorted(row["stream_index"] for row in letters.rows()) == [1, 2]
    since = NOW - timedelta(days=1)
    assert [row["stream_index"] for row in letters.rows(since=since)] == [2]


def test_files_can_be_chosen_by_when_they_were_written(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(rejected({"stream_index": 0}), [], now=NOW)
    (old,) = tmp_path.rglob("*.jsonl")
    os.utime(old, (0, 0))
    letters.write(rejected({"stream_index": 1}), [], now=NOW)
    found = letters.rows(files_since=datetime(2000, 1, 1, tzinfo=UTC))
    assert [row["stream_index"] for row in found] == [1]


def test_the_summary_is_a_file_that_people_read(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(rejected({"reasons": ["a", "b"]}), [], now=NOW)
    letters.write_summary(now=NOW)
    body = json.loads((tmp_path / "dlq" / "_metadata" / "dlq_summary.json").read_text())
    assert body["rows_by_reason"] == {"invalid": {"a": 1, "b": 1}}


def test_retention_counts_by_the_clock_and_leaves_alone_what_is_no_day(letters: DeadLetters, tmp_path: Path) -> None:
    week = timedelta(days=7)
    letters.write(rejected({"timestamp": datetime(2019, 1, 1, tzinfo=UTC)}), [], now=NOW)
    (tmp_path / "dlq" / "invalid" / "dt=mine").mkdir()
    (tmp_path / "dlq" / "invalid" / "dt=mine" / "notes.jsonl").write_text("mine")
    assert letters.purge(keep=week, now=NOW + week) == 0
    later = NOW + week + timedelta(seconds=1)
    assert [day.name for day in letters.expired(keep=week, now=later)] == ["dt=2025-03-04"]
    assert len(list(letters.rows())) == 1
    assert (letters.purge(keep=week, now=later), list(letters.rows())) == (1, [])
    assert (tmp_path / "dlq" / "invalid" / "dt=mine" / "notes.jsonl").exists()


def test_a_day_that_somebody_else_removes_meanwhile_is_no_error(
    letters: DeadLetters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.write(rejected({}), [], now=NOW)
    later = NOW + timedelta(days=30)
    days, files = letters.expired(keep=timedelta(0), now=later), letters._files(["invalid"])
    assert DeadLetters(tmp_path / "dlq").purge(keep=timedelta(0), now=later) == 1
    monkeypatch.setattr(letters, "expired", lambda **_: days)
    monkeypatch.setattr(letters, "_files", lambda folders: files)
    assert letters.purge(keep=timedelta(0), now=later) == 0
    assert list(letters.rows(files_since=NOW)) == list(letters.rows()) == []
