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
    return [f"{each.issue}: {each.detail} {each.location}" for each in found]


def _imported() -> Any:
    """parliament, which asks setuptools of old where its files are (pkg_resources, gone with setuptools 82)."""
    stands_for_it: Any = types.ModuleType("pkg_resources")
    stands_for_it.resource_filename = lambda package, name: str(files(package) / name)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setitem(sys.modules, "pkg_resources", stands_for_it)
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves a file of its own open
        return importlib.import_module("parliament")
