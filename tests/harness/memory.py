"""The kernels, the ledger and the judge without disk: an engine whose stores are lists, and which can die.

What an engine promises does not hang on Iceberg or SQLite: a commit is one append to a list. Rebuilding after a crash
goes the same way as `coattail.engines.recovery`: from the committed trades, the rejected rows and the alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from coattail.alerts import RETRACTED, Alert
from coattail.config import Settings
from coattail.detectors import detectors_for
from coattail.engines.facts import FactStore
from coattail.engines.judge import Judge
from coattail.engines.ledger import AlertLedger
from coattail.exact import with_units
from coattail.landing import Checks, Coverage, Landed, land
from coattail.landing.bars import bars_of, merge_bars, without_joints
from coattail.landing.dedup import runs
from coattail.landing.orders import orders_of, with_neighbours
from coattail.packing import Packer
from coattail.records import Record
from coattail.stores.hot import StoredAlert
from coattail.streams.base import Pack
from coattail.tables import Table
from tests.harness.running import Killed
from tests.harness.scenes import START


class NoLake:
    """A lake in which nothing has been committed."""

    def scan(self, table: Table, *, columns: Sequence[str] | None = None, **_: object) -> pl.DataFrame:
        return table.empty().select(columns if columns is not None else list(table.schema))

    def has(self, name: str) -> bool:
        return False


@dataclass
class Kept:
    """What a crash leaves behind."""

    trades: list[pl.DataFrame] = field(default_factory=list)
    """raw_trades, one frame per commit."""
    rejected: list[pl.DataFrame] = field(default_factory=list)
    counts: list[pl.DataFrame] = field(default_factory=list)
    offset: int = 0
    """Segments that the newest commit reaches."""
    published: dict[str, Alert] = field(default_factory=dict)
    """Newest revision of each alert, retracted ones too."""

    def current(self) -> dict[str, Alert]:
        """The alerts that stand."""
        return {i: a for i, a in self.published.items() if a.status != RETRACTED}

    def alerts(self, *, since: datetime, until: datetime, now: datetime) -> list[StoredAlert]:
        """As the hot store gives them."""
        return [StoredAlert(a, now) for a in self.published.values() if since <= a.detected_at < until]


class MemoryEngine:
    """Lands segments, judges and commits as `coattail.engines.engine.Engine` does; `die` says where it dies."""

    def __init__(self, kept: Kept, settings: Settings, *, checks: Checks | None = None) -> None:
        self.kept = kept
        self._checks = checks or Checks()
        detectors = detectors_for(settings)
        self._facts = FactStore(NoLake())  # type: ignore[arg-type]
        modules = [d.module_id for d in detectors]
        ledger = AlertLedger(NoLake(), kept, preset=settings.preset, modules=modules)  # type: ignore[arg-type]
        self._judge = Judge(detectors, settings, self._facts, ledger)
        self.coverage, changed = rebuilt(kept, self._facts)
        if self.coverage.ledgers:
            self._publish(self._judge.judge(self.coverage, changed, revision=len(kept.trades), now=START))

    @property
    def watermark(self) -> int:
        """Verdicts up to here (µs) are closed."""
        return self._judge.watermark

    def take(self, packs: Sequence[Pack], *, reaches: int, die: str = "") -> tuple[Landed, list[Alert]]:
        """Land one batch that reaches a place in the stream; `die`: `before` or `after` the commit."""
        landed = land(packs, self.coverage, self._checks)
        self.coverage = landed.coverage
        self._facts.add(landed.bars, landed.orders)
        number = len(self.kept.trades) + 1
        revised = self._judge.judge(self.coverage, landed.changed, revision=number, now=START)
        if die == "before":
            raise Killed
        self.kept.trades.append(landed.trades)
        self.kept.rejected.append(landed.rejected)
        self.kept.counts.append(landed.counts)
        self.kept.offset = reaches
        if die == "after":
            raise Killed
        self._publish(revised)
        return landed, revised

    def settle(self) -> None:
        """What an engine does before it commits derived tables."""
        self._publish(self._judge.settle(self.coverage, revision=len(self.kept.trades), now=START))

    def _publish(self, revised: Iterable[Alert]) -> None:
        for alert in revised:
            before = self.kept.published.get(alert.alert_id)
            assert alert.revision == (before.revision if before else 0) + 1
            self.kept.published[alert.alert_id] = alert


def rebuilt(kept: Kept, facts: FactStore) -> tuple[Coverage, list[tuple[int, int]]]:
    """Coverage of what was committed, its bars and orders put into `facts`, and the ranges to judge again."""
    coverage, changed = Coverage(), []
    if kept.trades and (trades := pl.concat(kept.trades).sort("exchange", "symbol", "trade_id")).height:
        exact = with_neighbours(with_units(trades))
        facts.add(bars_of(exact), orders_of(exact))
        coverage, changed = coverage.with_changes(runs(exact))
    ids = []
    for row in pl.concat(kept.rejected).iter_rows(named=True) if kept.rejected else ():
        first, last = row["trade_id"], row["last_trade_id"]
        if row["symbol"] and first is not None and last is not None and 0 <= first <= last < first + 1_000_000:
            ids.append((row["exchange"], row["symbol"], first, last))
    coverage, more = coverage.with_changes([], ids)
    return coverage, changed + more


def packs_of(records: Iterable[Record], number: int) -> list[Pack]:
    """The packs of one segment."""
    packer = Packer()
    for record in records:
        packer.add(record)
    return [Pack(lane, f"{number}.{place}", data) for place, (lane, data) in enumerate(packer.take())]


def landed_in_memory(pieces: Iterable[Sequence[Record]], settings: Settings) -> Kept:
    """What is kept after the pieces have landed one by one."""
    engine = MemoryEngine(Kept(), settings)
    for number, piece in enumerate(pieces, 1):
        engine.take(packs_of(piece, number), reaches=number)
    engine.settle()
    return engine.kept


def bars_in(kept: Kept) -> dict[tuple[str, str, int], dict[str, Any]]:
    """The merged bars of everything committed, as the oracle writes them: by exchange, symbol, start (µs)."""
    parts, coverage = [], Coverage()
    for frame in kept.trades:
        exact = with_neighbours(with_units(frame.sort("exchange", "symbol", "trade_id")))
        found = runs(exact)
        parts.append(without_joints(bars_of(exact), coverage.joints(found)))
        coverage, _ = coverage.with_changes(found)
    rows = merge_bars(pl.concat(parts)) if parts else pl.DataFrame()
    times = [name for name, kind in rows.schema.items() if isinstance(kind, pl.Datetime)]
    found = {}
    for row in rows.with_columns(pl.col(times).dt.epoch("us")).iter_rows(named=True):
        row["histogram"] = dict(zip(row.pop("histogram_buckets"), row.pop("histogram_trades"), strict=True))
        found[row.pop("exchange"), row.pop("symbol"), row.pop("bar_start")] = row
    return found


def trades_in(kept: Kept) -> list[tuple[Any, ...]]:
    """The committed trades, as the oracle writes them."""
    columns = (
        "event_id", "exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "quote_volume", "side",
    )  # fmt: skip
    rows = [f.select(*columns, pl.col("timestamp").dt.epoch("us")) for f in kept.trades]
    return sorted(pl.concat(rows).iter_rows()) if rows else []
