"""The regression gate: on a small fixed market, each detector finds at least this much and errs at most this often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coattail.detectors import DETECTORS, BaseDetector, rare_fit
from coattail.scoring.cards import card, matched_days
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import judged
from coattail.scoring.kinds import KINDS

pytestmark = pytest.mark.slow

BOUNDS = {
    ("classic", "burst"): (0.50, 130.0),
    ("classic", "whale"): (0.95, 2.0),
    ("classic", "spread"): (0.30, 4.0),
    ("default", "burst"): (0.45, 30.0),
    ("default", "drought"): (0.10, 14.0),
    ("default", "whale"): (0.95, 2.0),
    ("default", "spread"): (0.75, 2.0),
}
"""(preset, kind) -> the least recall, the most false episodes a day. Wide: one day tells no small differences."""

every_bound = pytest.mark.parametrize(("preset", "kind"), list(BOUNDS))


def detector_of(preset: str, kind: str) -> BaseDetector:
    return DETECTORS[preset][KINDS[kind].module](preset=preset)


def figures(detector: BaseDetector, kind: str, evidence: EvaluationSet) -> dict[str, Any]:
    return card(KINDS[kind], matched_days([evidence], [judged(detector, evidence)]), markets=1)


def fails(detector: BaseDetector, kind: str, evidence: EvaluationSet) -> list[str]:
    """What is out of bounds."""
    least, most = BOUNDS[detector.preset, kind]
    found = figures(detector, kind, evidence)
    recall, false = found["recall"]["value"], found["false_per_day"]["value"]
    said = [f"recall {recall} < {least}"] if recall < least else []
    return said + ([f"{false} false a day > {most}"] if false > most else [])


@every_bound
def test_a_detector_is_as_good_as_it_was(preset: str, kind: str, small: EvaluationSet) -> None:
    assert fails(detector_of(preset, kind), kind, small) == []


THREEFOLD: dict[tuple[str, str], dict[str, float]] = {
    ("classic", "burst"): {"z_threshold": 7.5},
    ("classic", "whale"): {"medium": 300_000.0},
    ("classic", "spread"): {"threshold_pct": 1.5},
    ("default", "whale"): {"floor": 300_000.0},
    ("default", "spread"): {"fee_pct": 0.3, "margin_pct": 0.15},
}


@pytest.mark.parametrize(("preset", "kind"), list(THREEFOLD))
def test_the_gate_stops_a_threshold_three_times_as_high(preset: str, kind: str, small: EvaluationSet) -> None:
    changes: dict[str, Any] = THREEFOLD[preset, kind]
    assert fails(replace(detector_of(preset, kind), **changes), kind, small)


def test_the_gate_stops_return_periods_a_hundred_times_too_short(
    small: EvaluationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = rare_fit.rarity_of

    def shorter(*arguments: Any, **options: Any) -> Any:
        rarity = of(*arguments, **options)
        return replace(rarity, scale=rarity.scale * 8)

    monkeypatch.setattr(rare_fit, "rarity_of", shorter)
    rare_fit.reference_rarity.cache_clear()
    assert fails(detector_of("default", "burst"), "burst", small)
    rare_fit.reference_rarity.cache_clear()


@pytest.mark.parametrize(("preset", "kind", "changes"), [
    ("classic", "burst", {"z_threshold": 1.2}),
    ("classic", "spread", {"threshold_pct": 0.15}),
    ("default", "burst", {"budget": 48.0}),
    ("default", "drought", {"drop_budget": 24.0}),
])  # fmt: skip
def test_the_gate_stops_a_detector_that_cries_wolf(
    preset: str, kind: str, changes: dict[str, Any], small: EvaluationSet
) -> None:
    said = fails(replace(detector_of(preset, kind), **changes), kind, small)
    assert any("false a day" in words for words in said)
