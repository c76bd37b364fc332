"""The ledger of an instrument whose trade ids are only unique: who heard it when, and the recent ids.

A missing id means nothing there, so nothing is ever a gap: a stretch is whole from the first trade that a session
landed to its last one. A repeated id is noticed as long as it is remembered; an older trade is rejected, because
nothing tells it from a repeat. All of it is a function of the trades landed, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from coattail.landing.ledger import LedgerRow, Pieces, Run

_EVERY_ID = (-1, 2**63 - 1)
"""No id is missing, whatever it is."""

NEW, DUPLICATE, OVERLAP, STALE = 0, 1, 2, 3
"""Verdicts on a trade: it lands; its id has landed; it does so partly; it is older than the ids remembered."""

_MICROSECOND = timedelta(microseconds=1)
_HOUR_LONG = timedelta(hours=1)
_HOUR = _HOUR_LONG // _MICROSECOND


class Heard(NamedTuple):
    """What one session landed: the lowest and highest id, the earliest and latest time (µs)."""

    first_id: int
    last_id: int
    first_ts: int
    last_ts: int

    def joined(self, other: Heard) -> Heard:
        """Both together."""
        return Heard(
            min(self.first_id, other.first_id),
            max(self.last_id, other.last_id),
            min(self.first_ts, other.first_ts),
            max(self.last_ts, other.last_ts),
        )


def _nothing() -> np.ndarray:
    return np.empty(0, np.int64)


@dataclass(slots=True)
class UniqueLedger:
    """One instrument's sessions, and the ids of its recent trades, sorted, with their times (µs).

    Arrays are never changed in place, so copies share them.
    """

    remembered: timedelta
    """How far back from the newest trade a repeated id is noticed (event time)."""
    sessions: dict[str, Heard] = field(default_factory=dict)
    ids: np.ndarray = field(default_factory=_nothing)
    times: np.ndarray = field(default_factory=_nothing)

    def copy(self) -> UniqueLedger:
        """An independent copy."""
        return UniqueLedger(self.remembered, self.sessions.copy(), self.ids, self.times)

    def land(self, run: Run) -> tuple[int, int]:
        """Add what landed; returns the µs range whose completeness it may have changed."""
        low, high = run.first_ts, run.last_ts
        heard = Heard(run.first_id, run.last_id, run.first_ts, run.last_ts)
        if (known := self.sessions.get(run.session)) is not None:
            low, high = min(low, known.last_ts), max(high, known.first_ts)
            heard = heard.joined(known)
        self.sessions[run.session] = heard
        self.remember(np.frombuffer(run.ids, np.int64), np.frombuffer(run.times, np.int64))
        return low, high

    def joints(self, run: Run) -> Iterator[int]:
        """Nothing: each fill is an order, because no id tells which is next to it."""
        return iter(())

    def reject(self, first: int, last: int) -> list[tuple[int, int]]:
        """Do nothing: whether a rejected trade is missing makes no difference here."""
        return []

    def remember(self, ids: np.ndarray, times: np.ndarray) -> None:
        """Know these ids again, and forget those that are too old by now."""
        order = np.argsort(ids, kind="stable")
        ids, times = ids[order], times[order]
        place = np.searchsorted(self.ids, ids)
        known = self._holds(ids, place)
        self.ids = np.insert(self.ids, place[~known], ids[~known])
        self.times = np.insert(self.times, place[~known], times[~known])
        recent = self.times >= self.since
        if not recent.all():
            self.ids, self.times = self.ids[recent], self.times[recent]

    @property
    def newest(self) -> int | None:
        """Latest trade time, µs."""
        return max((heard.last_ts for heard in self.sessions.values()), default=None)

    @property
    def since(self) -> int:
        """From when (µs) ids are kept: the hour in which the time remembered begins."""
        return (self._oldest // _HOUR) * _HOUR

    @property
    def _oldest(self) -> int:
        return (self.newest or 0) - self.remembered // _MICROSECOND

    def verdicts(self, ids: np.ndarray, times: np.ndarray) -> np.ndarray:
        """NEW, DUPLICATE or STALE for each trade (int8); sorted by id, equal ones in the order of arrival."""
        result = np.zeros(len(ids), np.int8)
        result[1:][ids[1:] == ids[:-1]] = DUPLICATE
        result[times < self._oldest] = STALE
        result[self._holds(ids, np.searchsorted(self.ids, ids))] = DUPLICATE
        return result

    def _holds(self, ids: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Whether each id is remembered; `place` is where it would stand."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=bool)
        return np.asarray(self.ids[np.minimum(place, len(self.ids) - 1)] == ids)

    def pieces(self) -> Pieces:
        """The times at which some session listened, each with every id there may be."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted((heard.first_ts, heard.last_ts) for heard in self.sessions.values()):
            if merged and first <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(last, merged[-1][1])
            else:
                merged.append((first, last))
        low, high = _EVERY_ID
        return Pieces([low] * len(merged), [high] * len(merged), [t for t, _ in merged], [t for _, t in merged], [])

    def rows(self) -> Iterator[LedgerRow]:
        """What each session landed, in the state `unique`."""
        cause = f"ids are only unique: repeats are noticed for {self.remembered / _HOUR_LONG:g} h, gaps cannot be"
        for heard in self.sessions.values():
            yield (*heard, "unique", cause, None, None)

    def heard(self) -> Iterator[tuple[str, int, int]]:
        """(session, lowest id, highest id)."""
        yield from ((session, heard.first_id, heard.last_id) for session, heard in sorted(self.sessions.items()))

    @property
    def oldest(self) -> int | None:
        """Earliest time of a landed trade, µs."""
        return min((heard.first_ts for heard in self.sessions.values()), default=None)
