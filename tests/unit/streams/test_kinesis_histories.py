"""Any history of appends, reshards, faults and crashes of the reader: every pack is read, in order, none invented."""

from __future__ import annotations

import base64
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.streams import kinesis_reading
from coattail.streams.base import Offsets
from coattail.streams.kinesis import KinesisStream
from coattail.streams.kinesis_client import Retriable, Service
from coattail.streams.kinesis_shards import SHARD_END, Shard, readable
from tests.harness.kinesis_service import Clock, Faults, KinesisService, NoAnswer, Refusal

LANES = 12
STEPS = ("append", "append", "split", "merge", "read", "read", "read little", "crash", "expire", "backlog")


class Direct(Service):
    """The service without the way there, so that there is time for many histories; its errors are sorted as ever."""

    def __init__(self, service: KinesisService, name: str) -> None:
        super().__init__(name, None, None)
        self._service = service

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        if "Records" in arguments:
            records = arguments["Records"]
            arguments["Records"] = [{**r, "Data": base64.b64encode(r["Data"]).decode()} for r in records]
        try:
            answer = self._service.answer("".join(word.title() for word in operation.split("_")), arguments)
        except NoAnswer as error:
            raise Retriable("no answer") from error
        except Refusal as refusal:
            response = {
                "Error": {"Code": refusal.code, "Message": refusal.message},
                "ResponseMetadata": {"HTTPStatusCode": refusal.status},
            }
            raise self._sorted(ClientError(response, operation)) from refusal
        if operation == "get_records":
            answer["Records"] = [{**r, "Data": base64.b64decode(r["Data"])} for r in answer["Records"]]
        if operation == "describe_stream_summary":
            summary = answer["StreamDescriptionSummary"]
            summary["StreamCreationTimestamp"] = datetime.fromtimestamp(summary["StreamCreationTimestamp"], UTC)
        return answer


class History:
    """One reader and one producer, driven step by step; what the reader acknowledged is in `seen`."""

    def __init__(self, service: KinesisService, seed: int) -> None:
        self.chance, self.clock, self.service = random.Random(seed), Clock(), service
        self.name = f"s{seed}-{sum(service.calls.values())}"
        service.create(self.name, 2)
        self.offsets: Offsets = {}
        self.sent: dict[int, list[bytes]] = defaultdict(list)
        self.seen: dict[int, list[bytes]] = defaultdict(list)
        self.stream = self.open()

    def open(self) -> KinesisStream:
        with mock.patch("coattail.streams.kinesis.Service", lambda name, *_: Direct(self.service, name)):
            return KinesisStream(self.name, clock=self.clock, sleep=self.clock.sleep, chance=random.Random(1))

    def step(self, name: str) -> None:
        if name == "append":
            lanes = [self.chance.randrange(LANES) for _ in range(self.chance.randint(1, 12))]
            packs = []
            for lane in lanes:
                packs.append((lane, b"%d-%d" % (lane, len(self.sent[lane]))))
                self.sent[lane].append(packs[-1][1])
            self.stream.append(packs)
        elif name == "split":
            self.service.split(self.name, self.chance.choice(self.service.open_shards(self.name)))
        elif name == "merge":
            if pairs := self.service.neighbours(self.name):
                self.service.merge(self.name, *self.chance.choice(pairs))
        elif name == "crash":
            self.stream = self.open()
        elif name == "expire":
            self.service.expire_iterators()
        elif name == "backlog":
            assert bool(self.stream.backlog(self.offsets).size_bytes) == (self.unread() > 0)
        else:
            self.read(1 << 20 if name == "read" else 10)

    def unread(self) -> int:
        """Records stored and not yet acknowledged, those stored twice counted twice."""
        return len(self.service.stored(self.name)) - sum(map(len, self.seen.values()))

    def read(self, limit_bytes: int) -> bool:
        read = self.stream.read(self.offsets, limit_bytes=limit_bytes)
        assert read.lost == []
        self.offsets = read.offsets
        for pack in read.packs:
            self.seen[pack.lane].append(pack.data)
        return bool(read.packs)

    def finish(self) -> None:
        """Read the rest."""
        while self.read(1 << 20):
            pass


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=40),
    seed=st.integers(0, 10_000),
    refused=st.sampled_from([0.0, 0.3]),
    reads=st.sampled_from([0.0, 0.3]),
    errors=st.sampled_from([0.0, 0.1]),
)
def test_every_pack_is_read_in_order_and_none_is_invented(
    steps: list[str], seed: int, refused: float, reads: float, errors: float, service: KinesisService
) -> None:
    service.faults = Faults(
        seed, refused_records=refused, throttled_reads=reads, empty_reads=reads, errors=errors, any_order=True
    )
    history = History(service, seed)
    for step in steps:
        history.step(step)
    history.finish()
    assert {lane: packs for lane, packs in history.seen.items() if packs} == history.sent
    service.faults = Faults()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=40), seed=st.integers(0, 10_000))
def test_with_lost_answers_packs_come_twice_but_the_first_of_each_in_order(
    steps: list[str], seed: int, service: KinesisService
) -> None:
    service.faults = Faults(seed, lost_answers=0.3, any_order=True)
    history = History(service, seed)
    for step in steps:
        history.step(step)
    history.finish()
    assert {lane: list(dict.fromkeys(packs)) for lane, packs in history.seen.items() if packs} == history.sent
    service.faults = Faults()


RESHARDED = ("append", "append", "append", "split", "append", "split", "append", "merge", "append", "append")


def in_order(service: KinesisService, seed: int) -> bool:
    history = History(service, seed)
    for step in RESHARDED:
        history.step(step)
    history.finish()
    return history.seen == history.sent


def everything_listed(shards: list[Shard], reached: dict[str, str]) -> list[str]:
    return sorted(s.shard_id for s in shards if reached.get(s.shard_id) != SHARD_END)


def test_a_reader_whose_children_do_not_wait_for_their_parents_breaks_the_order(
    service: KinesisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same history, with and without the one rule that keeps the order."""
    assert all(in_order(service, seed) for seed in range(10))
    monkeypatch.setattr(kinesis_reading, "readable", everything_listed)
    assert not all(in_order(service, seed) for seed in range(10))


# -- the rule itself ---------------------------------------------------------------------------------------------------

FAMILY = [Shard("a"), Shard("b"), Shard("c", ("a",)), Shard("d", ("a",)), Shard("e", ("d", "b")), Shard("f", ("gone",))]


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        ({}, ["a", "b", "f"]),
        ({"a": "17"}, ["a", "b", "f"]),
        ({"a": SHARD_END}, ["b", "c", "d", "f"]),
        ({"a": SHARD_END, "d": SHARD_END, "b": "3"}, ["b", "c", "f"]),
        ({"a": SHARD_END, "d": SHARD_END, "b": SHARD_END}, ["c", "e", "f"]),
        ({"e": "5"}, ["a", "b", "e", "f"]),
    ],
)
def test_children_become_readable_when_all_their_parents_are_drained(
    reached: dict[str, str], expected: list[str]
) -> None:
    assert readable(FAMILY, reached) == expected


def test_the_order_of_the_listing_does_not_matter() -> None:
    rule: Callable[..., list[str]] = readable
    assert rule(reversed(FAMILY), {"a": SHARD_END}) == rule(FAMILY, {"a": SHARD_END})
