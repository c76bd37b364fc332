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
)
from coattail.workspace.opening import Stores

if TYPE_CHECKING:
    import polars as pl

TARGET, ALARM = 99, 95
"""Percent: the aim is above the first; below the second for five minutes is an alarm."""

_DAY = timedelta(hours=24)
_COUNTS = ("processed", "passed", "failed", "late", "duplicate")


def quality(stores: Stores) -> QualityDocument:
    """Score and counts since the beginning and of the 24 hours before the newest commit, and the reasons in the DLQ."""
    from coattail.engines.metrics import all_metrics

    columns = {f"records_{name}": name for name in _COUNTS}
    rows = all_metrics(stores.lake).select("recorded_at", "exchange", *columns).rename(columns)
    newest = rows["recorded_at"].max()
    since = newest - _DAY if isinstance(newest, datetime) else None
    return QualityDocument(
        all_time=_span(rows, None),
        last_24h=_span(rows if since is None else rows.filter(rows["recorded_at"] > since), since),
        failures=[
            FailureDocument(folder=folder, reason=reason, rows=count)
            for folder, reasons in sorted(stores.letters.summary().items())
            for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
        ],
        target=TARGET,
        alarm=ALARM,
    )


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
    from coattail.engines.metrics import quality_score

    counted = {name: counts[name] for name in _COUNTS}
    return {"score": quality_score(counted["passed"], counted["failed"]), **counted}
