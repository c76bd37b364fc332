"""Sorted, disjoint id intervals: exact membership forever, in memory that grows only with the gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from heapq import merge


class Intervals:
    """A set of integers as disjoint closed intervals; neighbours (…5, 6…) are joined. Immutable once shared."""

    __slots__ = ("firsts", "lasts")

    def __init__(self, firsts: list[int] | None = None, lasts: list[int] | None = None) -> None:
        self.firsts: list[int] = firsts if firsts is not None else []
        self.lasts: list[int] = lasts if lasts is not None else []

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Intervals:
        """From pairs in any order."""
        result = cls()
        for first, last in pairs:
            result.add(first, last)
        return result

    def copy(self) -> Intervals:
        """An independent copy."""
        return Intervals(self.firsts.copy(), self.lasts.copy())

    def touching(self, first: int, last: int) -> slice:
        """The places of the intervals that meet first…last or are its neighbours: what `add` would join."""
        return slice(bisect_left(self.lasts, first - 1), bisect_right(self.firsts, last + 1))

    def add(self, first: int, last: int) -> None:
        """Add first…last."""
        joined = self.touching(first, last)
        self.firsts[joined] = [min([first, *self.firsts[joined][:1]])]
        self.lasts[joined] = [max([last, *self.lasts[joined][-1:]])]

    def meeting(self, first: int, last: int) -> Intervals:
        """The intervals that meet first…last, whole."""
        places = slice(bisect_left(self.lasts, first), bisect_right(self.firsts, last))
        return Intervals(self.firsts[places], self.lasts[places])

    def ends_before(self, number: int) -> bool:
        """Whether nothing in it reaches the number."""
        return not self.lasts or self.lasts[-1] < number

    def union(self, other: Intervals) -> Intervals:
        """The ids of both."""
        return Intervals.of(merge(self, other))

    def holds(self, first: int, last: int) -> bool:
        """Whether every id of first…last is in."""
        place = bisect_right(self.firsts, first) - 1
        return place >= 0 and self.lasts[place] >= last

    def minus(self, other: Intervals) -> Iterator[tuple[int, int]]:
        """The intervals of self without the ids of other."""
        for first, last in self:
            place = bisect_left(other.lasts, first)
            while first <= last:
                if place >= len(other.firsts) or other.firsts[place] > last:
                    yield first, last
                    break
                if other.firsts[place] > first:
                    yield first, other.firsts[place] - 1
                first = other.lasts[place] + 1
                place += 1

    def holes(self) -> Iterator[tuple[int, int]]:
        """The intervals between the first id and the last that are not in."""
        for last, first in zip(self.lasts, self.firsts[1:], strict=False):
            yield last + 1, first - 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.firsts, self.lasts, strict=True))

    def __len__(self) -> int:
        return len(self.firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self.firsts == other.firsts and self.lasts == other.lasts

    __hash__ = None  # type: ignore[assignment]
