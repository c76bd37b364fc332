"""Tasks that read a stream themselves: every shard and every offset is one task's, and together they read it all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pyarrow as pa
import pytest

from coattail.errors import ConfigError, StreamError
from coattail.spark import shards as module
from coattail.spark.shards import ShardQuery, groups_of, reading
from coattail.spark.source import NOTE, Note, joined
from coattail.streams.kinesis import KinesisStream
from tests.harness.emulator import CREDENTIALS
from tests.harness.kinesis_service import KinesisService

pytest.importorskip("boto3", reason="the aws extra is not installed")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[KinesisService]:
    monkeypatch.setattr(module, "_opened", {})
    with mock.patch.dict(os.environ, CREDENTIALS), KinesisService() as service:
        service.create("trades", 5)
        yield service


def test_every_shard_and_every_offset_is_in_one_group() -> None:
    after = {"a": "1", "c": "3", "ended": "SHARD_END"}
    groups = groups_of(["a", "b", "c"], after, 2)
    assert [group.shards for group in groups] == [["a", "c"], ["b"]]
    assert [group.after for group in groups] == [after, {}]
    assert [(g.shards, g.after) for g in groups_of([], after, 4)] == [([], after)]
    assert len(groups_of(["a", "b", "c"], after, 9)) == 3


def test_what_tasks_read_apart_is_what_one_reader_reads_through_a_reshard(service: KinesisService) -> None:
    stream = KinesisStream("trades", region="eu-central-1", endpoint=service.endpoint, pace=0.0)
    url = f"kinesis://trades?region=eu-central-1&endpoint={service.endpoint}"
    stream.append([(lane, b"%d" % lane) for lane in range(64)])
    service.split("trades", service.open_shards("trades")[0])
    stream.append([(lane, b"later %d" % lane) for lane in range(64)])
    whole, reached = list[tuple[int, bytes]](), dict[str, str]()
    while (read := stream.read(reached, limit_bytes=1 << 20)).offsets != reached:
        whole += [(pack.lane, pack.data) for pack in read.packs]
        reached = dict(read.offsets)
    after = dict[str, str]()
    packs: list[tuple[int, bytes]] = []
    for _ in range(20):
        groups = groups_of(stream.shards(after), after, 3)
        found = [rows(url, groups, number) for number in range(len(groups))]
        note = joined([note for _, note in found])
        assert (note.after, note.lost) == (after, [])
        packs += [pack for several, _ in found for pack in several]
        if note.offsets == after:
            break
        after = note.offsets
    assert after == reached
    assert sorted(packs) == sorted(whole)
    for lane in range(64):
        assert [data for at, data in packs if at == lane] == [b"%d" % lane, b"later %d" % lane]


def test_what_waits_in_the_shards_of_a_task_is_said(service: KinesisService) -> None:
    stream = KinesisStream("trades", region="eu-central-1", endpoint=service.endpoint, pace=0.0)
    url = f"kinesis://trades?region=eu-central-1&endpoint={service.endpoint}"
    stream.append([(7, b"x" * 1000)] * 5)
    groups = groups_of(stream.shards({}), {}, 1)
    packs, note = rows(url, groups, 0, limit_bytes=1)
    assert (len(packs), note.waiting_bytes) == (1, 4000)


def test_a_stream_without_shards_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_opened", {})
    monkeypatch.setattr(module, "open_stream", lambda url, folder: object())
    with pytest.raises(ConfigError, match=r"stream\.url = 'local' has no shards"):
        rows("local", groups_of(["a"], {}, 1), 0)


def test_a_query_ends_with_what_its_stream_said_and_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def shards(self, after: object) -> list[str]:
            raise StreamError("the stream trades was deleted", next_step="start again")

    given: Any = None
    query = ShardQuery(given, Gone(), "", after=dict, take=given, every=0, limit_bytes=1, most=1)  # type: ignore[arg-type]
    with pytest.raises(StreamError, match="was deleted"):
        query.awaitTermination()
    assert isinstance(query.exception(), StreamError)
    query.stop()


def rows(
    url: str, groups: list[module.ShardGroup], number: int, *, limit_bytes: int = 1 << 20
) -> tuple[list[tuple[int, bytes]], Note]:
    """Packs and note that a task gives which is asked for one group."""
    asked = pa.RecordBatch.from_arrays([pa.array([number])], names=["id"])
    (found,) = reading(url, groups, limit_bytes)([asked])
    lanes, data = found.column("lane").to_pylist(), found.column("data").to_pylist()
    assert lanes.count(NOTE) == 1
    packs = [(lane, content) for lane, content in zip(lanes, data, strict=True) if lane != NOTE]
    return packs, msgspec.json.decode(data[lanes.index(NOTE)], type=Note)
