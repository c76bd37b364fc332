"""What parliament finds wrong with a policy of IAM: actions that do not exist, resources that an action cannot name."""

from __future__ import annotations

import importlib
import json
import sys
import types
import warnings
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest


def findings(policy: Mapping[str, Any]) -> list[str]:
    """What is wrong with a policy document; empty if nothing is."""
    parliament = _imported()
    found = parliament.analyze_policy_string(json.dumps(policy)).findings
    return [
        f"{each.issue}: {each.detail} {each.location}"
        for each in found
        if each.issue != "UNKNOWN_CONDITION_FOR_ACTION" or not _is_of_a_resource(each.detail, parliament)
    ]


def _is_of_a_resource(detail: str, parliament: Any) -> bool:
    """Whether a condition that parliament knows for no action is one of what the action is about: its own list of
    resources has it, and it looks into that of actions alone.
    """
    condition, action = detail.removeprefix("Unknown condition ").split(" for action ")
    service = next(each for each in parliament.iam_definition if each["prefix"] == action.split(":")[0])
    privilege = next(each for each in service["privileges"] if each["privilege"] == action.split(":")[1])
    about = {each["resource_type"].rstrip("*") for each in privilege["resource_types"]}
    return any(condition in each["condition_keys"] for each in service["resources"] if each["resource"] in about)


def _imported() -> Any:
    """parliament, which asks setuptools of old where its files are (pkg_resources, gone with setuptools 82)."""
    stands_for_it: Any = types.ModuleType("pkg_resources")
    stands_for_it.resource_filename = lambda package, name: str(files(package) / name)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setitem(sys.modules, "pkg_resources", stands_for_it)
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves a file of its own open
        return importlib.import_module("parliament")
