from pathlib import Path

import pytest

from coattail.errors import SparkError
from coattail.spark.java import find_java


def make_java(folder: Path, script: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    path = folder / "bin" / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return folder


def says(version: str) -> str:
    return f"echo 'openjdk version \"{version}\" 2025-04-15' >&2"


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    home = make_java(tmp_path / "home", says("21.0.1"))
    on_path = make_java(tmp_path / "path", says("17.0.15"))
    found = find_java({"JAVA_HOME": str(home), "PATH": str(on_path / "bin")})
    assert (found.home, found.version) == (home, "21.0.1")
    found = find_java({"PATH": str(on_path / "bin")})
    assert (found.home, found.version) == (on_path, "17.0.15")


def test_a_link_on_path_leads_to_the_home_of_java(tmp_path: Path) -> None:
    home = make_java(tmp_path / "jvm", says("17"))
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "java").symlink_to(home / "bin" / "java")
    assert find_java({"PATH": str(tmp_path / "usr")}).home == home


@pytest.mark.parametrize("script", [says("1.8.0_392"), says("11.0.2"), "exit 3"])
def test_a_java_home_of_no_use_gives_way_to_path(tmp_path: Path, script: str) -> None:
    home = make_java(tmp_path / "home", script)
    on_path = make_java(tmp_path / "path", says("17.0.15"))
    assert find_java({"JAVA_HOME": str(home), "PATH": str(on_path / "bin")}).home == on_path


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (says("1.8.0_392"), "(PATH) is Java 1.8.0_392"),
        (says("16.0.2"), "(PATH) is Java 16.0.2"),
        ("exit 3", "(PATH) does not run: exit code 3"),
        ("echo hello", "(PATH) does not run: hello"),
        ("true", "(PATH) does not run: no answer"),
    ],
)
def test_what_was_found_instead_is_said_with_the_remedy(tmp_path: Path, script: str, said: str) -> None:
    folder = make_java(tmp_path / "old", script)
    with pytest.raises(SparkError) as caught:
        find_java({"PATH": str(folder / "bin")})
    assert said in caught.value.message
    assert "apt install openjdk-17-jre-headless" in caught.value.next_step
    assert "the local engine works without" in caught.value.next_step


def test_no_java_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(SparkError, match="there is no Java here"):
        find_java({"PATH": str(tmp_path)})
    with pytest.raises(SparkError, match=r"\(JAVA_HOME\) does not run: No such file"):
        find_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(tmp_path)})
