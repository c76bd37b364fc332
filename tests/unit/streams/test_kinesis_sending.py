"""What `append` of the Kinesis stream promises when the service refuses, fails, or does not answer."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from coattail.errors import StreamError
from coattail.packs import encode_pack
from coattail.records import Malformed, Record, Trade, micros
from coattail.streams.kinesis import KinesisStream
from coattail.streams.kinesis_sending import CALL_BYTES
from coattail.unpacking import decode_pack
from tests.harness.kinesis_service import Clock, Faults, KinesisService

Opened = Callable[..., KinesisStream]


def by_lane(stored: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    lanes: dict[str, list[bytes]] = defaultdict(list)
    for key, data in stored:
        lanes[key].append(data)
    return lanes


def packs(lanes: int, each: int) -> list[tuple[int, bytes]]:
    return [(lane, b"%d" % number) for number in range(each) for lane in range(lanes)]


def test_packs_keep_their_order_in_a_lane_when_the_service_refuses_some_and_shuffles_the_rest(
    service: KinesisService, opened: Opened
) -> None:
    service.create("s", 3)
    service.faults = Faults(1, refused_records=0.3, failed_records=0.1, any_order=True)
    opened().append(packs(20, 15))
    lanes = by_lane(service.stored("s"))
    assert len(lanes) == 20
    assert all(found == [b"%d" % number for number in range(15)] for found in lanes.values())


def test_sending_all_at_once_and_the_refused_ones_again_would_not_keep_the_order(service: KinesisService) -> None:
    """The control: what the service does to a producer that trusts the order within a call."""
    import boto3

    service.create("s", 3)
    service.faults = Faults(1, refused_records=0.3)
    client = boto3.session.Session().client("kinesis", region_name="eu-central-1", endpoint_url=service.endpoint)
    left = [{"Data": data, "PartitionKey": f"lane-{lane:02d}"} for lane, data in packs(20, 15)]
    while left:
        answers = client.put_records(StreamName="s", Records=left)["Records"]
        left = [record for record, answer in zip(left, answers, strict=True) if "ErrorCode" in answer]
    client.close()
    assert any(found != sorted(found, key=int) for found in by_lane(service.stored("s")).values())


def test_a_call_whose_answer_is_lost_is_repeated_and_its_packs_are_there_twice(
    service: KinesisService, opened: Opened
) -> None:
    service.create("s", 2)
    service.faults = Faults(3, lost_answers=0.4)
    stream = opened()
    stream.append(packs(4, 10))
    lanes = by_lane(service.stored("s"))
    assert all(list(dict.fromkeys(found)) == [b"%d" % n for n in range(10)] for found in lanes.values())
    assert sum(map(len, lanes.values())) == 40 + stream.sending.failed > 40


def test_throttles_lower_the_rate_and_success_raises_it_again(service: KinesisService, opened: Opened) -> None:
    service.create("s", 2)
    stream = opened()
    rate = stream.sending.rate
    service.faults = Faults(2, refused_records=0.5)
    stream.append([(1, b"x" * 50_000)] * 10)
    throttled = stream.sending
    assert throttled.throttled > 3
    assert throttled.rate < rate / 2
    assert throttled.slowest <= throttled.rate
    assert throttled.waited > timedelta(seconds=0.2)
    lower = throttled.rate
    service.faults = Faults()
    stream.append([(1, b"x" * 50_000)] * 10)
    assert stream.sending.rate > lower
    assert (stream.sending.records, stream.sending.size_bytes) == (20, 20 * 50_000)


def test_packs_are_sent_no_faster_than_the_rate(service: KinesisService, opened: Opened, clock: Clock) -> None:
    service.create("s", 1)
    stream = opened()
    stream.sending.rate = 100_000
    stream.append([(1, b"x" * 50_000)] * 11)
    assert clock.slept >= 0.9, "half a megabyte, at 0.1 MB a second that rises"


def test_an_outage_of_a_minute_delays_and_loses_nothing(service: KinesisService, opened: Opened, clock: Clock) -> None:
    service.create("s", 2)
    stream = opened()
    stream.append([(1, b"before")])
    until = clock.now + 60
    service.faults = Faults(outage=lambda: clock.now < until)
    stream.append(packs(3, 2))
    assert clock.now >= until
    assert len(service.stored("s")) == 7
    assert service.calls["PutRecords"] < 60, "it does not hammer a service that is down"
    assert stream.sending.waited >= timedelta(seconds=59)


def test_after_all_patience_it_says_how_many_packs_were_not_accepted(
    service: KinesisService, opened: Opened, clock: Clock
) -> None:
    service.create("s", 1)
    service.faults = Faults(refused_records=1.0)
    with pytest.raises(StreamError, match=r"6 of 6 packs were not accepted by the stream s within 0:01:00.*Rate exc"):
        opened(patience=timedelta(minutes=1)).append(packs(3, 2))
    assert clock.now <= 70


def test_server_errors_are_repeated(service: KinesisService, opened: Opened) -> None:
    service.create("s", 2)
    service.faults = Faults(4, errors=0.4)
    stream = opened()
    stream.append(packs(5, 5))
    assert len(service.stored("s")) == 25
    assert stream.sending.failed > 0


def trade(number: int, payload: str) -> Trade:
    return Trade(
        exchange="binance",
        symbol="BTC-USDT",
        trade_id=number,
        price="1.5",
        quantity="2",
        side="buy",
        timestamp=0,
        received=micros(datetime(2025, 1, 1, tzinfo=UTC)),
        payload=payload,
    )


def noise(size: int, seed: int) -> str:
    return random.Random(seed).randbytes(size // 2).hex()


def test_a_pack_above_the_limit_is_stored_as_several_with_the_same_records(
    service: KinesisService, opened: Opened
) -> None:
    service.create("s", 1)
    records: list[Record] = [trade(number, noise(300_000, number)) for number in range(20)]
    large = encode_pack(records)
    stream = opened()
    assert stream.max_pack_bytes is not None
    assert len(large) > 2 * stream.max_pack_bytes
    stream.append([(7, large), (7, b"next")])
    read = stream.read({}, limit_bytes=1 << 30)
    assert read.packs[-1].data == b"next"
    assert all(len(pack.data) <= stream.max_pack_bytes for pack in read.packs)
    assert [record for pack in read.packs[:-1] for record in decode_pack(pack.data)] == records


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 1_000_000, r"1,000,000 bytes that are not a pack .* exceed the 999,993 of a record"),
        (
            encode_pack([Malformed(exchange="binance", error="?", payload=noise(2_500_000, 1), received=0)]),
            r"one record of [\d,]+ bytes, compressed, exceeds the 999,993 of a Kinesis record; leave the frame out",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused_before_anything_is_sent(
    data: bytes, message: str, service: KinesisService, opened: Opened
) -> None:
    service.create("s", 1)
    with pytest.raises(StreamError, match=message):
        opened().append([(1, b"small"), (2, data)])
    assert service.calls["PutRecords"] == 0


def test_no_call_exceeds_the_service_s_limit(service: KinesisService, opened: Opened) -> None:
    service.create("s", 4)
    opened().append([(lane, b"x" * 900_000) for lane in range(14)])
    assert len(service.stored("s")) == 14
    assert 4 * 900_000 < service.largest_call <= CALL_BYTES


def test_a_stream_that_is_not_there_is_named_with_how_to_create_it(service: KinesisService, opened: Opened) -> None:
    with pytest.raises(StreamError, match=r"there is no stream s .*create-stream --stream-name s"):
        opened().append([(1, b"x")])
    with pytest.raises(StreamError, match=r"there is no stream s .*create-stream --stream-name s"):
        _ = opened().stream_id


def test_without_credentials_it_says_what_to_set(
    service: KinesisService, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.create("s", 1)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StreamError, match=r"no AWS credentials for the stream s .*AWS_PROFILE"):
        opened().append([(1, b"x")])
