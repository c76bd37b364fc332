"""The engine on a Kinesis stream: the oracle's result through faults, reshards, recreation, trimming and strangers."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.records import Trade
from coattail.stores.catalog import embedded
from coattail.stores.dlq_folder import FolderDeadLetters
from coattail.stores.lake import Lake
from coattail.streams.kinesis import KinesisStream
from tests.harness.emulator import CREDENTIALS
from tests.harness.kinesis_service import Clock, Faults, KinesisService
from tests.harness.oracle import Expected, expected
from tests.harness.running import differences, feed, found, new_home, rows_of, settings_of
from tests.harness.scenes import evenly, market

OFTEN: dict[str, object] = {"engine.batch_bytes": "64 KiB"}

pytest.importorskip("boto3", reason="the aws extra is not installed")


@pytest.fixture
def service() -> Iterator[KinesisService]:
    with mock.patch.dict(os.environ, CREDENTIALS), KinesisService() as running:
        yield running


def opened(service: KinesisService, clock: Clock | None = None) -> KinesisStream:
    clock = clock or Clock()
    return KinesisStream(
        "trades",
        region="eu-central-1",
        endpoint=service.endpoint,
        clock=clock,
        sleep=clock.sleep,
        chance=random.Random(1),
    )


@cache
def truth() -> Expected:
    return expected(market())


def drained(home: Home, stream: KinesisStream) -> None:
    with LocalEngine(home, settings_of(OFTEN), stream=stream) as engine:
        engine.drain()
        assert engine.waiting_bytes == 0


@pytest.mark.parametrize("shards", [1, 5])
def test_a_drain_gives_what_the_oracle_says(shards: int, service: KinesisService, tmp_path: Path) -> None:
    service.create("trades", shards)
    home = new_home(tmp_path)
    feed(opened(service), evenly(market(), 9))
    drained(home, opened(service))
    assert differences(truth(), found(home)) == []


def test_faults_of_the_service_leave_no_trace(service: KinesisService, tmp_path: Path) -> None:
    service.create("trades", 3)
    service.faults = Faults(
        5,
        refused_records=0.3,
        failed_records=0.05,
        lost_answers=0.2,
        errors=0.1,
        throttled_reads=0.2,
        empty_reads=0.2,
        any_order=True,
    )
    home, producer = new_home(tmp_path), opened(service)
    for piece in evenly(market(), 9):
        feed(producer, [piece])
        drained(home, opened(service))
    actual = found(home)
    assert differences(truth(), actual, counts=False) == []
    doubled = {exchange: counts["duplicates"] for exchange, counts in actual.counts.items()}
    assert sum(doubled.values()) > 0, "answers were lost, so packs came twice"
    for exchange, counts in truth().counts.items():
        assert actual.counts[exchange]["landed"] == counts["landed"]


def test_a_reshard_in_the_middle_leaves_no_trace(service: KinesisService, tmp_path: Path) -> None:
    service.create("trades", 2)
    home, stream = new_home(tmp_path), opened(service)
    pieces = evenly(market(), 8)
    with LocalEngine(home, settings_of(OFTEN), stream=stream) as engine:
        feed(stream, pieces[:2])
        engine.step()
        for shard_id in service.open_shards("trades"):
            service.split("trades", shard_id)
        feed(stream, pieces[2:4])
        engine.step()
    service.merge("trades", *service.neighbours("trades")[1])
    feed(stream, pieces[4:])
    drained(home, opened(service))
    assert differences(truth(), found(home)) == []


def test_a_recreated_stream_is_read_from_its_beginning(service: KinesisService, tmp_path: Path) -> None:
    service.create("trades", 2)
    home = new_home(tmp_path)
    pieces = evenly(market(), 6)
    feed(opened(service), pieces[:4])
    drained(home, opened(service))
    service.delete("trades")
    service.create("trades", 3)
    feed(opened(service), pieces[2:])
    drained(home, opened(service))
    actual = found(home)
    assert differences(truth(), actual, counts=False) == []
    assert sum(c["duplicates"] for c in actual.counts.values()) == len(pieces[2]) + len(pieces[3])


def test_what_was_trimmed_before_it_landed_is_logged_and_a_gap(
    service: KinesisService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service.create("trades", 1)
    home, stream = new_home(tmp_path), opened(service)
    pieces = evenly(market(), 6)
    feed(stream, pieces[:2])
    drained(home, opened(service))
    feed(stream, pieces[2:3])
    lost = len(service.stored("trades"))
    feed(stream, pieces[3:])
    (shard_id,) = service.open_shards("trades")
    service.trim("trades", shard_id, len(service.stored("trades")) - lost)
    drained(home, opened(service))
    assert f"shard {shard_id} no longer holds the number" in caplog.text
    assert "the ids they held are listed as gaps" in caplog.text
    kept = [record for place in (0, 1, 3, 4, 5) for record in pieces[place]]
    assert found(home).trades == expected(kept).trades
    lake = Lake(embedded(home.path))
    gaps = [row for row in rows_of(lake, "coverage") if row["state"] == "gap"]
    lake.close()
    missing = {r.trade_id for r in pieces[2] if isinstance(r, Trade)}
    listed = {i for row in gaps for i in range(row["first_id"], row["last_id"] + 1)}
    assert missing <= listed


def test_a_stranger_s_record_costs_its_neighbours_nothing(service: KinesisService, tmp_path: Path) -> None:
    import boto3

    service.create("trades", 2)
    home, stream = new_home(tmp_path), opened(service)
    pieces = evenly(market(), 4)
    client = boto3.session.Session().client("kinesis", region_name="eu-central-1", endpoint_url=service.endpoint)
    for number, piece in enumerate(pieces):
        feed(stream, [piece])
        for data in (b'{"not": "ours"}', b"\xf3\x89\x9a\xc2 aggregated by another library", b"\x28\xb5\x2f\xfd"):
            client.put_record(StreamName="trades", PartitionKey=f"stranger-{number}", Data=data)
    client.close()
    drained(home, opened(service))
    actual = found(home)
    assert (actual.trades, actual.alerts.keys()) == (truth().trades, truth().alerts.keys())
    rows = [row for row in FolderDeadLetters(home.dlq).rows() if row["reason"] == "stream"]
    assert len(rows) == 12


# -- R7: the service refuses, fails, does not answer, and is away for a minute -----------------------------------------


def test_an_engine_that_trusted_sequence_numbers_to_tell_duplicates_would_double(service: KinesisService) -> None:
    """The control: a lost answer gives one pack two numbers, so only what it holds can tell."""
    service.create("trades", 1)
    service.faults = Faults(1, lost_answers=0.5)
    stream = opened(service)
    for number in range(20):
        stream.append([(1, b"%d" % number)])
    packs = stream.read({}).packs
    assert len({p.offset for p in packs}) == len(packs) > len({p.data for p in packs}) == 20
