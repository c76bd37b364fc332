"""What a bad line does to a feed: frames in, worse frames out."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import timedelta

from coattail.market.randomness import generator
from coattail.market.wire import Frame, trade_of

_LATEST_REPEAT = 200


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
