"""What an engine does besides landing: derived tables once a minute, snapshots forgotten, tags kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import polars as pl

from coattail.config import Settings
from coattail.detectors import BaseDetector
from coattail.engines.abstained import Abstentions
from coattail.engines.facts import FactStore
from coattail.engines.judge import Judge
from coattail.engines.ledger import AlertLedger
from coattail.engines.metrics import metrics_lacking
from coattail.landing.coverage import Coverage
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, BARS, COVERAGE, ORDERS, QUALITY_METRICS, RAW_TRADES, SESSIONS, Table

EXPIRE_EVERY = 20
"""Commits between two expiries: each is a commit of metadata itself."""

_SIDE_BY_SIDE = 8
"""Commits to a lake on a service at a time; the pool of connections to S3 and Glue has room for ten."""

_HOURLY_DAYS, _DAILY_DAYS = 7, 90
_RANGE = ("exchange", "symbol", "first_id", "state")
_RANGE_AND_TIME = (*_RANGE, "noticed_at")


def commit_derived(
    lake: Lake,
    *,
    facts: FactStore,
    judge: Judge,
    ledger: AlertLedger,
    detectors: Sequence[BaseDetector],
    coverage: Coverage,
    noticed: Noticed,
    abstentions: Abstentions,
    sequence: int,
    now: datetime,
) -> None:
    """Make every derived table complete through raw_trades commit `sequence`.

    Each table remembers how far it is. Coverage comes last: what it lacks at a restart is then at least what any
    other table lacks.
    """
    done = {"through": str(sequence)}
    bars, orders = facts.take_pending()
    scored = judge.take_scored()
    abstentions.add(scored)
    writes = [_Write(BARS, bars, done), _Write(ORDERS, orders, done)]
    writes += [_Write(each.table, scored.get(each.name, each.table.empty()), done) for each in detectors]
    writes.append(_Write(QUALITY_METRICS, metrics_lacking(lake), done))
    writes.append(_Write(ALERTS, ledger.take_pending(now), {**done, "watermark": str(judge.watermark)}))
    _commit_all(lake, writes)
    for table, rows in ((SESSIONS, coverage.sessions()), (COVERAGE, noticed.rows(coverage, now))):
        _commit(lake, _Write(table, rows, done, replace=True))


def commit_judged(
    lake: Lake, *, judge: Judge, ledger: AlertLedger, detectors: Sequence[BaseDetector], now: datetime
) -> None:
    """Write down verdicts and alerts that were found so far; the tables are no more complete than they were."""
    scored = judge.take_scored()
    for detector in detectors:
        if detector.name in scored:
            _commit(lake, _Write(detector.table, scored[detector.name], _position(lake, detector.table)))
    _commit(lake, _Write(ALERTS, ledger.take_pending(now), {"watermark": "0", **_position(lake, ALERTS)}))


def _position(lake: Lake, table: Table) -> dict[str, str]:
    newest = lake.newest(table.name)
    known = newest.properties if newest is not None else {}
    return {"through": "0"} | {name: known[name] for name in ("through", "watermark") if name in known}


class _Write(NamedTuple):
    """What one commit of a derived table writes."""

    table: Table
    rows: pl.DataFrame
    properties: Mapping[str, str]
    replace: bool = False


def _commit_all(lake: Lake, writes: Sequence[_Write]) -> None:
    """Commit to tables that do not wait for each other: side by side where a service answers, as each commit waits for
    a dozen answers one after the other. What could not be committed is raised when all have ended.
    """
    if not lake.is_served:
        for write in writes:
            _commit(lake, write)
        return
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="derived") as pool:
        commits = [pool.submit(_commit, lake, write) for write in writes]
    for commit in commits:
        commit.result()


def _commit(lake: Lake, write: _Write) -> None:
    from coattail.stores.expiry import expire

    files = lake.write(write.table, write.rows)
    commit = lake.commit(write.table, files, write.properties, replace=write.replace)
    if commit.sequence % EXPIRE_EVERY == 0:
        expire(lake, write.table.name, keep=EXPIRE_EVERY, needed_after=commit.sequence)


class Noticed:
    """When each range of coverage was first noticed: read from the table once, and then remembered."""

    def __init__(self, lake: Lake) -> None:
        self._before = lake.scan(COVERAGE, columns=_RANGE_AND_TIME)

    def rows(self, coverage: Coverage, now: datetime) -> pl.DataFrame:
        """The rows of the table; a range that was there before keeps the time it was first noticed."""
        before = self._before.rename({"noticed_at": "before"}).unique(_RANGE)
        rows = coverage.table(now).join(before, on=_RANGE, how="left", maintain_order="left")
        rows = COVERAGE.conform(rows.with_columns(pl.coalesce("before", "noticed_at").alias("noticed_at")))
        self._before = rows.select(_RANGE_AND_TIME)
        return rows


def keep_house(lake: Lake, settings: Settings, *, sequence: int, derived: int, now: datetime) -> None:
    """Every `EXPIRE_EVERY` commits: forget old snapshots of raw_trades, but tag one an hour and one a day before."""
    from coattail.stores.expiry import drop_lapsed_tags, expire, tag_newest

    if sequence % EXPIRE_EVERY:
        return
    name = RAW_TRADES.name
    tag_newest(lake, name, f"hourly-{now:%Y%m%dT%H}", keep_days=_HOURLY_DAYS)
    tag_newest(lake, name, f"daily-{now:%Y%m%d}", keep_days=_DAILY_DAYS)
    drop_lapsed_tags(lake, name, now)
    expire(lake, name, keep=settings.engine.keep_snapshots, needed_after=derived)
