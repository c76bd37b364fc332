"""Which alerts matter most. Pure."""

from __future__ import annotations

import polars as pl

from coattail.reports.why import strength
from coattail.reports.words import SEVERITIES


def by_severity(alerts: pl.DataFrame) -> pl.DataFrame:
    """The most severe first; of those, what exceeds its threshold the most; of those, the newest."""
    ranks = {name: rank for rank, name in enumerate(SEVERITIES)}
    rank = pl.col("severity").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int8)
    strong = pl.Series(
        "strength",
        [strength(*row) for row in alerts.select("module_id", "preset", "details").iter_rows()],
        dtype=pl.Float64,
    )
    order = (rank, pl.col("strength"), pl.col("detected_at"), pl.col("alert_id"))
    return alerts.with_columns(strong).sort(*order, descending=[False, True, True, False])
