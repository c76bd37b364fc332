"""What must not come into git: large files, keys, and outputs of a run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tools import staged


def test_nothing_in_git_is_what_must_not_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    kept = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    files = [name for name in kept if name and Path(name).is_file()]
    assert len(files) > 500
    assert staged.main(files) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("market.bin", b"\0" * 500_001, "500 kB, and at most 500 are kept"),
        ("key.pem", b"-----BEGIN RSA PRIVATE" + b" KEY-----\n", "it holds a private key"),
        ("notes.md", b"id AKIA" + b"Q" * 16 + b"\n", "it holds an access key of AWS"),
        ("notes.md", b"ghp" + b"_" + b"a" * 36, "it holds a token of GitHub"),
    ],
    ids=["large", "private key", "access key", "token"],
)
def test_what_must_not_be_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert staged.main([str(tmp_path / name)]) == 1
    assert capsys.readouterr().out == f"{tmp_path / name}: {said}\n"
    (tmp_path / name).write_bytes(content[:499_999].replace(b" KEY", b"").replace(b"AKIA", b"").replace(b"ghp", b""))
    assert staged.main([str(tmp_path / name)]) == 0


def test_a_notebook_keeps_outputs_only_where_a_tag_says_so(tmp_path: Path) -> None:
    silent = {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [], "source": []}
    said = {**silent, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["7\n"]}]}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": [silent, {**said, "metadata": {"tags": [staged.KEPT]}}]}))
    assert list(staged.wrong(path)) == []
    path.write_text(json.dumps({"cells": [silent, said]}))
    assert list(staged.wrong(path)) == [f"{path}: cell 2 has an output; clear it, or give the cell the tag keep_output"]
