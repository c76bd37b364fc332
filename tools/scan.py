"""Scanners over infra/: what trivy and checkov find, held against the exceptions of infra/scan.yaml, both ways.

`make scan` installs both into a virtual environment of their own and runs this. A finding that is no exception is
wrong, and so is an exception that nothing finds any more: it would hide the next one. Nothing is asked of a network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools.everything import EVERYTHING

ROOT = Path(__file__).parents[1]
EXCEPTIONS = ROOT / "infra" / "scan.yaml"


class ScannerMissing(Exception):
    """Which scanner is not here, and how to get it."""


class ScannerFailed(Exception):
    """What a scanner has said instead of its findings."""


class Objection(NamedTuple):
    """What a scanner finds wrong, by its name of the rule, in a resource."""

    scanner: str
    check: str
    where: str
    says: str = ""


class Scanned(NamedTuple):
    """What a scanner found, and how many checks something has passed: none would mean that it has seen nothing."""

    findings: list[Objection]
    passed: int


@dataclass(frozen=True)
class Scanner:
    """A program that looks at a folder of Terraform.

    arguments: Options, given the folder and a file of variables. codes: Exit codes that are no failure.
    read: Its JSON and the folder -> what it found.
    """

    name: str
    arguments: Callable[[Path, Path], list[str]]
    codes: Collection[int]
    read: Callable[[Any, Path], Scanned]

    def program(self) -> str:
        """Where it is: in the environment that `make scan` makes beside this one, else what PATH has.

        Raises: ScannerMissing: If it is in neither.
        """
        own = f"{sys.prefix}-scan{os.sep}bin"
        found = shutil.which(self.name, path=own) or shutil.which(self.name)
        if found is None:
            raise ScannerMissing(f"{self.name} is neither in {own} nor on PATH: make scan installs it on Linux")
        return found

    def scan(self, folder: Path) -> Scanned:
        """What it finds in a folder.

        Raises: ScannerMissing: If it is not here. ScannerFailed: If it gives no findings, or has seen nothing.
        """
        program = self.program()
        with tempfile.TemporaryDirectory(prefix="coattail-scan-") as scratch:
            variables = Path(scratch, "everything.tfvars")
            variables.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in EVERYTHING.items()))
            done = subprocess.run(
                [program, *self.arguments(folder, variables)], capture_output=True, text=True, cwd=scratch
            )
        if done.returncode not in self.codes:
            raise ScannerFailed(f"{program} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        try:
            scanned = self.read(json.loads(done.stdout), folder)
        except (ValueError, LookupError, TypeError, OSError) as error:
            raise ScannerFailed(f"{program} gave no findings that can be read ({error!r})\n{done.stdout}") from error
        if not scanned.passed:
            raise ScannerFailed(f"{program} has seen nothing in {folder}: no check of it was passed")
        return scanned


def _of_trivy(said: Any, folder: Path) -> Scanned:
    results = said["Results"]
    found = [
        Objection(
            "trivy",
            each["ID"],
            f"{result['Target']}: {_resource_at(folder / result['Target'], each['CauseMetadata']['StartLine'])}",
            f"{each['Severity']}: {each['Title']}",
        )
        for result in results
        for each in result.get("Misconfigurations", [])
    ]
    return Scanned(found, sum(result.get("MisconfSummary", {}).get("Successes", 0) for result in results))


def _resource_at(file: Path, line: int) -> str:
    """The resource in which a line of a file stands: trivy itself names no more than its module."""
    before = "\n".join(file.read_text().splitlines()[:line])
    return ".".join(re.findall(r'^resource "(\w+)" "(\w+)"', before, re.MULTILINE)[-1])


def _of_checkov(said: Any, _: Path) -> Scanned:
    if said["summary"]["parsing_errors"]:
        raise ValueError(f"it could not read {said['results']['parsing_errors']}")
    found = [
        Objection("checkov", each["check_id"], each["resource"].partition("[")[0], each["check_name"])
        for each in said["results"]["failed_checks"]
    ]
    return Scanned(found, said["summary"]["passed"])


SCANNERS = (
    Scanner(
        "trivy",
        lambda folder, variables: [
            "config", "--quiet", "--skip-check-update", "--skip-version-check", "--disable-telemetry",
            "--severity", "HIGH,CRITICAL", "--format", "json", "--tf-vars", str(variables), str(folder),
        ],
        codes=(0,),
        read=_of_trivy,
    ),
    Scanner(
        "checkov",
        lambda folder, variables: [
            "--directory", str(folder), "--framework", "terraform", "--skip-download", "--compact", "--quiet",
            "--output", "json", "--var-file", str(variables),
        ],
        codes=(0, 1),
        read=_of_checkov,
    ),
)  # fmt: skip


def exceptions(path: Path = EXCEPTIONS) -> set[tuple[str, str, str]]:
    """Scanner, check and where of everything that stays although a scanner objects.

    Raises: ValueError: If one has no reason, or names no place.
    """
    found = set()
    for scanner, checks in (yaml.safe_load(path.read_text()) or {}).items():
        for check, entry in checks.items():
            if not str(entry.get("reason") or "").strip() or not entry.get("where"):
                raise ValueError(f"{path.name}: {scanner} {check} needs `where` and a `reason`")
            found |= {(scanner, check, where) for where in entry["where"]}
    return found


def judged(findings: Collection[Objection], excepted: set[tuple[str, str, str]]) -> Iterator[str]:
    """What is wrong: findings that are no exception, and exceptions that nothing finds."""
    seen = {(each.scanner, each.check, each.where): each.says for each in findings}
    for key, says in sorted(seen.items()):
        if key not in excepted:
            yield f"{' '.join(key)}: {says}"
    for key in sorted(excepted - seen.keys()):
        yield f"{' '.join(key)}: no longer found; take the exception out of {EXCEPTIONS.relative_to(ROOT)}"


def scan(folder: Path = ROOT / "infra") -> tuple[list[str], str]:
    """What is wrong with a folder of Terraform, and one line that says what was looked at.

    Raises: ScannerMissing, ScannerFailed: As `Scanner.scan`.
    """
    scanned = {scanner.name: scanner.scan(folder) for scanner in SCANNERS}
    excepted = exceptions()
    wrong = list(judged([finding for each in scanned.values() for finding in each.findings], excepted))
    passed = ", ".join(f"{name} {each.passed} passed" for name, each in scanned.items())
    return wrong, f"{passed}, {len(excepted)} exceptions with a reason, {len(wrong)} wrong"


def main() -> int:
    """Scan infra/; 0 if nothing is found but the exceptions, and each of these."""
    try:
        wrong, looked = scan()
    except (ScannerMissing, ScannerFailed) as error:
        print(f"error: {error}")
        return 1
    print("\n".join([*wrong, f"scan: {looked}"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
