"""The folder of rejected records: its files, rows of before, and what counting reads. Promises are in contracts."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.errors import StoreError
from coattail.landing.decode import Undecodable
from coattail.landing.kernel import REJECTED_SCHEMA
from coattail.stores.dlq_folder import FolderDeadLetters

NOW = datetime(2025, 3, 4, 23, 59, 59, tzinfo=UTC)
STREAM = "3f2a"


def rejected(*rows: dict[str, object]) -> pl.DataFrame:
    base = {"stream_lane": 1, "stream_offset": "1.0", "stream_index": 0, "reason": "invalid", "reasons": ["overlap"]}
    return pl.DataFrame([{**base, **row} for row in rows], schema=REJECTED_SCHEMA)


@pytest.fixture
def letters(tmp_path: Path) -> FolderDeadLetters:
    return FolderDeadLetters(tmp_path / "dlq")


def write(letters: FolderDeadLetters, *rows: dict[str, object], stream: str = STREAM, now: datetime = NOW) -> None:
    letters.write(rejected(*rows), [], stream=stream, now=now)


def write_as_before(letters: FolderDeadLetters, *rows: dict[str, object], now: datetime = NOW) -> None:
    """As a version did that did not write down the stream."""
    there = set(letters._folder.rglob("*.jsonl"))
    write(letters, *rows, now=now)
    (path,) = set(letters._folder.rglob("*.jsonl")) - there
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "stream_id"}) + "\n" for row in lines))


def test_each_folder_holds_lines_of_json_by_day(letters: FolderDeadLetters, tmp_path: Path) -> None:
    rows = [{"reason": r, "stream_index": n} for n, r in enumerate(("malformed", "incomplete", "invalid"))]
    letters.write(rejected(*rows), [Undecodable(3, "7.0", -1, "not zstd", b"\xff\x00")], stream=STREAM, now=NOW)
    assert {str(p.parent.relative_to(tmp_path / "dlq")) for p in (tmp_path / "dlq").rglob("*.jsonl")} == {
        f"{folder}/dt=2025-03-04" for folder in ("malformed", "incomplete", "invalid", "stream")
    }
    (path,) = (tmp_path / "dlq").glob("invalid/*/*.jsonl")
    assert json.loads(path.read_text())["stream_id"] == STREAM


def test_a_batch_without_rejected_rows_leaves_no_file(letters: FolderDeadLetters, tmp_path: Path) -> None:
    letters.write(REJECTED_SCHEMA.to_frame(), [], stream=STREAM, now=NOW)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_half_a_file_is_never_read(letters: FolderDeadLetters, tmp_path: Path) -> None:
    write(letters, {})
    (path,) = tmp_path.rglob("*.jsonl")
    path.with_suffix(".tmp").write_text('{"half')
    assert len(list(letters.rows())) == 1
    assert letters.summary() == {"invalid": {"overlap": 1}}


def test_a_damaged_file_is_named(letters: FolderDeadLetters, tmp_path: Path) -> None:
    write(letters, {})
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_text('{"half')
    with pytest.raises(StoreError, match=path.name):
        list(letters.rows())
    with pytest.raises(StoreError, match=path.name):
        letters.summary()


def test_files_can_be_chosen_by_when_they_were_written(letters: FolderDeadLetters, tmp_path: Path) -> None:
    write(letters, {"stream_index": 0})
    (old,) = tmp_path.rglob("*.jsonl")
    os.utime(old, (0, 0))
    write(letters, {"stream_index": 1})
    found = letters.rows(stored_since=datetime(2000, 1, 1, tzinfo=UTC))
    assert [row["stream_index"] for row in found] == [1]


def test_the_summary_is_a_file_that_people_read(letters: FolderDeadLetters, tmp_path: Path) -> None:
    write(letters, {"reasons": ["a", "b"]})
    letters.write_summary(now=NOW)
    body = json.loads((tmp_path / "dlq" / "_metadata" / "dlq_summary.json").read_text())
    assert body["rows_by_reason"] == {"invalid": {"a": 1, "b": 1}}


def test_folders_that_are_no_day_are_left_alone(letters: FolderDeadLetters, tmp_path: Path) -> None:
    write(letters, {})
    mine = tmp_path / "dlq" / "invalid" / "dt=mine" / "notes.jsonl"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert len(list(letters.rows())) == 1
    assert letters.purge(keep=timedelta(0), now=NOW + timedelta(days=30)) == 1
    assert mine.exists()


def test_a_day_that_somebody_else_removes_meanwhile_is_no_error(
    letters: FolderDeadLetters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(letters, {})
    days = letters._days(["invalid"])
    assert FolderDeadLetters(tmp_path / "dlq").purge(keep=timedelta(0), now=NOW + timedelta(days=30)) == 1
    monkeypatch.setattr(letters, "_days", lambda folders: days)
    assert letters.purge(keep=timedelta(0), now=NOW + timedelta(days=30)) == 0
    assert list(letters.rows(stored_since=NOW)) == list(letters.rows()) == []
    assert letters.summary() == {}


# -- rows that a version before wrote without the stream -------------------------------------------------------------


def test_rows_of_before_are_read_and_counted_beside_new_ones(letters: FolderDeadLetters) -> None:
    write_as_before(letters, {"payload": "a"}, {"payload": "b", "stream_index": 1})
    write(letters, {"payload": "c"}, now=NOW + timedelta(days=1))
    assert [row["payload"] for row in letters.rows()] == ["c", "a", "b"]
    assert letters.summary() == {"invalid": {"overlap": 3}}


def test_a_row_that_a_version_before_wrote_and_died_is_not_there_twice(letters: FolderDeadLetters) -> None:
    for second in range(2):
        write_as_before(letters, {"payload": "a"}, now=NOW - timedelta(seconds=second))
    write(letters, {"payload": "a"}, {"payload": "b", "stream_index": 1}, now=NOW + timedelta(days=1))
    assert sorted(row["payload"] for row in letters.rows()) == ["a", "b"]
    assert letters.summary() == {"invalid": {"overlap": 2}}


# -- counting reads only what is new ---------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    original = Path.read_bytes

    def noting(self: Path) -> bytes:
        found.append(self.name)
        return original(self)

    monkeypatch.setattr(Path, "read_bytes", noting)
    return found


def test_no_file_is_counted_twice_while_files_come_and_go(letters: FolderDeadLetters, reads: list[str]) -> None:
    for number in range(20):
        write(letters, {"stream_index": number}, now=NOW + timedelta(days=number % 2))
        assert letters.summary() == {"invalid": {"overlap": number + 1}}
    assert len(reads) == len(set(reads)) == 20
    letters.purge(keep=timedelta(0), now=NOW + timedelta(days=1))
    assert letters.summary() == {"invalid": {"overlap": 10}}
    assert len(reads) == 20


def test_a_day_that_is_over_is_not_even_listed(
    letters: FolderDeadLetters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(letters, {})
    (day,) = tmp_path.glob("dlq/invalid/dt=*")
    os.utime(day, (0, 10**9))
    assert letters.summary() == {"invalid": {"overlap": 1}}

    original = os.scandir

    def refuse(path: Any) -> Any:
        assert not str(path).endswith(day.name)
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert letters.summary() == {"invalid": {"overlap": 1}}


def test_a_file_that_somebody_moved_away_counts_no_more(letters: FolderDeadLetters, tmp_path: Path) -> None:
    for number in range(3):
        write(letters, {"stream_index": number})
    assert letters.summary() == {"invalid": {"overlap": 3}}
    next(tmp_path.rglob("*.jsonl")).unlink()
    assert letters.summary() == {"invalid": {"overlap": 2}}
