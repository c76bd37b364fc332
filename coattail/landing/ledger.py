"""One instrument's ledger of contiguous trade ids: which are here, missing, rejected, or never watched."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from coattail.intervals import Intervals

LedgerRow = tuple[int, int, int | None, int | None, str, str | None]
"""(first id, last id, first µs, last µs, state, cause) of a row of the table `coverage`."""

_CAUSES = {
    "gap": "ids missing inside a session",
    "unobserved": "nobody listened between two sessions",
    "rejected": "the trade is in the DLQ",
}


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
    ids: bytes = b""
    """Where ids are only unique: the ids themselves, 8 bytes each, so that they are known again."""
    times: bytes = b""
    """Their times, likewise."""


@dataclass(slots=True)
class Ledger:
    """One instrument's ids.

    `landed` with the earliest and latest trade time of each interval (µs, in the order of the intervals); `rejected`
    ids; and per session the ids between which it listened: a hole inside a session is a gap, a hole between sessions
    was not observed.
    """

    landed: Intervals = field(default_factory=Intervals)
    first_ts: list[int] = field(default_factory=list)
    """Earliest time in each interval of `landed`."""
    last_ts: list[int] = field(default_factory=list)
    """Latest time in each interval of `landed`."""
    rejected: Intervals = field(default_factory=Intervals)
    sessions: dict[str, tuple[int, int]] = field(default_factory=dict)

    def copy(self) -> Ledger:
        """An independent copy."""
        return Ledger(
            self.landed.copy(), self.first_ts.copy(), self.last_ts.copy(), self.rejected.copy(), self.sessions.copy()
        )

    def land(self, run: Run) -> tuple[int, int]:
        """Add a run; returns the µs range whose completeness it may have changed."""
        low, high = run.first_ts, run.last_ts
        place = bisect_right(self.landed.firsts, run.first_id)
        for near in range(max(place - 1, 0), min(place + 1, len(self.landed))):
            # Windows that neither saw whole alone end after the earlier end and begin before the later beginning,
            # whichever is earlier. Without a joint a hole of rejected ids may lie between: then the same holds.
            low, high = min(low, self.last_ts[near]), max(high, self.first_ts[near])
        self.add(run.first_id, run.last_id, run.first_ts, run.last_ts)
        first, last = self.sessions.get(run.session, (run.first_id, run.last_id))
        self.sessions[run.session] = min(first, run.first_id), max(last, run.last_id)
        return low, high

    def reject(self, first: int, last: int) -> list[tuple[int, int]]:
        """Account for rejected ids; returns the µs ranges whose completeness they may have changed."""
        self.rejected.add(first, last)
        before, after = self._times_around(first, last)
        if before is None or after is None:
            return []
        low, high = min(before[1], after[1]), max(before[0], after[0])
        return [(min(low, high), max(low, high))]

    def add(self, first: int, last: int, first_ts: int, last_ts: int) -> None:
        """Add landed ids and their times."""
        joined = self.landed.touching(first, last)
        self.landed.add(first, last)
        self.first_ts[joined] = [min([first_ts, *self.first_ts[joined]])]
        self.last_ts[joined] = [max([last_ts, *self.last_ts[joined]])]

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
        return Pieces(self.landed.firsts, self.landed.lasts, self.first_ts, self.last_ts, bridged)

    def rows(self) -> Iterator[LedgerRow]:
        """Live, gap, unobserved and rejected ranges.

        Times of a missing or rejected range are those of the trades around it.
        """
        landed = zip(self.landed.firsts, self.landed.lasts, self.first_ts, self.last_ts, strict=True)
        yield from ((*interval, "live", None) for interval in landed)
        rejected = ((first, last, "rejected") for first, last in self.rejected.minus(self.landed))
        for first, last, state in chain(self.missing(), rejected):
            before, after = self._times_around(first, last)
            yield first, last, before and before[1], after and after[0], state, _CAUSES[state]

    def heard(self) -> Iterator[tuple[str, int, int]]:
        """(session, lowest id, highest id)."""
        yield from ((session, *ids) for session, ids in sorted(self.sessions.items()))

    @property
    def oldest(self) -> int | None:
        """Earliest time of a landed trade, µs."""
        return min(self.first_ts, default=None)

    @property
    def newest(self) -> int | None:
        """Latest time of a landed trade, µs."""
        return max(self.last_ts, default=None)

    def _times_around(self, first: int, last: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """(earliest, latest) time of the landed intervals before and after first…last; None where there is none."""
        before = bisect_left(self.landed.firsts, first) - 1
        after = bisect_right(self.landed.firsts, last)
        return (
            (self.first_ts[before], self.last_ts[before]) if before >= 0 else None,
            (self.first_ts[after], self.last_ts[after]) if after < len(self.landed) else None,
        )
