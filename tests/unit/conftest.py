"""Another user and a folder open to all; and a small market with every kind of event, drawn once for all workers."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coattail.config import PRESETS
from coattail.home import Home
from coattail.scoring.curves import curves
from coattail.scoring.evaluation import EvaluationSet, Spec, simulated
from coattail.scoring.scorecard import of_preset, scorecard
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake

BECOME_NOBODY = """
import contextlib, io, os
import coattail.cli.logs
import coattail.home
from coattail.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["doctor"])  # imports what root may read and the other user perhaps not
os.setuid(65534)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home.open(tmp_path / "home", create=True)


@pytest.fixture
def lake(home: Home) -> Iterator[Lake]:
    """Its tables."""
    opened = Lake(embedded(home.path))
    yield opened
    opened.close()


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def as_nobody() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run Python code in a child that root's permissions do not help: root writes even into a 0555 folder."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        drop = BECOME_NOBODY if os.geteuid() == 0 else ""
        return subprocess.run(
            [sys.executable, "-c", drop + code], capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> EvaluationSet:
    """A judged day after two of warm-up."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return simulated(Spec(seed=7, days=1, warm_up=2), shared / "evidence")


@pytest.fixture(scope="session")
def found(small: EvaluationSet) -> dict[str, Any]:
    """That day scored by both presets, and the thresholds of one of them swept."""
    cards = scorecard([small], {preset: of_preset(preset) for preset in PRESETS})
    return {"scorecard": cards, "curves": curves([small], presets=["classic"]), "nab": None}
