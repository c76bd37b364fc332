"""The continuity ledger: which trade ids of each instrument are here, missing, rejected, or never watched.

It dedups exactly and for ever, and tells detectors which windows they saw whole. Everything in it is a function
of the trades landed and the ids rejected, so it can be rebuilt from the tables, in any order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import numpy as np
import polars as pl

from coattail.landing.intervals import Intervals
from coattail.tables import COVERAGE, SESSIONS, UTC_MICROS

Instrument = tuple[str, str]
"""(exchange, symbol)."""


_CAUSES = {
    "gap": "ids missing inside a session",
    "unobserved": "nobody listened between two sessions",
    "rejected": "the trade is in the DLQ",
}

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

    def bridged(self) -> Iterator[int]:
        """Places in `landed` of the intervals before which no id is missing, because all of the hole was rejected."""
        for first, last in self.rejected:
            low = bisect_left(self.landed.lasts, first - 1)
            high = bisect_right(self.landed.firsts, last + 1)
            yield from range(low + 1, high)


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
        """Stretches without a missing id (rejected ones count).

        Columns: exchange, symbol, first_id, last_id, first_ts, last_ts (UTC µs). One row per stretch.
        """
        keys = sorted(self.ledgers)
        firsts: list[int] = []
        lasts: list[int] = []
        first_ts: list[int] = []
        last_ts: list[int] = []
        counts, bridged = [], []
        for ledger in map(self.ledgers.__getitem__, keys):
            bridged += [len(firsts) + place for place in ledger.bridged()]
            firsts += ledger.landed.firsts
            lasts += ledger.landed.lasts
            first_ts += ledger.first_ts
            last_ts += ledger.last_ts
            counts.append(len(ledger.landed))
        begins = np.ones(len(firsts), dtype=bool)
        begins[bridged] = False
        starts = np.flatnonzero(begins)
        owners = np.repeat(np.arange(len(keys)), counts)[starts]
        ends = np.append(starts[1:], len(firsts))[: len(starts)] - 1
        whole = len(starts) > 0  # `reduceat` wants at least one
        return pl.DataFrame(
            {
                "exchange": pl.Series([exchange for exchange, _ in keys], dtype=pl.String).gather(owners),
                "symbol": pl.Series([symbol for _, symbol in keys], dtype=pl.String).gather(owners),
                "first_id": np.array(firsts, np.int64)[starts],
                "last_id": np.array(lasts, np.int64)[ends],
                "first_ts": np.minimum.reduceat(np.array(first_ts, np.int64), starts) if whole else [],
                "last_ts": np.maximum.reduceat(np.array(last_ts, np.int64), starts) if whole else [],
            },
            schema_overrides={"first_ts": pl.Int64, "last_ts": pl.Int64},
        ).with_columns(pl.col("first_ts", "last_ts").cast(UTC_MICROS))

    @classmethod
    def restored(cls, coverage: pl.DataFrame, sessions: pl.DataFrame) -> Coverage:
        """The coverage that `table` and `sessions` wrote down."""
        ledgers: dict[Instrument, Ledger] = {}
        known = coverage.filter(pl.col("state").is_in([*LANDED_STATES, "rejected"])).sort("first_id")
        rows = known.select(
            "exchange", "symbol", "state", "first_id", "last_id", pl.col("first_ts", "last_ts").dt.epoch("us")
        )
        for exchange, symbol, state, first, last, *times in rows.iter_rows():
            ledger = ledgers.setdefault((exchange, symbol), Ledger())
            if state == "rejected":
                ledger.rejected.add(first, last)
            else:
                ledger.add(first, last, *times)
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
                newest[exchange] = max(newest.get(exchange, 0), max(ledger.last_ts))
        return newest

    def traded(self) -> tuple[int, int] | None:
        """The µs between which all landed trades lie; None without any."""
        ledgers = [ledger for ledger in self.ledgers.values() if ledger.last_ts]
        if not ledgers:
            return None
        return min(min(ledger.first_ts) for ledger in ledgers), max(max(ledger.last_ts) for ledger in ledgers)

    def table(self, noticed_at: datetime) -> pl.DataFrame:
        """The ledger as rows of the table `coverage`: live, gap, unobserved and rejected ranges.

        Times of a missing or rejected range are those of the trades around it.
        """
        rows: list[tuple[object, ...]] = []
        for key, ledger in sorted(self.ledgers.items()):
            landed = zip(ledger.landed.firsts, ledger.landed.lasts, ledger.first_ts, ledger.last_ts, strict=True)
            rows += ((*key, *interval, "live", None) for interval in landed)
            rejected = ((first, last, "rejected") for first, last in ledger.rejected.minus(ledger.landed))
            for first, last, state in chain(ledger.missing(), rejected):
                before, after = _times_around(ledger, first, last)
                times = before and before[1], after and after[0]
                rows.append((*key, first, last, *times, state, _CAUSES[state]))
        names = [c.name for c in COVERAGE.columns if c.name != "noticed_at"]
        schema = {n: pl.Int64 if COVERAGE.schema[n] == UTC_MICROS else COVERAGE.schema[n] for n in names}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        frame = frame.with_columns(
            pl.col("first_ts", "last_ts").cast(UTC_MICROS), pl.lit(noticed_at, UTC_MICROS).alias("noticed_at")
        )
        return COVERAGE.conform(frame).sort("exchange", "symbol", "first_id")


def _around(ledger: Ledger, first: int, last: int) -> list[tuple[int, int]]:
    before, after = _times_around(ledger, first, last)
    if before is None or after is None:
        return []
    low = min(before[1], after[1])
    high = max(before[0], after[0])
    return [(min(low, high), max(low, high))]


def _times_around(ledger: Ledger, first: int, last: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """(earliest, latest) time of the landed intervals before and after first…last; None where there is none."""
    before = bisect_left(ledger.landed.firsts, first) - 1
    after = bisect_right(ledger.landed.firsts, last)
    return (
        (ledger.first_ts[before], ledger.last_ts[before]) if before >= 0 else None,
        (ledger.first_ts[after], ledger.last_ts[after]) if after < len(ledger.landed) else None,
    )
