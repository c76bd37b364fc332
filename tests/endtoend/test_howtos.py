"""Every block of the pages in docs/howto is carried out, in order, as a reader would: files, changes, commands."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from coattail.cli import main
from tests.harness.processes import ROOT

HOWTOS = sorted((ROOT / "docs" / "howto").glob("*.md"))
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHOWN = {"json", "text"}
"""Kinds of blocks that show something, where they have no title."""


class Block(NamedTuple):
    kind: str
    title: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(page.read_text())]


def carry_out(block: Block, folder: Path, variables: dict[str, str]) -> str:
    """What the block's commands print; a block that no reader could carry out fails."""
    if block.title:
        (folder / block.title).write_text(block.text)
    commands = block.text if block.kind == "sh" else ""
    if block.kind == "cron":
        assert all(re.match(r"\d+ \d+ \* \* \* ", line) for line in block.text.splitlines())
        commands = "\n".join(line.split(" ", 5)[5].replace("\\%", "%") for line in block.text.splitlines())
    elif block.kind == "ini" and "[Service]" in block.text:
        unit = dict(line.split("=", 1) for line in block.text.splitlines() if "=" in line)
        commands = f"cd {unit['WorkingDirectory'].replace('%h', '$HOME')}\n{unit['ExecStart']}"
    elif block.kind == "diff":
        commands = f"git apply --unidiff-zero - <<'END'\n{block.text}END"
    lines = [shlex.split(line, comments=True) for line in commands.splitlines()]
    if folder == Path.cwd() and lines and all(words[:1] == ["coattail"] for words in lines):  # saves each a start
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard):
            assert [main(words[1:]) for words in lines] == [0] * len(lines), block
        return heard.getvalue()
    assert block.title or commands or block.kind in _SHOWN, f"nobody knows what to do with {block}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=variables, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def home(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this module's own, which maintenance may change."""
    home = tmp_path_factory.mktemp("howtos") / "home"
    assert main(["replay", str(market_folder), "--home", str(home)]) == 0
    return home


@pytest.fixture
def reader(tmp_path: Path, home: Path) -> tuple[Path, dict[str, str]]:
    """The folder of a reader, with a home in it, and the environment: its `coattail` and `python` are the tests'."""
    folder, tools = tmp_path / "market", tmp_path / "bin"
    folder.mkdir()
    (folder / ".coattail").symlink_to(home)
    tools.mkdir()
    for name, words in {"coattail": f'"{sys.executable}" -m coattail', "python": f'"{sys.executable}"'}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (tools / name).chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COATTAIL", "PYTEST"))}
    return folder, {**kept, "HOME": str(tmp_path), "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_a_detector_is_added(reader: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    _, variables = reader
    copy = tmp_path / "clone"
    for part in ("coattail", "notebooks", "tests/contracts", "tests/harness"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, copy / name)
    said = [
        carry_out(block, copy, {**variables, "PYTHONPATH": str(copy)})
        for block in blocks_of(ROOT / "docs" / "howto" / "add_a_detector.md")
    ]
    assert len(said) == 5
    assert "judged" in said[2]
    assert "price_move" in said[3]
    assert "price move" in (copy / "day.html").read_text()
    assert re.search(r"^[1-9]\d* passed", said[4], re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["add_a_notebook", "schedule", "share"])
def test_a_page_is_carried_out(name: str, reader: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, variables = reader
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COATTAIL_HOME", raising=False)
    said = [carry_out(block, folder, variables) for block in blocks_of(ROOT / "docs" / "howto" / f"{name}.md")]
    made = {path.name for path in folder.iterdir()}
    if name == "add_a_notebook":
        assert said[1].splitlines()[0].startswith("Most was traded in BTC-")
        assert "Most was traded in BTC-" in (folder / "busiest.html").read_text()
    elif name == "schedule":
        assert {"report-2025-03-04-card.png", "first_look.ipynb", "coattail-report.timer"} <= made
        assert json.loads(re.findall(r"^\{.*?^\}", said[-1], re.DOTALL | re.MULTILINE)[0])["home"]
    else:
        assert {"day.html", "day-card.png", "day-pages.pdf", "day-claims.json", "day-post.txt"} <= made
        assert "every number has its query" in said[0]


def test_every_howto_is_carried_out_by_a_test() -> None:
    tried = {"add_a_detector", "add_a_notebook", "schedule", "share"}
    assert {page.stem for page in HOWTOS} == tried
