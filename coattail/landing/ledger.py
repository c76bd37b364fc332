"""One instrument's ledger of contiguous trade ids: which are here, missing, rejected, or never watched."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from coattail.intervals import Intervals
from coattail.landing.causes import Causes

LedgerRow = tuple[int, int, int | None, int | None, str, str | None, int | None, int | None]
"""(first id, last id, first µs, last µs, state, cause, first fill, last fill) of a row of the table `coverage`."""

FILL = 4
"""A fill is its time (µs) times this, plus 1 if the taker bought, 2 if he sold: fills of one order are equal."""

_CAUSES = {
    "gap": "ids missing inside a session",
    "unobserved": "nobody listened between two sessions",
    "rejected": "the trade is in the DLQ",
    "backfilled": "not heard live, but fetched from the exchange's history",
}
EXPLAINED = {state: _CAUSES[state] for state in ("gap", "backfilled")}
"""States of which the producer may know why -> what is said where it does not."""


class Pieces(NamedTuple):
    """Landed ids in order, and at which places one goes on without a missing id."""

    firsts: list[int]
    lasts: list[int]
    first_ts: list[int]
    last_ts: list[int]
    bridged: list[int]


@dataclass(frozen=True, slots=True)
class Run:
    """Trades that landed together, of one instrument in one session: contiguous ids, or any that are only unique.

    Times are µs.
    """

    exchange: str
    symbol: str
    session: str
    first_id: int
    last_id: int
    first_ts: int
    last_ts: int
    fetched: bool = False
    """Whether they came from the exchange's history (source `backfill`)."""
    first_fill: int | None = None
    last_fill: int | None = None
    """The trades with the first and the last id, as `FILL` says; None where nobody asks whether orders go on."""
    ids: bytes = b""
    """Where ids are only unique: the ids themselves, 8 bytes each, so that they are known again."""
    times: bytes = b""
    """Their times, likewise."""


@dataclass(slots=True)
class TimedIds:
    """Sets of ids, with the earliest and latest trade time of each interval (µs, in the order of the intervals), and
    the fills at its two ends."""

    ids: Intervals = field(default_factory=Intervals)
    first_ts: list[int] = field(default_factory=list)
    last_ts: list[int] = field(default_factory=list)
    first_fill: list[int | None] = field(default_factory=list)
    last_fill: list[int | None] = field(default_factory=list)

    def copy(self) -> TimedIds:
        """An independent copy."""
        return TimedIds(
            self.ids.copy(), self.first_ts.copy(), self.last_ts.copy(), self.first_fill.copy(), self.last_fill.copy()
        )

    def add(
        self,
        first: int,
        last: int,
        first_ts: int,
        last_ts: int,
        first_fill: int | None = None,
        last_fill: int | None = None,
    ) -> None:
        """Add ids, their times, and the fills at their ends."""
        if self.ids.lasts and first == self.ids.lasts[-1] + 1:  # as nearly all come
            self.ids.lasts[-1], self.last_fill[-1] = last, last_fill
            self.first_ts[-1], self.last_ts[-1] = min(first_ts, self.first_ts[-1]), max(last_ts, self.last_ts[-1])
            return
        joined = self.ids.touching(first, last)
        if joined.start < joined.stop:
            lowest, highest = self.ids.firsts[joined.start], self.ids.lasts[joined.stop - 1]
            if lowest < first or (lowest == first and first_fill is None):
                first_fill = self.first_fill[joined.start]
            if highest > last or (highest == last and last_fill is None):
                last_fill = self.last_fill[joined.stop - 1]
        self.ids.add(first, last)
        self.first_ts[joined] = [min([first_ts, *self.first_ts[joined]])]
        self.last_ts[joined] = [max([last_ts, *self.last_ts[joined]])]
        self.first_fill[joined], self.last_fill[joined] = [first_fill], [last_fill]

    def __iter__(self) -> Iterator[tuple[int, int, int, int, int | None, int | None]]:
        columns = (self.first_ts, self.last_ts, self.first_fill, self.last_fill)
        return iter(zip(self.ids.firsts, self.ids.lasts, *columns, strict=True))


