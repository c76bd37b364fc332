"""What a bad line does to a feed: frames in, worse frames out; and what is planted in a line, by columns."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from coattail.market.feed import (
    PlantedBacklog,
    PlantedDuplicates,
    PlantedGap,
    PlantedLag,
    PlantedRefilledGap,
    PlantedSkew,
)
from coattail.market.lasting import Lasting
from coattail.market.planted import Planted
from coattail.market.prices import Flags, Ints
from coattail.market.randomness import generator
from coattail.market.tape import Tape
from coattail.market.wire import Frame, trade_of
from coattail.records import micros

_LATEST_REPEAT = 200
_PACE = 1000
"""A backlog arrives this many times faster than it was sent."""
_REPEAT_WITHIN_NS = 2_000_000_000
_REFILL_NS = 1_000


class Arrivals(NamedTuple):
    """The trades of a tape as they arrive."""

    row: Ints
    """Which trade of the tape."""
    arrived: Ints
    """When, ns since 1970 UTC, by a right clock."""
    received: Ints
    """When, by the receiver's clock."""
    connection: Ints
    """`Frame.connection`."""


def arrivals(seed: int, chunk: int, tape: Tape, events: Iterable[Planted], key: str) -> Arrivals:
    """How a chunk's trades of the instrument `key` arrive, given the events that concern it."""
    row = np.arange(len(tape.time))
    connection = np.zeros(len(row), np.int64)
    lines = [e for e in events if isinstance(e, PlantedDuplicates | PlantedBacklog | PlantedLag | PlantedSkew)]
    arrived, received = on_the_line(tape.received, lines)
    for event in events:
        if isinstance(event, PlantedGap | PlantedRefilledGap):
            inside = (tape.time >= micros(event.start)) & (tape.time < micros(event.end))
            connection[inside] = -1
            if isinstance(event, PlantedRefilledGap):
                connection[inside] = 1
                arrived[inside] = micros(event.refilled_at) * 1000 + _REFILL_NS * np.arange(inside.sum())
                received[inside] = arrived[inside]
    repeats = [np.flatnonzero(connection >= 0)]
    late = [np.zeros(len(repeats[0]), np.int64)]
    for event in lines:
        if isinstance(event, PlantedDuplicates):
            rng = generator(seed, f"duplicates:{micros(event.start)}:{key}", chunk)
            again = (rng.random(len(row)) < event.rate) & _within(event, tape.received) & (connection == 0)
            repeats.append(np.flatnonzero(again))
            late.append(rng.integers(0, _REPEAT_WITHIN_NS, len(repeats[-1])))
    if len(repeats) > 1 or len(repeats[0]) < len(row):
        row, later = np.concatenate(repeats), np.concatenate(late)
        arrived, received, connection = arrived[row] + later, received[row] + later, connection[row]
    return Arrivals(row, arrived, received, connection)


def on_the_line(sent: Ints, events: Iterable[Planted]) -> tuple[Ints, Ints]:
    """When what would arrive at `sent` (ns) does: by a right clock, and by the receiver's.

    A backlog holds it until its end, a lag for some seconds; a skewed clock is the one of the time at which it would
    have arrived.
    """
    arrived, off = sent.copy(), np.zeros(len(sent), np.int64)
    for event in events:
        if isinstance(event, PlantedBacklog):
            start, end = micros(event.start) * 1000, micros(event.end) * 1000
            released = end + (sent - start) // _PACE
            arrived = np.where(sent >= start, np.maximum(arrived, released), arrived)
        elif isinstance(event, PlantedLag):
            arrived = arrived + _lag_ns(event, sent)
        elif isinstance(event, PlantedSkew):
            off[_within(event, sent)] += event.offset // timedelta(microseconds=1) * 1000
    return arrived, arrived + off


def _lag_ns(event: PlantedLag, sent: Ints) -> Ints:
    """How much later than usual what would arrive at `sent` (ns) does."""
    length, lag = event.length.total_seconds(), event.lag.total_seconds()
    seconds = (sent - micros(event.start) * 1000) / 1e9
    course = np.interp(seconds, (0.0, 0.1 * length, 0.8 * length, length), (0.0, lag, lag, 0.0))
    return (course * 1e9).astype(np.int64)


def _within(event: Lasting, moments: Ints) -> Flags:
    """Which moments (ns since 1970 UTC) lie in an event."""
    return (moments >= micros(event.start) * 1000) & (moments < micros(event.end) * 1000)


def with_duplicates(frames: Iterable[Frame], rate: float, seed: int = 0) -> Iterator[Frame]:
    """Every frame, and a share `rate` of them once more, at most 200 frames later.

    A repeat is received together with the frame it follows, so receive times still never go back.
    """
    rng = generator(seed, "duplicates")
    repeats: list[tuple[int, int, Frame]] = []
    now = 0
    for position, frame in enumerate(frames):
        yield frame
        now = frame.received
        if rng.random() < rate:
            heapq.heappush(repeats, (position + int(rng.integers(0, _LATEST_REPEAT)), position, frame))
        while repeats and repeats[0][0] <= position:
            yield heapq.heappop(repeats)[2]._replace(received=now)
    for _, _, frame in sorted(repeats):
        yield frame._replace(received=now)


def with_gap(frames: Iterable[Frame], *, exchange: str, code: str, ids: range) -> Iterator[Frame]:
    """The frames without the trades of one instrument whose ids are in `ids`.

    `code` is the exchange's own name of the instrument: `BTCUSDT`, `BTC-USD`.
    """
    for frame in frames:
        trade = trade_of(frame) if frame.exchange == exchange else None
        if trade is None or trade[0] != code or trade[1] not in ids:
            yield frame


def shuffled(frames: Iterable[Frame], within: timedelta, seed: int = 0) -> Iterator[Frame]:
    """The frames in another order: each is received up to `within` later than it was, evenly spread.

    Frames have to come in the order of receive time; they leave in the order of the new one.
    """
    rng = generator(seed, "shuffled")
    width = max(within // timedelta(microseconds=1) * 1000, 1)
    delayed: list[tuple[int, int, Frame]] = []
    for position, frame in enumerate(frames):
        while delayed and delayed[0][0] <= frame.received:
            received, _, ready = heapq.heappop(delayed)
            yield ready._replace(received=received)
        heapq.heappush(delayed, (frame.received + int(rng.integers(0, width)), position, frame))
    for received, _, ready in sorted(delayed):
        yield ready._replace(received=received)
