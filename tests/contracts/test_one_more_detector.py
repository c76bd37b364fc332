"""A detector with its table is one file and one line: a copy of the package that has just these knows it everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MADE_UP = Path(__file__).parent / "made_up"
LINE = '    "taker_share.TakerShareDetector",\n'


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package and of the suites, and the one file and the one line in it."""
    root = tmp_path_factory.mktemp("package")
    for part in ("coattail", "tests/contracts", "tests/harness"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, root / name)
    detectors = root / "coattail" / "detectors"
    shutil.copy(MADE_UP / "taker_share.py", detectors)
    registry = detectors / "__init__.py"
    last = '    "net_spread.NetSpreadDetector",\n'
    text = registry.read_text()
    assert text.count(last) == 1
    registry.write_text(text.replace(last, last + LINE))
    return root


def python(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COATTAIL", "PYTEST"))}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=root, env={**variables, "PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = python(package, "-m", "tests.contracts.made_up.walk", tmp_path_factory.mktemp("walk"))
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert result["package"] == str(package / "coattail" / "__init__.py")
    return result


def test_it_keeps_what_every_detector_promises(package: Path) -> None:
    done = python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_detectors.py",
                  "-k", "taker-share")  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_it_judges_and_its_alerts_are_explained(found: dict[str, Any]) -> None:
    assert found["rows"] > 10
    assert found["alerts"] > 3
    assert found["explained"] == ["reproduced"] * 3
    assert "Takers bought in" in found["said"]
    assert "share bought from" in found["said"]


def test_it_is_reprocessed_to_the_same_alerts(found: dict[str, Any]) -> None:
    """Those of open windows stand in the hot store alone, so the table lacks them."""
    assert found["reprocessed"] > 10
    assert found["differing"] == []


def test_its_view_gives_every_window_once(found: dict[str, Any]) -> None:
    assert found["by_sql"] == [{"n": found["rows"]}]


def test_a_report_draws_what_it_measures_and_counts_its_alerts_by_their_noun(found: dict[str, Any]) -> None:
    page = found["report"]
    assert 'id="modules"' in page
    assert "taker-share: share bought" in page
    assert "one-sided market" in page
    assert "Takers bought in" in page


def test_it_is_compacted_and_repaired_as_the_others_are(found: dict[str, Any]) -> None:
    assert "taker_shares" in found["maintained"]
    assert found["compacted_alike"]
    assert "taker_shares" in found["repair"]
    assert found["repaired_alike"]
