"""Step 6 of 7: bars and large orders in, verdicts and alerts out. Pure functions of event time.

A new detector is one file and one line here; a section in docs/MODULE_REGISTRY.md and a line in a tier make it known to
people. A module has one name, id and table; the preset decides which of its detectors runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import timedelta
from importlib import import_module

from coattail.config import PRESETS, Settings
from coattail.detectors.base import BaseDetector, Facts
from coattail.detectors.described import AlertType
from coattail.errors import ConfigError

_REGISTERED = (
    "volume.VolumeAnomalyDetector",
    "rare_volume.RareVolumeDetector",
    "whale.WhaleDetector",
    "ranked_orders.RankedOrderDetector",
    "spread.SpreadDetector",
    "net_spread.NetSpreadDetector",
)
"""Module and class of every detector; a new detector is one module and one line here."""


def _detector(name: str) -> type[BaseDetector]:
    module, _, kind = name.partition(".")
    found: type[BaseDetector] = getattr(import_module(f"{__name__}.{module}"), kind)
    return found


REGISTERED: tuple[type[BaseDetector], ...] = tuple(map(_detector, _REGISTERED))
"""Every detector there is."""

DETECTORS: dict[str, dict[str, type[BaseDetector]]] = {
    preset: {d.name: d for d in REGISTERED if preset in d.presets} for preset in PRESETS
}
"""Preset -> name of the module -> its detector."""

MODULE_TABLES = tuple({d.table.name: d.table for d in REGISTERED}.values())
"""The tables of all modules: a module has the same one under every preset that it is in."""

ALERT_TYPES: dict[str, AlertType] = {t.name: t for d in REGISTERED for t in d.alert_types}
"""Every type of alert there is, by its name."""


def detector_named(module_id: str, preset: str) -> type[BaseDetector] | None:
    """The detector that wrote an alert; None where this version does not know it."""
    return next((d for d in DETECTORS.get(preset, {}).values() if d.module_id == module_id), None)


def detectors_for(settings: Settings) -> tuple[BaseDetector, ...]:
    """The detectors that the settings ask for, configured. A module that their preset does not have is left out.

    Raises: ConfigError: If a module or a parameter is unknown, or a value does not fit.
    """
    here, known = DETECTORS[settings.preset], {d.name for d in REGISTERED}
    for name in (*settings.modules, *settings.detectors):
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.3)
            meant = f"did you mean {near[0]}? known: " if near else "known: "
            places = (leaf.source for path, leaf in settings.leaves.items() if path[:2] == ("detectors", name))
            source = next(places, settings.leaves[("modules",)].source)
            raise ConfigError(
                f"unknown detector '{name}' in {source}", next_step=meant + ", ".join(sorted(known)), source=source
            )
    for name, overrides in settings.detectors.items():
        _check_presets(name, overrides, settings)
    return tuple(
        here[name](**{"preset": settings.preset, **settings.parameters(name, here[name])})
        for name in settings.modules
        if name in here
    )


def _check_presets(name: str, overrides: Mapping[str, object], settings: Settings) -> None:
    """Refuse a parameter that only the detector of another preset has, unless it is given for that preset alone."""
    preset = settings.preset
    kinds = {
        p: {f.name for f in fields(modules[name])} if name in modules else set() for p, modules in DETECTORS.items()
    }
    for parameter, value in overrides.items():
        others = [p for p, names in kinds.items() if p != preset and parameter in names]
        if others and parameter not in kinds[preset] and not isinstance(value, Mapping):
            raise ConfigError(
                f"{name}.{parameter} = {value!r} is a parameter of the preset {others[0]}, and {preset} has none of "
                "that name",
                next_step=f"write {parameter}: {{{others[0]}: {value}}}, or choose --preset {others[0]}",
                source=settings.leaves[("detectors", name, parameter)].source,
            )


def window_of(detectors: Iterable[BaseDetector]) -> timedelta:
    """Length of the longest that one verdict is about."""
    return max((d.window for d in detectors), default=timedelta(0))


def reach_of(detectors: Iterable[BaseDetector]) -> timedelta:
    """How far before a verdict the trades may lie that it is judged by, besides what was learned of earlier days."""
    return max((d.window + d.lookback for d in detectors), default=timedelta(0))


def memory_of(detectors: Iterable[BaseDetector]) -> timedelta:
    """How far before a verdict others lie that decide whether it is an alert."""
    return max((d.memory for d in detectors), default=timedelta(0))


def history_of(detectors: Iterable[BaseDetector]) -> timedelta:
    """How far before the day of a verdict detectors learn."""
    return max((d.history for d in detectors), default=timedelta(0))


def episode_of(detectors: Iterable[BaseDetector]) -> timedelta:
    """How long an alert may still gather alarms."""
    return max((d.episode for d in detectors), default=timedelta(0))


__all__ = [
    "ALERT_TYPES", "DETECTORS", "MODULE_TABLES", "REGISTERED", "BaseDetector", "Facts", "detector_named",
    "detectors_for", "episode_of", "history_of", "memory_of", "reach_of", "window_of",
]  # fmt: skip
