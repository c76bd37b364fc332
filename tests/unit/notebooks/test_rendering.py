"""The page of an executed notebook as a file."""

import json
from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.notebooks.rendering import render
from coattail.reports.prose import NoRenderer
from tests.harness.executed import code, failed, notebook, printed, prose

PARAMETERS = 'symbol: str = "A"  # which\nhome: str = ""  # where\nmany: list[str] = []'
GIVEN = {"parameters": {"symbol": "B C", "home": "/somewhere/of/mine", "many": ["x", "y"]}}


def saved(folder: Path, *cells: dict[str, object], name: str = "look-executed.ipynb", **metadata: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(notebook(*cells, **metadata)))
    return path


def test_the_page_lies_beside_the_notebook_and_says_how_it_came_about(tmp_path: Path) -> None:
    path = saved(tmp_path, code(PARAMETERS, tags=("parameters",)), code("x", printed("Well.")), papermill=GIVEN)
    made = render(path)
    assert (made.out, made.notebook, made.headline) == (path.with_suffix(".html"), "look", "Well.")
    assert (made.cells, made.charts, made.failed_in, made.light) == (2, 0, None, False)
    page = made.out.read_text()
    assert made.bytes == made.out.stat().st_size
    assert "coattail notebook run look -p &#x27;symbol=B C&#x27; -p many=x,y --html" in page
    assert "/somewhere/of/mine" not in page
    assert str(tmp_path) not in page
    assert render(path).out.read_text() == page


def test_a_notebook_of_any_other_kind_is_shown_too(tmp_path: Path) -> None:
    made = render(saved(tmp_path, prose("# Mine"), code("x = 1")), tmp_path / "mine.html", light=True)
    assert made.headline == "Mine"
    assert "<script" not in made.out.read_text()


def test_a_failed_notebook_has_a_page_that_says_where(tmp_path: Path) -> None:
    assert render(saved(tmp_path, code("x", failed("ValueError", "no")))).failed_in == 1


def test_a_notebook_that_never_ran_is_refused_with_how_to_run_it(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "execution_count": None, "outputs": []}
    with pytest.raises(UsageError, match=r"never executed.*coattail notebook run .*look\.ipynb --html"):
        render(saved(tmp_path, cell, name="look.ipynb"))
    with pytest.raises(UsageError, match="there is no notebook"):
        render(tmp_path / "none.ipynb")


def test_another_file_is_in_the_way_unless_forced(tmp_path: Path) -> None:
    path = saved(tmp_path, code("x = 1"))
    path.with_suffix(".html").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not a report; add --force"):
        render(path)
    assert render(path, force=True).bytes > 1000


def test_without_what_cleans_html_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nh3", None)
    with pytest.raises(NoRenderer, match=r"needs nh3, which is not installed; pip install 'coattail\[report\]'"):
        render(saved(tmp_path, prose("# Mine"), code("x = 1")))
