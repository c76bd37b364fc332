"""Every notebook that comes with the package runs, and gives the answer that stands in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coattail.home import Home
from coattail.notebooks.shelf import Notebook, shipped


@pytest.mark.slow
@pytest.mark.parametrize("notebook", shipped(), ids=lambda notebook: notebook.name)
def test_it_gives_its_answer(notebook: Notebook, day: Home) -> None:
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
               "-o", "filterwarnings=", str(notebook.path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COATTAIL_HOME": str(day.path)})
    assert done.returncode == 0, done.stdout


def test_only_the_answer_is_kept_in_git() -> None:
    for notebook in shipped():
        *others, answer = (cell for cell in notebook.content["cells"] if cell["cell_type"] == "code")
        assert {"keep_output", "nbval-check-output"} <= set(answer["metadata"]["tags"]), notebook.name
        assert answer["outputs"], notebook.name
        assert not [cell["id"] for cell in others if cell["outputs"]], notebook.name
