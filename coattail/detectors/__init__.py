"""Step 6 of 7: bars and large orders in, verdicts and alerts out. Pure functions of event time.

A new detector is one file, one line in `DETECTORS`, a section in docs/MODULE_REGISTRY.md and a line in a tier.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from coattail.config import Settings
from coattail.detectors.base import BaseDetector, Facts
from coattail.detectors.spread import SpreadDetector
from coattail.detectors.volume import VolumeAnomalyDetector
from coattail.detectors.whale import WhaleDetector
from coattail.errors import ConfigError

DETECTORS: dict[str, type[BaseDetector]] = {d.name: d for d in (VolumeAnomalyDetector, WhaleDetector, SpreadDetector)}


def detectors_for(settings: Settings) -> tuple[BaseDetector, ...]:
    """The detectors that the settings ask for, configured.

    Raises: ConfigError: If a module or a parameter is unknown, or a value does not fit.
    """
    for name in (*settings.modules, *settings.detectors):
        if name not in DETECTORS:
            raise ConfigError(f"unknown detector '{name}'", next_step=f"known: {', '.join(DETECTORS)}")
    return tuple(
        DETECTORS[name](**{"preset": settings.preset, **settings.parameters(name, DETECTORS[name])})
        for name in settings.modules
    )


def reach_of(detectors: Iterable[BaseDetector]) -> timedelta:
    """How far before a verdict its trades may lie."""
    return max((d.window + d.lookback for d in detectors), default=timedelta(0))


__all__ = ["DETECTORS", "BaseDetector", "Facts", "detectors_for", "reach_of"]
