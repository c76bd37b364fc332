"""A small market with every kind of event, drawn once for all workers that run beside each other."""

from __future__ import annotations

import os

import pytest

from coattail.scoring.evidence import Evidence, Spec, simulated


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A judged day after two of warm-up."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return simulated(Spec(seed=7, days=1, warm_up=2), shared / "evidence")
