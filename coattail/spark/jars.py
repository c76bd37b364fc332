"""The two jars that let Spark read the lakehouse: pinned, fetched once by Spark's own resolver, checked by hash.

`python -m coattail.spark.jars` fetches what is missing; sessions and tests take the files from here and ask no
network. They lie in `share/coattail/jars` of the Python environment, or where COATTAIL_JARS says.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coattail.errors import SparkError
from coattail.spark.java import find_java
from coattail.versions import ICEBERG, PYSPARK, SCALA, SQLITE_JDBC

_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Jar:
    """A file of Maven Central, forever the same."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


JARS = (
    Jar(
        "org.apache.iceberg",
        f"iceberg-spark-runtime-{PYSPARK.rpartition('.')[0]}_{SCALA}",
        ICEBERG,
        "d6ea6c5d099288daeb7d5a92061bd3d7d8f296492632b42378e5f2f0e3066242",
    ),
    Jar("org.xerial", "sqlite-jdbc", SQLITE_JDBC, "f8dce420a6016278497f4f0560f65602b9db858de141b541cf91a4644ebe4639"),
)
"""Iceberg for Spark, and the driver of its JDBC catalog."""

_EXCLUDED = "org.slf4j:slf4j-api"
"""What sqlite-jdbc asks for and Spark brings."""


def jars_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the jars lie, or will: COATTAIL_JARS, else a folder of this Python environment."""
    named = (os.environ if environment is None else environment).get("COATTAIL_JARS")
    return Path(named).absolute() if named else Path(sys.prefix, "share", "coattail", "jars")


def find_jars(folder: Path | None = None) -> list[Path]:
    """The jars, each with the content it must have.

    Raises: SparkError: If one is missing, or is another file.
    """
    folder = folder or jars_folder()
    for jar in JARS:
        problem = _problem(folder / jar.name, jar)
        if problem:
            raise SparkError(problem, next_step=f"fetch it: make setup, or {sys.executable} -m coattail.spark.jars")
    return [folder / jar.name for jar in JARS]


def fetch_jars(folder: Path | None = None) -> list[Path]:
    """The jars, fetched if one is missing or wrong; only whole and verified files get into `folder`.

    The resolver's own cache lives and dies in a temporary folder; DEFAULT_ARTIFACT_REPOSITORY, which Spark knows,
    names another repository than Maven Central.

    Raises: SparkError: If there is no Java or no PySpark, or a jar cannot be had.
    """
    folder = folder or jars_folder()
    wrong = [jar for jar in JARS if _problem(folder / jar.name, jar)]
    if not wrong:
        return find_jars(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as name:
            _resolve(wrong, Path(name))
            for jar in wrong:
                got = Path(name, "jars", f"{jar.group}_{jar.name}")
                problem = _problem(got, jar)
                if problem:
                    raise SparkError(problem, next_step="try again; if it stays so, the repository serves another file")
                os.replace(got, folder / jar.name)
    except OSError as error:
        raise SparkError(
            f"the jars cannot be written to {folder} ({error.strerror})",
            next_step="name a folder of yours: COATTAIL_JARS=/path/to/folder",
        ) from error
    return find_jars(folder)


def check_pyspark() -> None:
    """Nothing, if PySpark is here in the one version that the jars are made for.

    Raises: SparkError: If it is missing or another one.
    """
    try:
        version = importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:
        raise SparkError(
            "PySpark is not installed", next_step="make setup, or: pip install 'coattail[spark]'"
        ) from None
    if version != PYSPARK:
        raise SparkError(f"PySpark is {version}, not {PYSPARK}", next_step=f"pip install pyspark=={PYSPARK}")


def _problem(path: Path, jar: Jar) -> str | None:
    """What is wrong with a file, or None."""
    if not path.is_file():
        return f"{jar.name} is not in {path.parent}"
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != jar.sha256:
            return f"{path} is not the {jar.coordinate} that was published"
    return None


def _resolve(jars: Sequence[Jar], folder: Path) -> None:
    """Let spark-submit fetch the jars for a program that does nothing; they are in `folder/jars` then."""
    check_pyspark()
    java = find_java()
    import pyspark

    nothing = folder / "nothing.py"
    nothing.touch()
    command = [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        *("--master", "local[1]"),
        *("--conf", f"spark.jars.ivy={folder}"),
        *("--packages", ",".join(jar.coordinate for jar in jars)),
        *("--exclude-packages", _EXCLUDED),
        str(nothing),
    ]
    environment = {
        **os.environ,
        "JAVA_HOME": str(java.home),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "PYSPARK_PYTHON": sys.executable,
    }
    environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    names = ", ".join(jar.name for jar in jars)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=folder, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SparkError(f"{names} did not come within {_TIMEOUT_SECONDS} s", next_step="make setup again") from error
    if done.returncode:
        shutil.rmtree(folder / "jars", ignore_errors=True)
        raise SparkError(f"{names} could not be fetched ({_reason(done.stdout + done.stderr)})", next_step=_ONLINE)


_ONLINE = "make setup again when online, or put the files into the folder that COATTAIL_JARS names"


def _reason(output: str) -> str:
    """The line of the resolver's long report that says why."""
    telling = re.search(r"(Host \S+ not found|unresolved dependency: \S+|Connection \w+|[Tt]imed out).*", output)
    lines = output.strip().splitlines() or ["no output"]
    return (telling[0] if telling else lines[-1]).strip()[:200].rstrip(". )")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the jars and say where they are; `--if-possible` does not fail where they are absent."""
    parser = argparse.ArgumentParser(prog="python -m coattail.spark.jars", description=main.__doc__)
    parser.add_argument("--if-possible", action="store_true", help="exit with 0 even if the jars cannot be had")
    options = parser.parse_args(arguments)
    try:
        java = find_java()
        if any(_problem(jars_folder() / jar.name, jar) for jar in JARS):
            print(f"fetching {' and '.join(jar.name for jar in JARS)} (60 MB)", flush=True)
        folder = fetch_jars()[0].parent
    except SparkError as error:
        print(f"no Spark engine: {error}", file=sys.stderr)
        return 0 if options.if_possible else error.exit_code
    print(f"Spark engine: Java {java.version}, PySpark {PYSPARK}, jars in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
