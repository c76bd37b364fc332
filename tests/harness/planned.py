"""A plan of infra/, to be read by tests: everything that can be there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tools.everything import ACCOUNT, ANALYST, EVERYTHING, GIVEN, REGION

__all__ = ["ACCOUNT", "ANALYST", "EVERYTHING", "GIVEN", "KNOWN", "REGION", "Plan"]

KNOWN = """
module "monitoring" {
  applications = { stream = "00stream", batch = "00batch" }
  api_id       = "api1"
}
"""
"""An override with ids that are known only when they were made, without which a plan says no dashboard."""


class Plan(NamedTuple):
    """A plan, as `terraform show -json` says it."""

    document: dict[str, Any]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The values of every resource of a kind."""
        return [resource["values"] for resource in self.resources() if resource["type"] == kind]

    def resources(self) -> Iterator[dict[str, Any]]:
        """Every resource that would be there."""
        return _resources(self.document["planned_values"]["root_module"])

    def configured(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Every resource as it is written: its kind, its expressions, and those of its module's call."""
        for call in self.document["configuration"]["root_module"]["module_calls"].values():
            for resource in call["module"]["resources"]:
                yield resource["type"], resource["expressions"], call["expressions"]


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)
