"""The scorecard of presets on some evidence, as one JSON document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coattail.alerts import DISCLAIMER
from coattail.detectors import DETECTORS, BaseDetector
from coattail.scoring.cards import card, matched_days
from coattail.scoring.chance import ALWAYS_OFF, by_chance, places
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import judged
from coattail.scoring.kinds import FURTHER, KINDS, NOT_COVERED


def scorecard(
    evidences: Sequence[EvaluationSet],
    detectors: dict[str, Sequence[BaseDetector]],
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Preset -> module -> kind -> its card (`coattail.scoring.cards.card`) with `chance`, and what was judged.

    `detectors`: preset -> its detectors, configured.
    """
    presets: dict[str, Any] = {}
    planted = {kind for evidence in evidences for kind in evidence.truth["kind"].unique()}
    looked_for = [*KINDS.values(), *(kind for kind in FURTHER.values() if kind.name in planted)]
    for preset, modules in detectors.items():
        for detector in modules:
            progress(f"{preset} {detector.name}")
            alerts = [judged(detector, evidence) for evidence in evidences]
            done = matched_days(evidences, alerts)
            cards = presets.setdefault(preset, {}).setdefault(detector.name, {})
            for kind in looked_for:
                if kind.module == detector.name and detector.raises(kind.alert_type):
                    counts = [raised.filter(alert_type=kind.alert_type).height for raised in alerts]
                    one = card(kind, done, markets=len(places(kind, evidences[0])))
                    cards[kind.name] = {**one, "chance": by_chance(kind, evidences, counts)}
    return {
        "judged": [{"market": e.name, "since": e.since, "until": e.until} for e in evidences],
        "presets": presets,
        "always_off": ALWAYS_OFF,
        "not_covered": {kind: why for kind, why in NOT_COVERED.items()},
        "without_detector": {
            preset: [k.name for k in KINDS.values() if not _covers(detectors[preset], k.alert_type)]
            for preset in detectors
        },
        "disclaimer": DISCLAIMER,
    }


def _covers(modules: Sequence[BaseDetector], alert_type: str) -> bool:
    return any(detector.raises(alert_type) for detector in modules)


def of_preset(preset: str) -> list[BaseDetector]:
    """The preset's detectors as they are."""
    return [kind(preset=preset) for kind in DETECTORS[preset].values()]
