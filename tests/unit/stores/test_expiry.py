"""Expiry beside others: what is needed is found by walking back, and a tag set meanwhile is not lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.exceptions import CommitFailedException

import coattail.stores.expiry
import coattail.stores.lake
from coattail.errors import TableBusy
from coattail.stores.catalog import embedded
from coattail.stores.expiry import expirable, expire
from coattail.stores.lake import Lake
from coattail.stores.swap import swap
from coattail.tables import SESSIONS

NAME = SESSIONS.name


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    (tmp_path / "warehouse").mkdir()
    opened = Lake(embedded(tmp_path))
    yield opened
    opened.close()


def commit(lake: Lake, number: int) -> None:
    rows = [{"exchange": "e", "symbol": "S", "session": str(number), "first_id": 1, "last_id": 2}]
    files = lake.write(SESSIONS, pl.DataFrame(rows, schema=SESSIONS.schema))
    lake.commit(SESSIONS, files, {"commit": str(number), "offsets": str(number)})


def merged(lake: Lake) -> None:
    swap(lake, NAME, lake.files(NAME), lake.write(SESSIONS, lake.scan(SESSIONS)), why="compaction")


def test_the_newest_commit_of_rows_stays_below_any_number_of_compactions(lake: Lake) -> None:
    for number in (1, 2):
        commit(lake, number)
    engine = lake.newest(NAME)
    assert engine is not None
    for _ in range(4):
        merged(lake)
    expire(lake, NAME, keep=1, needed_after=99)
    assert engine.snapshot_id in {s.snapshot_id for s in lake.iceberg(NAME).snapshots()}
    assert [c.sequence for c in lake.commits_since(NAME, 0)] == [2]


def test_an_engine_commits_on_after_compactions_and_expiry_beside_it(lake: Lake, tmp_path: Path) -> None:
    commit(lake, 1)
    other = Lake(embedded(tmp_path))
    for number in (2, 3, 4):
        merged(other)
        expire(other, NAME, keep=1, needed_after=99)
        commit(lake, number)
    other.close()
    assert sorted(lake.scan(SESSIONS)["session"]) == ["1", "2", "3", "4"]


def test_commits_that_a_derived_table_lacks_stay_and_so_does_the_way_to_them(lake: Lake) -> None:
    for number in (1, 2, 3):
        commit(lake, number)
        merged(lake)
    expire(lake, NAME, keep=1, needed_after=1)
    assert [c.sequence for c in lake.commits_since(NAME, 1)] == [2, 3]
    assert lake.scan(SESSIONS, after_commit=1).is_empty(), "merged files hold rows of earlier commits"


def test_what_a_rollback_took_back_is_no_commit_any_more(lake: Lake) -> None:
    for number in (1, 2, 3):
        commit(lake, number)
    table = lake.iceberg(NAME)
    with table.manage_snapshots() as manage:
        manage.set_current_snapshot(snapshot_id=table.snapshots()[0].snapshot_id)
    lake.iceberg(NAME)
    assert [c.sequence for c in lake.commits_since(NAME, 0)] == [1]
    commit(lake, 2)
    assert [c.sequence for c in lake.commits_since(NAME, 0)] == [1, 2]
    assert sorted(lake.scan(SESSIONS, after_commit=1)["session"]) == ["2"]


def test_a_tag_set_while_expiry_decides_keeps_its_snapshot(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        commit(lake, number)
    first = lake.iceberg(NAME).snapshots()[0].snapshot_id
    original = coattail.stores.expiry.expirable
    decided = []

    def meanwhile(table: Any, **options: Any) -> list[int]:
        found = original(table, **options)
        if not decided:
            other = Lake(embedded(tmp_path))
            other.iceberg(NAME).manage_snapshots().create_tag(first, "mine").commit()
            other.close()
        decided.append(found)
        return found

    monkeypatch.setattr(coattail.stores.expiry, "expirable", meanwhile)
    forgotten = expire(lake, NAME, keep=1, needed_after=99)
    assert first in decided[0]
    assert first not in forgotten
    assert "mine" in lake.iceberg(NAME).metadata.refs


def test_two_expiries_at_once_forget_each_snapshot_once(lake: Lake, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        commit(lake, number)
    other = Lake(embedded(tmp_path))
    before = len(expirable(other.iceberg(NAME), keep=1, needed_after=99))
    assert len(expire(lake, NAME, keep=1, needed_after=99)) == before == 2
    assert expire(other, NAME, keep=1, needed_after=99) == []
    other.close()


def test_a_table_that_is_never_left_alone_is_busy_after_a_bounded_number_of_attempts(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(lake, 1)
    tried = []

    def refused(known: Any) -> None:
        tried.append(known)
        raise CommitFailedException("somebody was quicker")

    monkeypatch.setattr(coattail.stores.lake, "_LONGEST_PAUSE_SECONDS", 0.0)
    with pytest.raises(TableBusy, match="run it again"):
        lake.change(NAME, refused, beside_writers=True)
    assert len(tried) == 16
