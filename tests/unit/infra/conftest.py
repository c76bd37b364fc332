"""Terraform and one plan of everything, for all tests of infra/; they run in one worker of pytest-xdist."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.planned import EVERYTHING, KNOWN, Plan
from tools import infra
from tools.infra import Terraform, TerraformMissing


@pytest.fixture(scope="session")
def terraform() -> Iterator[Terraform]:
    try:
        with infra.prepared() as found:
            yield found
    except TerraformMissing as missing:
        if os.environ.get(infra.REQUIRED) == "required":
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def plan(terraform: Terraform) -> Plan:
    known = terraform.folder / "known_override.tf"
    known.write_text(KNOWN)
    try:
        return Plan(terraform.plan(**EVERYTHING))
    finally:
        known.unlink()


@pytest.fixture(scope="session")
def own_tests(terraform: Terraform) -> list[dict[str, Any]]:
    """What Terraform's own tests say: messages, each with a type, and the plans that they have made."""
    return [json.loads(line) for line in terraform.run("test", "-json", "-verbose", codes=(0, 1)).splitlines()]
