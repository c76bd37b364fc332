"""What detectors that raise no alert say of the window that another one is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from coattail.alerts import Alert
from coattail.detectors import REGISTERED, BaseDetector
from coattail.engines.abstained import IN_WORDS
from coattail.engines.evidence import Evidence, parameters_of
from coattail.errors import StoreError


class Standings:
    """Verdicts of some detectors, by what they are about and when."""

    def __init__(self, detectors: Iterable[BaseDetector], scored: Mapping[str, pl.DataFrame]) -> None:
        """`scored`: Module -> its rows, as `score` gives them."""
        self._detectors = {d.module_id: d for d in detectors}
        self._scored = scored
        self._series: dict[str, dict[tuple[Any, ...], pl.DataFrame]] = {}

    def of(self, alert: Alert) -> str:
        """Why these detectors do not raise this alert of others, in words; empty where that is not known."""
        detector = self._detectors.get(alert.module_id)
        if detector is None:
            return "no detector of this module runs"
        about = next((d for d in REGISTERED if d.raises(alert.alert_type)), type(detector)).about(alert)
        if set(about) != set(detector.series):
            return ""
        row = self._row(detector, tuple(about[name] for name in detector.series), alert.detected_at)
        if row is None:
            return detector.unseen
        if (state := row.get("state", "judged")) != "judged":
            return f"it abstains there: {IN_WORDS.get(state, state)} ({state})"
        return detector.standing(row)

    def _row(self, detector: BaseDetector, series: tuple[Any, ...], at: datetime) -> dict[str, Any] | None:
        """The row whose window holds the moment."""
        if detector.name not in self._series:
            rows = detector.kept(self._scored.get(detector.name, detector.table.empty()))
            parts = rows.sort("detected_at").partition_by(list(detector.series), as_dict=True) if rows.height else {}
            self._series[detector.name] = parts
        rows = self._series[detector.name].get(series, pl.DataFrame())
        if rows.is_empty():
            return None
        place = rows["detected_at"].search_sorted(at, "left")
        if place == rows.height:
            return None
        row = rows.row(place, named=True)
        return row if row.get("window_start", at) <= at <= row["detected_at"] else None


def rules_written_by(alert: Alert, detector: BaseDetector | None) -> str:
    """By which other rules than this detector's an alert was written, in words; empty where by these, or unknown."""
    if alert.evidence is None or detector is None:
        return ""
    try:
        evidence = Evidence.read(alert.evidence)
    except StoreError:
        return ""
    if not evidence.of_these_rules:
        number = f"rules {evidence.rules}" if evidence.rules else "former rules"
        return f"{number} of {evidence.preset} wrote it (coattail {evidence.code}); now it has rules {detector.rules}"
    own = parameters_of(detector)
    other = [f"{name} {value}, here {own.get(name)}" for name, value in evidence.parameters.items()
             if own.get(name) != value]  # fmt: skip
    return f"other parameters wrote it: {', '.join(other)}" if other else ""
