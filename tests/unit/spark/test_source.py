import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyspark")

from coattail.errors import SparkError
from coattail.spark.source import NOTE, Note, PackReader, grouped
from coattail.streams.base import Pack
from coattail.streams.local import LocalStream


def reader(folder: Path, **options: str) -> PackReader:
    return PackReader({"folder": str(folder), "start": "{}", "limit_bytes": "1", "partitions": "4", **options})


def rows(found: PackReader, start: dict[str, Any], end: dict[str, Any]) -> list[tuple[int, str, bytes]]:
    batches = [batch for part in found.partitions(start, end) for batch in found.read(part)]
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def note_of(found: list[tuple[int, str, bytes]]) -> Note:
    return next(msgspec.json.decode(data, type=Note) for lane, _, data in found if lane == NOTE)


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=60), st.integers(1, 6))
def test_a_lane_is_in_one_group_with_its_packs_in_order(packs: list[tuple[int, bytes]], most: int) -> None:
    given_packs = [Pack(lane, str(place), data) for place, (lane, data) in enumerate(packs)]
    groups = grouped(given_packs, most)
    assert len(groups) <= most
    assert sorted(p.offset for g in groups for p in g) == sorted(p.offset for p in given_packs)
    for group in groups:
        others = {p.lane for g in groups if g is not group for p in g}
        assert not others & {p.lane for p in group}
        for lane in {p.lane for p in group}:
            mine = [p for p in group if p.lane == lane]
            assert mine == [p for p in given_packs if p.lane == lane]


def test_groups_hold_about_equal_bytes_however_skewed_the_lanes_are() -> None:
    packs = [Pack(lane, "", b"x" * (1000 // (lane + 1))) for lane in range(30)]
    sizes = [sum(len(p.data) for p in group) for group in grouped(packs, 4)]
    assert max(sizes) <= 1.1 * sum(sizes) / 4


def test_a_batch_says_where_it_starts_and_what_it_reaches(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a"), (2, b"b")])
    stream.append([(1, b"c")])
    found = reader(tmp_path)
    first = found.latestOffset()
    assert found.initialOffset() == {}, "Spark asks for the start after it has asked for the end"
    batch = rows(found, {}, first)
    assert sorted(row for row in batch if row[0] != NOTE) == [(1, "1.0", b"a"), (2, "1.1", b"b")]
    assert note_of(batch) == Note(
        after={}, offsets={"segment": "1"}, waiting_bytes=stream.backlog({"segment": "1"}).size_bytes
    )
    second = found.latestOffset()
    assert note_of(rows(found, first, second)) == Note(after={"segment": "1"}, offsets={"segment": "2"})
    assert found.latestOffset() == second, "nothing more waits"
    assert rows(found, first, second)[1:] == [(1, "2.0", b"c")], "a batch can be planned again"


def test_a_run_starts_behind_the_offsets_it_is_given(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a")])
    stream.append([(1, b"b")])
    found = reader(tmp_path, start=json.dumps({"segment": "1"}))
    batch = rows(found, {"segment": "1"}, found.latestOffset())
    assert [data for lane, _, data in batch if lane != NOTE] == [b"b"]


def test_an_end_is_said_once_and_only_where_it_was_asked_for(tmp_path: Path) -> None:
    LocalStream(tmp_path).append([(1, b"a")])
    found = reader(tmp_path, until_empty="1")
    first = found.latestOffset()
    last = found.latestOffset()
    assert note_of(rows(found, first, last)) == Note(after={"segment": "1"}, offsets={"segment": "1"})
    follower = reader(tmp_path)
    assert follower.latestOffset() == follower.latestOffset()


def test_what_was_lost_is_told(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    for data in (b"a", b"b", b"c"):
        stream.append([(1, data)])
    (tmp_path / "segments" / f"{2:012d}.seg").unlink()
    found = reader(tmp_path, start=json.dumps({"segment": "1"}))
    note = note_of(rows(found, {"segment": "1"}, found.latestOffset()))
    assert note.lost == ["segments 2 to 2 were removed before they had been read"]


def test_a_batch_that_is_not_the_one_last_read_is_refused(tmp_path: Path) -> None:
    LocalStream(tmp_path).append([(1, b"a")])
    found = reader(tmp_path)
    end = found.latestOffset()
    with pytest.raises(SparkError, match="not the one last read"):
        found.partitions({"segment": "7"}, end)
    with pytest.raises(SparkError, match="not the one last read"):
        found.partitions({}, {"segment": "9"})


def test_a_task_gets_a_reader_without_anything_of_the_stream(tmp_path: Path) -> None:
    LocalStream(tmp_path).append([(1, b"a" * 10_000)])
    found = reader(tmp_path)
    found.latestOffset()
    assert len(pickle.dumps(found)) < 500
