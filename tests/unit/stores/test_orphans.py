"""Orphans: everything that any snapshot, tag or metadata log names stays; links lead nowhere; young files are safe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from coattail.errors import StoreError
from coattail.stores.catalog import embedded
from coattail.stores.compaction import compact
from coattail.stores.expiry import expire, tag_newest
from coattail.stores.lake import Lake
from coattail.stores.orphans import find_orphans, remove
from coattail.stores.repair import read_metadata
from coattail.tables import SESSIONS

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=10)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    (tmp_path / "warehouse").mkdir()
    opened = Lake(embedded(tmp_path))
    for name in "abcd":
        add(opened, name)
        if name == "b":
            tag_newest(opened, SESSIONS.name, "held", keep_days=9)
    yield opened
    opened.close()


def add(lake: Lake, name: str) -> None:
    rows = [{"exchange": "e", "symbol": "S", "session": name, "first_id": 1, "last_id": 2}]
    lake.commit(SESSIONS, lake.write(SESSIONS, pl.DataFrame(rows, schema=SESSIONS.schema)), {"note": name})


def folder(lake: Lake) -> Path:
    return Path(lake.iceberg(SESSIONS.name).location().removeprefix("file://"))


def aged(lake: Lake) -> None:
    for path in folder(lake).rglob("*"):
        if path.is_file():
            os.utime(path, (OLD.timestamp(), OLD.timestamp()))


def orphans(lake: Lake, older_than: timedelta = timedelta(days=3)) -> list[str]:
    return [o.name for o in find_orphans(lake, SESSIONS.name, older_than=older_than, now=NOW)]


def sessions(lake: Lake, tag: str | None = None) -> list[str]:
    table = lake.iceberg(SESSIONS.name)
    snapshot = table.snapshot_by_name(tag) if tag else table.current_snapshot()
    assert snapshot is not None
    return sorted(table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()["session"].to_pylist())


def test_nothing_that_is_needed_is_an_orphan(lake: Lake) -> None:
    aged(lake)
    assert orphans(lake) == []


def test_what_compaction_and_expiry_let_go_of_is_found_and_all_else_can_still_be_read(lake: Lake) -> None:
    compact(lake, SESSIONS)
    add(lake, "e")
    aged(lake)
    assert orphans(lake) == [], "the snapshots before still name the small files"
    expire(lake, SESSIONS.name, keep=1, needed_after=99)
    found = find_orphans(lake, SESSIONS.name, older_than=timedelta(days=3), now=NOW)
    assert {Path(o.name).suffix for o in found} == {".avro", ".parquet"}
    assert len([o for o in found if Path(o.name).suffix == ".parquet"]) == 2, "two of four are held by the tag"
    assert remove(lake, found) == sum(o.size for o in found)
    assert not any(lake.storage.exists(o.location) for o in found)
    assert sessions(lake) == ["a", "b", "c", "d", "e"]
    assert sessions(lake, "held") == ["a", "b"]
    read_metadata(lake.storage, lake.locations()[SESSIONS.name])
    assert remove(lake, found) == 0
    assert orphans(lake) == []


def test_left_over_files_of_a_crash_are_found_when_they_are_old_enough(lake: Lake) -> None:
    (file,) = lake.write(SESSIONS, lake.scan(SESSIONS).head(1))
    name = Path(file.file_path).name
    metadata = folder(lake) / "metadata" / "00099-lost.metadata.json"
    metadata.write_text("{}")
    assert orphans(lake) == []
    aged(lake)
    assert sorted(orphans(lake)) == sorted([name, metadata.name])
    assert orphans(lake, timedelta(days=11)) == []


def test_checksums_of_spark_go_with_their_file_and_foreign_files_stay(lake: Lake) -> None:
    data = folder(lake) / "data"
    kept = Path(lake.files(SESSIONS.name)[0].file_path).name
    for name in (f".{kept}.crc", ".gone.parquet.crc", "notes.txt", "table.csv"):
        (data / name).write_bytes(b"x")
    aged(lake)
    assert orphans(lake) == [".gone.parquet.crc"]


def test_links_are_never_followed(lake: Lake, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    precious = outside / "precious.parquet"
    precious.write_bytes(b"x")
    os.utime(precious, (OLD.timestamp(), OLD.timestamp()))
    (folder(lake) / "data" / "linked").symlink_to(outside)
    (folder(lake) / "data" / "linked.parquet").symlink_to(precious)
    assert orphans(lake) == []


def test_a_table_folder_that_is_a_link_out_of_the_warehouse_is_refused(lake: Lake, tmp_path: Path) -> None:
    here = folder(lake)
    here.rename(tmp_path / "elsewhere")
    here.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="not in"):
        orphans(lake)


def test_with_a_damaged_manifest_nobody_knows_and_nothing_is_found(lake: Lake) -> None:
    lake.write(SESSIONS, lake.scan(SESSIONS).head(1))
    aged(lake)
    for path in (folder(lake) / "metadata").glob("*-m0.avro"):
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match="cannot be read"):
        orphans(lake)
