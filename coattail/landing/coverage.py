"""The continuity ledger: which trade ids of each instrument are here, missing, rejected, or never watched.

It dedups exactly and for ever, and tells detectors which windows they saw whole. Everything in it is a function
of the trades landed and the ids rejected, so it can be rebuilt from the tables, in any order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from coattail.landing.intervals import Intervals
from coattail.tables import COVERAGE, SESSIONS, UTC_MICROS

Instrument = tuple[str, str]
"""(exchange, symbol)."""


LANDED_STATES = ("live", "backfilled", "suspect")
"""States of ranges whose trades are in raw_trades."""


@dataclass(frozen=True, slots=True)
class Run:
    """Trades that landed together: contiguous ids of one instrument in one session. Times are µs."""

    exchange: str
    symbol: str
    session: str
    first_id: int
    last_id: int
    first_ts: int
    last_ts: int


@dataclass(slots=True)
class Ledger:
    """One instrument's ids.

    `landed` with the earliest and latest trade time of each interval (µs); `rejected` ids; and per session the
    ids between which it listened: a hole inside a session is a gap, a hole between sessions was not observed.
    """

    landed: Intervals = field(default_factory=Intervals)
    first_ts: dict[int, int] = field(default_factory=dict)
    """First id of an interval -> earliest time in it."""
    last_ts: dict[int, int] = field(default_factory=dict)
    """First id of an interval -> latest time in it."""
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
        place = bisect_right(self.landed.firsts, run.first_id) - 1
        joined = []
        for near in (place, place + 1):
            if 0 <= near < len(self.landed):
                first, last = self.landed.firsts[near], self.landed.lasts[near]
                # Windows that neither saw whole alone end after the earlier end and begin before the later beginning,
                # whichever is earlier. Without a joint a hole of rejected ids may lie between: then the same holds.
                low, high = min(low, self.last_ts[first]), max(high, self.first_ts[first])
                if first <= run.last_id + 1 and last >= run.first_id - 1:
                    joined.append(first)
        first_ts, last_ts = run.first_ts, run.last_ts
        for first in joined:
            first_ts, last_ts = min(first_ts, self.first_ts.pop(first)), max(last_ts, self.last_ts.pop(first))
        start, _ = self.landed.add(run.first_id, run.last_id)
        self.first_ts[start], self.last_ts[start] = first_ts, last_ts
        known = self.sessions.get(run.session)
        self.sessions[run.session] = (
            (run.first_id, run.last_id) if known is None else (min(known[0], run.first_id), max(known[1], run.last_id))
        )
        return low, high

    def observed(self) -> Intervals:
        """Ids between which some session listened."""
        return Intervals.of(self.sessions.values())

    def missing(self) -> Iterator[tuple[int, int, str]]:
        """(first id, last id, `gap` or `unobserved`) of every hole that no rejected trade explains."""
        here = self.landed.copy()
        for first, last in self.rejected:
            here.add(first, last)
        watched = self.observed()
        for hole in here.holes():
            whole = Intervals.of([hole])
            yield from ((*pair, "unobserved") for pair in whole.minus(watched))
            unseen = Intervals.of(whole.minus(watched))
            yield from ((*pair, "gap") for pair in whole.minus(unseen))

    def spans(self) -> Iterator[tuple[int, int, int, int]]:
        """(first id, last id, first µs, last µs) of every stretch without a missing id (rejected ones count)."""
        previous: tuple[int, int, int, int] | None = None
        for first, last in self.landed:
            span = (first, last, self.first_ts[first], self.last_ts[first])
            if previous is not None and first > previous[1] + 1 and self.rejected.holds(previous[1] + 1, first - 1):
                span = (previous[0], last, min(previous[2], span[2]), max(previous[3], span[3]))
            elif previous is not None:
                yield previous
            previous = span
        if previous is not None:
            yield previous


@dataclass(frozen=True)
class Coverage:
    """Ledgers by instrument. `land()` returns a new one; unchanged ledgers are shared."""

    ledgers: Mapping[Instrument, Ledger] = field(default_factory=dict)

    def ledger(self, instrument: Instrument) -> Ledger | None:
        """The ledger of an instrument, or None if nothing of it has ever landed or been rejected."""
        return self.ledgers.get(instrument)

    def with_changes(
        self, runs: Iterable[Run], rejected: Iterable[tuple[str, str, int, int]] = ()
    ) -> tuple[Coverage, list[tuple[int, int]]]:
        """A coverage that also knows the runs and the rejected ids, and the µs ranges that changed.

        Ranges: between which times windows may have become whole or got other trades, one per run.
        """
        ledgers = dict(self.ledgers)
        fresh: set[Instrument] = set()

        def mine(instrument: Instrument) -> Ledger:
            if instrument not in fresh:
                fresh.add(instrument)
                known = ledgers.get(instrument)
                ledgers[instrument] = Ledger() if known is None else known.copy()
            return ledgers[instrument]

        changed = []
        for run in runs:
            changed.append(mine((run.exchange, run.symbol)).land(run))
        for exchange, symbol, first, last in rejected:
            ledger = mine((exchange, symbol))
            ledger.rejected.add(first, last)
            changed += _around(ledger, first, last)
        return Coverage(ledgers), changed

    def spans(self) -> pl.DataFrame:
        """Stretches without a missing id.

        Columns: exchange, symbol, first_id, last_id, first_ts, last_ts (UTC µs). One row per stretch.
        """
        rows = [(*key, *span) for key, ledger in sorted(self.ledgers.items()) for span in ledger.spans()]
        schema = {n: t for n, t in COVERAGE.schema.items() if n in _SPAN_COLUMNS}
        return pl.DataFrame(
            rows, schema={n: pl.Int64 if t == UTC_MICROS else t for n, t in schema.items()}, orient="row"
        ).with_columns(pl.col("first_ts", "last_ts").cast(UTC_MICROS))

    @classmethod
    def restored(cls, coverage: pl.DataFrame, sessions: pl.DataFrame) -> Coverage:
        """The coverage that `table` and `sessions` wrote down."""
        ledgers: dict[Instrument, Ledger] = {}
        times = coverage.with_columns(pl.col("first_ts", "last_ts").dt.epoch("us")).sort("first_id")
        for row in times.iter_rows(named=True):
            ledger = ledgers.setdefault((row["exchange"], row["symbol"]), Ledger())
            if row["state"] in LANDED_STATES:
                first, _ = ledger.landed.add(row["first_id"], row["last_id"])
                before, behind = ledger.first_ts.get(first), ledger.last_ts.get(first)
                ledger.first_ts[first] = row["first_ts"] if before is None else min(before, row["first_ts"])
                ledger.last_ts[first] = row["last_ts"] if behind is None else max(behind, row["last_ts"])
            elif row["state"] == "rejected":
                ledger.rejected.add(row["first_id"], row["last_id"])
        for exchange, symbol, session, first, last in sessions.select(SESSIONS.schema.names()).iter_rows():
            ledgers.setdefault((exchange, symbol), Ledger()).sessions[session] = (first, last)
        return cls(ledgers)

    def sessions(self) -> pl.DataFrame:
        """Rows of the table `sessions`."""
        rows = [
            (*key, session, *ids)
            for key, ledger in sorted(self.ledgers.items())
            for session, ids in sorted(ledger.sessions.items())
        ]
        return pl.DataFrame(rows, schema=SESSIONS.schema, orient="row")

    def newest(self) -> dict[str, int]:
        """Latest trade time seen per exchange, µs."""
        newest: dict[str, int] = {}
        for (exchange, _), ledger in self.ledgers.items():
            if ledger.last_ts:
                newest[exchange] = max(newest.get(exchange, 0), max(ledger.last_ts.values()))
        return newest

    def table(self, noticed_at: datetime) -> pl.DataFrame:
        """The ledger as rows of the table `coverage`: live, gap, unobserved and rejected ranges.

        Times of a missing or rejected range are those of the trades around it.
        """
        rows: list[tuple[object, ...]] = []
        for key, ledger in sorted(self.ledgers.items()):
            for first, last in ledger.landed:
                rows.append((*key, first, last, ledger.first_ts[first], ledger.last_ts[first], "live", None))
            for first, last, state in ledger.missing():
                cause = "ids missing inside a session" if state == "gap" else "nobody listened between two sessions"
                rows.append((*key, first, last, *_times_around(ledger, first, last), state, cause))
            for first, last in ledger.rejected.minus(ledger.landed):
                times = _times_around(ledger, first, last)
                rows.append((*key, first, last, *times, "rejected", "the trade is in the DLQ"))
        names = [c.name for c in COVERAGE.columns if c.name != "noticed_at"]
        schema = {n: pl.Int64 if COVERAGE.schema[n] == UTC_MICROS else COVERAGE.schema[n] for n in names}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        frame = frame.with_columns(
            pl.col("first_ts", "last_ts").cast(UTC_MICROS), pl.lit(noticed_at, UTC_MICROS).alias("noticed_at")
        )
        return COVERAGE.conform(frame).sort("exchange", "symbol", "first_id")


_SPAN_COLUMNS = ("exchange", "symbol", "first_id", "last_id", "first_ts", "last_ts")


def _neighbours(ledger: Ledger, first: int, last: int) -> tuple[int | None, int | None]:
    """First ids of the landed intervals before and behind first…last."""
    firsts = ledger.landed.firsts
    place = bisect_right(firsts, last)
    before = next((f for f in reversed(firsts[:place]) if f < first), None)
    return before, firsts[place] if place < len(firsts) else None


def _around(ledger: Ledger, first: int, last: int) -> list[tuple[int, int]]:
    before, behind = _neighbours(ledger, first, last)
    if before is None or behind is None:
        return []
    low = min(ledger.last_ts[before], ledger.last_ts[behind])
    high = max(ledger.first_ts[before], ledger.first_ts[behind])
    return [(min(low, high), max(low, high))]


def _times_around(ledger: Ledger, first: int, last: int) -> tuple[int | None, int | None]:
    before, behind = _neighbours(ledger, first, last)
    return (
        None if before is None else ledger.last_ts[before],
        None if behind is None else ledger.first_ts[behind],
    )
