"""Alerts of a home's trades as they would be under other settings: how many, and how good where a truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from coattail.config import Settings
from coattail.detectors import BaseDetector, detectors_for
from coattail.scoring.cards import card, matched_days
from coattail.scoring.chance import places
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import judged
from coattail.scoring.kinds import KINDS
from coattail.values import format_duration

Value = int | float | timedelta
"""What a parameter is tried at: of the parameter's own type."""

_DAY = timedelta(days=1)


def days_of(evidence: EvaluationSet) -> float:
    """How long the evidence is."""
    return (evidence.until - evidence.since) / _DAY


def per_day(count: int, evidence: EvaluationSet) -> float:
    """Alerts a day."""
    return round(count / days_of(evidence), 2)


def figures(evidence: EvaluationSet, settings: Settings, modules: Sequence[str], *, truth: bool) -> dict[str, Any]:
    """`alerts_per_day` by type, and with a truth `kinds`: the card of each kind; of these modules only."""
    detectors = [d for d in detectors_for(settings) if d.name in modules]
    alerts = pl.concat([judged(detector, evidence) for detector in detectors])
    counts = dict(alerts["alert_type"].value_counts().sort("alert_type").iter_rows())
    types = sorted({t.name for d in detectors for t in d.alert_types})
    found: dict[str, Any] = {"alerts_per_day": {t: per_day(counts.get(t, 0), evidence) for t in types}}
    if truth:
        done = matched_days([evidence], [alerts])
        found["kinds"] = {
            kind.name: card(kind, done, markets=len(places(kind, evidence)))
            for kind in KINDS.values()
            if _looks_for(detectors, kind.alert_type)
        }
    return found


def _looks_for(detectors: Sequence[BaseDetector], alert_type: str) -> bool:
    return any(detector.raises(alert_type) for detector in detectors)


def shown(value: Value) -> str:
    """A value as a person writes it."""
    return format_duration(value) if isinstance(value, timedelta) else f"{value:g}"
