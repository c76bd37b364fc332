"""Step 2 of 7: which trade ids of an instrument are expected, and which are missing, as the feed goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from coattail.intervals import Intervals
from coattail.records import Row


class Hole(NamedTuple):
    """Ids that were left out."""

    first: int
    last: int
    after: int | None
    """Time of the trade before them, µs since 1970 UTC, where it is known."""
    before: int | None
    """Time of the trade after them."""


class Continuity:
    """The ids of one instrument. Those up to `floor` need no more attention: they are in the stream, or given up."""

    def __init__(self, floor: int | None = None) -> None:
        """`floor`: the one of an earlier run; None means that nothing is expected yet."""
        self._seen = Intervals() if floor is None else Intervals([floor], [floor])
        self._promised = 0
        self._holes: dict[int, Hole] = {}
        """By their first id, as they were when they opened."""
        self.newest_time: int | None = None
        """Time of the trade with the highest id, µs since 1970 UTC."""

    @property
    def newest(self) -> int | None:
        """The highest id."""
        return self._seen.lasts[-1] if self._seen.lasts else None

    @property
    def before(self) -> int | None:
        """The id before the lowest one: from there on everything is expected."""
        return self._seen.firsts[0] - 1 if self._seen.firsts else None

    @property
    def floor(self) -> int | None:
        """The highest id up to which nothing is missing."""
        return self._seen.lasts[0] if self._seen.lasts else None

    def hear(self, rows: Sequence[Row]) -> list[Hole]:
        """Take in trades in any order; returns the holes that they open above what was known."""
        opened = []
        for first, last, first_time, last_time in _runs(rows):
            newest = self.newest
            if newest is None or last > newest:
                if newest is not None and first > newest + 1:
                    hole = Hole(newest + 1, first - 1, self.newest_time, first_time)
                    self._holes[hole.first] = hole
                    opened.append(hole)
                self.newest_time = last_time
            self._seen.add(first, last)
        return opened

    def promise(self, newest: int) -> None:
        """The exchange says that there are trades up to this id; those that do not come are missing."""
        if self._seen.lasts:
            self._promised = max(self._promised, newest)

    def account(self, first: int, last: int) -> None:
        """Count ids as known although no trade came: the exchange does not have them."""
        self._seen.add(first, last)

    def missing(self) -> Iterator[Hole]:
        """What is missing between the ids that are known, and up to what was promised."""
        self._holes = {first: hole for first, hole in self._holes.items() if hole.last > (self.floor or 0)}
        for first, last in self._missing():
            known = next((h for h in self._holes.values() if h.first <= first and last <= h.last), None)
            yield Hole(first, last, known and known.after, known and known.before)

    def _missing(self) -> Iterator[tuple[int, int]]:
        yield from self._seen.holes()
        if self.newest is not None and self._promised > self.newest:
            yield self.newest + 1, self._promised


def _runs(rows: Sequence[Row]) -> Iterator[tuple[int, int, int | None, int | None]]:
    """(first id, last id, time of the first, time of the last) of each run of ids without a hole, by rising id."""
    ids = [row.trade_id for row in rows if row.trade_id is not None and row.last_trade_id is None]
    if len(ids) == len(rows) and ids == list(range(ids[0], ids[0] + len(ids))):  # nearly always
        yield ids[0], ids[-1], rows[0].timestamp, rows[-1].timestamp
        return
    spans = sorted(
        (row.trade_id, row.last_trade_id or row.trade_id, row.timestamp or 0)
        for row in rows
        if row.trade_id is not None
    )
    run: list[int] = []
    for first, last, time in spans:
        if run and first <= run[1] + 1:
            if last > run[1]:
                run[1], run[3] = last, time
            continue
        if run:
            yield run[0], run[1], run[2], run[3]
        run = [first, last, time, time]
    if run:
        yield run[0], run[1], run[2], run[3]
