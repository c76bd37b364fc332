"""Step 2 of 7: raw frames kept in a bucket beside the stream, in parts of a minute, and fetched for `replay`."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from coattail.errors import StoreError, UsageError
from coattail.producer.recorder import HOURS, FrameLines, new_file
from coattail.service_url import BucketUrl
from coattail.stores.bucket import BucketFolder

log = logging.getLogger(__name__)

_PART_SECONDS = 60.0
"""A part is put when its first frame is so old: what a kill can lose."""
_PART_BYTES = 8 << 20
"""Or when it is so large, compressed."""
_MOST_WAITING = 64 << 20
"""Bytes in memory that wait for the service; with more, the recording ends and the feed goes on."""
_CLOSE_SECONDS = 30.0


class BucketRecorder:
    """The frames of one exchange in a bucket: a file of `Recorder` is a folder `<exchange>-<time>.frames.zst/` there,
    and its parts `000001`, `000002`, … one after the other are that file.

    Delivery: a part is put a minute after its first frame, by a thread of its own, one after the other; the first one
    at once, which shows whether the bucket can be written. A kill loses the frames of the last minute, and `close` none
    that can be put within 30 seconds.
    """

    def __init__(self, at: BucketUrl, exchange: str) -> None:
        self._bucket = BucketFolder(at, setting="--record")
        self._exchange = exchange
        self._compressed = FrameLines()
        self._changed = threading.Condition()
        self._name, self._number, self._until = "", 0, 0.0
        self._part = bytearray()
        self._due = 0.0
        """When the part is put (s, monotonic)."""
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._failed: StoreError | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def write(self, messages: Sequence[bytes], received: Sequence[int]) -> None:
        """Keep messages, each with its receive time (µs since 1970 UTC); never waits for the service.

        Raises: StoreError: If parts before could not be put, or too much waits: what waited is lost.
        """
        if not messages:
            return
        content, now = self._compressed(messages, received), time.monotonic()
        with self._changed:
            if self._failed is None and sum(len(part) for _, part in self._waiting) + len(self._part) > _MOST_WAITING:
                self._fail(StoreError(f"{self._bucket.place} takes frames slower than they come"))
            if self._failed is not None:
                raise self._failed
            if now > self._until:
                self._end_file()
            if not self._name:
                self._name, self._number, self._until = new_file(self._exchange), 0, now + HOURS * 3600
            if not self._part:
                self._due = now + _PART_SECONDS if self._thread is not None else now
            self._part += content
            if len(self._part) >= _PART_BYTES:
                self._cut()
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"record-{self._exchange}", daemon=True)
            self._thread.start()

    def end_file(self) -> None:
        """Have what is written later begin another file: a file is a session when it is replayed."""
        with self._changed:
            self._end_file()
            self._changed.notify_all()

    def close(self) -> None:
        """Put what is left, for 30 seconds at most; the log says if that was not enough."""
        with self._changed:
            self._end_file()
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None and self._failed is None:
            self._thread.join(timeout=_CLOSE_SECONDS)
        if self._waiting:
            lost, place = len(self._waiting), self._bucket.place
            log.error("%d parts of the recording of %s are not in %s", lost, self._exchange, place)
        self._bucket.close()

    def _end_file(self) -> None:
        self._cut()
        self._name = ""

    def _cut(self) -> None:
        if self._part:
            self._number += 1
            self._waiting.append((f"{self._name}/{self._number:06}", bytes(self._part)))
            self._part.clear()

    def _fail(self, error: StoreError) -> None:
        self._failed = error
        self._waiting.clear()
        self._part.clear()

    def _run(self) -> None:
        while (part := self._next()) is not None:
            try:
                self._bucket.put(*part)
            except StoreError as error:
                with self._changed:
                    self._fail(self._failed or error)
                return
            with self._changed:
                if self._failed is not None:
                    return
                self._waiting.popleft()

    def _next(self) -> tuple[str, bytes] | None:
        """The part to be put, as soon as there is one; None at the end. It waits until it has been put."""
        with self._changed:
            while not self._waiting:
                if self._closed or self._failed is not None:
                    return None
                left = self._due - time.monotonic() if self._part else None
                if left is not None and left <= 0:
                    self._cut()
                else:
                    self._changed.wait(left)
            return self._waiting[0]


def fetched(at: BucketUrl, folder: Path) -> list[Path]:
    """The files of a folder of a bucket, fetched into a folder of this machine, by name; parts of one are joined.

    Raises: UsageError: If there are none. StoreError: If they cannot be read.
    """
    bucket = BucketFolder(at, setting="the address")
    try:
        names = [file.name for file in bucket.files() if file.size]
        if not names:
            raise UsageError(f"{bucket.place} holds no recordings", next_step="correct the address")
        found = []
        for whole, parts in groupby(names, key=_whole):
            path = folder / whole
            if not path.resolve().is_relative_to(folder.resolve()):
                raise UsageError(f"{bucket.place}/{whole} would leave the folder", next_step="give it another name")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                if (named := [*parts]) == [whole]:
                    bucket.copy(whole, file)
                else:
                    for _, content in bucket.contents(named):
                        file.write(content)
            found.append(path)
    finally:
        bucket.close()
    return found


def _whole(name: str) -> str:
    """The file that a file in a bucket is a part of, or itself."""
    whole, _, part = name.rpartition("/")
    return whole if part.isdecimal() and whole.endswith(".frames.zst") else name
