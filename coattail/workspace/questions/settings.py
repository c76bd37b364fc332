"""The settings of a question, beside those of the home."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from coattail.config import Layer, Settings, load_settings
from coattail.detectors import detectors_for
from coattail.errors import UsageError
from coattail.values import write_value


@dataclass(frozen=True, kw_only=True)
class Both:
    """Two settings of one home: its own, and those of a question."""

    original: Settings
    """The home's own: package, tier, coattail.yaml, its place, and single settings of the run."""
    asked: Settings
    """Those of the question."""
    again: Callable[[Mapping[str, object]], Settings]
    """The settings of the question with these parameters on top."""

    def at(self, key: str, value: object) -> Settings:
        """The settings of the question with one parameter at another value.

        Raises: UsageError, ConfigError: As `asked` does.
        """
        found = self.again({key: value})
        _refuse_unused(found, [key])
        return found


def asked(
    home: str | os.PathLike[str],
    changes: Mapping[str, object] | None = None,
    *,
    tier: str | None = None,
    preset: str | None = None,
    config_file: str | os.PathLike[str] | Layer | None = None,
    overrides: Mapping[str, object] | None = None,
    place: Layer | None = None,
) -> Both:
    """The home's own settings, and those with other parameters.

    changes: `{"volume-anomaly.budget": 2}`; a value is of the parameter's type, or as it is written in YAML.
    tier, overrides, place: Of both: the home's, single settings by dotted key, where the stores are; None means the
    home's own.
    preset, config_file: Of those asked for; None means the home's own.
    Raises: UsageError: If a change names no parameter, or a detector that is not among the modules. ConfigError: If
    there is no such detector or parameter, or the value does not fit.
    """

    def again(more: Mapping[str, object]) -> Settings:
        wanted = {**(changes or {}), **more}
        for key in wanted:
            _refuse_no_parameter(key)
        single = {**(overrides or {}), **{f"detectors.{key}": value for key, value in wanted.items()}}
        found = load_settings(home, tier, preset, config_file, single, place)
        detectors_for(found)  # refuses what it does not know
        return found

    original = load_settings(home, tier, None, None, overrides, place)
    detectors_for(original)
    both = Both(original=original, asked=again({}), again=again)
    _refuse_unused(both.asked, changes or {})
    return both


def _refuse_no_parameter(key: str) -> None:
    detector, dot, parameter = key.partition(".")
    if not (detector and dot and parameter) or "." in parameter:
        raise UsageError(f"{key!r} is not a parameter", next_step="write it like volume-anomaly.budget")
    if parameter == "preset":
        raise UsageError(f"{key!r}: a preset is for all detectors", next_step="use --preset")


def _refuse_unused(settings: Settings, keys: Iterable[str]) -> None:
    """Refuse parameters of detectors that do not run here."""
    for key in keys:
        name = key.partition(".")[0]
        if name not in settings.modules:
            raise UsageError(
                f"the detector '{name}' is not among the modules here",
                next_step=f"modules: {', '.join(settings.modules)}",
            )


def lines_for_the_home(both: Both) -> str:
    """What makes the settings asked for those of the home, as one line of YAML; empty where they are the same."""
    document: dict[str, Any] = {}
    for path, leaf in sorted(both.asked.leaves.items()):
        before = both.original.leaves.get(path)
        if before is None or before.value != leaf.value:
            place = document
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = write_value(leaf.written)
    if not document:
        return ""
    text: str = yaml.safe_dump(document, default_flow_style=True, width=10_000)
    return text.strip().removeprefix("{").removesuffix("}")
