"""Batch: everything recomputed from stored trades in one go, with the same kernels. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from coattail.alerts import Alert
from coattail.config import Settings
from coattail.detectors import Facts, detectors_for
from coattail.engines.recovery import KERNEL_COLUMNS
from coattail.engines.timeline import watermark, when
from coattail.exact import with_units
from coattail.landing.bars import bars_of
from coattail.landing.coverage import Coverage
from coattail.landing.dedup import runs
from coattail.landing.orders import orders_of
from coattail.stores.lake import Lake
from coattail.tables import COVERAGE, RAW_TRADES, SESSIONS


@dataclass(frozen=True)
class Recomputed:
    """What the trades of a lake come to: merged bars, orders, each module's closed rows, and all alerts."""

    bars: pl.DataFrame
    orders: pl.DataFrame
    scored: dict[str, pl.DataFrame]
    alerts: list[Alert]


def recompute(lake: Lake, settings: Settings) -> Recomputed:
    """Bars, orders, verdicts and alerts of all of raw_trades; rejected ids are taken from the coverage table."""
    trades = with_units(lake.scan(RAW_TRADES, columns=KERNEL_COLUMNS).sort("exchange", "symbol", "trade_id"))
    coverage = Coverage.restored(lake.scan(COVERAGE).filter(pl.col("state") == "rejected"), SESSIONS.empty())
    coverage, changed = coverage.with_changes(runs(trades))
    bars, orders = bars_of(trades), orders_of(trades)
    detectors = detectors_for(settings)
    if not changed:
        return Recomputed(bars, orders, {d.name: d.table.empty() for d in detectors}, [])
    mark = watermark(coverage.newest(), lateness=settings.time.lateness, idle_limit=settings.time.idle_limit)
    reach = max(d.window + d.lookback for d in detectors)
    facts = Facts(
        bars=bars,
        orders=orders,
        spans=coverage.spans(),
        since=when(min(low for low, _ in changed)),
        until=when(max(high for _, high in changed)) + reach,
        watermark=when(mark),
    )
    scored = {d.name: d.score(facts) for d in detectors}
    alerts = [alert for d in detectors for alert in d.flag(scored[d.name])]
    return Recomputed(bars, orders, scored, alerts)
