"""A market that never was: frames as two exchanges would send them, and the truth about what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from coattail.errors import ConfigError
from coattail.market.demo import demo_events
from coattail.market.fills import MOST_FILLS
from coattail.market.instruments import DEFAULT_INSTRUMENTS, EXCHANGES, Instrument
from coattail.market.planted import Planted, PlantedBurst, PlantedSpread, PlantedWhale, truth_frame
from coattail.market.tape import CHUNK_US, Carried, Chunk, Tape, concerns, opening
from coattail.market.wire import Frame, binance_trades, coinbase_heartbeats, coinbase_matches, coinbase_opening
from coattail.records import micros

_HEARTBEAT_NS = 900
"""A heartbeat arrives this much behind the trades of the same µs."""


@dataclass(frozen=True, kw_only=True)
class Market:
    """A simulated market; equal configurations give equal bytes, however the time is cut into calls.

    It is drawn in fixed chunks of five minutes and remembers a few numbers per chunk, so it goes on for as long as
    somebody asks. Ids are contiguous per instrument, prices of one asset stay within some basis points across venues
    (unless planted), and no order except planted whales exceeds `coattail.market.fills.LARGEST_ORDER`.

    Raises: ConfigError: If the configuration is impossible or a planted event names an unknown instrument.
    """

    seed: int = 7
    start: datetime = datetime(2025, 3, 4, 12, tzinfo=UTC)
    """First moment, on a whole second."""
    duration: timedelta = timedelta(hours=2)
    """How far `frames()` and `truth()` go when not told; asking for more is fine."""
    exchanges: tuple[str, ...] = EXCHANGES
    instruments: tuple[Instrument, ...] = DEFAULT_INSTRUMENTS
    """Those of `exchanges` are traded."""
    rate: float = 1.0
    """Multiplies the trades per minute of every instrument."""
    planted: tuple[Planted, ...] | None = None
    """Events; None is the demo's plan, which never ends (`coattail.market.demo`)."""
    heartbeat: timedelta | None = timedelta(seconds=5)
    """How often Coinbase sends a heartbeat per product (the real one: every second); None: never."""
    _carried: list[Carried] = field(default_factory=list, init=False, repr=False, compare=False)
    """What chunk i starts from, as far as it is known."""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.start.microsecond:
            raise ConfigError(f"a market cannot start at {self.start}", next_step="give a whole second with a zone")
        unknown = sorted({*self.exchanges, *(i.exchange for i in self.instruments)} - set(EXCHANGES))
        if unknown or not self.traded:
            wrong = ", ".join(unknown) or "a market without instruments"
            raise ConfigError(f"the simulator does not speak for {wrong}", next_step=f"known: {', '.join(EXCHANGES)}")
        if self.rate < 0 or (self.heartbeat is not None and self.heartbeat <= timedelta()):
            raise ConfigError(
                f"rate {self.rate} with heartbeat {self.heartbeat} is impossible", next_step="neither may be negative"
            )
        _check_planted(self.planted or (), self.traded)

    @property
    def end(self) -> datetime:
        """`start` + `duration`."""
        return self.start + self.duration

    @property
    def traded(self) -> tuple[Instrument, ...]:
        """The instruments of the chosen exchanges."""
        return tuple(i for i in self.instruments if i.exchange in self.exchanges)

    def planted_between(self, since: datetime, until: datetime) -> tuple[Planted, ...]:
        """Planted events on traded instruments that touch since <= t < until (event time)."""
        events = demo_events(self.start, since, until) if self.planted is None else self.planted
        traded = self.traded
        return tuple(
            e
            for e in events
            if e.start < until and (e.end > since or e.start >= since) and any(concerns(e, i) for i in traded)
        )

    def truth(self, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
        """The planted events as a frame (`TRUTH_SCHEMA`); without arguments those of the whole duration."""
        return truth_frame(self.planted_between(since or self.start, until or self.end))

    def frames(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Frame]:
        """The frames received at since <= t < until, in that order; without arguments those of the whole duration.

        `frames(a, b)` and then `frames(b, c)` is `frames(a, c)`. A frame is received 12 to 57 ms after its event.
        """
        for batch in self.batches(since, until):
            yield from batch

    def batches(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[list[Frame]]:
        """The same as `frames`, in lists of up to five minutes."""
        begin = micros(self.start)
        wanted = (micros(since or self.start) * 1000, micros(until or self.end) * 1000)
        index = max((wanted[0] // 1000 - begin) // CHUNK_US - 1, 0)
        waiting: list[Frame] = []
        while (begin + index * CHUNK_US) * 1000 < wanted[1]:
            frames = waiting + self._chunk_frames(index)
            index += 1
            received = np.fromiter((f.received for f in frames), np.int64, len(frames))
            ordered = [frames[i] for i in np.argsort(received, kind="stable").tolist()]
            received.sort()
            arrived, first, last = np.searchsorted(received, ((begin + index * CHUNK_US) * 1000, *wanted)).tolist()
            waiting = ordered[arrived:]
            batch = ordered[first : min(last, arrived)]
            if batch:
                yield batch

    def _chunk_frames(self, index: int) -> list[Frame]:
        """All frames whose events lie in a chunk, instrument by instrument."""
        chunk, tapes = self._drawn(index)
        frames = [] if index else self._opening_frames(chunk)
        for instrument, tape, (last_id, last_sequence) in zip(self.traded, tapes, chunk.before.last, strict=True):
            write = binance_trades if instrument.exchange == "binance" else coinbase_matches
            frames += _received(instrument.exchange, tape.received.tolist(), write(instrument, tape))
            if instrument.exchange == "coinbase" and self.heartbeat is not None:
                time = _multiples(chunk.start - micros(self.start), self.heartbeat) + micros(self.start)
                seen = np.searchsorted(tape.time, time, side="right")
                sequence = np.concatenate(([last_sequence], tape.sequence))[seen]
                received = chunk.received("coinbase", time) + _HEARTBEAT_NS
                messages = coinbase_heartbeats(instrument, time, last_id + seen, sequence)
                frames += _received("coinbase", received.tolist(), messages)
        return frames

    def _drawn(self, index: int) -> tuple[Chunk, list[Tape]]:
        """A chunk and its tapes; chunks before it that nobody asked for are drawn on the way."""
        if not self._carried:
            self._carried.append(opening(self.seed, self.traded))
        while True:
            at = min(index, len(self._carried) - 1)
            since = self.start + timedelta(microseconds=at * CHUNK_US)
            chunk = Chunk(
                seed=self.seed,
                index=at,
                start=micros(since),
                rate=self.rate,
                instruments=self.traded,
                planted=self.planted_between(since, since + timedelta(microseconds=CHUNK_US)),
                before=self._carried[at],
            )
            tapes, after = chunk.drawn()
            if at + 1 == len(self._carried):
                self._carried.append(after)
            if at == index:
                return chunk, tapes

    def _opening_frames(self, chunk: Chunk) -> list[Frame]:
        """Coinbase's acknowledgement and each product's last trade before the market began."""
        pairs = zip(chunk.instruments, chunk.before.last, strict=True)
        coinbase = [(instrument, last) for instrument, last in pairs if instrument.exchange == "coinbase"]
        if not coinbase:
            return []
        messages = coinbase_opening(coinbase, chunk.start, heartbeats=self.heartbeat is not None)
        received = [chunk.start * 1000 + i * 10_000 for i in range(len(messages))]
        return list(_received("coinbase", received, messages))


def _received(exchange: str, received: list[int], messages: list[bytes]) -> Iterator[Frame]:
    return map(Frame._make, zip(received, [exchange] * len(messages), messages, strict=True))


def _multiples(since: int, every: timedelta) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Multiples of a duration in the chunk that begins `since` µs after the market."""
    step = every // timedelta(microseconds=1)
    return np.arange(-(-since // step), -(-(since + CHUNK_US) // step), dtype=np.int64) * step


def _check_planted(planted: tuple[Planted, ...], traded: tuple[Instrument, ...]) -> None:
    """Every event can happen and be told from the others."""
    known = ", ".join(i.key for i in traded)
    whales = set()
    for event in planted:
        if not any(concerns(event, i) for i in traded):
            raise ConfigError(f"nothing trades where {event} is planted", next_step=f"traded: {known}")
        if isinstance(event, PlantedWhale):
            moment = (event.exchange, event.symbol, micros(event.start) // 1000)
            if moment in whales or not 1 <= event.fills <= MOST_FILLS or event.notional <= 0:
                raise ConfigError(
                    f"{event} is impossible", next_step=f"give 1 to {MOST_FILLS} fills and a millisecond of its own"
                )
            whales.add(moment)
        elif event.length <= timedelta():
            raise ConfigError(f"{event} is impossible", next_step="give it a positive length")
        elif isinstance(event, PlantedBurst) and event.factor < 1:
            raise ConfigError(f"{event} is impossible", next_step="give a factor of at least 1")
        elif isinstance(event, PlantedSpread) and event.pct <= -100:
            raise ConfigError(f"{event} is impossible", next_step="give a shift above -100 %")
