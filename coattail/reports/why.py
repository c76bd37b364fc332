"""Why an alert was raised: the numbers in its details, in its detector's words. What has no words is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from coattail.alerts import Alert
from coattail.amounts import number
from coattail.detectors import BaseDetector, detector_named
from coattail.detectors.described import Details

_MOST_OTHERS = 8


def why(module_id: str, preset: str, details: str) -> list[str]:
    """Sentences about the evidence; none where the details say nothing that the message does not."""
    said, detector = Details(details), detector_named(module_id, preset)
    sentences = [] if detector is None else detector.why(said)
    others = [
        f"{key.replace('_', ' ')} {_plain(value)}"
        for key, value in said.all.items()
        if key not in said.used and isinstance(value, str | int | float)
    ]
    if others:
        more = " …" if len(others) > _MOST_OTHERS else ""
        sentences = [*sentences, "Also: " + ", ".join(others[:_MOST_OTHERS]) + more + "."]
    return sentences


def read(details: str) -> Mapping[str, Any]:
    """The numbers of an alert, by their names."""
    return Details(details).all


def about(row: Mapping[str, Any]) -> dict[str, Any]:
    """Which rows of its module's table an alert (a row of `anomaly_alerts`) is about: column -> value."""
    alert = Alert(**{f.name: row[f.name] for f in fields(Alert)})
    detector = detector_named(alert.module_id, alert.preset) or BaseDetector
    return detector.about(alert)


def fired(details: str) -> int:
    """How often the detector fired in the alert's episode."""
    times = read(details).get("fired")
    return times if isinstance(times, int) and times > 0 else 1


def strength(module_id: str, preset: str, details: str) -> float:
    """How many times its threshold the evidence is; 1 where the details do not say."""
    said, detector = Details(details), detector_named(module_id, preset)
    for size, threshold in () if detector is None else detector.against:
        value, limit = said.get(size), said.get(threshold)
        if value is not None and limit:
            return abs(value / limit)
    return 1.0


def _plain(value: object) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
