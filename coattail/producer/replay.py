"""Step 2 of 7: recorded frames in, packs in the stream: replay, at full speed or at the pace of the recording."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from coattail.connectors import BaseConnector
from coattail.connectors.base import malformed
from coattail.connectors.batch import Batch
from coattail.errors import DamagedInput, UsageError
from coattail.packing import Packer
from coattail.recordings import Format, MarketType, RecordedLine, Recording, RowHints, batch_of
from coattail.streams.base import PackSink

LINGER_SECONDS = 0.25
"""At a pace, records wait at most this long for company: at most four segments a second."""

LONGEST_PAUSE_SECONDS = 60.0
"""At a pace, a longer silence of the recording is cut to this (recorded seconds): files of two days in one
replay do not wait for the night between them."""

_FRAMES_BETWEEN_PROGRESS = 20_000

_BATCH_FRAMES = 1024
_BATCH_BYTES = 1 << 20
# Frames that are decoded together: enough for the work per batch to vanish, few enough to hold twice.


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay did: every frame held trades, or was malformed, other or unsupported."""

    sessions: tuple[str, ...] = ()
    """One per file, in the order given."""
    frames: int = 0
    """Lines that were not blank."""
    trades: int = 0
    """Trades that went to the stream."""
    malformed: int = 0
    """Frames that could not be read; they went to the stream as `Malformed` records."""
    other: int = 0
    """Frames without a trade: acks, heartbeats, book messages, the recorder's own lines."""
    unsupported: dict[str, int] = field(default_factory=dict)
    """Sound frames of a kind that this version does not read, by kind."""
    filtered: int = 0
    """Trades left out because of `symbols`."""
    first: int | None = None
    """Earliest trade's own time, µs since 1970 UTC."""
    last: int | None = None
    """Latest trade's own time, µs since 1970 UTC."""


class ReplayDamaged(DamagedInput):
    """A recording was damaged; `replayed` counts what went to the stream nevertheless."""

    def __init__(self, error: DamagedInput, replayed: Replayed) -> None:
        super().__init__(error.message, next_step=error.next_step)
        self.replayed = replayed


def replay(
    paths: Sequence[Path | str],
    stream: PackSink,
    *,
    format: Format | Literal["auto"] = "auto",
    exchange: str | None = None,
    market: MarketType | None = None,
    hints: RowHints | None = None,
    symbols: Collection[str] | None = None,
    speed: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    packer: Packer | None = None,
) -> Replayed:
    """Feed recordings to the stream; each file is one session. Returns the counts.

    `speed` None takes the files one after the other, as fast as they can be read. A number plays them side by
    side, merged by receive time, that many times faster than they were recorded.

    `symbols` keeps only those canonical symbols (a trade without a readable symbol is kept: it is a bad row, not
    another market). `hints` says what a file of rows does not say itself. `progress` is called with (bytes read, bytes
    in all) of the files as they are stored.

    Delivery: at least once; replaying the same file again appends the same records, which land once.

    Raises:
        UsageError: If a file is missing or unknown (before anything is sent), or an option makes no sense.
        DamagedInput: If nothing of a file can be read (before anything is sent).
        ReplayDamaged: If a file is damaged, after everything readable of all files has been sent.
    """
    if speed is not None and not speed > 0:
        raise UsageError(f"speed is {speed}, not above 0", next_step="leave it out to replay as fast as possible")
    recordings = [Recording(path, format=format, exchange=exchange, market=market, hints=hints) for path in paths]
    tasks = [_Task(recording, symbols) for recording in recordings]
    replaying = _Replay(stream, tasks, packer or Packer(), progress)
    try:
        if speed is None:
            for task in tasks:
                replaying.run(_with_task(task))
        else:
            merged = heapq.merge(*(_with_task(task) for task in tasks), key=lambda pair: pair[1].received)
            replaying.run(_paced(merged, speed, clock, sleep, replaying.flush))
    except KeyboardInterrupt:
        replaying.flush()
        raise
    replaying.flush()
    result = replaying.result()
    for task in tasks:
        if task.damage:
            raise ReplayDamaged(task.damage, result) from task.damage
    return result


