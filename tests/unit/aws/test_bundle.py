"""The bundle: one content, one name; only libraries of its architecture; what goes with the package."""

from __future__ import annotations

import ast
import gzip
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from coattail.aws import bundle as module
from coattail.aws.bundle import BundleError, bundled, entry_points, fetch, make_bundle, own_files, pack
from coattail.errors import UsageError
from coattail.jobs.emr_request import ARCHITECTURES
from coattail.workspace.tasks import TASKS
from tests.harness.bundled import installed_files, made_up_packages
from tests.harness.processes import ROOT


def test_the_same_packages_have_one_name_wherever_and_however_they_are_packed(tmp_path: Path) -> None:
    one = pack(made_up_packages(tmp_path / "one"), "arm64", tmp_path)
    first = one.path.read_bytes()
    two = made_up_packages(tmp_path / "two" / "deeper")
    for path in two.values():
        os.utime(path, (1, 1))
        path.chmod(0o700)
    (tmp_path / "two/deeper/bin/quick").write_bytes(b"#!/opt/python")
    again = pack(dict(reversed(two.items())), "arm64", tmp_path)
    assert again.path.read_bytes() == first
    assert pack(two, "arm64", tmp_path, level=0).name == again.name == one.name
    two["quick/__init__.py"].write_bytes(b"import quick.core, os")
    assert pack(two, "arm64", tmp_path).name != one.name


def test_it_holds_what_jobs_need_and_says_how_much(tmp_path: Path) -> None:
    made = pack(made_up_packages(tmp_path / "of"), "arm64", tmp_path)
    with tarfile.open(made.path) as archive:
        members = archive.getmembers()
    assert [m.name for m in members] == ["quick-1.dist-info/METADATA", "quick/__init__.py", "quick/core.so"]
    assert {(m.uid, m.gid, m.uname, m.mtime, m.mode) for m in members} == {(0, 0, "", 0, 0o644)}
    assert (made.packages, made.libraries, made.unpacked_bytes) == (1, 1, sum(m.size for m in members))
    assert made.packed_bytes == made.path.stat().st_size
    assert gzip.decompress(made.path.read_bytes())[4:8] != b""


@pytest.mark.parametrize("other", ["x86_64", "riscv64"])
def test_a_library_of_another_architecture_is_refused_and_nothing_is_left(other: str, tmp_path: Path) -> None:
    files = made_up_packages(tmp_path / "of", other)
    with pytest.raises(BundleError, match=r"1 of 1 libraries are not for arm64: quick/core\.so"):
        pack(files, "arm64", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["of"]


def test_packages_without_a_library_are_not_those_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no library is among the packages"):
        pack({}, "arm64", tmp_path)


def test_what_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no architecture 'm68k'; choose arm64 or x86_64"):
        make_bundle("m68k", tmp_path)
    monkeypatch.setattr(module, "_uv", lambda: [sys.executable, "-c", "raise SystemExit('  no such host')"])
    with pytest.raises(BundleError, match=r"cannot be had \(no such host\); check the network"):
        make_bundle("arm64", tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(module, "_uv", lambda: None)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(BundleError, match="neither uv nor pip to fetch packages; pip install uv"):
        fetch("arm64", tmp_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_only_wheels_with_the_hashes_of_the_lock_are_taken(
    architecture: str, uv: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(module, "_uv", lambda: ["uv"] if uv else None)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(module.subprocess, "run", run)
    fetch(architecture, tmp_path)
    words = " ".join(asked[0])
    wheels = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
    assert f"--python-platform {wheels}-manylinux_2_28" in words if uv else f"manylinux_2_28_{wheels}" in words
    for needed in ("--require-hashes", "--no-deps", "--only-binary :all:", "--python-version 3.11"):
        assert needed in words
    assert words.endswith(str(ROOT / "requirements-emr.lock"))


def test_every_job_has_an_entry_point_that_does_that_job_and_goes_with_the_package() -> None:
    assert {Path(name).stem for name in entry_points()} == set(TASKS)
    for name, path in entry_points().items():
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        (told,) = [call for call in calls if ast.unparse(call.func) == "on_driver"]
        assert ast.literal_eval(told.args[0]) == Path(name).stem
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {name: f"coattail/aws/shipped/{name}" for name in ("requirements-emr.lock", "jobs")}
    assert needed.items() <= wheel["force-include"].items()


def test_it_is_coattail_whole_but_for_what_people_look_at() -> None:
    names = bundled(own_files()).keys()
    assert {"coattail/workspace/at_work.py", "coattail/conf/defaults.yaml"} <= names
    assert not any("__pycache__" in name or name.startswith("coattail/notebooks/shelf/") for name in names)


def test_the_packages_of_the_lock_are_here_and_leave_the_heavy_ones_out() -> None:
    tops = {name.partition("/")[0] for name in bundled(installed_files())}
    assert {"polars", "pyarrow", "pandas", "numpy", "boto3", "pyiceberg", "coattail"} <= tops
    assert tops & {"duckdb", "sqlglot", "rich", "typer", "pyspark", "sqlalchemy", "fastapi"} == set()
