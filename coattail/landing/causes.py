"""Why ids of an instrument were missed, in the words of whoever listened. No row of the ledger depends on it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

_MOST, _LONGEST = 3, 300
_BETWEEN = "; "


@dataclass(slots=True)
class Causes:
    """Disjoint ranges of ids, each with a cause: of two that are told of the same id the first holds."""

    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def copy(self) -> Causes:
        """An independent copy."""
        return Causes(self.firsts.copy(), self.lasts.copy(), self.words.copy())

    def add(self, first: int, last: int, why: str) -> None:
        """Take a cause for those of the ids that have none."""
        while first <= last:
            place = bisect_left(self.lasts, first)
            known = place < len(self.firsts)
            end = min(last, self.firsts[place] - 1) if known else last
            if end >= first:
                self.firsts.insert(place, first)
                self.lasts.insert(place, end)
                self.words.insert(place, why[:_LONGEST])
                place += 1
            if not known:
                return
            first = self.lasts[place] + 1

    def of(self, first: int, last: int) -> str | None:
        """The causes of these ids in order, each once, three at most; None where none is known."""
        found: dict[str, None] = {}
        place = bisect_left(self.lasts, first)
        while place < len(self.firsts) and self.firsts[place] <= last and len(found) < _MOST:
            found |= dict.fromkeys(self.words[place].split(_BETWEEN))
            place += 1
        return _BETWEEN.join([*found][:_MOST]) or None
