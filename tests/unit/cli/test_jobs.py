"""`coattail jobs`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail import place
from coattail.aws.operate.environment import Environment, write_environment
from coattail.config import KeyPath, Leaf, leaves_at
from coattail.home import Home
from coattail.jobs.emulated import EmulatedEmr
from coattail.workspace import submitting
from coattail.workspace.tasks import TASKS
from tests.harness.commands import until
from tests.harness.documented import SCHEMAS, keys
from tests.harness.processes import environment

PROGRAM = [sys.executable, "-m", "tests.harness.job_program"]

Run = Callable[..., Any]


@pytest.fixture
def run(coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """On a home where every job is one of the harness: `-o out=DO` says what it does."""
    assert coattail("--home", tmp_path / "home", "init").code == 0
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    original, trace = submitting.order_of, str(tmp_path / "trace")

    def order_of(job: str, options: dict[str, Any], **more: Any) -> Any:
        return original(job, {"do": options.get("out", "work"), "trace": trace}, **more)

    def jobs_of(home: Any, settings: Any, on: str | None = None) -> Any:
        from coattail.jobs.opening import open_jobs

        return open_jobs(on, home.jobs, PROGRAM)

    monkeypatch.setattr(submitting, "order_of", order_of)
    monkeypatch.setattr(submitting, "jobs_of", jobs_of)
    return lambda *words: coattail("--home", tmp_path / "home", "jobs", *words)


def test_a_job_is_submitted_seen_listed_and_its_log_read(run: Run) -> None:
    assert run("list").out == "no job was submitted on this machine yet\n"
    submitted = run("submit", "daily", "--token", "t")
    identity = submitted.out.split()[1]
    assert f"jobs show {identity}" in submitted.out
    assert run("submit", "daily", "--token", "t", "--wait").code == 0
    shown = json.loads(run("show", identity, "--json").out)
    assert set(keys(shown)) - {"options.do", "options.trace"} == set(keys(SCHEMAS["jobs show"]))
    assert (shown["state"], shown["result"]) == ("succeeded", "all of it")
    assert "state     succeeded" in run("show", identity).out
    assert json.loads(run("list", "--json").out) == {"place": "this machine", "jobs": [shown]}
    assert identity in run("list").out
    assert json.loads(run("log", identity, "--tail", 2, "--json").out)["lines"][0] == "the last word"
    assert run("log", identity, "--tail", 1).out.endswith("succeeded; all of it\n")


def test_waiting_for_a_job_that_fails_ends_with_1(run: Run) -> None:
    waited = run("submit", "daily", "-o", "out=fail", "--wait")
    assert waited.code == 1
    assert waited.out.splitlines()[-1].endswith("failed: the well is dry; dig")
    as_json = run("submit", "daily", "-o", "out=fail", "--wait", "--json")
    assert (as_json.code, json.loads(as_json.out)["reason"]) == (1, "the well is dry; dig")


def test_a_job_is_cancelled(run: Run, tmp_path: Path) -> None:
    identity = json.loads(run("submit", "daily", "-o", "out=wait", "--json").out)["id"]
    until(lambda: (tmp_path / "trace").exists())
    assert json.loads(run("cancel", identity, "--wait", "--grace", "20s", "--json").out)["state"] == "cancelled"
    assert "as far as it came" in run("cancel", identity).out


def test_a_dry_run_prints_the_request_and_starts_nothing(run: Run) -> None:
    asked = json.loads(run("submit", "maintain", "--dry-run", "--json").out)
    assert set(asked) == {"place", "request", "dollars_an_hour", "priced"}
    assert "nothing was sent" in run("submit", "maintain", "--dry-run").out
    assert json.loads(run("list", "--json").out)["jobs"] == []
    with EmulatedEmr(PROGRAM) as service:
        there = run("submit", "stream", "--dry-run", "--on", service.url)
        assert "STREAMING" in there.out
        assert "0.205 dollars an hour" in there.out
        assert "local emulation" in there.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("submit", "streem"), "did you mean stream?"),
        (("submit", "stream", "-o", "drian=true"), "did you mean drain?"),
        (("submit", "stream", "-o", "drain"), "write it like -o drain=true"),
        (("submit", "stream", "-o", "drain=perhaps"), "drain = 'perhaps' does not fit"),
        (("submit", "stream", "--token", "a b"), "token 'a b' is not one"),
        (("show", "0123456789ab"), "there is no job '0123456789ab'"),
        (("log", "../../etc"), "there is no job '../../etc'"),
        (("cancel", "x", "--grace", "soon"), "--grace 'soon' is not a time"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    refused = run(*words)
    assert (refused.code, said in refused.err) == (2, True), refused.err


def test_the_help_says_what_every_job_takes(run: Run) -> None:
    lines = [line.strip() for line in run("submit", "--help").out.splitlines()]
    for name, task in TASKS.items():
        (line,) = [line for line in lines if line.startswith(f"{name} ") and ": " in line]
        assert line.partition(": ")[2].split(", ") == [option for option, _, _ in task.takes()]


def test_the_page_says_what_every_job_takes() -> None:
    page = (Path(__file__).parents[3] / "docs" / "JOBS.md").read_text()
    for name, task in TASKS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert {word.partition("=")[0] for word in row.split("`")[3::2]} == {option for option, _, _ in task.takes()}


def test_jobs_on_aws_are_those_of_the_homes_file(run: Run, coattail: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "aws.yaml is not there" in coattail("--home", home, "aws", "jobs").err
    (home / "aws.yaml").write_text("stream: {retention: 2h}\n")
    refused = coattail("--home", home, "aws", "submit", "daily")
    assert (refused.code, "names nobody who runs jobs" in refused.err) == (2, True)


def test_jobs_on_aws_are_those_of_the_only_environment_where_no_file_says_otherwise(
    coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.open(tmp_path / "home", create=True)
    asked: list[str] = []

    def parameters(name: str) -> dict[KeyPath, Leaf]:
        asked.append(name)
        return dict(leaves_at("stream.retention", "2h", name))

    monkeypatch.setattr(place, "_of_parameters", parameters)
    for name in ("dev", "prod"):
        write_environment(home.path, Environment(environment=name, account_id="1" * 12, region="eu-central-1"))
        refused = coattail("--home", home.path, "aws", "jobs")
        assert refused.code == 2
        if name == "dev":
            assert "the place ssm:/coattail/dev?region=eu-central-1 names nobody who runs jobs" in refused.err
    assert asked == ["ssm:/coattail/dev?region=eu-central-1"]
    assert "knows 2 environments: dev, prod; say which: coattail --place 'ssm:/coattail/dev?" in refused.err
    coattail("--home", home.path, "--place", "ssm:/coattail/prod?region=eu-central-1", "aws", "jobs")
    assert asked[1:] == ["ssm:/coattail/prod?region=eu-central-1"]
