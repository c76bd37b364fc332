"""A run of a notebook: its parameters, its copy, its failures; and `%%sql` inside of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest

from coattail.home import Home

pytestmark = pytest.mark.slow

WORK = """from coattail.workspace.cells import underway
from coattail.workspace.progress import Step
import time
with underway("work", quiet=0) as heard:
    for n in range(100):
        heard(Step("counting", n, 100))
    while not heard.__self__._drawn:
        time.sleep(0.01)"""
"""Work that is shown in any case."""


def write(folder: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    path = folder / "mine.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def notebook(home: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coattail", "--home", str(home), "notebook", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


def outputs(path: Path, cell: int) -> Sequence[dict[str, object]]:
    return json.loads(path.read_text())["cells"][cell]["outputs"]  # type: ignore[no-any-return]


def test_it_runs_with_parameters_on_the_home_of_the_command_and_answers_sql(day: Home, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'symbol: str = "none"\nmost: int | None = None',
        "%load_ext coattail\nfrom coattail import Workspace\nws = Workspace()",
        "%%sql answer\nSELECT count(*) AS trades, :symbol AS symbol FROM raw_trades WHERE symbol = :symbol",
        WORK,
        "%sql SELECT :missing",
        'print(answer["symbol"][0], answer["trades"][0] == ws.trades(symbol).height, most)',
    )
    broken = notebook(day.path, "run", str(path), "-p", "symbol=BTC-USDT", "-p", "most=3", "--html", cwd=tmp_path)
    assert broken.returncode == 1
    assert "stopped in cell" in broken.stderr
    assert ":missing has no value" in broken.stderr
    copy = tmp_path / "mine-executed.ipynb"
    assert str(copy.name) in broken.stderr
    assert copy.exists()
    page = tmp_path / "mine-executed.html"
    assert f"its page is {page.name}" in broken.stderr
    assert "This notebook failed in its cell " in page.read_text()

    text = json.loads(path.read_text())
    del text["cells"][4]
    path.write_text(json.dumps(text))
    done = notebook(
        day.path, "run", str(path), "-p", "symbol=BTC-USDT", "-p", "most=3", "--html", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["answer"] == "BTC-USDT True 3"
    (line,) = outputs(tmp_path / "mine-executed.ipynb", 4)  # the third cell, after the parameters that were given
    assert "".join(line["data"]["text/plain"]).startswith("work: done in ")  # type: ignore[index]
    assert said["html"] == page.name
    assert "<h1>BTC-USDT True 3</h1>" in page.read_text()
    assert said["parameters"] == {"symbol": "BTC-USDT", "most": 3}
    assert "Warning" not in done.stderr  # a kernel that is stopped while it ends may say so there
    assert "Traceback" not in done.stderr


def test_a_kernel_that_is_killed_is_said_and_what_it_printed_is_kept(day: Home, tmp_path: Path) -> None:
    kill = "import os, signal\nprint('so far', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    path = write(tmp_path, "a: int = 1", "print('before')", kill)
    killed = notebook(day.path, "run", str(path), "--html", cwd=tmp_path)
    assert killed.returncode == 1
    assert "the kernel of mine died" in killed.stderr
    assert outputs(tmp_path / "mine-executed.ipynb", 1)[0]["text"] == ["before\n"]
    assert "before" in (tmp_path / "mine-executed.html").read_text()


FULL = """import os, resource
resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (5000, 5000))"""
"""From then on whoever runs the notebook finds no room for a file of more than 5 kB."""


def test_a_copy_that_finds_no_room_leaves_the_one_before(day: Home, tmp_path: Path) -> None:
    path = write(tmp_path, "a: int = 1", FULL, "print('x' * 5000)", "print('the end')")
    copy = tmp_path / "mine-executed.ipynb"
    copy.write_text("the one before")
    full = notebook(day.path, "run", str(path), "--html", cwd=tmp_path)
    assert full.returncode == 1
    assert full.stderr.endswith(
        "error: the disk is full; free some space and run it again: whatever had been committed is kept\n"
    )
    assert copy.read_text() == "the one before"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine-executed.ipynb", "mine.ipynb"]


def test_a_home_without_trades_is_said_in_a_sentence(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    for name in ("01", "05"):
        empty = notebook(home.path, "run", name, cwd=tmp_path)
        assert (empty.returncode, "UsageError: nothing has landed yet" in empty.stderr) == (1, True), empty.stderr


def test_what_cannot_run_is_refused_before_a_kernel_starts(day: Home, tmp_path: Path) -> None:
    for words, said in (
        (["01", "-p", "symbl=X"], "did you mean symbol?"),
        (["01", "-p", "hours"], "write it like -p hours=2"),
        (["99"], "there is no notebook '99'"),
        (["01", "--out", str(day.path)], "is not a regular file"),
    ):
        refused = notebook(day.path, "run", *words, cwd=tmp_path)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    assert not list(tmp_path.iterdir())
