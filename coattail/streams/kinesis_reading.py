"""The shards of a stream, read side by side from offsets that the reader keeps."""

from __future__ import annotations

import logging
import random
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from coattail.errors import StreamError
from coattail.streams.base import Backlog, Offsets, Pack, Read
from coattail.streams.kinesis_client import Expired, Missing, Refused, Retriable, Service, pause_after
from coattail.streams.kinesis_cursor import FETCH_RECORDS, Cursor
from coattail.streams.kinesis_shards import SHARD_END, Shard, readable, shard_of, vanished

log = logging.getLogger(__name__)

_LISTING_SECONDS = 60.0
_AHEAD_BYTES = 16 << 20
"""Fetched and waiting, of all shards, above which no more is fetched (a fetch may bring 10 MB)."""


@dataclass(slots=True)
class ShardReader:
    """Delivery: at least once, in order within a lane; the same offsets give the same packs of each shard."""

    service: Service
    patience: timedelta
    """How long a shard may fail before `read` gives up."""
    pace: float
    """Seconds between two calls for one shard: a shard answers five a second, to all its readers together."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.Random)
    throttled: int = 0
    """Calls that were refused because a shard had been read too often or too much."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _cursors: dict[str, Cursor] = field(default_factory=dict)
    _shards: list[Shard] = field(default_factory=list)
    _listed_at: float | None = None
    _identity: str | None = None
    _limit: int = _AHEAD_BYTES // 2
    _only: frozenset[str] | None = None
    """The shards that are read; None: all that may be."""

    # -- the stream ----------------------------------------------------------------------------------------------

    def identity(self) -> str:
        """The stream's ARN and the moment of its creation."""
        known = self._identity
        if known is None:
            with self._lock:
                known = self._identity = self._identity or self._described()
        return known

    def summary(self) -> dict[str, Any]:
        """What DescribeStreamSummary says."""
        found: dict[str, Any] = self._call("describe_stream_summary", StreamName=self.service.name)[
            "StreamDescriptionSummary"
        ]
        return found

    def _described(self) -> str:
        summary = self.summary()
        return f"{summary['StreamARN']}@{round(summary['StreamCreationTimestamp'].timestamp() * 1000)}"

    def _listing(self, *, fresh: bool = False) -> list[Shard]:
        now = self.clock()
        if fresh or self._listed_at is None or now - self._listed_at > _LISTING_SECONDS:
            before, self._identity = self._identity, self._described()
            if before is not None and before != self._identity:
                self._cursors.clear()
                self._listed_at = None
                raise StreamError(
                    f"the stream {self.service.name} was deleted and recreated while it was being read",
                    next_step="start again: the new stream is then read from its beginning",
                )
            self._shards = self._list()
            listed = {shard.shard_id for shard in self._shards}
            self._cursors = {shard_id: c for shard_id, c in self._cursors.items() if shard_id in listed}
            parents = {parent for shard in self._shards for parent in shard.parents}
            ended = {c.shard_id for c in self._cursors.values() if c.position == SHARD_END}
            self._listed_at = now if ended <= parents else None  # children are listed a little later
        return self._shards

    def _list(self) -> list[Shard]:
        while True:
            answer = self._call("list_shards", StreamName=self.service.name)
            shards = [shard_of(listed) for listed in answer["Shards"]]
            try:
                while token := answer.get("NextToken"):
                    answer = self._call("list_shards", NextToken=token)
                    shards += [shard_of(listed) for listed in answer["Shards"]]
                return shards
            except Expired:
                continue

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """The answer to a call that is not about one shard, after as many attempts as patience allows."""
        since, attempt = self.clock(), 0
        while True:
            try:
                return self.service.call(operation, **arguments)
            except Retriable as error:
                attempt += 1
                self._give_up(since, operation, error)
                self.sleep(pause_after(attempt, self.chance))
            except Missing as error:
                raise StreamError(
                    f"there is no stream {self.service.name} ({error})",
                    next_step="start the environment that it is of (coattail aws start), or create it "
                    f"(aws kinesis create-stream --stream-name {self.service.name}), or correct stream.url",
                ) from error
            except Refused as error:
                raise StreamError(f"Kinesis refuses {operation} ({error})", next_step="check stream.url") from error

    def _give_up(self, since: float, what: str, error: Exception) -> None:
        if self.clock() - since > self.patience.total_seconds():
            raise StreamError(
                f"{what} of the stream {self.service.name} has failed for {self.patience} (last: {error})",
                next_step="see whether Kinesis can be reached, then start again: reading goes on where it was",
            ) from error

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, after: Offsets, limit_bytes: int) -> Read:
        """At least one pack where there is one, from every shard in turn, about `limit_bytes` at most."""
        with self._lock:
            self._limit = limit_bytes
            reached: dict[str, str] = dict(after)
            lost: list[str] = []
            met: dict[str, Cursor] = {}
            asked: set[str] = set()
            while True:
                reached, said = self._still_there(reached)
                lost += said
                cursors = self._cursors_at(reached)
                met |= {cursor.shard_id: cursor for cursor in cursors}
                for cursor in sorted(cursors, key=lambda c: c.not_before):
                    ahead = sum(c.waiting_bytes for c in cursors)
                    if cursor.shard_id not in asked and self._worth_asking(cursor, ahead, limit_bytes):
                        asked.add(cursor.shard_id)
                        self._poll(cursor)
                packs = _in_turn(cursors, limit_bytes)
                ended = self._advance(reached, cursors)
                if packs or not (ended or any(not c.at_tip for c in cursors)):
                    for cursor in met.values():
                        lost += cursor.lost
                        cursor.lost = []
                    return Read(packs, reached, lost)
                asked -= {c.shard_id for c in cursors if not c.at_tip}

    def shards(self, after: Offsets) -> list[str]:
        """Ids of the shards that may be read after these offsets."""
        with self._lock:
            reached, _ = self._still_there(dict(after))
            return readable(self._listing(), reached)

    def read_of(self, shards: Sequence[str], after: Offsets, limit_bytes: int) -> tuple[Read, int]:
        """What `read` gives of these shards, and the bytes of them that have been fetched beyond it."""
        with self._lock:
            self._only = frozenset(shards)
            self._cursors = {name: cursor for name, cursor in self._cursors.items() if name in self._only}
            try:
                read = self.read(after, limit_bytes)
            finally:
                self._only = None
            return read, self._ahead()

    def _worth_asking(self, cursor: Cursor, ahead: int, limit_bytes: int) -> bool:
        """Whether to fetch: not while more waits already than is wanted, nor by pausing while anything waits."""
        due = not ahead or cursor.not_before <= self.clock()
        return due and ahead < (limit_bytes if cursor.waiting else _AHEAD_BYTES)

    def _still_there(self, reached: dict[str, str]) -> tuple[dict[str, str], list[str]]:
        """The offsets of shards that are still listed, and what was lost with the others, in words."""
        listed = {shard.shard_id for shard in self._listing()}
        if reached.keys() - listed:
            listed = {shard.shard_id for shard in self._listing(fresh=True)}
        lost = [
            f"shard {shard_id}, read up to the number {offset}, has left the stream {self.service.name}: what "
            "followed was removed before it was read"
            for shard_id, offset in vanished(listed, reached).items()
        ]
        return {shard_id: offset for shard_id, offset in reached.items() if shard_id in listed}, lost

    def _cursors_at(self, reached: Mapping[str, str]) -> list[Cursor]:
        """A cursor at its offset for every readable shard; which comes first depends on the offsets alone."""
        if self._only is None:
            ids = readable(self._listing(), reached)
        else:
            ids = sorted(name for name in self._only if reached.get(name) != SHARD_END)
        found = []
        for shard_id in ids:
            cursor = self._cursors.get(shard_id)
            if cursor is None or cursor.position != reached.get(shard_id):
                previous, cursor = cursor, Cursor(shard_id, reached.get(shard_id))
                cursor.not_before = previous.not_before if previous is not None else 0.0
                self._cursors[shard_id] = cursor
            found.append(cursor)
        first = zlib.crc32(repr(sorted(reached.items())).encode()) % len(found) if found else 0
        return found[first:] + found[:first]

    def _advance(self, reached: dict[str, str], cursors: list[Cursor]) -> bool:
        """Write the cursors' positions into `reached`; returns whether a shard has come to its end."""
        ended = False
        for cursor in cursors:
            if cursor.position is None:
                reached.pop(cursor.shard_id, None)
            else:
                reached[cursor.shard_id] = cursor.position
                ended = ended or cursor.position == SHARD_END
        if ended:
            self._listed_at = None  # its children may be new
        return ended

    # -- one shard -------------------------------------------------------------------------------------------------

    def _poll(self, cursor: Cursor) -> None:
        """Ask once for what follows; a refusal or a fault leaves the cursor where it was, and not at its tip."""
        if cursor.ended:
            return
        cursor.at_tip = False
        wait = cursor.not_before - self.clock()
        if wait > 0:
            self.sleep(wait)
        try:
            if cursor.iterator is None:
                self._open(cursor)
            cursor.not_before = self.clock() + self.pace
            arn = self.identity().rpartition("@")[0]  # without it, permissions are asked for on every stream
            read = self.service.call("get_records", ShardIterator=cursor.iterator, Limit=FETCH_RECORDS, StreamARN=arn)
            cursor.take(read)
        except Retriable as error:
            self.throttled += error.throttled
            cursor.in_vain += 1
            cursor.failing_since = self.clock() if cursor.failing_since is None else cursor.failing_since
            self._give_up(cursor.failing_since, f"shard {cursor.shard_id}", error)
            cursor.not_before = self.clock() + pause_after(cursor.in_vain, self.chance)
            return
        except Expired:
            self._listing(fresh=True)
            cursor.expired()
        except (Missing, Refused) as error:
            self._misplaced(cursor, error)
        cursor.failing_since, cursor.in_vain = None, 0

    def _open(self, cursor: Cursor) -> None:
        """Take an iterator; where the number is refused, one from the oldest record."""
        where = {"StreamName": self.service.name, "ShardId": cursor.shard_id}
        try:
            answer = self.service.call("get_shard_iterator", **where, **cursor.iterator_arguments())
        except Refused:
            self._listing(fresh=True)
            cursor.refused()
            answer = self.service.call("get_shard_iterator", **where, **cursor.iterator_arguments())
        cursor.iterator = answer["ShardIterator"]

    def _misplaced(self, cursor: Cursor, error: Exception) -> None:
        """The shard is not there: it may have left the listing, which the next look at it says, or be unreadable."""
        if any(shard.shard_id == cursor.shard_id for shard in self._listing(fresh=True)):
            raise StreamError(
                f"shard {cursor.shard_id} of {self.service.name} is listed and cannot be read ({error})",
                next_step="start again: reading goes on where it was",
            ) from error

    # -- what waits ------------------------------------------------------------------------------------------------

    def backlog(self, after: Offsets) -> Backlog:
        """What is known to wait: all of it, or at least as much as two reads would take."""
        with self._lock:
            reached, _ = self._still_there(dict(after))
            if not all(cursor.knows(reached.get(shard_id)) for shard_id, cursor in self._cursors.items()):
                self._cursors.clear()
            followed, enough = dict(reached), min(2 * self._limit, _AHEAD_BYTES)
            for shard_id, cursor in self._cursors.items():
                followed.pop(shard_id, None)
                if cursor.position is not None:
                    followed[shard_id] = cursor.position
            while True:
                cursors = self._cursors_at(followed)
                for cursor in sorted(cursors, key=lambda c: c.not_before):
                    if self._ahead() < enough:
                        self._poll(cursor)
                ended = self._advance(followed, cursors)
                if self._ahead() >= enough or (not ended and all(c.at_tip for c in cursors)):
                    break
            known = [cursor.behind_offset(reached.get(shard_id)) for shard_id, cursor in self._cursors.items()]
            return Backlog(
                segments=sum(count for count, _ in known),
                size_bytes=sum(size for _, size in known),
                behind=max((cursor.behind for cursor in cursors), default=timedelta(0)),
            )

    def _ahead(self) -> int:
        return sum(cursor.waiting_bytes for cursor in self._cursors.values())


def _in_turn(cursors: list[Cursor], limit_bytes: int) -> list[Pack]:
    """Packs that wait, one from each shard in turn."""
    packs: list[Pack] = []
    taken = 0
    while taken < limit_bytes and (full := [c for c in cursors if c.waiting]):
        for cursor in full:
            packs.append(cursor.give())
            taken += len(packs[-1].data)
            if taken >= limit_bytes:
                break
    return packs
