"""Batch: everything recomputed from stored trades, with the same kernels, as of any snapshot. Writes nothing.

Trades are read file by file and reduced to bars, orders and runs of ids at once, so memory holds few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from coattail.alerts import Alert
from coattail.config import Settings
from coattail.detectors import BaseDetector, Facts, detectors_for, episode_of, history_of, memory_of, reach_of
from coattail.engines.reduction import TradeFacts, parts_of, read_part, trade_facts
from coattail.engines.timeline import watermark
from coattail.landing.bars import merge_bars
from coattail.landing.coverage import Coverage
from coattail.landing.dedup import runs
from coattail.landing.orders import join_orders
from coattail.records import when
from coattail.stores.commits import through_of
from coattail.stores.files import TableFiles, day_meets
from coattail.stores.history import Kept, at_snapshot, complete_through
from coattail.stores.lake import Lake
from coattail.tables import BARS, COVERAGE, ORDERS, RAW_TRADES, SESSIONS

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

_DERIVED_WITHIN = timedelta(minutes=2)
"""After a commit of raw_trades the coverage table follows within this time, by default within one minute."""
_ID_COLUMNS = ("exchange", "symbol", "trade_id", "last_trade_id", "timestamp", "session")


@dataclass(frozen=True)
class Stored:
    """What stored trades add up to before anything is judged.

    `bars` and `orders` of the days that were asked for; `spans`, `newest` (exchange -> µs) and `traded` (the µs
    between which all trades lie, None without any) of all days.
    """

    bars: pl.DataFrame
    orders: pl.DataFrame
    spans: pl.DataFrame
    newest: Mapping[str, int]
    traded: tuple[int, int] | None


@dataclass(frozen=True)
class Recomputed:
    """What the trades of a lake add up to: merged bars, orders, each module's rows, and the alerts.

    `around`: the modules' rows with those beside the range that alerts gather from; `watermark`: verdicts up to here
    are closed; None without any trade.
    """

    bars: pl.DataFrame
    orders: pl.DataFrame
    scored: dict[str, pl.DataFrame]
    alerts: list[Alert]
    watermark: datetime | None = None
    around: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def flagged(self, detectors: Iterable[BaseDetector], since: datetime | None, until: datetime | None) -> list[Alert]:
        """The alerts with since <= detected_at < until."""
        found = (alert for d in detectors if d.name in self.around for alert in d.flag(self.around[d.name]))
        return [
            a for a in found if (since is None or since <= a.detected_at) and (until is None or a.detected_at < until)
        ]


def recompute(
    lake: Lake,
    settings: Settings,
    *,
    snapshot_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    facts_of: Callable[[TableFiles], TradeFacts] | None = None,
) -> Recomputed:
    """Bars, orders, verdicts and alerts of raw_trades at a snapshot (newest by default), since <= detected_at < until.

    Days that cannot matter are not read. `facts_of` (`trade_facts` by default) reduces the trades of files.
    Raises: UsageError: If there is no such snapshot.
    """
    detectors = detectors_for(settings)
    stored = stored_facts(
        lake, snapshot_id=snapshot_id, since=since, until=until, detectors=detectors, facts_of=facts_of
    )
    return judged(stored, settings, since=since, until=until)


def stored_facts(
    lake: Lake,
    *,
    snapshot_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    detectors: Sequence[BaseDetector],
    facts_of: Callable[[TableFiles], TradeFacts] | None = None,
) -> Stored:
    """The facts that verdicts of since <= detected_at < until need, from raw_trades at a snapshot.

    Days that detectors only learn from come from the tables of bars and orders, if those belong to the snapshot.

    Ids of all days count, because a window is judged only if none is missing: they come from the coverage table as
    it belongs to the snapshot, or, where that has expired, from the id columns of the other days.
    """
    at = at_snapshot(lake, RAW_TRADES.name, snapshot_id) if snapshot_id is not None else None
    files = lake.files(RAW_TRADES.name, snapshot_id=snapshot_id) if lake.has(RAW_TRADES.name) else []
    low = None if since is None else since - reach_of(detectors) - _before(detectors)
    until = None if until is None else until + episode_of(detectors)
    learned = BARS.empty(), ORDERS.empty()
    if low is not None and (history := history_of(detectors)):
        first_day = low.replace(hour=0, minute=0, second=0, microsecond=0)
        kept = _derived(lake, at, first_day - history, first_day)
        low = first_day - history if kept is None else low
        learned = kept or learned
    inside: list[DataFile] = []
    outside: list[DataFile] = []
    for file in sorted(files, key=_day):
        (inside if day_meets(file, low, until) else outside).append(file)
    bars, orders, found = (
        (facts_of or trade_facts)(lake.reading(RAW_TRADES, inside)) if inside else (BARS.empty(), ORDERS.empty(), [])
    )
    coverage = _whole_ledger(lake, at) if outside else None
    if coverage is None:
        for part in parts_of(lake.reading(RAW_TRADES, outside)) if outside else ():
            found = found + runs(read_part(part, _ID_COLUMNS), remember=False)
        rejected = _rejected(lake, at)
        coverage, _ = Coverage.restored(rejected, SESSIONS.empty()).with_changes(found)
    if learned[0].height:
        bars = merge_bars(pl.concat([learned[0], bars]), histograms=False)
        orders = join_orders(pl.concat([learned[1], orders]))
    return Stored(bars, orders, coverage.spans(), coverage.newest(), coverage.traded())


def _derived(lake: Lake, at: Kept | None, since: datetime, until: datetime) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Bars and orders of since <= t < until as their tables hold them for exactly this snapshot, or None."""
    sequence = _sequence(lake, at)
    tables = [complete_through(lake, t.name, sequence) for t in (BARS, ORDERS)]
    if any(state is None or through_of(state.commit) != sequence for state in tables):
        return None
    bars, orders = (
        lake.scan(t, snapshot_id=k.snapshot_id, since=since, until=until)
        for t, k in zip((BARS, ORDERS), tables, strict=True)
        if k
    )
    return merge_bars(bars, histograms=False), join_orders(orders)


