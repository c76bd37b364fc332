"""Dead letters in a bucket, on a service that is slow, fails, refuses: every command reads them as those of a home."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import msgspec
import polars as pl
import pytest
from botocore.exceptions import ResponseStreamingError
from botocore.response import StreamingBody

from coattail.cli import main
from coattail.engines.local import LocalEngine
from coattail.errors import StoreError
from coattail.landing.decode import Undecodable
from coattail.landing.kernel import REJECTED_SCHEMA
from coattail.service_url import bucket_url
from coattail.stores import bucket, dlq_bucket
from coattail.stores.dlq_bucket import BucketDeadLetters
from coattail.stores.dlq_folder import FolderDeadLetters
from coattail.streams.local import LocalStream
from tests.harness.aws_place import REGION, folder_there
from tests.harness.emulator import INSTALLED
from tests.harness.faulty_front import Faults, Refusal, faulty
from tests.harness.running import EVERY_SEGMENT, batches, drained, feed, found, landed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")
NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BAD = ({"price": "0"}, {"price": None}, {"side": "hold"}, {"quantity": "abc"})
PIECES = evenly(
    [
        msgspec.structs.replace(record, **BAD[number // 15 % 4]) if number % 15 == 7 else record  # type: ignore[arg-type]
        for number, record in enumerate(market()[:120])
    ],
    2,
)
_NAMES = (f"letters-{number}" for number in itertools.count())


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pauses between two attempts take no time."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def faults() -> Faults:
    return Faults(11, share=0.0)


@pytest.fixture
def there(service: str, faults: Faults) -> Iterator[str]:
    """The address of a folder in a new bucket that is asked by way of a front."""
    with faulty(service, faults) as front:
        yield folder_there(next(_NAMES), service, at=front, folder="a/dlq")


def opened(url: str) -> BucketDeadLetters:
    return BucketDeadLetters(bucket_url("dlq.url", url))


def write(letters: BucketDeadLetters | FolderDeadLetters, *numbers: int, now: datetime = NOW) -> None:
    base = {"stream_lane": 1, "stream_offset": "1.0", "reason": "invalid", "reasons": ["overlap"], "payload": "p"}
    rows = pl.DataFrame([{**base, "stream_index": number} for number in numbers], schema=REJECTED_SCHEMA)
    letters.write(rows, [], stream="s", now=now)


def indices(letters: BucketDeadLetters) -> list[int]:
    return [row["stream_index"] for row in letters.rows()]


def test_its_files_are_those_of_a_home(service: str, there: str, tmp_path: Path) -> None:
    """Copied to a folder they are a dead letter queue there."""
    letters, at = opened(there), bucket_url("dlq.url", there)
    write(letters, 2, 1)
    letters.write(REJECTED_SCHEMA.to_frame(), [Undecodable(3, "7.0", -1, "not zstd", b"\xff")], stream="s", now=NOW)
    letters.write_summary(now=NOW)
    client = boto3.session.Session().client("s3", region_name=REGION, endpoint_url=service)
    for each in client.list_objects_v2(Bucket=at.bucket)["Contents"]:
        path = tmp_path / each["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(at.bucket, each["Key"], str(path))
    client.close()
    folder = FolderDeadLetters(tmp_path / "a" / "dlq")
    assert list(folder.rows()) == list(letters.rows()) != []
    assert folder.summary() == letters.summary()
    said = json.loads((tmp_path / "a" / "dlq" / "_metadata" / "dlq_summary.json").read_text())
    assert said["rows_by_reason"] == letters.summary()


def test_few_requests_write_read_count_and_purge(there: str, faults: Faults) -> None:
    letters = opened(there)
    write(letters, 1)
    assert faults.asked == {"PUT": 1}
    write(letters, 2)
    letters.summary()
    assert faults.asked == {"PUT": 2, "GET": 3, "LIST": 1}  # a page of the listing, and each file
    letters.summary()
    assert faults.asked["GET"] == 4
    assert indices(letters) != []
    assert faults.asked["GET"] == 7
    assert letters.purge(keep=DAY, now=NOW + 3 * DAY) == 1
    assert (faults.asked["GET"], faults.asked["POST"]) == (9, 1)
    assert letters.purge(keep=DAY, now=NOW + 3 * DAY) == 0
    assert faults.asked["GET"] == 9


def test_days_that_are_over_are_passed_over_in_long_listings(
    there: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_PAGE", 2)
    monkeypatch.setattr(dlq_bucket, "_SETTLED", timedelta(0))
    letters = opened(there)
    for number in range(8):
        write(letters, number, now=NOW + number // 4 * DAY)
    assert letters.summary() == {"invalid": {"overlap": 8}}
    before = faults.asked["GET"]
    write(letters, 8, now=NOW + DAY)
    assert letters.summary() == {"invalid": {"overlap": 9}} == opened(there).summary()
    assert sorted(indices(letters)) == list(range(9))
    assert faults.asked["GET"] - before - 2 * (5 + 9) == 1 + 1 + 3, "a page, the new file, a later day's pages"
    assert letters.purge(keep=timedelta(0), now=NOW + DAY) == 1
    assert letters.summary() == {"invalid": {"overlap": 5}}
    assert list(letters.rows(since=NOW + 2 * DAY)) == []


def test_a_file_that_goes_while_it_is_read_is_left_out(there: str) -> None:
    letters = opened(there)
    for number in range(20):
        write(letters, number, now=NOW + number * DAY)
    rows = letters.rows()
    next(rows)
    opened(there).purge(keep=timedelta(0), now=NOW + 5 * DAY)
    assert len(list(rows)) == 14


def test_a_damaged_file_and_one_that_cannot_be_removed_are_named(
    service: str, there: str, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    letters, at = opened(there), bucket_url("dlq.url", there)
    write(letters, 1)
    client = boto3.session.Session().client("s3", region_name=REGION, endpoint_url=service)
    client.put_object(Bucket=at.bucket, Key="a/dlq/invalid/dt=2025-03-04/x.jsonl", Body=b'{"half')
    client.close()
    for ask in (letters.summary, lambda: list(letters.rows())):
        with pytest.raises(StoreError, match=rf"s3://{at.bucket}/a/dlq/invalid/dt=2025-03-04/x.jsonl is damaged"):
            ask()
    kept = b"<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    faults.refuse = lambda action, _: kept if action == "POST" else None
    assert letters.purge(keep=DAY, now=NOW + 9 * DAY) == 0
    assert f"s3://{at.bucket}/a/dlq keeps files that should go (AccessDenied: k); allow s3:DeleteObject" in caplog.text


def test_a_content_that_breaks_off_is_read_again(there: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = opened(there)
    write(letters, 1)
    original, broken = StreamingBody.read, [1, 1]

    def read(self: StreamingBody, amt: int | None = None) -> bytes:
        if broken and broken.pop():
            raise ResponseStreamingError(error="broken")
        return original(self, amt)

    monkeypatch.setattr(StreamingBody, "read", read)
    assert indices(letters) == [1]
    broken[:] = [1, 1, 1]
    with pytest.raises(StoreError, match="does not answer"):
        indices(letters)


REFUSALS: list[tuple[Refusal, str]] = [
    ((403, "AccessDenied", "Access Denied"), "may not be used with these credentials.*another account's"),
    ((403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey"), "key that encrypts .* allow the role"),
    ((400, "KMS.DisabledException", "the key is disabled"), "the key that encrypts s3://"),
    ((403, "RequestTimeTooSkewed", "too large"), "clock is wrong by minutes.*set the clock"),
    ((400, "IllegalLocationConstraintException", "elsewhere"), r"another region.*the region in dlq\.url"),
    ((404, "NoSuchBucket", "no bucket"), r"is not there.*create it, or correct dlq\.url"),
    ((503, "SlowDown", "reduce your rate"), "is asked too often.*nothing landed is lost"),
]


def test_each_refusal_is_a_sentence_with_the_next_step(there: str, faults: Faults) -> None:
    letters = opened(there)
    for refusal, said in REFUSALS:
        faults.refuse = lambda *_, refusal=refusal: refusal  # type: ignore[misc]
        with pytest.raises(StoreError, match=said):
            write(letters, 1)


def test_an_engine_that_is_refused_stops_and_the_next_one_lands_it_though_the_service_is_asked_too_often(
    there: str, faults: Faults, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And every command reads what is there as what is in a home's own folder."""
    home = new_home(tmp_path / "there")
    home.config_file.write_text(f"preset: classic\ndlq: {{url: '{there}'}}\n")
    place: dict[str, object] = {**EVERY_SEGMENT, "dlq.url": there}
    feed(LocalStream(home.stream), PIECES)
    faults.refuse = lambda action, _: REFUSALS[0][0] if action == "PUT" else None
    with pytest.raises(StoreError, match=REFUSALS[0][1]), LocalEngine(home, settings_of(place)) as engine:
        engine.drain()
    assert batches(home) == 0
    faults.refuse = lambda *_: None
    faults.share = 0.6  # of requests: 503 SlowDown, 500, or done without an answer
    drained(home, place)
    assert min(faults.met[kind] for kind in ("throttled", "failed", "lost")) >= 1
    faults.share = 0.0
    local = landed(tmp_path / "here", PIECES, EVERY_SEGMENT)
    assert found(home, settings_of(place)).rejected == found(local).rejected != []
    assert not list(home.dlq.rglob("*.jsonl"))

    def json_of(of: Path, *words: str) -> Any:
        assert main(["--home", str(of), *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    for command in (("dlq", "list", "--limit", "1000"), ("quality",)):
        said, wanted = (json_of(each.path, *command) for each in (home, local))
        for answer in (said, wanted):
            answer.pop("over_time", None)
        assert _without_streams(said) == _without_streams(wanted)
    key = json_of(home.path, "dlq", "list")["records"][0]["key"]
    assert json_of(home.path, "dlq", "show", key)["record"]["key"] == key


def _without_streams(value: object) -> object:
    """An answer without what differs between any two homes."""
    if isinstance(value, dict):
        own = ("stream", "since", "until")
        return {name: _without_streams(inner) for name, inner in value.items() if name not in own}
    if isinstance(value, list):
        return sorted(map(_without_streams, value), key=str)
    return value
