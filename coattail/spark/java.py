"""The Java that Spark runs on: found, asked for its version, or missed in one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from coattail.errors import SparkError
from coattail.versions import JAVA

REMEDY = (
    f"the Spark engine needs Java {JAVA} (Debian, Ubuntu: apt install openjdk-{JAVA}-jre-headless; "
    f"macOS: brew install openjdk@{JAVA}, then set JAVA_HOME; conda: environment.yml has it); "
    "the local engine works without"
)
"""What to do where there is none."""

_TIMEOUT_SECONDS = 20
_VERSION = re.compile(r'version "((?:1\.)?(\d+)[^"]*)"')


@dataclass(frozen=True)
class Java:
    """A Java new enough for Spark: the folder that JAVA_HOME must name, and its version, for example 17.0.15."""

    home: Path
    version: str


def find_java(environment: Mapping[str, str] | None = None) -> Java:
    """The first Java new enough: the one JAVA_HOME names, else the one on PATH (default: of this process).

    Raises: SparkError: If there is none; the message says what was found instead.
    """
    environment = os.environ if environment is None else environment
    found = []
    for executable, origin in _candidates(environment):
        answer = _ask(executable)
        version = _VERSION.search(answer)
        if version is None:
            found.append(f"{executable} ({origin}) does not run: {' '.join(answer.split())[:120] or 'no answer'}")
        elif int(version[2]) < JAVA:
            found.append(f"{executable} ({origin}) is Java {version[1]}")
        else:
            return Java(executable.resolve().parent.parent, version[1])
    raise SparkError("; ".join(found) or "there is no Java here", next_step=REMEDY)


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """(executable, where it was found), without those that are not there at all."""
    home = environment.get("JAVA_HOME")
    if home:
        yield Path(home, "bin", "java"), "JAVA_HOME"
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path:
        yield Path(on_path), "PATH"


def _ask(executable: Path) -> str:
    """What `java -version` says, or why it says nothing."""
    try:
        done = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer within {_TIMEOUT_SECONDS} s"
    answer = done.stderr + done.stdout
    return answer if done.returncode == 0 else f"exit code {done.returncode}"
