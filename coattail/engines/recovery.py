"""Where an engine stands when it starts: everything derived is rebuilt from the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import polars as pl

from coattail.engines.facts import FactStore
from coattail.errors import StoreError
from coattail.exact import with_units
from coattail.landing.bars import bars_of
from coattail.landing.checks import MAX_AGGREGATE
from coattail.landing.coverage import Coverage
from coattail.landing.dedup import runs
from coattail.landing.orders import orders_of
from coattail.stores.dlq import DeadLetters
from coattail.stores.lake import Commit, Lake
from coattail.tables import BARS, COVERAGE, ORDERS, RAW_TRADES, SESSIONS, Table

KERNEL_COLUMNS = (
    "exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "side", "timestamp", "session",
)  # fmt: skip
"""What the kernels need of stored trades: bars, orders and coverage come from these."""


@dataclass(frozen=True)
class Totals:
    """Everything ever read from the stream: `received = landed + rejected + duplicates`."""

    received: int = 0
    landed: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0

    def plus(self, counts: pl.DataFrame) -> Totals:
        """The totals after a batch with these counts (`COUNTS_SCHEMA`)."""
        return Totals(**{name: getattr(self, name) + int(counts[name].sum()) for name in self.__dataclass_fields__})


@dataclass
class Position:
    """What the newest commit of raw_trades says."""

    offsets: dict[str, str] = field(default_factory=dict)
    sequence: int = 0
    stream_id: str = ""
    totals: Totals = field(default_factory=Totals)


def position(lake: Lake) -> Position:
    """How far the table has come in the stream."""
    commit = lake.newest(RAW_TRADES.name)
    if commit is None:
        return Position()
    properties = commit.properties
    return Position(
        offsets=msgspec.json.decode(properties["offsets"], type=dict[str, str]),
        sequence=commit.sequence,
        stream_id=properties["stream"],
        totals=msgspec.json.decode(properties["totals"], type=Totals),
    )


def through(lake: Lake, table: Table) -> int:
    """The raw_trades commit that a derived table is complete through."""
    return _through(lake.newest(table.name))


def _through(commit: Commit | None) -> int:
    return int(commit.properties["through"]) if commit is not None else 0


def rebuild(lake: Lake, letters: DeadLetters, facts: FactStore) -> tuple[Coverage, list[tuple[int, int]]]:
    """Coverage as of now, with what the derived tables lack put into `facts`; and the µs ranges that lack it.

    The coverage tables are committed last, so the trades behind them are at least those any other table lacks.

    Raises: StoreError: If coverage knows trades that a rollback of raw_trades took away: they would never land again.
    """
    covered = min(through(lake, COVERAGE), through(lake, SESSIONS))
    if covered > (reached := position(lake).sequence):
        raise StoreError(
            f"raw_trades is at commit {reached}, and coverage knows commit {covered}: it was rolled back too far",
            next_step="move raw_trades to a later snapshot, or replay the recordings into a new home",
        )
    coverage = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS))
    marks = {t.name: through(lake, t) for t in (BARS, ORDERS)}
    changed: list[tuple[int, int]] = []
    behind = lake.scan(RAW_TRADES, columns=KERNEL_COLUMNS, after_commit=covered)
    if behind.height:
        ordered = behind.sort("exchange", "symbol", "trade_id")
        coverage, changed = coverage.with_changes(runs(ordered))
    if (since := coverage.remembered_since) is not None:
        loose = pl.col("exchange").is_in(list(coverage.only_unique))
        columns = ("exchange", "symbol", "trade_id", "timestamp")
        coverage = coverage.remembering(lake.scan(RAW_TRADES, columns=columns, since=since, where=loose))
    for table, kernel in ((BARS, bars_of), (ORDERS, orders_of)):
        missing = lake.scan(RAW_TRADES, columns=KERNEL_COLUMNS, after_commit=marks[table.name])
        if missing.height:
            rows = kernel(with_units(missing.sort("exchange", "symbol", "trade_id")))
            facts.add(*((rows, ORDERS.empty()) if table is BARS else (BARS.empty(), rows)))
    coverage, more = coverage.with_changes([], _rejected(lake, letters))
    return coverage, changed + more


def _rejected(lake: Lake, letters: DeadLetters) -> list[tuple[str, str, int, int]]:
    """Ids of rejected trades written to the DLQ around or after the last coverage commit."""
    commit = lake.newest(COVERAGE.name)
    since = commit.committed_at - timedelta(hours=1) if commit is not None else None
    found = []
    for row in letters.rows(stored_since=since):
        first, last = row.get("trade_id"), row.get("last_trade_id")
        if row.get("symbol") and first is not None and last is not None and 0 <= first <= last < first + MAX_AGGREGATE:
            found.append((row["exchange"], row["symbol"], first, last))
    return found
