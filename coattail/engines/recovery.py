"""Where an engine stands when it starts; everything derived is rebuilt from the tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl

from coattail.engines.reduction import facts_of_part, parts_of, reduced
from coattail.errors import StoreError
from coattail.landing.bars import without_joints
from coattail.landing.checks import MAX_AGGREGATE
from coattail.landing.coverage import Coverage
from coattail.stores.commits import through_of
from coattail.stores.dlq import DeadLetters
from coattail.stores.files import FileSize, sizes
from coattail.stores.lake import Lake
from coattail.stores.totals import Totals
from coattail.tables import BARS, COVERAGE, ORDERS, RAW_TRADES, SESSIONS, Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

log = logging.getLogger(__name__)


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
    if commit.sequence == 0:  # a fence, and nothing has landed yet
        return Position()
    return Position(
        offsets=msgspec.json.decode(properties["offsets"], type=dict[str, str]),
        sequence=commit.sequence,
        stream_id=properties["stream"],
        totals=msgspec.json.decode(properties["totals"], type=Totals),
    )


def through(lake: Lake, table: Table) -> int:
    """The raw_trades commit that a derived table is complete through."""
    return through_of(lake.newest(table.name))


def traded(lake: Lake, kind: str) -> set[str]:
    """The exchanges or the symbols (`kind`: a column of raw_trades) that have trades, also trades that landed just now.

    Coverage is committed once a minute: what landed since is read from the trades themselves.
    """
    fresh = lake.scan(RAW_TRADES, columns=(kind,), after_commit=through(lake, COVERAGE))
    return {*lake.scan(COVERAGE, columns=(kind,))[kind], *fresh[kind]}


class Rebuilt(NamedTuple):
    """What an engine starts from: coverage as of now, and the µs ranges that its table lacks."""

    coverage: Coverage
    changed: list[tuple[int, int]]
    outdated: bool
    """Whether an older version wrote the tables: without orders in the bars, or fills in the ledger."""


def rebuild(lake: Lake, letters: DeadLetters) -> Rebuilt:
    """Coverage as of now; bars and orders that their tables lack are committed.

    Where an order goes on from a trade that landed earlier, only the state of the ledger at that time tells. Bars of
    which that is gone, or which an older version wrote, are derived anew.

    The coverage tables are committed last, so the trades after them are at least those any other table lacks. Memory
    holds a few parts of the trades at a time, however many are lacking.

    Raises: StoreError: If coverage knows trades that a rollback of raw_trades took away: they would never land again.
    """
    covered = min(through(lake, COVERAGE), through(lake, SESSIONS))
    if covered > (reached := position(lake).sequence):
        raise StoreError(
            f"raw_trades is at commit {reached}, and coverage knows commit {covered}: it was rolled back too far",
            next_step="move raw_trades to a later snapshot, or replay the recordings into a new home",
        )
    coverage = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS))
    lacking = {COVERAGE: _lacking(lake, covered, reached)}
    lacking |= {table: _lacking(lake, through(lake, table), reached) for table in (BARS, ORDERS)}
    outdated = not coverage.knows_fills or _lacks_orders(lake)
    if outdated or covered > through(lake, BARS):
        log.info("deriving all bars anew: orders are not counted in those that are here, or no longer can be")
        lacking[BARS] = _all(lake)
    before = Coverage() if lacking[BARS].anew else coverage
    """What the trades are that the bars hold so far: whether an order goes on from those."""
    written: dict[Table, list[DataFile]] = {BARS: [], ORDERS: []}
    changed: list[tuple[int, int]] = []
    for wanted, files in _together({table: what.files for table, what in lacking.items()}):
        parts = parts_of(lake.reading(RAW_TRADES).only(files))
        for bars, orders, found in reduced(parts, partial(facts_of_part, histograms=BARS in wanted)):
            for table, rows in ((BARS, without_joints(bars, before.joints(found))), (ORDERS, orders)):
                if table in wanted:
                    written[table] += lake.write(table, rows)
            before, _ = before.with_changes(found)
            again, more = coverage.with_changes(found)  # what it knows already changes nothing, but fills at ends
            if COVERAGE in wanted or lacking[BARS].anew:
                coverage = again
            changed += more if COVERAGE in wanted else []
    for table, made in written.items():
        if lacking[table].anew or made:
            lake.commit(table, made, {"through": str(reached)}, replace=lacking[table].anew)
    if (since := coverage.remembered_since) is not None:
        loose = pl.col("exchange").is_in(list(coverage.only_unique))
        columns = ("exchange", "symbol", "trade_id", "timestamp")
        coverage = coverage.remembering(lake.scan(RAW_TRADES, columns=columns, since=since, where=loose))
    coverage, more = coverage.with_changes([], _rejected(lake, letters))
    return Rebuilt(coverage, changed + more, outdated)


class _Lacking(NamedTuple):
    """Files of raw_trades with the trades that a derived table does not hold."""

    files: list[FileSize]
    anew: bool
    """Whether it may hold some of them already, so that all of it must be written anew."""


def _lacking(lake: Lake, mark: int, reached: int) -> _Lacking:
    """What a table lacks that is complete through commit `mark`, with raw_trades at commit `reached`.

    Files that were merged belong to no single commit, and a snapshot that has expired no longer says which files its
    commit wrote. Where that happened to a commit after `mark`, nothing tells apart what the table has and what not:
    it fell back in time, or raw_trades did.
    """
    if mark == reached:
        return _Lacking([], anew=False)
    commits = lake.commits_since(RAW_TRADES.name, mark)
    files = lake.files(RAW_TRADES.name, since=mark) if mark else []
    if len(commits) == reached - mark and sum(f.record_count for f in files) == sum(c.rows for c in commits):
        return _Lacking(sizes(files), anew=False)
    return _all(lake)._replace(anew=mark > 0)


def _all(lake: Lake) -> _Lacking:
    return _Lacking(sizes(lake.files(RAW_TRADES.name)), anew=True)


def _lacks_orders(lake: Lake) -> bool:
    """Whether an older version wrote bars, which did not count orders."""
    if not lake.has(BARS.name):
        return False
    table = lake.iceberg(BARS.name)
    column = next((f.field_id for f in table.schema().fields if f.name == "orders"), None)
    if column is None or len(table.schemas()) == 1:
        return column is None
    files = lake.files(BARS.name)
    return any((file.null_value_counts or {}).get(column, file.record_count) > 0 for file in files)


def _together(lacking: Mapping[Table, Sequence[FileSize]]) -> list[tuple[frozenset[Table], list[FileSize]]]:
    """The files of all tables, those together that the same tables lack; first those that the bars hold."""
    wanted: dict[FileSize, set[Table]] = {}
    for table, files in lacking.items():
        for file in files:
            wanted.setdefault(file, set()).add(table)
    found: dict[frozenset[Table], list[FileSize]] = {}
    for file in sorted(wanted):
        found.setdefault(frozenset(wanted[file]), []).append(file)
    return sorted(found.items(), key=lambda item: BARS in item[0])


def _rejected(lake: Lake, letters: DeadLetters) -> Iterator[tuple[str, str, int, int]]:
    """Ids of rejected trades written to the DLQ around or after the last coverage commit."""
    commit = lake.newest(COVERAGE.name)
    since = commit.committed_at - timedelta(hours=1) if commit is not None else None
    for row in letters.rows(stored_since=since):
        first, last = row.get("trade_id"), row.get("last_trade_id")
        if row.get("symbol") and first is not None and last is not None and 0 <= first <= last < first + MAX_AGGREGATE:
            yield row["exchange"], row["symbol"], first, last
