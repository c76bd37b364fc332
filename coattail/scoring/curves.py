"""Recall against false alarms as a detector's own threshold moves, and both presets at equal false alarms per day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from coattail.config import CLASSIC, DEFAULT, PRESETS
from coattail.detectors import DETECTORS, BaseDetector
from coattail.scoring.cards import card, matched_days
from coattail.scoring.chance import places
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import judged
from coattail.scoring.kinds import KINDS

Point = dict[str, Any]

SWEEPS: dict[tuple[str, str], dict[str, tuple[float, ...]]] = {
    (CLASSIC, "volume-anomaly"): {"z_threshold": (2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 11.0, 16.0)},
    (DEFAULT, "volume-anomaly"): {"budget": (0.3, 0.6, 1.2, 2.0, 4.0, 8.0, 16.0, 24.0)},
    (CLASSIC, "whale-detector"): {"medium": (1e5, 1.5e5, 2e5, 3e5, 5e5, 1e6)},
    (DEFAULT, "whale-detector"): {"budget": (6.0, 12.0, 24.0, 48.0, 96.0, 384.0)},
    (CLASSIC, "spread-calculator"): {"threshold_pct": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)},
    (DEFAULT, "spread-calculator"): {
        "margin_pct": (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8),
        "depeg_pct": (0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
    },
}
"""(preset, module) -> its threshold -> values."""
_KINDS_OF = {"depeg_pct": ("depeg",), "margin_pct": ("spread", "runaway")}
LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False alarms per market and day at which presets are compared."""


def curves(
    evidences: Sequence[EvaluationSet],
    *,
    presets: Sequence[str] = PRESETS,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Kind -> preset -> points (parameter, value, recall, false_per_market_day), by rising false alarms.

    Kinds of which nothing was planted, or that the markets have no place for, are left out.
    """
    found: dict[str, dict[str, list[Point]]] = {}
    for (preset, module), sweeps in SWEEPS.items():
        for parameter, values in sweeps.items() if preset in presets else ():
            kinds = [k for k in KINDS.values() if k.module == module and k.name in _KINDS_OF.get(parameter, (k.name,))]
            for value in values:
                progress(f"{preset} {module}, {parameter} {value:g}")
                detector = with_threshold(DETECTORS[preset][module](preset=preset), parameter, value)
                done = matched_days(evidences, [judged(detector, evidence) for evidence in evidences])
                for kind in kinds:
                    markets = len(places(kind, evidences[0]))
                    if markets and detector.raises(kind.alert_type) and kind.name != "stall":
                        one = card(kind, done, markets=markets)
                        if one["recall"]["value"] is None:
                            continue
                        found.setdefault(kind.name, {}).setdefault(preset, []).append(_point(one, parameter, value))
    return {
        kind: {
            preset: sorted(points, key=lambda p: (p["false_per_market_day"], p["recall"]))
            for preset, points in presets.items()
        }
        for kind, presets in found.items()
    }


def with_threshold(detector: BaseDetector, parameter: str, value: float) -> BaseDetector:
    """The detector at another threshold; the budget of drops moves with that of rises, and is as large."""
    changes: dict[str, Any] = {parameter: value}
    if parameter == "budget" and detector.name == "volume-anomaly":
        changes["drop_budget"] = value
    return replace(detector, **changes)


def _point(one: dict[str, Any], parameter: str, value: float) -> Point:
    natural = one.get("natural", {}).get("recall", {}).get("value")
    return {
        "parameter": parameter,
        "value": value,
        "recall": one["recall"]["value"],
        "natural_recall": natural,
        "false_per_market_day": one["per_market_day"]["value"],
        "alerts_per_day": one["alerts_per_day"],
    }


def at_level(points: Sequence[Point], level: float) -> float | None:
    """Recall at a number of false alarms per market and day, between the neighbouring points; None beyond the ends."""
    reached = [(float(p["false_per_market_day"]), float(p["recall"])) for p in points]
    for (x0, y0), (x1, y1) in pairwise(reached):
        if x0 <= level <= x1:
            return round(y0 if x1 == x0 else y0 + (y1 - y0) * (level - x0) / (x1 - x0), 4)
    return None


def compared(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Kind -> rows of level and each preset's recall there, where at least one reaches it."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for kind, presets in found.items():
        for level in LEVELS:
            here = {preset: at_level(points, level) for preset, points in presets.items()}
            if any(recall is not None for recall in here.values()):
                rows.setdefault(kind, []).append({"per_market_day": level, **here})
    return rows
