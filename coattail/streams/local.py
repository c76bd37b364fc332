"""The embedded stream: a folder of segment files, each written once and linked into place.

`zstdcat segments/*` prints every record. Segment numbers are the order of the stream: a number is taken by linking a
finished file to the next free name, which is atomic, so any number of producers may append at once and a reader never
sees half a file.

No number is given twice, also if somebody removes the newest segments or all of them: the file `numbered` holds the
last number that was given. So a pack's position names it forever.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from coattail.errors import StreamError
from coattail.records import LANES
from coattail.streams.base import Backlog, Offsets, Pack, Read, Stream
from coattail.streams.segment import packs_of, to_segment

_PARTITION = "segment"
_BLOCK = 1_000
"""An emptied folder goes on one beyond the next multiple of it, so that a reader notices."""
_BEYOND_ALL = 1_000_000_000
"""Where an emptied folder goes on that was made by a version without `numbered`."""


class _Meta(msgspec.Struct):
    stream_id: str
    lanes: int = LANES
    format: int = 1


class LocalStream(Stream):
    """Segments under `folder`. Delivery: at least once, in append order; durable when `append` returns.

    A crash of a producer leaves at most a `.tmp` file behind, which the next one removes after an hour.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments = folder / "segments"
        self._meta: _Meta | None = None
        self._known = 0
        """The highest number of which this object knows that it was given."""

    @property
    def stream_id(self) -> str:
        if self._meta is None:
            path = self._folder / "stream.json"
            try:
                self._meta = msgspec.json.decode(path.read_bytes(), type=_Meta)
            except FileNotFoundError:
                self._meta = self._create(path)
            except msgspec.DecodeError as error:
                raise StreamError(
                    f"{path} is not stream metadata ({error})",
                    next_step="restore it from a backup, or remove the stream folder to begin an empty stream",
                ) from error
        return self._meta.stream_id

    def _create(self, path: Path) -> _Meta:
        self._segments.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        temporary.write_bytes(msgspec.json.encode(_Meta(stream_id=uuid.uuid4().hex)))
        self._begin_counting(0)
        try:
            os.link(temporary, path)  # the first of several producers wins
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        _sync(self._folder)
        return msgspec.json.decode(path.read_bytes(), type=_Meta)

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        if not packs:
            return
        _ = self.stream_id
        self._segments.mkdir(parents=True, exist_ok=True)
        temporary = self._segments / f"{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(to_segment(packs))
                file.flush()
                os.fsync(file.fileno())
            self._link(temporary)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(self._segments)

    def _link(self, finished: Path) -> None:
        """Give the file the next number."""
        number = self._newest()
        while True:
            number += 1
            try:
                os.link(finished, self._path(number))
                break
            except FileExistsError:
                continue
        self._known = number
        self._note(number)

    def _newest(self) -> int:
        """The highest number that may have been given; for an emptied folder, the end of that number's block.

        The folder is listed only where `numbered` may be behind: it is written after a segment is linked, and a power
        cut may take it back. So an append costs the same however many segments are kept.
        """
        given = self._given()
        if self._known and given and given >= self._known and self._path(given).exists():
            return given
        if numbers := self._numbers():
            return max(self._given() or 0, numbers[-1])
        # It is read before the folder is looked at again: whoever wrote it had linked a segment before.
        given = self._given()
        beyond = _BEYOND_ALL if given is None else given and (given // _BLOCK + 1) * _BLOCK
        return (self._numbers() or [beyond])[-1]

    def _note(self, number: int) -> None:
        """Write down that a number was given: in place and unsynced, for after a power cut the segments tell too."""
        given = self._given()
        if given is None:
            self._begin_counting(number)
        elif number > given:
            with (self._folder / "numbered").open("r+b", buffering=0) as file:
                file.write(b"%012d" % number)

    def _begin_counting(self, number: int) -> None:
        temporary = self._folder / f"numbered.{uuid.uuid4().hex}.tmp"
        with temporary.open("wb") as file:
            file.write(b"%012d" % number)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._folder / "numbered")

    def _was_given_last(self, number: int) -> bool:
        try:
            return (self._folder / "numbered").read_bytes() == b"%012d" % number
        except FileNotFoundError:
            return False

    def _given(self) -> int | None:
        """The last number that was given; None: the stream was made by a version that did not write it down."""
        try:
            text = (self._folder / "numbered").read_bytes()
        except FileNotFoundError:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise StreamError(
                f"{self._folder / 'numbered'} does not hold a number",
                next_step="remove this file: the numbers go on after those of the segments",
            ) from error

    def read(self, after: Offsets, *, limit_bytes: int = 8 << 20) -> Read:
        reached = int(after.get(_PARTITION, 0))
        packs: list[Pack] = []
        lost: list[str] = []
        taken = 0
        for number in self._waiting(reached):
            if number <= reached or (number > reached + 1 and number % _BLOCK == 1):
                lost.append(
                    f"the numbering has begun anew at segment {number}: what followed segment {reached}, the last one "
                    "read, was removed"
                )
            elif number > reached + 1:
                lost.append(f"segments {reached + 1} to {number - 1} were removed before they had been read")
            reached = number
            for pack in self._load(number):
                packs.append(pack)
                taken += len(pack.data)
            if taken >= limit_bytes:
                break
        return Read(packs, {_PARTITION: str(reached)}, lost)

    def _waiting(self, reached: int) -> Iterator[int]:
        """Numbers of the segments after `reached`, in order; one that is missing is left out."""
        number = reached + 1
        while self._path(number).exists():
            yield number
            number += 1
        if self._was_given_last(number - 1) and self._path(number - 1).exists():
            return  # no need to list what may be an hour of segments
        numbers = self._numbers()
        if numbers and numbers[-1] < reached and not self._path(reached).exists():
            yield from numbers  # somebody removed all of them, and a version without `numbered` began at 1
        elif self._path(number).exists():
            yield from self._waiting(number - 1)  # linked while the folder was listed
        else:
            yield from (n for n in numbers if n > number)

    def _load(self, number: int) -> Iterator[Pack]:
        path = self._path(number)
        try:
            packs = packs_of(path.read_bytes())
        except ValueError as error:
            raise StreamError(
                f"segment {path} is damaged ({error})",
                next_step="restore it from a backup, or move it away: the ids it held are then listed as a gap",
            ) from error
        for place, (lane, data) in enumerate(packs):
            yield Pack(lane, f"{number}.{place}", data)

    def backlog(self, after: Offsets) -> Backlog:
        waiting = self._waiting(int(after.get(_PARTITION, 0)))
        sizes = [self._path(number).stat().st_size for number in waiting]
        return Backlog(segments=len(sizes), size_bytes=sum(sizes))

    def trim(self, landed: Offsets, *, keep: timedelta) -> int:
        reached = int(landed.get(_PARTITION, 0))
        oldest = time.time() - keep.total_seconds()
        numbers = self._numbers()
        gone = 0
        for number in numbers[:-1]:  # the newest name stays: the next number is counted from it
            path = self._path(number)
            if number <= reached and path.stat().st_mtime < oldest:
                path.unlink()
                gone += 1
        for path in self._segments.glob("*.tmp"):
            with contextlib.suppress(FileNotFoundError):  # a producer may rename its own at this moment
                if path.stat().st_mtime < time.time() - 3600:
                    path.unlink()
        return gone

    def _path(self, number: int) -> Path:
        return self._segments / f"{number:012d}.seg"

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self._segments)
        except FileNotFoundError:
            return []
        return sorted(int(name[:12]) for name in names if name.endswith(".seg"))


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut; a synced file without its name would be lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
