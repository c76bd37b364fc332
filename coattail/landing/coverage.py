"""The continuity ledger: which trade ids of each instrument are here, missing, rejected, or never watched.

It dedups exactly and forever, and tells detectors which windows they saw whole. Everything in it is a function
of the trades landed and the ids rejected, so it can be rebuilt from the tables, in any order. Where an exchange's ids
are only unique (its connector says so), it dedups for as long as ids are remembered, and knows no gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from coattail.connectors import ids_remembered
from coattail.landing.ledger import EXPLAINED, Ledger, Run
from coattail.landing.unique import Heard, UniqueLedger
from coattail.records import when
from coattail.tables import COVERAGE, SESSIONS, UTC_MICROS

Instrument = tuple[str, str]
"""(exchange, symbol)."""

LANDED_STATES = ("live", "backfilled", "suspect")
"""States of ranges of which every id is in raw_trades."""


@dataclass(frozen=True)
class Coverage:
    """Ledgers by instrument. `land()` returns a new one; unchanged ledgers are shared."""

    ledgers: Mapping[Instrument, Ledger | UniqueLedger] = field(default_factory=dict)
    only_unique: Mapping[str, timedelta] = field(default_factory=ids_remembered)
    """Exchanges whose ids are only unique -> how long they are remembered; by default as their connectors say."""

    def ledger(self, instrument: Instrument) -> Ledger | UniqueLedger:
        """The ledger of an instrument; a new one if nothing of it has ever landed or been rejected."""
        known = self.ledgers.get(instrument)
        if known is not None:
            return known
        remembered = self.only_unique.get(instrument[0])
        return Ledger() if remembered is None else UniqueLedger(remembered)

    def with_changes(
        self,
        runs: Iterable[Run],
        rejected: Iterable[tuple[str, str, int, int]] = (),
        missed: Iterable[tuple[str, str, int, int, str]] = (),
    ) -> tuple[Coverage, list[tuple[int, int]]]:
        """A coverage that also knows the runs, the rejected ids and why ids were missed; the µs ranges that changed.

        Ranges: between which times windows may have become whole or got other trades, one per run.
        """
        mine: dict[Instrument, Ledger | UniqueLedger] = {}

        def changing(instrument: Instrument) -> Ledger | UniqueLedger:
            ledger = mine.get(instrument)
            if ledger is None:
                ledger = mine[instrument] = self.ledger(instrument).copy()
            return ledger

        changed = [changing((run.exchange, run.symbol)).land(run) for run in runs]
        for exchange, symbol, first, last in rejected:
            changed += changing((exchange, symbol)).reject(first, last)
        for exchange, symbol, first, last, why in missed:
            if isinstance(ledger := changing((exchange, symbol)), Ledger):
                ledger.explain(first, last, why)
        return Coverage({**self.ledgers, **mine}, self.only_unique), changed

    def joints(self, runs: Iterable[Run]) -> pl.DataFrame:
        """The orders that go on from what has landed into one of the runs, or from a run into that.

        Columns: exchange, symbol, timestamp (UTC µs). One row per joint: an order of which two landed parts turn out
        to be one by what is between has two. Joints between the runs themselves are left out: who made bars of their
        trades has counted those (`without_joints`).
        """
        found = [
            (run.exchange, run.symbol, time)
            for run in runs
            if (ledger := self.ledgers.get((run.exchange, run.symbol))) is not None
            for time in ledger.joints(run)
        ]
        schema = {"exchange": pl.String, "symbol": pl.String, "timestamp": pl.Int64}
        return pl.DataFrame(found, schema=schema, orient="row").with_columns(pl.col("timestamp").cast(UTC_MICROS))

    def remembering(self, trades: pl.DataFrame) -> Coverage:
        """The same, knowing again the ids of these trades of `only_unique` exchanges.

        Columns in: exchange, symbol, trade_id, timestamp.
        """
        ledgers = dict(self.ledgers)
        for (exchange, symbol), rows in trades.group_by("exchange", "symbol"):
            ledger = self.ledger((str(exchange), str(symbol))).copy()
            if isinstance(ledger, UniqueLedger):
                ledger.remember(rows["trade_id"].to_numpy(), rows["timestamp"].dt.epoch("us").to_numpy())
            ledgers[str(exchange), str(symbol)] = ledger
        return Coverage(ledgers, self.only_unique)

    @property
    def knows_fills(self) -> bool:
        """Whether the fills at all ends of what landed are known: not in a ledger that an older version wrote."""
        here = (ledger.here for ledger in self.ledgers.values() if isinstance(ledger, Ledger))
        return all(None not in fills for ids in here for fills in (ids.first_fill, ids.last_fill))

    @property
    def remembered_since(self) -> datetime | None:
        """From when on ids are known again; None where no instrument's ids are only unique."""
        since = [ledger.since for ledger in self.ledgers.values() if isinstance(ledger, UniqueLedger)]
        return when(min(since)) if since else None

    def __reduce__(self) -> tuple[type[Coverage], tuple[object, ...]]:
        return Coverage, (self.ledgers, self.only_unique)  # a task of Spark needs nothing that can be computed

    def changed_since(self, before: Coverage) -> pl.DataFrame:
        """The instruments (exchange, symbol) of which something has landed or been refused since; at most too many."""
        found = [key for key, ledger in self.ledgers.items() if before.ledgers.get(key) is not ledger]
        return pl.DataFrame(sorted(found), schema={"exchange": pl.String, "symbol": pl.String}, orient="row")

    def spans(self) -> pl.DataFrame:
        """Stretches without a missing id (rejected ones count).

        Columns: exchange, symbol, first_id, last_id, first_ts, last_ts (UTC µs). One row per stretch. Where ids are
        only unique, none is missing while a session listens: first_id is -1, last_id the largest number.
        """
        return self._spans

    @cached_property
    def _spans(self) -> pl.DataFrame:
        keys = sorted(self.ledgers)
        firsts: list[int] = []
        lasts: list[int] = []
        first_ts: list[int] = []
        last_ts: list[int] = []
        counts, bridged = [], []
        for ledger in map(self.ledgers.__getitem__, keys):
            pieces = ledger.pieces()
            bridged += [len(firsts) + place for place in pieces.bridged]
            firsts += pieces.firsts
            lasts += pieces.lasts
            first_ts += pieces.first_ts
            last_ts += pieces.last_ts
            counts.append(len(pieces.firsts))
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
    def restored(
        cls, coverage: pl.DataFrame, sessions: pl.DataFrame, only_unique: Mapping[str, timedelta] | None = None
    ) -> Coverage:
        """The coverage that `table` and `sessions` wrote down; it remembers no ids yet (`remembering`)."""
        restored = cls() if only_unique is None else cls(only_unique=only_unique)
        ledgers: dict[Instrument, Ledger | UniqueLedger] = {}
        times: dict[tuple[str, str, int], tuple[int, int]] = {}
        """Of sessions whose ids are only unique, by their lowest id: it is in one of them only."""
        known = coverage.filter(pl.col("state").is_in([*LANDED_STATES, "rejected", "unique"])).sort("first_id")
        told = coverage.filter(pl.col("state").is_in(list(EXPLAINED)), ~pl.col("cause").is_in(list(EXPLAINED.values())))
        rows = known.select(
            "exchange",
            "symbol",
            "state",
            "first_id",
            "last_id",
            pl.col("first_ts", "last_ts").dt.epoch("us"),
            "first_fill",
            "last_fill",
        )
        for exchange, symbol, state, first, last, first_ts, last_ts, *fills in rows.iter_rows():
            ledger = ledgers.get((exchange, symbol))
            if ledger is None:
                ledger = ledgers[exchange, symbol] = restored.ledger((exchange, symbol))
            if isinstance(ledger, UniqueLedger):
                times[exchange, symbol, first] = first_ts, last_ts
            elif state == "rejected":
                ledger.refuse(first, last)
            else:
                ledger.add(first, last, first_ts, last_ts, *fills, fetched=state == "backfilled")
        for exchange, symbol, first, last, why in told.select(
            "exchange", "symbol", "first_id", "last_id", "cause"
        ).iter_rows():
            if isinstance(ledger := ledgers.get((exchange, symbol)), Ledger):
                ledger.explain(first, last, why)
        for exchange, symbol, session, first, last in sessions.select(SESSIONS.schema.names()).iter_rows():
            ledger = ledgers.setdefault((exchange, symbol), restored.ledger((exchange, symbol)))
            if isinstance(ledger, UniqueLedger):
                ledger.sessions[session] = Heard(first, last, *times[exchange, symbol, first])
            else:
                ledger.sessions[session] = (first, last)
        return cls(ledgers, restored.only_unique)

    def sessions(self) -> pl.DataFrame:
        """Rows of the table `sessions`."""
        rows = [(*key, *heard) for key, ledger in sorted(self.ledgers.items()) for heard in ledger.heard()]
        return pl.DataFrame(rows, schema=SESSIONS.schema, orient="row")

    def newest(self) -> Mapping[str, int]:
        """Latest trade time seen per exchange, µs."""
        return self._newest

    @cached_property
    def _newest(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for (exchange, _), ledger in self.ledgers.items():
            if (latest := ledger.newest) is not None:
                newest[exchange] = max(newest.get(exchange, 0), latest)
        return newest

    def traded(self) -> tuple[int, int] | None:
        """The µs between which all landed trades lie; None without any."""
        oldest = [ledger.oldest for ledger in self.ledgers.values() if ledger.oldest is not None]
        return (min(oldest), max(self.newest().values())) if oldest else None

    def table(self, noticed_at: datetime) -> pl.DataFrame:
        """The ledger as rows of the table `coverage`."""
        rows = [(*key, *row) for key, ledger in sorted(self.ledgers.items()) for row in ledger.rows()]
        names = [c.name for c in COVERAGE.columns if c.name != "noticed_at"]
        schema = {n: pl.Int64 if COVERAGE.schema[n] == UTC_MICROS else COVERAGE.schema[n] for n in names}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        frame = frame.with_columns(
            pl.col("first_ts", "last_ts").cast(UTC_MICROS), pl.lit(noticed_at, UTC_MICROS).alias("noticed_at")
        )
        return COVERAGE.conform(frame).sort("exchange", "symbol", "first_id")
