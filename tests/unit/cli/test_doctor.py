import importlib.metadata
import json
import shutil
import sqlite3
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coattail.home import Home
from coattail.streams.local import LocalStream
from coattail.versions import PYICEBERG, PYSPARK
from coattail.workspace import health

Run = Callable[..., Any]
ROOT = Path(__file__).parents[3]
JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"


@pytest.fixture(autouse=True)
def complete_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed here, only the home is in question."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: PYICEBERG if name == "pyiceberg" else "1.0")


def findings(done: Any) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in json.loads(done.out)["findings"]}


def with_java(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str | None) -> None:
    folder.mkdir()
    if script:
        (folder / "java").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_a_healthy_home_has_nothing_broken(coattail: Run) -> None:
    coattail("init")
    done = coattail("doctor", "--json")
    assert done.code == 0
    assert json.loads(done.out)["healthy"] is True
    assert {
        "python",
        "packages",
        "spark engine",
        "disk",
        "settings",
        "home",
        "catalog",
        "tables",
        "hot store",
        "stream",
        "dead letters",
        "engine",
        "producer",
    } == set(findings(done))
    assert coattail("doctor").code == 0


def test_no_home_yet_is_a_note_and_a_missing_named_one_is_broken(coattail: Run, tmp_path: Path) -> None:
    done = coattail("doctor", "--json")
    assert (done.code, findings(done)["home"]["state"]) == (0, "note")
    assert "coattail init" in findings(done)["home"]["remedy"]
    done = coattail("doctor", "--json", "--home", tmp_path / "none")
    assert (done.code, findings(done)["home"]["state"]) == (1, "broken")


@pytest.mark.parametrize(("file", "name"), [("catalog.db", "catalog"), ("hot.db", "hot store")])
def test_a_damaged_database_is_broken_and_has_a_remedy(coattail: Run, tmp_path: Path, file: str, name: str) -> None:
    home = Home.open(tmp_path / ".coattail", create=True)
    with sqlite3.connect(home.path / file) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert findings(coattail("doctor", "--json"))[name]["state"] == "ok"
    (home.path / file).write_bytes(b"not a database" * 100)
    done = coattail("doctor", "--json")
    assert (done.code, findings(done)[name]["state"]) == (1, "broken")
    assert findings(done)[name]["remedy"]


def test_a_damaged_stream_is_broken(coattail: Run, tmp_path: Path) -> None:
    home = Home.open(tmp_path / ".coattail", create=True)
    LocalStream(home.stream).append([(1, b"pack")])
    assert "1 segment," in findings(coattail("doctor", "--json"))["stream"]["detail"]
    next((home.stream / "segments").glob("*.seg")).write_bytes(b"cut")
    done = coattail("doctor")
    assert done.code == 1
    assert "is damaged" in done.out


def test_a_running_engine_is_named(coattail: Run, tmp_path: Path) -> None:
    home = Home.open(tmp_path / ".coattail", create=True)
    with home.engine_lock("coattail land"):
        assert "`coattail land` (process " in findings(coattail("doctor", "--json"))["engine"]["detail"]


def test_settings_that_are_not_understood_are_broken(coattail: Run, tmp_path: Path) -> None:
    coattail("init")
    (tmp_path / ".coattail" / "coattail.yaml").write_text("nonsense: 1\n")
    done = coattail("doctor", "--json")
    assert (done.code, findings(done)["settings"]["state"]) == (1, "broken")


@pytest.mark.parametrize(
    ("script", "detail", "remedy"),
    [
        ("echo 'java version \"1.8.0_392\"' >&2", "is Java 1.8.0_392", "openjdk-17"),
        ("exit 3", "does not run: exit code 3", "openjdk-17"),
        (None, "there is no Java here", "the local engine works without"),
        (JAVA_17, "PySpark is 1.0, not 4.1.1", "pip install pyspark==4.1.1"),
    ],
)
def test_what_the_spark_engine_lacks_is_only_a_note(
    coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, detail: str, remedy: str
) -> None:
    with_java(monkeypatch, tmp_path / "bin", script)
    done = coattail("doctor", "--json")
    found = findings(done)["spark engine"]
    assert (done.code, found["state"]) == (0, "note")
    assert detail in found["detail"]
    assert remedy in found["remedy"]


def test_a_complete_spark_engine_is_ready(coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_java(monkeypatch, tmp_path / "bin", JAVA_17)
    versions = {"pyiceberg": PYICEBERG, "pyspark": PYSPARK}
    monkeypatch.setattr("importlib.metadata.version", lambda name: versions.get(name, "1.0"))
    monkeypatch.setenv("COATTAIL_JARS", str(tmp_path))
    missing = findings(coattail("doctor", "--json"))["spark engine"]
    assert f"is not in {tmp_path}" in missing["detail"]
    assert "make setup" in missing["remedy"]
    monkeypatch.setattr("coattail.spark.jars.JARS", ())
    done = findings(coattail("doctor", "--json"))["spark engine"]
    assert (done["state"], done["detail"]) == ("ok", f"ready (Java 17.0.15, PySpark {PYSPARK}, jars)")


def test_missing_and_wrong_packages_are_broken(coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.11.0")
    assert findings(coattail("doctor", "--json"))["packages"]["detail"] == f"pyiceberg 0.11.0, not {PYICEBERG}"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    declared = ["no-such-package[extra]>=2,<3", "other>=1; extra == 'aws'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: declared)
    assert findings(coattail("doctor", "--json"))["packages"]["detail"] == "missing: no-such-package"


def test_a_copy_that_was_never_installed_is_broken(coattail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", requires)
    assert findings(coattail("doctor", "--json"))["packages"]["detail"] == "coattail itself is not installed"


def test_an_unsupported_python_is_broken(coattail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "sys", SimpleNamespace(version_info=(3, 14, 0)))
    assert findings(coattail("doctor", "--json"))["python"]["state"] == "broken"


@pytest.mark.parametrize(("free", "state", "code"), [(10**11, "ok", 0), (10**9, "note", 0), (10**6, "broken", 1)])
def test_a_disk_that_is_nearly_full_is_told(
    coattail: Run, monkeypatch: pytest.MonkeyPatch, free: int, state: str, code: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    done = coattail("doctor", "--json")
    assert (done.code, findings(done)["disk"]["state"]) == (code, state)


def test_doctor_asks_for_the_packages_that_the_installation_declares() -> None:
    names = health.packages()
    assert {"polars", "pyiceberg", "duckdb", "typer"} <= set(names)
    assert not {"pytest", "ruff", "boto3", "pyspark"} & set(names), "extras are not needed"


def test_the_pin_of_pyiceberg_is_the_version_that_is_asked_for() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"pyiceberg[pyiceberg-core,sql-sqlite]=={PYICEBERG}" in declared
