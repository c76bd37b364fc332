"""Alerts as a frame that can be held against a truth."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from coattail.alerts import Alert
from coattail.detectors import BaseDetector
from coattail.scoring.evaluation import EvaluationSet
from coattail.tables import UTC_MICROS

ALERTS_SCHEMA = pl.Schema(
    {
        "alert_type": pl.String(),
        "symbol": pl.String(),
        "exchange": pl.String(),
        "severity": pl.String(),
        "detected_at": UTC_MICROS,
        "details": pl.String(),
    }
)
"""What `coattail.market.matching` reads of an alert."""


def alerts_frame(alerts: Iterable[Alert]) -> pl.DataFrame:
    """The alerts with the columns of `ALERTS_SCHEMA`, by time."""
    rows = [tuple(getattr(alert, name) for name in ALERTS_SCHEMA) for alert in alerts]
    return pl.DataFrame(rows, schema=ALERTS_SCHEMA, orient="row").sort("detected_at", maintain_order=True)


def judged(detector: BaseDetector, evidence: EvaluationSet) -> pl.DataFrame:
    """The detector's alerts of the time that is judged."""
    return alerts_frame(detector.flag(detector.score(evidence.facts())))
