import hashlib
import importlib.metadata
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from coattail.errors import SparkError
from coattail.spark import jars
from coattail.spark.jars import JARS, Jar, fetch_jars, find_jars, jars_folder
from coattail.spark.java import Java
from coattail.versions import PYSPARK

CONTENT = b"PK a jar"
JAR = Jar("org.example", "thing", "1.2", hashlib.sha256(CONTENT).hexdigest())
OTHER = Jar("org.example", "other", "3", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def two_small_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "JARS", (JAR, OTHER))


def repository(content: bytes) -> object:
    """A resolver whose repository has the same content for every jar."""

    def resolve(wanted: Sequence[Jar], folder: Path) -> None:
        (folder / "jars").mkdir()
        for jar in wanted:
            (folder / "jars" / f"{jar.group}_{jar.name}").write_bytes(content)

    return resolve


def refuse(wanted: Sequence[Jar], folder: Path) -> None:
    raise AssertionError(f"{wanted} asked for")


def test_the_pinned_jars_belong_to_the_pinned_spark() -> None:
    assert [jar.name for jar in JARS] == ["iceberg-spark-runtime-4.1_2.13-1.11.0.jar", "sqlite-jdbc-3.54.1.0.jar"]
    assert [jar.coordinate.count(":") for jar in JARS] == [2, 2]


def test_the_folder_is_the_environments_unless_named(tmp_path: Path) -> None:
    assert jars_folder({"COATTAIL_JARS": str(tmp_path)}) == tmp_path
    assert jars_folder({}).parts[-3:] == ("share", "coattail", "jars")


def test_fetched_jars_are_found_and_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_resolve", repository(CONTENT))
    folder = tmp_path / "share" / "jars"
    assert fetch_jars(folder) == [folder / JAR.name, folder / OTHER.name] == find_jars(folder)
    assert sorted(path.name for path in folder.iterdir()) == [OTHER.name, JAR.name]
    monkeypatch.setattr(jars, "_resolve", refuse)
    assert fetch_jars(folder) == find_jars(folder)


def test_only_what_is_missing_or_another_file_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / JAR.name).write_bytes(CONTENT)
    (tmp_path / OTHER.name).write_bytes(CONTENT[:-1])
    with pytest.raises(SparkError, match=r"other-3\.jar is not the org\.example:other:3 that was published") as caught:
        find_jars(tmp_path)
    assert "make setup" in caught.value.next_step
    asked: list[Jar] = []

    def resolve(wanted: Sequence[Jar], folder: Path) -> None:
        asked.extend(wanted)
        repository(CONTENT)(wanted, folder)  # type: ignore[operator]

    monkeypatch.setattr(jars, "_resolve", resolve)
    fetch_jars(tmp_path)
    assert asked == [OTHER]


def test_a_repository_with_another_file_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_resolve", repository(b"something else"))
    with pytest.raises(SparkError, match=r"is not the org\.example:thing:1\.2 that was published"):
        fetch_jars(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_one_sentence_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = "\n\t::::\n\tHost repo.example not found. url=a\n\tunresolved dependency: x\nException in thread main"
    monkeypatch.setattr(jars, "check_pyspark", lambda: None)
    monkeypatch.setattr(jars, "find_java", lambda: Java(tmp_path, "17"))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, report, ""))
    monkeypatch.setenv("COATTAIL_JARS", str(tmp_path / "jars"))
    with pytest.raises(SparkError) as caught:
        fetch_jars()
    assert str(caught.value).startswith("thing-1.2.jar, other-3.jar could not be fetched (Host repo.example not found")
    assert "when online" in caught.value.next_step
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_resolve", refuse)
    (tmp_path / "file").touch()
    with pytest.raises(SparkError, match="cannot be written") as caught:
        fetch_jars(tmp_path / "file" / "jars")
    assert "COATTAIL_JARS" in caught.value.next_step


def test_absence_is_a_failure_unless_the_caller_can_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COATTAIL_JARS", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jars.main([]) == 1
    assert jars.main(["--if-possible"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines()[0].startswith("no Spark engine: there is no Java here; the Spark engine ne")
    assert captured.out == ""


@pytest.mark.parametrize(("version", "said"), [(None, "PySpark is not installed"), ("4.0.2", "PySpark is 4.0.2, not")])
def test_another_pyspark_is_refused(monkeypatch: pytest.MonkeyPatch, version: str | None, said: str) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)
    with pytest.raises(SparkError, match=said):
        jars.check_pyspark()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: PYSPARK)
    jars.check_pyspark()