def judged(
    stored: Stored, settings: Settings, *, since: datetime | None = None, until: datetime | None = None
) -> Recomputed:
    """The verdicts and alerts of since <= detected_at < until under these settings."""
    detectors = detectors_for(settings)
    nothing = Recomputed(stored.bars, stored.orders, {d.name: d.table.empty() for d in detectors}, [])
    if stored.traded is None:
        return nothing
    before, episode = _before(detectors), episode_of(detectors)
    low, high = when(stored.traded[0]), when(stored.traded[1]) + reach_of(detectors)
    low, high = max(low, since - before if since else low), min(high, until + episode if until else high)
    if low >= high:
        return nothing
    times = settings.time
    mark = when(watermark(stored.newest, lateness=times.lateness, idle_limit=times.idle_limit))
    facts = Facts(
        bars=stored.bars, orders=stored.orders, spans=stored.spans, since=low, until=high, watermark=mark
    )  # fmt: skip
    around = {d.name: d.score(facts) for d in detectors}
    asked = [pl.col("detected_at") >= since] if since else []
    asked += [pl.col("detected_at") < until] if until else []
    scored = {d.name: d.kept(around[d.name]).filter(*asked, pl.lit(value=True)) for d in detectors}
    done = Recomputed(stored.bars, stored.orders, scored, [], mark, around)
    return replace(done, alerts=done.flagged(detectors, since, until))


def _before(detectors: Sequence[BaseDetector]) -> timedelta:
    """How far before the asked time verdicts lie that decide what is an alert in it."""
    return episode_of(detectors) + memory_of(detectors)


def _whole_ledger(lake: Lake, at: Kept | None) -> Coverage | None:
    """The ledger of all ids as the tables hold it for exactly this snapshot, or None."""
    sequence = _sequence(lake, at)
    tables = [complete_through(lake, t.name, sequence) for t in (COVERAGE, SESSIONS)]
    if any(state is None or through_of(state.commit) != sequence for state in tables):
        return None
    ledger, sessions = (
        lake.scan(t, snapshot_id=k.snapshot_id) for t, k in zip((COVERAGE, SESSIONS), tables, strict=True) if k
    )
    return Coverage.restored(ledger, sessions)


def _sequence(lake: Lake, at: Kept | None) -> int:
    if at is not None:
        return at.commit.sequence
    newest = lake.newest(RAW_TRADES.name)
    return newest.sequence if newest is not None else 0


def _rejected(lake: Lake, at: Kept | None) -> pl.DataFrame:
    """Coverage rows of the ids whose trades had been rejected when the snapshot was made.

    Exact while the coverage table of that commit is kept; then by the time at which they were noticed.
    """
    rejected = pl.col("state") == "rejected"
    if at is None:
        return lake.scan(COVERAGE).filter(rejected)
    state = complete_through(lake, COVERAGE.name, at.commit.sequence)
    if state is not None and through_of(state.commit) == at.commit.sequence:
        return lake.scan(COVERAGE, snapshot_id=state.snapshot_id).filter(rejected)
    known_by = state.commit.committed_at if state is not None else at.commit.committed_at + _DERIVED_WITHIN
    return lake.scan(COVERAGE).filter(rejected & (pl.col("noticed_at") <= known_by))


def _day(file: DataFile) -> int:
    """Days since 1970."""
    return int(file.partition[0])
