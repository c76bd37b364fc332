"""A simulated market: frames as two exchanges would send them, and the truth about what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from coattail.errors import ConfigError
from coattail.market.character import CALM, Character
from coattail.market.clusters import natural_whales
from coattail.market.crash import PlantedCrash
from coattail.market.demo import demo_events
from coattail.market.feed import PlantedBacklog, PlantedRefilledGap, PlantedStall
from coattail.market.instruments import DEFAULT_INSTRUMENTS, EXCHANGES, SimulatedInstrument
from coattail.market.planted import Planted, PlantedRegime, PlantedWhale, changes, concerns
from coattail.market.planting import check_planted
from coattail.market.sending import Drawn, sent, trades_before
from coattail.market.tape import CHUNK_US, Carried, Chunk, Tape, opening
from coattail.market.truth import truth_frame
from coattail.market.wire import Frame
from coattail.records import micros

_SETTLED_US = 1_000_000
"""After this time, every frame that nothing holds back has arrived."""


@dataclass(frozen=True, kw_only=True)
class Market:
    """A simulated market; equal configurations give equal bytes, however the time is cut into calls.

    It is drawn in fixed chunks of five minutes and remembers a few numbers per chunk, so it goes on for as long as
    somebody asks. Ids are contiguous per instrument, prices of one asset stay within some basis points across venues
    (unless planted). In a `CALM` one no order except planted whales exceeds `coattail.market.fills.LARGEST_ORDER`.

    Raises: ConfigError: If the configuration is impossible or a planted event names an unknown instrument.
    """

    seed: int = 7
    start: datetime = datetime(2025, 3, 4, 12, tzinfo=UTC)
    """First moment, on a whole second."""
    duration: timedelta = timedelta(hours=2)
    """How far `frames()` and `truth()` go by default; asking for more is fine."""
    exchanges: tuple[str, ...] = EXCHANGES
    instruments: tuple[SimulatedInstrument, ...] = DEFAULT_INSTRUMENTS
    """Those of `exchanges` are traded."""
    rate: float = 1.0
    """Multiplies the trades per minute of every instrument."""
    character: Character = CALM
    """How it behaves: one of `CHARACTERS`."""
    planted: tuple[Planted, ...] | None = None
    """Events; None is the demo's plan, which never ends (`coattail.market.demo`)."""
    heartbeat: timedelta | None = timedelta(seconds=5)
    """How often Coinbase sends a heartbeat per product (the real one: every second); None: never."""
    _carried: list[Carried] = field(default_factory=list, init=False, repr=False, compare=False)
    """What chunk i starts from, as far as it is known."""
    _by_chunk: dict[int, tuple[Planted, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The planted events by chunk."""

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
        check_planted(self.planted or (), self.traded)

    @property
    def end(self) -> datetime:
        """`start` + `duration`."""
        return self.start + self.duration

    @property
    def traded(self) -> tuple[SimulatedInstrument, ...]:
        """The instruments of the chosen exchanges, as they trade in a market of this character."""
        return tuple(self.character.of(i) for i in self.instruments if i.exchange in self.exchanges)

    @property
    def identity(self) -> dict[str, object]:
        """What identifies this market: seed, character, start, rate."""
        start = self.start.isoformat().replace("+00:00", "Z")
        return {"seed": self.seed, "character": self.character.name, "start": start, "rate": self.rate}

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
        """The planted events, and whales that nobody planted (`"natural": true`), as a frame (`TRUTH_SCHEMA`).

        Without arguments those of the whole duration.
        """
        since, until = since or self.start, until or self.end
        planted = self.planted_between(since, until)
        told = [e for p in planted for e in (p.told(self.traded) if isinstance(p, PlantedCrash) else (p,))]
        return truth_frame([*told, *self._natural(since, until, planted)])

    def _natural(self, since: datetime, until: datetime, planted: Sequence[Planted]) -> Iterator[PlantedWhale]:
        """Whales that nobody planted, but for those of a venue that stood still."""
        if self.character.steady:
            return
        stalls = [event for event in planted if isinstance(event, PlantedStall)]
        begin = micros(self.start)
        for index in range(max((micros(since) - begin) // CHUNK_US, 0), -((begin - micros(until)) // CHUNK_US)):
            for instrument in self.traded:
                start = begin + index * CHUNK_US
                place = (self.seed, self.character, instrument, self.rate, index, start)
                for event in natural_whales(*place, changes(self.planted or (), instrument)):
                    stalled = any(s.exchange == event.exchange and s.start <= event.start < s.end for s in stalls)
                    if since <= event.start < until and not stalled:
                        yield event

    def frames(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Frame]:
        """The frames that arrive at since <= t < until, in that order; without arguments those of the whole duration.

        `frames(a, b)` and then `frames(b, c)` is `frames(a, c)`. A frame is received 12 to 57 ms after its event,
        unless something else is planted.
        """
        for batch in self.batches(since, until):
            yield from batch

    def batches(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[list[Frame]]:
        """The same as `frames`, in lists of up to five minutes."""
        for table in self.tables(since, until):
            names = ("received", "exchange", "data", "connection")
            columns = [table["data"].cast(pl.Binary) if n == "data" else table[n] for n in names]
            yield list(map(Frame._make, zip(*(c.to_list() for c in columns), strict=True)))

    def tables(
        self, since: datetime | None = None, until: datetime | None = None, *, together: int = 1
    ) -> Iterator[pl.DataFrame]:
        """The same as `batches`, by columns: arrived, received, exchange, connection, data.

        `arrived` is ns since 1970 UTC by a right clock, `received` by the receiver's. `together` chunks are drawn at
        once, which is faster for a caller who wants them all.
        """
        begin = micros(self.start)
        first, last = (micros(since or self.start) * 1000, micros(until or self.end) * 1000)
        waiting: list[pl.DataFrame] = []
        arrived = pl.col("arrived")
        chunks = self._chunks(since, until)
        for low in range(chunks.start, chunks.stop, together):
            indices = range(low, min(low + together, chunks.stop))
            group = [Drawn(*self._drawn(index), self._planted_at(index)) for index in indices]
            for index, frames in zip(indices, sent(group, self.heartbeat), strict=True):
                end = begin + (index + 1) * CHUNK_US
                table = pl.concat([*waiting, frames]).sort("arrived", maintain_order=True)
                come = int(table["arrived"].search_sorted(end * 1000))
                waiting = [table[come:]] if come < table.height else []
                batch = table[:come].filter((arrived >= first) & (arrived < last))
                if batch.height:
                    yield batch

    def tapes(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[tuple[int, list[Tape], tuple[Planted, ...]]]:
        """(number, tape per traded instrument, events) of every chunk of which frames may arrive at since <= t < until.

        Before the first chunk come the trades that Coinbase repeats when one subscribes, as chunk -1.
        """
        if micros(since or self.start) <= micros(self.start) < micros(until or self.end):
            yield -1, trades_before(self._drawn(0)[0]), ()
        for index in self._chunks(since, until):
            yield index, self._drawn(index)[1], self._planted_at(index)

    def _chunks(self, since: datetime | None, until: datetime | None) -> range:
        """Chunks of which a frame may arrive at since <= t < until."""
        begin = micros(self.start)
        wanted = first = micros(since or self.start)
        for event in self.planted or ():
            if isinstance(event, PlantedRefilledGap | PlantedBacklog):
                held = event.refilled_at if isinstance(event, PlantedRefilledGap) else event.end
                if micros(event.start) < wanted <= micros(held + event.length) + _SETTLED_US:
                    first = min(first, micros(event.start))
        return range(max((first - begin) // CHUNK_US - 1, 0), -((begin - micros(until or self.end)) // CHUNK_US))

    def _planted_at(self, index: int) -> tuple[Planted, ...]:
        """The events that touch a chunk, or the moments at which its frames would arrive."""
        since = self.start + timedelta(microseconds=index * CHUNK_US)
        until = since + timedelta(microseconds=CHUNK_US + _SETTLED_US)
        if self.planted is None:
            return self.planted_between(since, until)
        if not self._by_chunk:
            self._by_chunk.update({-1: ()})
            for event in self.planted:
                if isinstance(event, PlantedRegime):
                    continue
                low = (micros(event.start) - micros(self.start) - _SETTLED_US) // CHUNK_US
                high = (micros(event.end) - micros(self.start)) // CHUNK_US
                for at in range(max(low, 0), high + 1):
                    self._by_chunk[at] = (*self._by_chunk.get(at, ()), event)
        regimes = (e for e in self.planted if isinstance(e, PlantedRegime) and e.start < until)
        return (*regimes, *self._by_chunk.get(index, ()))

    def _drawn(self, index: int) -> tuple[Chunk, list[Tape]]:
        """A chunk and its tapes; chunks before it that nobody asked for are drawn on the way."""
        if not self._carried:
            self._carried.append(opening(self.seed, self.traded))
        while True:
            at = min(index, len(self._carried) - 1)
            chunk = Chunk(
                seed=self.seed,
                index=at,
                start=micros(self.start) + at * CHUNK_US,
                rate=self.rate,
                instruments=self.traded,
                planted=self._planted_at(at),
                before=self._carried[at],
                character=self.character,
            )
            tapes, after = chunk.drawn()
            if at + 1 == len(self._carried):
                self._carried.append(after)
            if at == index:
                return chunk, tapes
