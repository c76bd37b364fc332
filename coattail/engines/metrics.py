"""What went in and where it went, per commit of raw_trades: the table `quality_metrics`, and what it still lacks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from coattail.engines.recovery import through
from coattail.stores.commits import Commit
from coattail.stores.lake import Lake
from coattail.stores.totals import quality_score
from coattail.tables import QUALITY_METRICS, RAW_TRADES


def all_metrics(lake: Lake) -> pl.DataFrame:
    """Rows of `quality_metrics` for every commit there is, also those that the table does not hold yet."""
    return pl.concat([lake.scan(QUALITY_METRICS), metrics_lacking(lake)])


def metrics_lacking(lake: Lake) -> pl.DataFrame:
    """Rows of `quality_metrics` for the commits that the table does not hold yet."""
    return _metrics(lake.commits_since(RAW_TRADES.name, through(lake, QUALITY_METRICS)))


def _metrics(commits: Sequence[Commit]) -> pl.DataFrame:
    """Rows of `quality_metrics`, from what each commit of raw_trades wrote down."""
    rows = []
    for commit in commits:
        for counts in msgspec.json.decode(commit.properties.get("counts", "[]")):
            passed, failed = counts["landed"], counts["rejected"]
            rows.append(
                {
                    "recorded_at": commit.committed_at,
                    "snapshot_id": commit.snapshot_id,
                    "exchange": counts["exchange"],
                    "records_processed": counts["received"],
                    "records_passed": passed,
                    "records_failed": failed,
                    "records_late": counts["late"],
                    "records_duplicate": counts["duplicates"],
                    "quality_score": quality_score(passed, failed),
                    "failure_rate": 100.0 * failed / counts["received"] if counts["received"] else None,
                }
            )
    return pl.DataFrame(rows, schema=QUALITY_METRICS.schema)
