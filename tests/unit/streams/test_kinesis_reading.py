"""What `read` and `backlog` of the Kinesis stream promise through reshards, expiry, throttles and a moving horizon."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from coattail.errors import StreamError
from coattail.landing.decode import decode
from coattail.records import LANES
from coattail.streams.base import Offsets, Pack
from coattail.streams.kinesis import KinesisStream
from coattail.streams.kinesis_shards import SHARD_END
from tests.harness.kinesis_service import Clock, Faults, KinesisService

Opened = Callable[..., KinesisStream]


def numbered(lanes: int, first: int, last: int) -> list[tuple[int, bytes]]:
    return [(lane, b"%d" % number) for number in range(first, last) for lane in range(lanes)]


def everything(stream: KinesisStream, after: Offsets | None = None) -> tuple[list[Pack], Offsets]:
    """All packs, and where they end; nothing may be lost on the way."""
    packs: list[Pack] = []
    offsets: Offsets = after or {}
    while True:
        read = stream.read(offsets, limit_bytes=50)
        assert read.lost == []
        packs += read.packs
        offsets = read.offsets
        if not read.packs:
            return packs, offsets


def numbers(packs: list[Pack], lane: int) -> list[int]:
    return [int(p.data) for p in packs if p.lane == lane]


def test_a_child_is_read_when_its_parent_has_been_read_to_its_end(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append(numbered(6, 0, 5))
    (parent,) = service.open_shards("s")
    service.split("s", parent)
    stream.append(numbered(6, 5, 10))
    service.merge("s", *service.neighbours("s")[0])
    stream.append(numbered(6, 10, 15))
    packs, offsets = everything(opened())
    assert all(numbers(packs, lane) == list(range(15)) for lane in range(6))
    ended = {shard_id for shard_id, offset in offsets.items() if offset == SHARD_END}
    assert offsets.keys() - ended == set(service.open_shards("s"))
    assert len(ended) == 3


def test_reading_goes_on_inside_a_reshard_from_stored_offsets(service: KinesisService, opened: Opened) -> None:
    service.create("s", 2)
    opened().append(numbered(6, 0, 5))
    first = opened().read({}, limit_bytes=12)
    for shard_id in service.open_shards("s"):
        service.split("s", shard_id)
    opened().append(numbered(6, 5, 10))
    packs, _ = everything(opened(), first.offsets)
    assert all(numbers(first.packs + packs, lane) == list(range(10)) for lane in range(6))


def test_children_that_are_listed_late_are_read_as_soon_as_they_are(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append(numbered(4, 0, 1))
    offsets = stream.read({}).offsets
    service.split("s", service.open_shards("s")[0])
    stream.append(numbered(4, 1, 2))
    service.faults = Faults(late_children=3)
    packs: list[Pack] = []
    for _ in range(4):
        read = stream.read(offsets)
        offsets = read.offsets
        packs += read.packs
    assert len(packs) == 4


def test_a_drained_shard_is_forgotten_when_it_has_left_the_listing(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    opened().append(numbered(3, 0, 3))
    (parent,) = service.open_shards("s")
    service.split("s", parent)
    _, offsets = everything(opened())
    assert offsets[parent] == SHARD_END
    service.forget("s", parent)
    read = opened().read(offsets)
    assert (read.packs, read.lost) == ([], [])
    assert parent not in read.offsets


def test_expired_iterators_lose_and_double_nothing(service: KinesisService, opened: Opened) -> None:
    service.create("s", 3)
    stream = opened()
    packs: list[Pack] = []
    offsets: Offsets = {}
    for step in range(6):
        stream.append(numbered(5, step, step + 1))
        more, offsets = everything(stream, offsets)
        packs += more
        service.expire_iterators()
    assert all(numbers(packs, lane) == list(range(6)) for lane in range(5))


def test_empty_answers_before_the_tip_are_not_taken_for_the_end(service: KinesisService, opened: Opened) -> None:
    service.create("s", 2)
    opened().append(numbered(4, 0, 3))
    service.faults = Faults(5, empty_reads=0.8)
    packs, _ = everything(opened())
    assert len(packs) == 12


def test_throttled_and_failing_reads_lose_and_double_nothing(
    service: KinesisService, opened: Opened, clock: Clock
) -> None:
    service.create("s", 3)
    opened().append(numbered(8, 0, 10))
    service.faults = Faults(6, throttled_reads=0.4, errors=0.3, empty_reads=0.2)
    stream = opened()
    packs, _ = everything(stream)
    assert all(numbers(packs, lane) == list(range(10)) for lane in range(8))
    assert stream.throttled_reads > 0
    assert clock.slept > 0


def test_a_service_that_stays_away_is_an_error_after_all_patience(
    service: KinesisService, opened: Opened, clock: Clock
) -> None:
    service.create("s", 1)
    stream = opened(patience=timedelta(minutes=1))
    assert stream.read({}).packs == []
    service.faults = Faults(outage=lambda: True)
    with pytest.raises(StreamError, match=r"shard .* of the stream s has failed for 0:01:00"):
        stream.read({})
    assert 60 <= clock.now <= 75
    service.faults = Faults()
    assert stream.read({}).packs == []


def test_two_calls_for_one_shard_keep_their_distance(service: KinesisService, opened: Opened, clock: Clock) -> None:
    service.create("s", 1)
    stream = opened(pace=0.2)
    for _ in range(10):
        stream.read({})
    assert service.calls["GetRecords"] == 10
    assert clock.slept == pytest.approx(9 * 0.2)


# -- what was removed before it was read -----------------------------------------------------------------------------


def with_horizon(service: KinesisService, opened: Opened, *, keep: int) -> tuple[Offsets, str]:
    """Offsets after three of ten packs of a shard that then keeps only the newest few."""
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"%d" % n) for n in range(10)])
    offsets = stream.read({}, limit_bytes=3).offsets
    (shard_id,) = service.open_shards("s")
    service.trim("s", shard_id, keep)
    return offsets, shard_id


@pytest.mark.parametrize("way", ["oldest", "refuses", "blind"])
def test_what_was_removed_before_it_was_read_is_said_and_the_rest_is_read(
    way: str, service: KinesisService, opened: Opened
) -> None:
    """An iterator at a removed record may start at the oldest one, be refused, or never find anything."""
    offsets, shard_id = with_horizon(service, opened, keep=4)
    service.refuses_removed_numbers = way == "refuses"
    service.faults = Faults(blind_at_removed=way == "blind")
    read = opened().read(offsets)
    assert [p.data for p in read.packs] == [b"6", b"7", b"8", b"9"]
    assert len(read.lost) == 1
    assert shard_id in read.lost[0]
    assert offsets[shard_id] in read.lost[0]
    assert "removed before it was read" in read.lost[0]
    assert opened().read(read.offsets).lost == []


@pytest.mark.parametrize("refuses", [False, True])
def test_a_loss_that_the_backlog_has_met_first_is_still_said_by_the_read(
    refuses: bool, service: KinesisService, opened: Opened
) -> None:
    offsets, _ = with_horizon(service, opened, keep=4)
    service.refuses_removed_numbers = refuses
    stream = opened()
    assert stream.backlog(offsets).size_bytes == 4
    read = stream.read(offsets)
    assert len(read.packs) == 4
    assert len(read.lost) == 1
    assert stream.read(read.offsets).lost == []


@pytest.mark.parametrize("keep", [7, 8, 10])
def test_a_horizon_that_did_not_pass_the_offset_is_no_loss(keep: int, service: KinesisService, opened: Opened) -> None:
    offsets, _ = with_horizon(service, opened, keep=keep)
    if keep == 7:
        assert len(opened().read(offsets).lost) == 1, "the record itself is gone: nobody knows what followed it"
    else:
        read = opened().read(offsets)
        assert ([p.data for p in read.packs], read.lost) == ([b"%d" % n for n in range(3, 10)], [])


def test_without_a_newer_record_there_is_no_evidence_of_a_loss(service: KinesisService, opened: Opened) -> None:
    offsets, shard_id = with_horizon(service, opened, keep=0)
    read = opened().read(offsets)
    assert (read.packs, read.lost, read.offsets) == ([], [], offsets)
    opened().append([(1, b"new")])
    later = opened().read(read.offsets)
    assert [p.data for p in later.packs] == [b"new"]
    assert shard_id in later.lost[0]


def test_a_shard_that_left_before_its_end_was_read_is_a_loss(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"%d" % n) for n in range(10)])
    offsets = stream.read({}, limit_bytes=3).offsets
    (parent,) = service.open_shards("s")
    service.split("s", parent)
    stream.append([(1, b"10")])
    service.forget("s", parent)
    read = opened().read(offsets)
    assert [p.data for p in read.packs] == [b"10"]
    assert len(read.lost) == 1
    assert f"shard {parent}, read up to the number {offsets[parent]}, has left" in read.lost[0]
    assert parent not in read.offsets
    assert opened().read(read.offsets).lost == []


def test_a_shard_is_not_taken_for_lost_because_the_listing_is_old(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream, other = opened(), opened()
    stream.append([(1, b"1")])
    stream.read({})
    service.split("s", service.open_shards("s")[0])
    stream.append([(1, b"2"), (1, b"3")])
    offsets: Offsets = {}
    for _ in range(2):
        offsets = other.read(offsets, limit_bytes=1).offsets
    read = stream.read(offsets)
    assert ([p.data for p in read.packs], read.lost) == ([b"3"], [])


def test_a_live_reader_meets_a_shard_that_leaves(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"1")])
    offsets = stream.read({}).offsets
    (parent,) = service.open_shards("s")
    service.split("s", parent)
    stream.append([(1, b"2")])
    service.forget("s", parent)
    said: list[str] = []
    packs: list[Pack] = []
    for _ in range(3):
        read = stream.read(offsets)
        offsets = read.offsets
        said += read.lost
        packs += read.packs
    assert [p.data for p in packs] == [b"2"]
    assert len(said) == 1
    assert parent in said[0]


# -- strangers and other streams -------------------------------------------------------------------------------------


def test_a_stranger_s_record_is_a_pack_in_a_steady_lane_and_no_record(service: KinesisService, opened: Opened) -> None:
    import boto3

    service.create("s", 1)
    client = boto3.session.Session().client("kinesis", region_name="eu-central-1", endpoint_url=service.endpoint)
    for key in ("user-17", "lane-99", "lane-7", "lane-063", "é", "lane-05"):
        client.put_record(StreamName="s", PartitionKey=key, Data=b"{}")
    client.close()
    packs, _ = everything(opened())
    assert len(packs) == 6
    assert packs[-1].lane == 5
    assert all(0 <= p.lane < LANES for p in packs)
    assert [p.lane for p in everything(opened())[0]] == [p.lane for p in packs]
    assert len(decode(packs).undecodable) == 6


def test_a_recreated_stream_is_another_one(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    before = opened().stream_id
    assert opened().stream_id == before
    service.delete("s")
    service.create("s", 1)
    assert opened().stream_id != before
    assert opened().stream_id.startswith("arn:aws:kinesis:eu-central-1:000000000000:stream/s@")


def test_a_reader_whose_stream_is_recreated_stops_and_says_so(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"1")])
    before = stream.stream_id
    offsets = stream.read({}).offsets
    service.delete("s")
    service.create("s", 1)
    opened().append([(1, b"2")])
    with pytest.raises(StreamError, match="deleted and recreated while it was being read; start again"):
        stream.read(offsets)
    assert stream.stream_id != before
    assert [p.data for p in stream.read({}).packs] == [b"2"]


def test_a_listing_of_many_pages_is_read_to_its_end(service: KinesisService, opened: Opened) -> None:
    service.page = 3
    service.create("s", 10)
    opened().append(numbered(LANES, 0, 1))
    packs, offsets = everything(opened())
    assert len(packs) == LANES
    assert offsets.keys() == set(service.open_shards("s"))


# -- fairness, backlog -------------------------------------------------------------------------------------------------


def test_a_busy_shard_does_not_starve_the_others(service: KinesisService, opened: Opened) -> None:
    service.create("s", 4)
    stream = opened()
    stream.append([(1, b"x" * 100)] * 200)
    busy = opened().read({}, limit_bytes=1 << 20).packs[0].offset.partition(":")[0]
    stream.append([(lane, b"y" * 100) for lane in range(2, 34)])
    offsets: Offsets = {}
    reads = 0
    while set(service.open_shards("s")) - offsets.keys():
        offsets = stream.read(offsets, limit_bytes=400).offsets
        reads += 1
    assert busy in offsets
    assert reads <= 4


def test_shards_without_anything_known_do_not_appear_in_the_offsets(service: KinesisService, opened: Opened) -> None:
    service.create("s", 8)
    stream = opened()
    stream.append([(1, b"x")])
    assert len(stream.read({}).offsets) == 1


def test_the_backlog_is_zero_only_when_every_shard_is_at_its_tip(service: KinesisService, opened: Opened) -> None:
    service.create("s", 4)
    stream = opened()
    assert (stream.backlog({}).size_bytes, stream.backlog({}).behind) == (0, timedelta(0))
    stream.append([(lane, b"x" * 100) for lane in range(32)])
    service.faults = Faults(7, empty_reads=0.7, throttled_reads=0.2)
    assert stream.backlog({}) == opened().backlog({})
    assert (stream.backlog({}).size_bytes, stream.backlog({}).segments) == (3_200, 32)
    packs, offsets = everything(stream)
    assert len(packs) == 32
    assert stream.backlog(offsets).size_bytes == 0


def test_the_backlog_of_a_reader_that_reads_ahead_does_not_disturb_it(service: KinesisService, opened: Opened) -> None:
    service.create("s", 2)
    stream = opened()
    stream.append([(lane, b"x" * 100) for lane in range(20)])
    iterators = service.calls["GetShardIterator"]
    committed: Offsets = {}
    ahead = stream.read(committed, limit_bytes=500)
    while ahead.packs:
        assert stream.backlog(committed).size_bytes >= stream.backlog(ahead.offsets).size_bytes + 100
        committed, ahead = ahead.offsets, stream.read(ahead.offsets, limit_bytes=500)
    assert service.calls["GetShardIterator"] == iterators + 2, "one iterator per shard served it all"


def test_a_read_brings_what_came_after_the_backlog_was_asked(
    service: KinesisService, opened: Opened, clock: Clock
) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"1")])
    assert stream.backlog({}).size_bytes == 1
    stream.append([(1, b"2")])
    clock.sleep(1)
    assert [p.data for p in stream.read({}).packs] == [b"1", b"2"]


def test_the_backlog_behind_older_offsets_than_were_read_here_is_all_of_it(
    service: KinesisService, opened: Opened
) -> None:
    service.create("s", 1)
    opened().append([(1, b"x" * 100)] * 5)
    later = opened().read({}, limit_bytes=300).offsets
    stream = opened()
    assert len(stream.read(later).packs) == 2
    assert stream.backlog({}).size_bytes == 500


def test_the_backlog_looks_into_the_children_of_a_shard_that_ended(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    (parent,) = service.open_shards("s")
    offsets = stream.read({}).offsets
    service.split("s", parent)
    stream.append([(lane, b"x" * 100) for lane in range(8)])
    assert stream.backlog(offsets).size_bytes == 800
    assert opened().backlog(offsets).size_bytes == 800
    assert len(stream.read(offsets).packs) == 8


def test_what_waits_far_behind_the_tip_is_fetched_in_bounded_portions(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"x" * 100_000)] * 100)
    service.answer_limit = 1_000_000
    assert len(stream.read({}, limit_bytes=200_000).packs) == 2
    waiting = stream.backlog({})
    assert 400_000 <= waiting.size_bytes <= 2_500_000
    assert waiting.behind == timedelta(seconds=1)


def test_one_thread_reads_while_another_asks_what_waits(service: KinesisService, opened: Opened) -> None:
    service.create("s", 2)
    stream = opened()
    stream.append(numbered(10, 0, 30))
    sizes: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.01):  # a lock is not fair: asking without a breath would keep the reader out
            sizes.append(stream.backlog({}).size_bytes)

    thread = threading.Thread(target=ask)
    thread.start()
    packs, _ = everything(stream)
    done.set()
    thread.join()
    assert all(numbers(packs, lane) == list(range(30)) for lane in range(10))
    assert set(sizes) <= {sum(len(data) for _, data in numbered(10, 0, 30))}


def test_trimming_leaves_everything_to_the_stream_s_retention(service: KinesisService, opened: Opened) -> None:
    service.create("s", 1)
    stream = opened()
    stream.append([(1, b"x")])
    assert stream.trim(stream.read({}).offsets, keep=timedelta(0)) == 0
    assert len(service.stored("s")) == 1
