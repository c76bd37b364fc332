"""Raw frames kept in a bucket: parts that are put in time, and read back as the files they are of."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coattail.cli.replay_options import files_of
from coattail.connectors.binance import BinanceConnector
from coattail.errors import StoreError, UsageError
from coattail.packing import Packer
from coattail.producer import recorder_bucket
from coattail.producer.feed import Feed
from coattail.producer.recorder import Recorder, recorder_of, recording_place
from coattail.producer.recorder_bucket import BucketRecorder, fetched
from coattail.producer.replay import replay
from coattail.service_url import BucketUrl, bucket_url
from coattail.stores.bucket import BucketFolder
from coattail.streams.local import LocalStream
from tests.harness.aws_place import folder_there
from tests.harness.commands import until
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator

AT = BucketUrl("frames", "raw", "eu-central-1", None)
RECEIVED = 1_723_161_255_343_000


def message(number: int) -> bytes:
    trade = {"e": "trade", "E": 1_723_161_255_343, "s": "BTCUSDT", "t": number, "p": "61000.1", "q": "0.1",
             "T": 1_723_161_255_000 + number, "m": False, "M": True}  # fmt: skip
    return json.dumps({"stream": "btcusdt@trade", "data": trade}).encode()


class Service:
    """Puts, one after the other, as soon as it may."""

    place = "s3://frames/raw"

    def __init__(self) -> None:
        self.put_there: list[tuple[str, bytes]] = []
        self.free = threading.Event()
        self.free.set()
        self.refusal: StoreError | None = None

    def put(self, name: str, content: bytes) -> None:
        self.free.wait(20)
        if self.refusal is not None:
            raise self.refusal
        self.put_there.append((name, content))

    def close(self) -> None:
        pass


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def recorder(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketRecorder]:
    pytest.importorskip("boto3", reason="the aws extra is not installed")
    monkeypatch.setattr(recorder_bucket, "_PART_SECONDS", 3600.0)
    made = recorder_of(AT, "binance")
    assert isinstance(made, BucketRecorder)
    made._bucket = service  # type: ignore[assignment]
    yield made
    service.free.set()
    made.close()


def write(recorder: BucketRecorder | Recorder, *numbers: int) -> None:
    recorder.write([message(n) for n in numbers], [RECEIVED + n for n in numbers])


def parts(service: Service) -> list[str]:
    return [name.rpartition("/")[2] for name, _ in service.put_there]


def test_the_first_part_is_put_at_once_and_what_follows_when_it_is_old_or_at_the_end(
    recorder: BucketRecorder, service: Service
) -> None:
    write(recorder, 1)
    until(lambda: parts(service) == ["000001"])
    for number in range(2, 5):
        write(recorder, number)
    assert parts(service) == ["000001"]
    with recorder._changed:  # an hour later
        recorder._due = 0.0
        recorder._changed.notify_all()
    until(lambda: parts(service) == ["000001", "000002"])
    write(recorder, 5)
    recorder.close()
    assert parts(service) == ["000001", "000002", "000003"]
    assert len({name.partition("/")[0] for name, _ in service.put_there}) == 1


def test_a_large_part_is_put_and_another_session_is_another_file(
    recorder: BucketRecorder, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_bucket, "_PART_BYTES", 1)
    write(recorder, 1)
    write(recorder, 2)
    recorder.end_file()
    write(recorder, 3)
    recorder.close()
    assert parts(service) == ["000001", "000002", "000001"]
    files = [name.partition("/")[0] for name, _ in service.put_there]
    assert files[0] == files[1] < files[2]
    begun = datetime.strptime(files[0], "binance-%Y%m%dT%H%M%S%fZ.frames.zst").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - begun).total_seconds()) < 60


def test_a_service_that_refuses_ends_the_recording(recorder: BucketRecorder, service: Service) -> None:
    service.refusal = StoreError("no", next_step="allow it")
    write(recorder, 1)
    until(lambda: recorder._failed is not None)
    with pytest.raises(StoreError, match="no; allow it"):
        write(recorder, 2)


def test_a_feed_goes_on_when_its_recording_has_ended(recorder: BucketRecorder, service: Service) -> None:
    feed = Feed(BinanceConnector(symbols=("BTC-USDT",)), "live-1", floors={}, record=AT)
    feed._recorder, service.refusal = recorder, StoreError("no", next_step="allow it")
    packer = Packer()
    for number in (1, 2, 3):
        feed.listener.inbox.add([message(number)], RECEIVED)
        feed.take(packer)
        until(lambda: recorder._failed is not None)
    feed.close()
    assert packer.records == 3
    assert feed.problem == "the recording of binance has ended: no; allow it"


def test_a_service_that_is_too_slow_ends_the_recording_before_memory_is_full(
    recorder: BucketRecorder, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.free.clear()
    for number in range(5):
        write(recorder, number)
    monkeypatch.setattr(recorder_bucket, "_MOST_WAITING", 100)
    with pytest.raises(StoreError, match=r"s3://frames/raw takes frames slower than they come"):
        write(recorder, 5)
    service.free.set()
    with pytest.raises(StoreError, match="slower"):
        write(recorder, 100)


def test_what_could_not_be_put_at_the_end_is_said(
    recorder: BucketRecorder, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder_bucket, "_CLOSE_SECONDS", 0.01)
    service.free.clear()
    write(recorder, 1)
    with caplog.at_level(logging.ERROR):
        recorder.close()
    assert "1 parts of the recording of binance are not in s3://frames/raw" in caplog.text


def test_a_folder_is_a_folder_and_an_address_is_a_bucket() -> None:
    pytest.importorskip("boto3", reason="the aws extra is not installed")
    assert recording_place("frames") == Path("frames")
    assert recording_place("s3://frames/raw?region=eu-central-1") == AT


@pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")
def test_what_was_recorded_there_replays_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(recorder_bucket, "_PART_BYTES", 200)
    with emulator() as address:
        url = folder_there("frames", address, folder="raw")
        here = Recorder(tmp_path / "frames", "binance")
        there = recorder_of(bucket_url("--record", url), "binance")
        for recorder in (here, there):
            for number in range(1, 12):
                write(recorder, number)
            recorder.end_file()
            write(recorder, 12)
            recorder.close()
        bucket = BucketFolder(bucket_url("x", url), setting="x")
        assert len([*bucket.files()]) > 3
        files = fetched(bucket_url("x", url), tmp_path / "copy")
        assert [f.read_bytes() for f in files] == [f.read_bytes() for f in sorted((tmp_path / "frames").iterdir())]
        with files_of([url, str(tmp_path / "frames")]) as paths:
            assert replay(paths[:-1], LocalStream(tmp_path / "stream")).trades == 12
        assert [path.exists() for path in paths] == [False, False, True]
        bucket.put("../../evil.frames.zst", b"x")
        with pytest.raises(UsageError, match="would leave the folder"):
            fetched(bucket_url("x", url), tmp_path / "other" / "copy")
        with pytest.raises(UsageError, match="holds no recordings; correct the address"):
            fetched(bucket_url("x", url.replace("/raw", "/empty")), tmp_path / "none")
        bucket.close()
