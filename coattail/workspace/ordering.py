"""How a job reads the home: what its order carries of the settings, and what its process makes of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coattail.config import DEFAULTS, Layer, Leaf, Settings, leaves_at, leaves_of, load_settings, read_yaml
from coattail.errors import UsageError
from coattail.home import Home
from coattail.jobs.base import JobOrder
from coattail.masks import is_secret
from coattail.place import carried, read_place
from coattail.values import write_value

_LEFT_HERE = ("jobs", "notify")
"""Sections that are about the submitter: who runs jobs, and who is told of alerts."""
_FED = ("stream", "backfill")
"""Jobs that read or feed the stream."""


def named(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen, by name: for a process of this machine, which reads the home, its place and the file itself.

    chosen: `tier`, `preset`, `config_file`, `overrides` and `place`, as `load_settings` takes them.
    """
    kept = {name: value for name, value in chosen.items() if value is not None}
    if (file := kept.get("config_file")) is not None:
        kept["config_file"] = str(file.expanduser().absolute())
    if (place := kept.get("place")) is not None:
        kept["place"] = place.name
    if (overrides := kept.get("overrides")) is not None:
        kept["overrides"] = dict(overrides)
    return kept


def written_out(chosen: Mapping[str, Any], home: Home, *, secrets: bool = False) -> dict[str, Any]:
    """What was chosen, and all that the home and its place say, value by value: for a process that has neither.

    secrets: Whether values that are masked where settings are shown may stand in an order.
    Raises: UsageError: If one would, and may not.
    """
    said = {name: chosen[name] for name in ("tier", "preset") if chosen.get(name) is not None}
    place, file = chosen.get("place"), chosen.get("config_file")
    own = {path: leaf for path, leaf in load_settings(home, place=place).leaves.items() if not _comes_along(leaf)}
    layers = [("place", "the home" if place is None else place.name, own)]
    if file is not None:
        layers.append(("config_file", str(file), leaves_of(read_yaml(file.expanduser()), str(file))))
    flags = [found for key, value in (chosen.get("overrides") or {}).items() for found in leaves_at(key, value, "flag")]
    for name, source, leaves in (*layers, ("overrides", "", dict(flags))):
        kept = {path: leaf for path, leaf in sorted(leaves.items()) if path[0] not in _LEFT_HERE}
        secret = [".".join(path) for path, leaf in kept.items() if is_secret(path, leaf.written)]
        if secret and not secrets:
            raise UsageError(
                f"{' and '.join(secret)} would stand in the request, where whoever may see the application reads it",
                next_step="leave credentials to the role in jobs.url, and out of the settings",
            )
        if written := {".".join(path): write_value(leaf.written) for path, leaf in kept.items()}:
            said[name] = {"name": source, "settings": written} if source else written
    return said


def _comes_along(leaf: Leaf) -> bool:
    """Whether the package says it, wherever it runs."""
    return leaf.source == DEFAULTS or leaf.source.startswith("tier ")


def refuse_without_stores(job: str, settings: Settings) -> None:
    """Refuse a job that would run elsewhere on stores that only this machine has, or that go with the job.

    Raises: UsageError: If its lake, or what else it reads or writes, is in the home.
    """
    needed = {"lake": settings.lake.get("warehouse")}
    if job in _FED:
        needed["stream.url"] = settings.stream.url
    if job != "maintain":
        needed["hot.url"] = settings.hot.url
    if job in _FED:
        needed["dlq.url"] = settings.dlq.url
    if lacking := [key for key, at in needed.items() if at is None or "://" not in at or at.startswith("file:")]:
        raise UsageError(
            f"the job {job} would not find the home from there: the settings say no {' and no '.join(lacking)}",
            next_step="say where they are on AWS (docs/AWS.md), and choose that place: --place aws, Workspace('aws')",
        )


def chosen_of(order: JobOrder, home: Home) -> dict[str, Any]:
    """What the submitter had chosen, as `load_settings` takes it."""
    said = order.settings
    chosen = {name: said.get(name) for name in ("tier", "preset", "config_file", "overrides")}
    if isinstance(said.get("config_file"), Mapping):
        chosen["config_file"] = _layer(said["config_file"])
    place = said.get("place")
    chosen["place"] = read_place(place, home) if isinstance(place, str) else None if place is None else _layer(place)
    return chosen


def _layer(said: Mapping[str, Any]) -> Layer:
    return carried(said["name"], said["settings"])
