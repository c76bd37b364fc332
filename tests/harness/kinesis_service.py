"""A small Kinesis on loopback, for what no emulator does: reshards with lineage, throttles, faults, a moving horizon.

Modelled on the API reference of Kinesis Data Streams (2013-12-02). From its text: keys go to shards by MD5 and hash
ranges; a split or merge closes parents, which stay readable and listed, and an iterator after the last record of a
closed shard is null, with ChildShards beside it; iterators expire after five minutes; PutRecords refuses single
records by ErrorCode and stores the others in any order; GetRecords may be empty before the tip and then says how far
behind it is (MillisBehindLatest); NextToken excludes StreamName; limits of 500 records, 5 MB, 1 MiB.
Not from its text, so both ways can be chosen (`refuses_removed_numbers`): what an iterator at a removed record does.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_FIRST_NUMBER = 49590338271490256608559692538361571095921575989136588800
_KEYS = 2**128

Json = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


class NoAnswer(Exception):
    """The connection breaks."""


@dataclass
class Kept:
    number: int
    key: str
    data: str
    when: float


@dataclass
class KeptShard:
    shard_id: str
    low: int
    high: int
    start: int
    parents: tuple[str, ...] = ()
    records: list[Kept] = field(default_factory=list)
    closed: bool = False


@dataclass
class KeptStream:
    name: str
    created: float
    shards: dict[str, KeptShard] = field(default_factory=dict)
    strategy: str = "USER_PARTITION_KEY"
    """What DescribeStreamSummary says that it does with partition keys; it heeds them in any case."""

    @property
    def arn(self) -> str:
        return f"arn:aws:kinesis:eu-central-1:000000000000:stream/{self.name}"


@dataclass
class Faults:
    """What goes wrong; shares are of records or calls, counts are of the next calls."""

    seed: int = 0
    refused_records: float = 0.0
    """Share of the records of PutRecords refused as throttled."""
    failed_records: float = 0.0
    """Share refused with InternalFailure."""
    lost_answers: float = 0.0
    """Share of PutRecords calls that store everything and never answer."""
    errors: float = 0.0
    """Share of all calls answered with a 500, nothing done."""
    throttled_reads: float = 0.0
    """Share of GetRecords calls refused."""
    empty_reads: float = 0.0
    """Share of GetRecords calls that return nothing although more follows."""
    outage: Callable[[], bool] = lambda: False
    """While it says so, every connection breaks."""
    any_order: bool = False
    """The records of one PutRecords call are stored in any order, which the service does not rule out."""
    late_children: int = 0
    """This many listings still leave the children of closed shards out."""
    blind_at_removed: bool = False
    """An iterator at a removed record never finds anything."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def shuffled(self, places: list[int]) -> list[int]:
        if self.any_order:
            self._random.shuffle(places)
        return places