_NO_TIMED_IDS, _NO_IDS, _NO_CAUSES = TimedIds(), Intervals(), Causes()
"""What ledgers share that have none; nobody adds to them."""


@dataclass(slots=True)
class Ledger:
    """One instrument's ids.

    Those that have landed; of these the fetched ones; the rejected ones; and per session the ids between which it
    listened: a hole inside a session is a gap, a hole between sessions was not observed.
    """

    here: TimedIds = field(default_factory=TimedIds)
    fetched: TimedIds = field(default_factory=lambda: _NO_TIMED_IDS)
    rejected: Intervals = field(default_factory=lambda: _NO_IDS)
    sessions: dict[str, tuple[int, int]] = field(default_factory=dict)
    causes: Causes = field(default_factory=lambda: _NO_CAUSES)
    """Why ids were missed; only the words of `rows` depend on it."""
    _borrowed: bool = field(default=True, repr=False, compare=False)
    """Whether `fetched`, `rejected` and `causes` are other ledgers' too: few instruments ever have any, and thousands
    of empty lists are what a garbage collection takes its time for."""

    def copy(self) -> Ledger:
        """A copy that may change while this one no longer does: what seldom changes is copied when it does."""
        return Ledger(self.here.copy(), self.fetched, self.rejected, self.sessions.copy(), self.causes)

    def _own(self) -> None:
        if self._borrowed:
            self.fetched, self.rejected = self.fetched.copy(), self.rejected.copy()
            self.causes = self.causes.copy()
            self._borrowed = False

    @property
    def landed(self) -> Intervals:
        """The ids that have landed."""
        return self.here.ids

    def land(self, run: Run) -> tuple[int, int]:
        """Add a run; returns the µs range whose completeness it may have changed."""
        low, high = run.first_ts, run.last_ts
        place = bisect_right(self.landed.firsts, run.first_id)
        for near in range(max(place - 1, 0), min(place + 1, len(self.landed))):
            # Windows that neither saw whole alone end after the earlier end and begin before the later beginning,
            # whichever is earlier. Without a joint a hole of rejected ids may lie between: then the same holds.
            low, high = min(low, self.here.last_ts[near]), max(high, self.here.first_ts[near])
        self.add(
            run.first_id, run.last_id, run.first_ts, run.last_ts, run.first_fill, run.last_fill, fetched=run.fetched
        )
        first, last = self.sessions.get(run.session, (run.first_id, run.last_id))
        self.sessions[run.session] = min(first, run.first_id), max(last, run.last_id)
        return low, high

    def joints(self, run: Run) -> Iterator[int]:
        """The times (µs) of orders that go on from what has landed into the run, or from the run into that."""
        place = bisect_left(self.landed.firsts, run.first_id)
        before = self.here.last_fill[place - 1] if place and self.landed.lasts[place - 1] == run.first_id - 1 else None
        if before is not None and before == run.first_fill:
            yield before // FILL
        goes_on = place < len(self.landed) and self.landed.firsts[place] == run.last_id + 1
        after = self.here.first_fill[place] if goes_on else None
        if after is not None and after == run.last_fill:
            yield after // FILL

    def reject(self, first: int, last: int) -> list[tuple[int, int]]:
        """Account for rejected ids; returns the µs ranges whose completeness they may have changed."""
        self.refuse(first, last)
        before, after = self._times_around(first, last)
        if before is None or after is None:
            return []
        low, high = min(before[1], after[1]), max(before[0], after[0])
        return [(min(low, high), max(low, high))]

    def add(
        self,
        first: int,
        last: int,
        first_ts: int,
        last_ts: int,
        first_fill: int | None = None,
        last_fill: int | None = None,
        *,
        fetched: bool = False,
    ) -> None:
        """Add landed ids, their times, and the fills at their ends."""
        self.here.add(first, last, first_ts, last_ts, first_fill, last_fill)
        if fetched:
            self._own()
            self.fetched.add(first, last, first_ts, last_ts, first_fill, last_fill)

    def refuse(self, first: int, last: int) -> None:
        """Know that trades of these ids were rejected."""
        self._own()
        self.rejected.add(first, last)

    def explain(self, first: int, last: int, why: str) -> None:
        """Know why ids were missed."""
        self._own()
        self.causes.add(first, last, why)

    def observed(self) -> Intervals:
        """Ids between which some session listened."""
        return Intervals.of(sorted(self.sessions.values()))

    def missing(self) -> Iterator[tuple[int, int, str]]:
        """(first id, last id, `gap` or `unobserved`) of every hole that no rejected trade explains."""
        holes = Intervals.of(self.landed.union(self.rejected).holes())
        unseen = Intervals.of(holes.minus(self.observed()))
        yield from ((*pair, "unobserved") for pair in unseen)
        yield from ((*pair, "gap") for pair in holes.minus(unseen))

    def pieces(self) -> Pieces:
        """The landed intervals; a hole of rejected ids interrupts nothing."""
        bridged: list[int] = []
        for first, last in self.rejected:
            touched = self.landed.touching(first, last)
            bridged += range(touched.start + 1, touched.stop)
        return Pieces(self.landed.firsts, self.landed.lasts, self.here.first_ts, self.here.last_ts, bridged)

    def rows(self) -> Iterator[LedgerRow]:
        """Live, backfilled, gap, unobserved and rejected ranges.

        Times of a missing or rejected range are those of the trades around it; those of a live range that goes on
        where a fetched one ends, of the trade there.
        """
        yield from self._live()
        for first, last, first_ts, last_ts, opens, ends in self.fetched:
            yield first, last, first_ts, last_ts, "backfilled", self._cause(first, last, "backfilled"), opens, ends
        rejected = ((first, last, "rejected") for first, last in self.rejected.minus(self.landed))
        for first, last, state in chain(self.missing(), rejected):
            before, after = self._times_around(first, last)
            cause = self._cause(first, last, state)
            yield first, last, before and before[1], after and after[0], state, cause, None, None

    def _cause(self, first: int, last: int, state: str) -> str:
        return (self.causes.of(first, last) if state in EXPLAINED else None) or _CAUSES[state]

    def _live(self) -> Iterator[LedgerRow]:
        for first, last, first_ts, last_ts, first_fill, last_fill in self.here:
            for low, high in Intervals([first], [last]).minus(self.fetched.ids):
                since, opens = first_ts, first_fill
                until, ends = last_ts, last_fill
                if low != first:
                    since, opens = self.fetched.last_ts[bisect_left(self.fetched.ids.lasts, low - 1)], None
                if high != last:
                    until, ends = self.fetched.first_ts[bisect_left(self.fetched.ids.lasts, high)], None
                yield low, high, since, until, "live", None, opens, ends

    def heard(self) -> Iterator[tuple[str, int, int]]:
        """(session, lowest id, highest id)."""
        yield from ((session, *ids) for session, ids in sorted(self.sessions.items()))

    @property
    def oldest(self) -> int | None:
        """Earliest time of a landed trade, µs."""
        return min(self.here.first_ts, default=None)

    @property
    def newest(self) -> int | None:
        """Latest time of a landed trade, µs."""
        return max(self.here.last_ts, default=None)

    def _times_around(self, first: int, last: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """(earliest, latest) time of the landed intervals before and after first…last; None where there is none."""
        before = bisect_left(self.landed.firsts, first) - 1
        after = bisect_right(self.landed.firsts, last)
        return (
            (self.here.first_ts[before], self.here.last_ts[before]) if before >= 0 else None,
            (self.here.first_ts[after], self.here.last_ts[after]) if after < len(self.landed) else None,
        )
