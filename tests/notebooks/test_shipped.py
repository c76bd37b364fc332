"""Every notebook that comes with the package runs, and gives the answer that stands in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from coattail import Workspace
from coattail.home import Home
from coattail.notebooks.rendering import render
from coattail.notebooks.shelf import Notebook, find, shipped
from coattail.sql.questions import TEN
from tests.harness import kept_outputs

REPOSITORY = Path(__file__).parents[2]
OF_NOW = ("08_live",)
"""Whose answers are about the moment."""
ANSWER = "**Answer,** on the market of `make demo`: "


def answer_of(notebook: Notebook) -> str:
    """What stands in the notebook as the output of its last cell."""
    return "".join(notebook.content["cells"][-1]["outputs"][0]["text"]).strip()


@pytest.mark.slow
@pytest.mark.parametrize("notebook", shipped(), ids=lambda notebook: notebook.name)
def test_it_gives_its_answer_and_what_it_leaves_is_small(notebook: Notebook, demo: Home, tmp_path: Path) -> None:
    copy = tmp_path / notebook.path.name  # it runs where it lies, and writes there
    copy.write_bytes(notebook.path.read_bytes())
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
               "-p", kept_outputs.__name__, "-o", "filterwarnings=", "--rootdir", str(tmp_path), str(copy)]  # fmt: skip
    told = {"COATTAIL_HOME": str(demo.path), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **told})
    assert done.returncode == 0, done.stdout + done.stderr
    executed = tmp_path / f"{notebook.name}-executed.ipynb"
    small, live = render(executed, light=True).bytes, render(executed).bytes
    assert executed.stat().st_size < 500_000
    assert small < 500_000
    assert live < 1_200_000


@pytest.mark.parametrize("notebook", shipped(), ids=lambda notebook: notebook.name)
def test_it_asks_answers_and_keeps_only_the_answer_in_git(notebook: Notebook) -> None:
    title, parameters, *_ = notebook.content["cells"]
    headings = [cell for cell in notebook.content["cells"][1:] if cell["cell_type"] == "markdown"]
    *others, answer = (cell for cell in notebook.content["cells"] if cell["cell_type"] == "code")
    said = "".join(title["source"])
    assert notebook.question
    assert "Not financial advice." in said
    assert f"{ANSWER}{answer_of(notebook)}\n" in said
    assert parameters["metadata"]["tags"] == ["parameters"]
    assert all("## " in "".join(cell["source"]) for cell in headings[:3])
    assert len(headings) >= 3
    assert all(parameter.says for parameter in notebook.parameters)
    checked = set() if notebook.name in OF_NOW else {"nbval-check-output"}
    assert set(answer["metadata"]["tags"]) == {"keep_output", *checked}
    assert not [cell["id"] for cell in others if cell["outputs"]]
    assert "ws.verify()" in "".join("".join(cell["source"]) for cell in others)


@pytest.mark.slow
def test_the_ten_questions_have_their_answers(demo: Home) -> None:
    golden: list[list[Mapping[str, Any]]] = json.loads((Path(__file__).parent / "ten.json").read_text())
    with Workspace(demo.path) as ws:
        found = [json.loads(ws.sql(question.text, limit=5).write_json()) for question in TEN]
        snapshot = ws.snapshots()["snapshot_id"][0]
        then = ws.sql("SELECT count(*) AS trades FROM raw_trades FOR VERSION AS OF :snapshot", snapshot=int(snapshot))
        assert then["trades"][0] == ws.sql("SELECT count(*) AS trades FROM raw_trades")["trades"][0]
    assert found == golden


@pytest.mark.slow
def test_what_if_says_what_the_command_says(demo: Home) -> None:
    notebook = find("04_detectors")
    values = ",".join(str(value) for value in next(p.default for p in notebook.parameters if p.name == "values"))
    chosen = next(p.default for p in notebook.parameters if p.name == "chosen")
    words = ["what-if", "--set", f"volume-anomaly.budget={chosen}", "--sweep", f"volume-anomaly.budget={values}",
             "--truth", str(demo.path / "truth.parquet"), "--json"]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "coattail", "--home", str(demo.path), *words], capture_output=True)
    said = json.loads(done.stdout)["set"]
    now, then = (said["truth"][side]["kinds"]["burst"]["recall"] for side in ("now", "then"))
    assert answer_of(notebook).startswith(
        f"At volume-anomaly.budget = {chosen:g}: of the alerts {said['counts']['vanished']} vanish and "
    )
    assert f"{now['value']:.0%} are found now, {then['value']:.0%} then" in answer_of(notebook)


def test_time_travel_brings_every_alert_back() -> None:
    words = answer_of(find("05_time_travel")).split()
    assert words[1] == words[3]
    assert int(words[1]) > 0