class _Task:
    """One file on its way: its frames, its connector, what became of them."""

    def __init__(self, recording: Recording, symbols: Collection[str] | None) -> None:
        self.recording = recording
        self.waiting: list[RecordedLine] = []
        """Frames read and not yet looked at."""
        self.damage: DamagedInput | None = None
        self.counts: Counter[str] = Counter()
        self.unsupported: Counter[str] = Counter()
        self.first: int | None = None
        self.last: int | None = None
        self._symbols = None if symbols is None else frozenset(symbols)
        self._connector = recording.connector()

    def frames(self) -> Iterator[RecordedLine]:
        """The frames; the damage at their end is kept for later."""
        try:
            yield from self.recording.frames()
        except DamagedInput as error:
            self.damage = error

    def batch(self) -> Batch:
        """Count what the waiting frames hold; none waits any more."""
        frames, self.waiting = self.waiting, []
        layout = self.recording.layout
        assert layout is not None  # where there are frames, there is a layout
        if self._connector is None:
            batch = batch_of(frames, layout.exchange, session=self.recording.session)
        else:
            batch = self._read(frames, self._connector)
        self._filter(batch)
        self._count(batch, len(frames))
        return batch

    def _read(self, frames: list[RecordedLine], connector: BaseConnector) -> Batch:
        messages = [frame for frame in frames if frame.kind == "message"]
        session = self.recording.session
        batch = connector.batch([f.data for f in messages], [f.received for f in messages], session=session)
        if len(messages) < len(frames):
            batch.other += sum(frame.kind == "aside" for frame in frames)
            batch.malformed[:0] = [
                malformed(connector.exchange, frame.error, frame.data, frame.received, session=session)
                for frame in frames
                if frame.kind == "garbage"  # it comes first: see `_Replay.run`
            ]
        return batch

    def _filter(self, batch: Batch) -> None:
        if self._symbols is None:
            return
        for symbol in batch.parts.keys() - self._symbols - {None}:
            self.counts["filtered"] += len(batch.parts.pop(symbol).rows)

    def _count(self, batch: Batch, frames: int) -> None:
        self.counts["frames"] += frames
        self.counts["malformed"] += len(batch.malformed)
        self.counts["other"] += batch.other
        self.unsupported.update(batch.unsupported)
        for part in batch.parts.values():
            self.counts["trades"] += len(part.rows)
            times = [row.timestamp for row in part.rows if row.timestamp is not None]
            if times:
                first, last = min(times), max(times)
                self.first = first if self.first is None else min(self.first, first)
                self.last = last if self.last is None else max(self.last, last)


class _Replay:
    """The shell around it: packs to the stream, progress to the caller."""

    def __init__(
        self, stream: PackSink, tasks: list[_Task], packer: Packer, progress: Callable[[int, int], None] | None
    ) -> None:
        self._stream, self._tasks, self._packer, self._progress = stream, tasks, packer, progress
        self._total = sum(task.recording.total_bytes for task in tasks)

    def run(self, frames: Iterable[tuple[_Task, RecordedLine]]) -> None:
        room, room_bytes = self._room()
        for number, (task, frame) in enumerate(frames, 1):
            if frame.kind == "garbage":
                self._pack()  # so that malformed frames stay in order
            task.waiting.append(frame)
            room -= 1
            room_bytes -= len(frame.data)
            if room <= 0 or room_bytes <= 0:
                self._pack()
                if self._packer.full:
                    self.flush()
                room, room_bytes = self._room()
            if number % _FRAMES_BETWEEN_PROGRESS == 0:
                self._report()

    def _room(self) -> tuple[int, int]:
        """How many frames, of how many bytes together, may wait: no more than the segment has room for."""
        records, size = self._packer.room
        return min(records, _BATCH_FRAMES), min(size, _BATCH_BYTES)

    def _pack(self) -> None:
        for task in self._tasks:
            if not task.waiting:
                continue
            batch = task.batch()
            for symbol, part in batch.parts.items():
                self._packer.add_rows(batch.shared(symbol), part.rows, part.payloads)
            for record in batch.malformed:
                self._packer.add(record)

    def flush(self) -> None:
        """Send what has been collected."""
        self._pack()
        self._stream.append(self._packer.take())
        self._report()

    def _report(self) -> None:
        if self._progress:
            self._progress(sum(task.recording.read_bytes for task in self._tasks), self._total)

    def result(self) -> Replayed:
        """The counts of all files together."""
        counts: Counter[str] = sum((task.counts for task in self._tasks), Counter())
        return Replayed(
            sessions=tuple(task.recording.session for task in self._tasks),
            frames=counts["frames"],
            trades=counts["trades"],
            malformed=counts["malformed"],
            other=counts["other"],
            unsupported=dict(sum((task.unsupported for task in self._tasks), Counter())),
            filtered=counts["filtered"],
            first=min((task.first for task in self._tasks if task.first is not None), default=None),
            last=max((task.last for task in self._tasks if task.last is not None), default=None),
        )


def _with_task(task: _Task) -> Iterator[tuple[_Task, RecordedLine]]:
    for frame in task.frames():
        yield task, frame


def _paced(
    frames: Iterable[tuple[_Task, RecordedLine]],
    speed: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    flush: Callable[[], None],
) -> Iterator[tuple[_Task, RecordedLine]]:
    """The same frames, each no earlier than its time; what came before is sent before the wait."""
    due = previous = None
    for task, frame in frames:
        if due is None or previous is None:
            due = clock()
        else:
            due += min(max(frame.received - previous, 0) / 1e6, LONGEST_PAUSE_SECONDS) / speed
        previous = frame.received
        wait = due - clock()
        if wait > 0:
            flush()
            sleep(max(wait, LINGER_SECONDS))
        yield task, frame
