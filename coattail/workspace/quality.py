"""How much of what came in was good, and why the rest was not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from coattail.workspace.documents.quality import (
    ExchangeQuality,
    FailureDocument,
    QualityDocument,
    QualitySpan,
    QualityStretch,
)
from coattail.workspace.opening import Stores

if TYPE_CHECKING:
    import polars as pl

TARGET, ALARM = 99, 95
"""Percent: the aim is above the first; below the second for five minutes is an alarm."""

_DAY = timedelta(hours=24)
_STRETCHES = 48
_LENGTHS = [timedelta(seconds=n) for n in (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)]
_COUNTS = ("processed", "passed", "failed", "late", "duplicate")


def quality(stores: Stores) -> QualityDocument:
    """Score and counts since the beginning and of the 24 hours before the newest commit, and the reasons in the DLQ."""
    from coattail.engines.metrics import all_metrics

    columns = {f"records_{name}": name for name in _COUNTS}
    rows = all_metrics(stores.lake).select("recorded_at", "exchange", *columns).rename(columns)
    newest = rows["recorded_at"].max()
    since = newest - _DAY if isinstance(newest, datetime) else None
    day = rows if since is None else rows.filter(rows["recorded_at"] > since)
    return QualityDocument(
        all_time=_span(rows, None),
        last_24h=_span(day, since),
        over_time=_over_time(day),
        failures=[
            FailureDocument(folder=folder, reason=reason, rows=count)
            for folder, reasons in sorted(stores.letters.summary().items())
            for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
        ],
        target=TARGET,
        alarm=ALARM,
    )


def _over_time(rows: pl.DataFrame) -> list[QualityStretch]:
    import polars as pl

    first, last = rows["recorded_at"].min(), rows["recorded_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return []
    step = next(length for length in _LENGTHS if (last - first) / length < _STRETCHES - 1)
    begin = pl.col("recorded_at").dt.truncate(step)
    counts = rows.group_by(begin.alias("since")).agg(pl.col("passed", "failed").sum())
    known = {since: (passed, failed) for since, passed, failed in counts.iter_rows()}
    since = min(known)
    found = []
    while since <= last:
        passed, failed = known.get(since, (0, 0))
        found.append(QualityStretch(since=since, until=since + step, passed=passed, failed=failed))
        since += step
    return found


def _span(rows: pl.DataFrame, since: datetime | None) -> QualitySpan:
    import polars as pl

    sums = [pl.col(name).sum() for name in _COUNTS]
    oldest, newest = rows["recorded_at"].min(), rows["recorded_at"].max()
    by_exchange = rows.group_by("exchange").agg(sums).sort("exchange")
    return QualitySpan(
        **_scored(rows.select(sums).row(0, named=True)),
        since=since if since is not None else oldest if isinstance(oldest, datetime) else None,
        until=newest if isinstance(newest, datetime) else None,
        exchanges=[ExchangeQuality(exchange=r["exchange"], **_scored(r)) for r in by_exchange.iter_rows(named=True)],
    )


def _scored(counts: Mapping[str, Any]) -> dict[str, Any]:
    from coattail.stores.totals import quality_score

    counted = {name: counts[name] for name in _COUNTS}
    return {"score": quality_score(counted["passed"], counted["failed"]), **counted}
