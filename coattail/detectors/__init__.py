"""Step 6 of 7: bars and large orders in, verdicts and alerts out. Pure functions of event time.

A new detector is one file, one line in `DETECTORS`, a section in docs/MODULE_REGISTRY.md and a line in a tier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coattail.detectors.base import BaseDetector, Facts
from coattail.detectors.spread import SpreadDetector
from coattail.detectors.volume import VolumeAnomalyDetector
from coattail.detectors.whale import WhaleDetector
from coattail.errors import ConfigError

DETECTORS: dict[str, type[BaseDetector]] = {
    d.name: d for d in (VolumeAnomalyDetector, WhaleDetector, SpreadDetector)
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {"classic": {}}
"""Preset -> detector -> parameters that differ from the class's defaults (the source documents' thresholds)."""


def detectors_for(
    names: Iterable[str], *, preset: str = "classic", overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[BaseDetector, ...]:
    """The detectors of a run, in the order given.

    Raises: ConfigError: If a detector, a preset or a parameter is unknown, or a value has another type.
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset '{preset}'", next_step=f"known presets: {', '.join(PRESETS)}")
    overrides = overrides or {}
    chosen = []
    for name in (*names, *(n for n in overrides if n not in DETECTORS)):
        if name not in DETECTORS:
            raise ConfigError(f"unknown detector '{name}'", next_step=f"known: {', '.join(DETECTORS)}")
        values = {**PRESETS[preset].get(name, {}), **overrides.get(name, {})}
        chosen.append(_configured(DETECTORS[name], preset, values))
    return tuple(chosen)


def _configured(kind: type[BaseDetector], preset: str, values: Mapping[str, Any]) -> BaseDetector:
    known = {n: f for n, f in kind.__dataclass_fields__.items() if n != "preset"}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"{kind.name} has no parameter '{name}'", next_step=f"known: {', '.join(sorted(known))}")
        wanted = type(known[name].default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (wanted is int and value != int(value)):
            raise ConfigError(f"{kind.name}.{name} is {value!r}", next_step=f"give a {wanted.__name__}")
    return kind(preset=preset, **values)


__all__ = ["DETECTORS", "PRESETS", "BaseDetector", "Facts", "detectors_for"]