class KinesisService:
    """The streams, and what tests do to them; `with KinesisService() as service:` serves it at `service.endpoint`."""

    def __init__(self, faults: Faults | None = None, *, page: int = 1_000) -> None:
        self.faults = faults or Faults()
        self.page = page
        self.calls: Counter[str] = Counter()
        self.refuses_removed_numbers = False
        self.answer_limit = 10 << 20
        self.largest_call = 0
        self._lock = threading.Lock()
        self._streams: dict[str, KeptStream] = {}
        self._iterators: dict[str, tuple[KeptStream, str, int, bool]] = {}
        self._numbers = itertools.count(_FIRST_NUMBER + 2, 16)
        self._created = itertools.count(1_700_000_000)
        self._tokens = itertools.count(1)

    def __enter__(self) -> KinesisService:
        service = self

        class Handler(_Handler):
            def answer(self, operation: str, request: Json) -> Json:
                return service.answer(operation, request)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # -- what tests do -------------------------------------------------------------------------------------------

    def create(self, name: str, shards: int = 1) -> None:
        with self._lock:
            self._create_stream({"StreamName": name, "ShardCount": shards})

    def distribute(self, name: str, strategy: str) -> None:
        """Say from now on that records are distributed so."""
        with self._lock:
            self._streams[name].strategy = strategy

    def delete(self, name: str) -> None:
        with self._lock:
            self._delete_stream({"StreamName": name})

    def open_shards(self, name: str) -> list[str]:
        with self._lock:
            return [s.shard_id for s in self._streams[name].shards.values() if not s.closed]

    def split(self, name: str, shard_id: str) -> None:
        with self._lock:
            shard = self._streams[name].shards[shard_id]
            middle = (shard.low + shard.high + 1) // 2
            self._split_shard({"StreamName": name, "ShardToSplit": shard_id, "NewStartingHashKey": str(middle)})

    def neighbours(self, name: str) -> list[tuple[str, str]]:
        """Pairs of open shards that can be merged."""
        with self._lock:
            shards = sorted((s for s in self._streams[name].shards.values() if not s.closed), key=lambda s: s.low)
            return [(a.shard_id, b.shard_id) for a, b in itertools.pairwise(shards)]

    def merge(self, name: str, shard_id: str, other: str) -> None:
        with self._lock:
            self._merge_shards({"StreamName": name, "ShardToMerge": shard_id, "AdjacentShardToMerge": other})

    def trim(self, name: str, shard_id: str, keep: int) -> None:
        """The horizon moves: only the newest `keep` records of a shard are left."""
        with self._lock:
            shard = self._streams[name].shards[shard_id]
            del shard.records[: max(0, len(shard.records) - keep)]

    def forget(self, name: str, shard_id: str) -> None:
        """A closed shard grew older than the retention: it leaves the listing."""
        with self._lock:
            del self._streams[name].shards[shard_id]

    def expire_iterators(self) -> None:
        with self._lock:
            self._iterators.clear()

    def stored(self, name: str) -> list[tuple[str, bytes]]:
        """(key, data) of everything that is kept, by shard."""
        with self._lock:
            return [(r.key, base64.b64decode(r.data)) for s in self._streams[name].shards.values() for r in s.records]

    # -- the protocol ----------------------------------------------------------------------------------------------

    def answer(self, operation: str, request: Json) -> Json:
        operations: dict[str, Callable[[Json], Json]] = {
            "CreateStream": self._create_stream,
            "DeleteStream": self._delete_stream,
            "DescribeStreamSummary": self._describe_stream_summary,
            "ListShards": self._list_shards,
            "PutRecord": self._put_record,
            "PutRecords": self._put_records,
            "GetShardIterator": self._get_shard_iterator,
            "GetRecords": self._get_records,
            "SplitShard": self._split_shard,
            "MergeShards": self._merge_shards,
        }
        with self._lock:
            self.calls[operation] += 1
            if self.faults.outage():
                raise NoAnswer
            if self.faults.happens(self.faults.errors):
                raise Refusal("InternalFailure", "the service has failed", 500)
            if operation not in operations:
                raise Refusal("UnknownOperationException", operation)
            return operations[operation](request)

    def _stream(self, request: Json) -> KeptStream:
        name = request.get("StreamName", "")
        if name not in self._streams:
            raise Refusal("ResourceNotFoundException", f"Stream {name} under account 000000000000 not found.")
        return self._streams[name]

    def _shard(self, stream: KeptStream, shard_id: str) -> KeptShard:
        if shard_id not in stream.shards:
            raise Refusal("ResourceNotFoundException", f"Could not find shard {shard_id} in stream {stream.name}")
        return stream.shards[shard_id]

    def _create_stream(self, request: Json) -> Json:
        name, count = request["StreamName"], request.get("ShardCount", 4)
        if name in self._streams:
            raise Refusal("ResourceInUseException", f"Stream {name} already exists")
        stream = self._streams[name] = KeptStream(name, next(self._created))
        edges = [_KEYS * n // count for n in range(count + 1)]
        for low, high in itertools.pairwise(edges):
            self._new_shard(stream, low, high - 1)
        return {}

    def _new_shard(self, stream: KeptStream, low: int, high: int, parents: tuple[str, ...] = ()) -> None:
        used = [int(shard_id[-12:]) for shard_id in stream.shards] or [-1]
        shard_id = f"shardId-{max(used) + 1:012d}"
        stream.shards[shard_id] = KeptShard(shard_id, low, high, next(self._numbers), parents)

    def _delete_stream(self, request: Json) -> Json:
        del self._streams[self._stream(request).name]
        return {}

    def _describe_stream_summary(self, request: Json) -> Json:
        stream = self._stream(request)
        return {
            "StreamDescriptionSummary": {
                "StreamName": stream.name,
                "StreamARN": stream.arn,
                "StreamStatus": "ACTIVE",
                "RetentionPeriodHours": 24,
                "StreamCreationTimestamp": stream.created,
                "RecordDistributionStrategy": stream.strategy,
                "EnhancedMonitoring": [],
                "OpenShardCount": sum(not s.closed for s in stream.shards.values()),
            }
        }

    def _list_shards(self, request: Json) -> Json:
        first = 0
        if "NextToken" in request:
            if "StreamName" in request:
                raise Refusal("InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
            name, _, place = request["NextToken"].rpartition(":")
            request, first = {"StreamName": name}, int(place)
        shards = list(self._stream(request).shards.values())
        if self.faults.late_children:
            self.faults.late_children -= 1
            shards = [shard for shard in shards if not shard.parents]
        answer: Json = {"Shards": [_listed(s) for s in shards[first : first + self.page]]}
        if first + self.page < len(shards):
            answer["NextToken"] = f"{request['StreamName']}:{first + self.page}"
        return answer

    def _put_record(self, request: Json) -> Json:
        stream = self._stream(request)
        return self._keep(stream, request)

    def _put_records(self, request: Json) -> Json:
        stream, records, faults = self._stream(request), request["Records"], self.faults
        sizes = [len(base64.b64decode(r["Data"])) + len(r["PartitionKey"].encode()) for r in records]
        self.largest_call = max(self.largest_call, sum(sizes))
        if not 1 <= len(records) <= 500 or sum(sizes) > 5 << 20 or max(sizes) > 1 << 20:
            raise Refusal("ValidationException", "a limit of PutRecords was exceeded")
        answers: list[Json] = [{} for _ in records]
        for place in faults.shuffled(list(range(len(records)))):
            if faults.happens(faults.refused_records):
                code, message = "ProvisionedThroughputExceededException", "Rate exceeded for shard"
                answers[place] = {"ErrorCode": code, "ErrorMessage": message}
            elif faults.happens(faults.failed_records):
                answers[place] = {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."}
            else:
                answers[place] = self._keep(stream, records[place])
        if faults.happens(faults.lost_answers):
            raise NoAnswer
        return {"FailedRecordCount": sum("ErrorCode" in a for a in answers), "Records": answers}

    def _keep(self, stream: KeptStream, record: Json) -> Json:
        key = int(hashlib.md5(record["PartitionKey"].encode()).hexdigest(), 16)
        shard = next(s for s in stream.shards.values() if not s.closed and s.low <= key <= s.high)
        kept = Kept(next(self._numbers), record["PartitionKey"], record["Data"], time.time())
        shard.records.append(kept)
        return {"ShardId": shard.shard_id, "SequenceNumber": str(kept.number)}

    def _split_shard(self, request: Json) -> Json:
        stream = self._stream(request)
        shard, middle = self._shard(stream, request["ShardToSplit"]), int(request["NewStartingHashKey"])
        shard.closed = True
        self._new_shard(stream, shard.low, middle - 1, (shard.shard_id,))
        self._new_shard(stream, middle, shard.high, (shard.shard_id,))
        return {}

    def _merge_shards(self, request: Json) -> Json:
        stream = self._stream(request)
        pair = [self._shard(stream, request[name]) for name in ("ShardToMerge", "AdjacentShardToMerge")]
        pair[0].closed = pair[1].closed = True
        low, high = min(s.low for s in pair), max(s.high for s in pair)
        self._new_shard(stream, low, high, tuple(s.shard_id for s in pair))
        return {}

    def _get_shard_iterator(self, request: Json) -> Json:
        stream = self._stream(request)
        shard = self._shard(stream, request["ShardId"])
        kind, blind = request["ShardIteratorType"], False
        if kind == "TRIM_HORIZON":
            number = 0
        elif kind == "LATEST":
            number = shard.records[-1].number + 1 if shard.records else 0
        else:
            number = int(request["StartingSequenceNumber"])
            removed = not any(r.number == number for r in shard.records)
            if number < shard.start or (removed and self.refuses_removed_numbers):
                raise Refusal(
                    "InvalidArgumentException",
                    f"StartingSequenceNumber {number} used in GetShardIterator on shard {shard.shard_id} in stream "
                    f"{stream.name} under account 000000000000 is invalid.",
                )
            blind = removed and self.faults.blind_at_removed
            number += kind == "AFTER_SEQUENCE_NUMBER"
        return {"ShardIterator": self._iterator(stream, shard.shard_id, number, blind)}

    def _iterator(self, stream: KeptStream, shard_id: str, number: int, blind: bool) -> str:
        token = f"iterator-{next(self._tokens)}"
        self._iterators[token] = (stream, shard_id, number, blind)
        return token

    def _get_records(self, request: Json) -> Json:
        if self.faults.happens(self.faults.throttled_reads):
            raise Refusal("ProvisionedThroughputExceededException", "Rate exceeded for shard")
        if request["ShardIterator"] not in self._iterators:
            raise Refusal("ExpiredIteratorException", "Iterator expired.")
        stream, shard_id, number, blind = self._iterators[request["ShardIterator"]]
        if self._streams.get(stream.name) is not stream:
            raise Refusal("ResourceNotFoundException", f"Stream {stream.name} not found.")
        shard = self._shard(stream, shard_id)
        left = [r for r in shard.records if r.number >= number]
        if blind or (left and self.faults.happens(self.faults.empty_reads)):
            again = self._iterator(stream, shard_id, number, blind)
            return {"Records": [], "NextShardIterator": again, "MillisBehindLatest": 86_400_000}
        taken: list[Kept] = []
        size = 0
        for record in left[: request.get("Limit", 10_000)]:
            size += len(record.data) * 3 // 4
            if taken and size > self.answer_limit:
                break
            taken.append(record)
        answer: Json = {
            "Records": [
                {
                    "SequenceNumber": str(r.number),
                    "PartitionKey": r.key,
                    "Data": r.data,
                    "ApproximateArrivalTimestamp": r.when,
                }
                for r in taken
            ],
            "MillisBehindLatest": 0 if len(taken) == len(left) else 1_000,
        }
        if shard.closed and len(taken) == len(left):
            children = [s for s in stream.shards.values() if shard_id in s.parents]
            answer["ChildShards"] = [
                {"ShardId": s.shard_id, "ParentShards": list(s.parents), "HashKeyRange": _keys(s)} for s in children
            ]
        else:
            following = taken[-1].number + 1 if taken else number
            answer["NextShardIterator"] = self._iterator(stream, shard_id, following, False)
        return answer


def _keys(shard: KeptShard) -> Json:
    return {"StartingHashKey": str(shard.low), "EndingHashKey": str(shard.high)}


def _listed(shard: KeptShard) -> Json:
    numbers: Json = {"StartingSequenceNumber": str(shard.start)}
    if shard.closed:
        numbers["EndingSequenceNumber"] = str(shard.records[-1].number if shard.records else shard.start)
    parents = dict(zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False))
    return {"ShardId": shard.shard_id, "HashKeyRange": _keys(shard), "SequenceNumberRange": numbers, **parents}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, operation: str, request: Json) -> Json:
        raise NotImplementedError

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        status = 200
        try:
            answer = self.answer(operation, request)
        except NoAnswer:
            self.close_connection = True
            return
        except Refusal as refusal:
            status, answer = refusal.status, {"__type": refusal.code, "message": refusal.message}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at `calls`."""


@dataclass
class Clock:
    """A clock that stands still unless somebody sleeps."""

    now: float = 0.0
    slept: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
