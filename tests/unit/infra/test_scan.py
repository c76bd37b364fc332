"""Scanners of infra/: what they find is held against the exceptions, both ways, and silence is no pass."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import scan

CLEAN: dict[str, Any] = {
    "trivy": {"Results": [{"Target": ".", "MisconfSummary": {"Successes": 42, "Failures": 0}}]},
    "checkov": {"results": {"failed_checks": []}, "summary": {"passed": 51, "parsing_errors": 0}},
}
TOPIC = {"ID": "AWS-0095", "Severity": "HIGH", "Title": "Unencrypted SNS topic.", "CauseMetadata": {"StartLine": 9}}
VPC = {"check_id": "CKV2_AWS_11", "resource": "module.network.aws_vpc.this[0]", "check_name": "Flow logging"}
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Scans with a trivy and a checkov that say what they are given, and end as given; there are no exceptions."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(scan, "exceptions", set)

    def call(code: int = 0, **said: object) -> tuple[int, str]:
        for name, document in (CLEAN | said).items():
            (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(document)}\nEND\nexit {code}\n")
            (tmp_path / name).chmod(0o755)
        return scan.main(), capsys.readouterr().out

    return call


def test_what_is_found_and_no_exception_is_wrong_with_its_place(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run() == (0, "scan: trivy 42 passed, checkov 51 passed, 0 exceptions with a reason, 0 wrong\n")
    topics = (
        'resource "aws_sns_topic" "one" {\n  name = "one"\n}\n\n\nresource "aws_sns_topic" "two" {\n\n\n  # here\n}\n'
    )
    (tmp_path / "topics.tf").write_text(topics + 'resource "aws_sns_topic" "three" {}\n')
    found = [{"Target": str(tmp_path / "topics.tf"), "Misconfigurations": [TOPIC]}, *CLEAN["trivy"]["Results"]]
    trivy, checkov = {"Results": found}, {**CLEAN["checkov"], "results": {"failed_checks": [VPC]}}
    code, said = run(trivy=trivy, checkov=checkov)
    assert (code, said.splitlines()) == (1, [
        "checkov CKV2_AWS_11 module.network.aws_vpc.this: Flow logging",
        f"trivy AWS-0095 {tmp_path}/topics.tf: aws_sns_topic.two: HIGH: Unencrypted SNS topic.",
        "scan: trivy 42 passed, checkov 51 passed, 0 exceptions with a reason, 2 wrong",
    ])  # fmt: skip
    excepted = {
        ("checkov", "CKV2_AWS_11", "module.network.aws_vpc.this"),
        ("trivy", "AWS-0095", f"{tmp_path}/topics.tf: aws_sns_topic.two"),
    }
    monkeypatch.setattr(scan, "exceptions", lambda: excepted)
    assert run(trivy=trivy, checkov=checkov)[0] == 0
    monkeypatch.setattr(scan, "exceptions", lambda: {(*key[:2], "elsewhere") for key in excepted})
    assert run(trivy=trivy, checkov=checkov)[1].count("no longer found") == 2, "an exception is of one place"


def test_an_exception_that_nothing_finds_any_more_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "exceptions", lambda: {("checkov", "CKV_AWS_28", "module.a.b.c")})
    code, said = run()
    assert (code, said.splitlines()[0]) == (
        1, "checkov CKV_AWS_28 module.a.b.c: no longer found; take the exception out of infra/scan.yaml",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scanner", "document", "why"),
    [
        ("trivy", {"Results": []}, "has seen nothing"),
        ("trivy", {"Results": [{"Target": "."}]}, "has seen nothing"),
        ("trivy", {"Results": [{"Target": "none.tf", "Misconfigurations": [TOPIC]}]}, "No such file"),
        ("trivy", {}, "gave no findings that can be read (KeyError('Results'))"),
        ("checkov", {"passed": 0, "failed": 0, "resource_count": 0}, "gave no findings that can be read"),
        ("checkov", {"results": {"failed_checks": [], "parsing_errors": ["/main.tf"]},
                     "summary": {"passed": 9, "parsing_errors": 1}}, "it could not read ['/main.tf']"),
    ],
)  # fmt: skip
def test_a_scanner_that_has_seen_nothing_has_passed_nothing(run: Run, scanner: str, document: object, why: str) -> None:
    code, said = run(**{scanner: document})
    assert code == 1
    assert said.startswith("error: ")
    assert why in said


def test_a_scanner_that_ends_badly_or_is_not_here_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run(code=2)
    assert code == 1
    assert "/trivy ended with 2" in said
    monkeypatch.setenv("PATH", "/nowhere")
    assert scan.main() == 1
    with pytest.raises(scan.ScannerMissing, match=r"trivy is neither in .*-scan/bin nor on PATH: make scan"):
        scan.scan()


def test_every_exception_has_a_reason_and_a_place(tmp_path: Path) -> None:
    kept = scan.exceptions()
    assert {scanner for scanner, *_ in kept} <= {scanner.name for scanner in scan.SCANNERS}
    file = tmp_path / "scan.yaml"
    for lacking in ("{where: [a.b]}", "{where: [a.b], reason: ' '}", "{where: [], reason: so}"):
        file.write_text(f"checkov: {{CKV_AWS_18: {lacking}}}\n")
        with pytest.raises(ValueError, match=r"scan\.yaml: checkov CKV_AWS_18 needs `where` and a `reason`"):
            scan.exceptions(file)


def test_no_comment_in_a_module_hides_a_finding() -> None:
    hiding = re.compile(r"checkov:skip|trivy:ignore|tfsec:ignore")
    files = sorted((scan.ROOT / "infra").rglob("*.tf"))
    assert len(files) > 40
    assert [str(path) for path in files if hiding.search(path.read_text())] == []
    assert hiding.search("#trivy:ignore:AWS-0095")
