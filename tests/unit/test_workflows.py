"""Workflows on GitHub: what they may do, what they run, and how a deployment is kept to the plan that was approved.

actionlint knows their grammar; nothing here can run them.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import yaml

from coattail.aws.operate.environment import Environment
from tests.harness.pages import refused, simple_commands
from tests.harness.processes import ROOT

PAGE = (ROOT / "docs" / "AWS.md").read_text()
FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}
WORKFLOWS: dict[str, Any] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
ALLOWED = {"contents": "read", "id-token": "write"}
PINNED = re.compile(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
MAJOR = re.compile(r"uses: [\w/-]+@v\d+$")
TARGETS = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {
    ".venv/.installed-core"
}
VARIABLES = set(re.findall(r'^variable "(\w+)"', (ROOT / "infra" / "variables.tf").read_text(), re.MULTILINE))


def steps_of(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def wrong(workflow: dict[str, Any]) -> list[str]:
    """What a workflow may do, or does, that it should not."""
    found = []
    if not (workflow.get("permissions", {"all": "write"}) or {}).items() <= ALLOWED.items():
        found.append("the workflow may do more than it needs to")
    if "pull_request_target" in workflow[True]:  # YAML takes `on` for true
        found.append("strangers' code would run with permissions")
    for name, job in workflow["jobs"].items():
        rights = job.get("permissions", {})
        if not rights.items() <= ALLOWED.items():
            found.append(f"{name} may do more than it needs to")
        if "id-token" in rights and ("environment" not in job or set(workflow[True]) != {"workflow_dispatch"}):
            found.append(f"{name} becomes a role on AWS, and nobody is asked")
        if not 0 < job.get("timeout-minutes", 0) <= 60:
            found.append(f"{name} may run for hours")
    if "secrets." in str(workflow) or "access-key" in str(workflow):
        found.append("there is a secret")
    for step in steps_of(workflow):
        line = step.get("run", "")
        if "${{" in line:
            found.append(f"{line}: what somebody has typed would be run")
        for command in re.findall(r"^make .*$", line, re.MULTILINE):
            missing = {word for word in shlex.split(command)[1:] if "=" not in word} - TARGETS
            found += [f"make {each}: there is no such target" for each in missing]
        for words in (words for each in line.splitlines() for words in simple_commands(each)):
            if words[0].endswith("coattail") and (said := refused(words[1:])):
                found.append(f"{shlex.join(words)}: {said}")
        for variable in step.get("env", {}):
            if variable.startswith("TF_VAR_") and variable.removeprefix("TF_VAR_") not in VARIABLES:
                found.append(f"{variable}: infra/ has no such variable")
    return found


def unpinned(text: str) -> list[str]:
    """Actions that may change under the same name: anything but a commit where a role of AWS is taken."""
    used = re.findall(r"uses: .*$", text, re.MULTILINE)
    kinds = [PINNED] if "id-token: write" in text else [PINNED, MAJOR]
    return [each for each in used if not any(kind.fullmatch(each) for kind in kinds)]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_what_it_needs_and_runs_what_is_there(name: str) -> None:
    assert wrong(WORKFLOWS[name]) == []
    assert unpinned(TEXTS[name]) == []


Change = Callable[[dict[str, Any]], object]
BROKEN: dict[str, Change] = {
    "the workflow may do more": lambda w: w.update(permissions={"contents": "write"}),
    "the workflow may do more than": lambda w: w.pop("permissions"),
    "strangers' code": lambda w: w[True].update(pull_request_target=None),
    "plan may do more": lambda w: w["jobs"]["plan"]["permissions"].update(packages="write"),
    "apply becomes a role": lambda w: w["jobs"]["apply"].pop("environment"),
    "plan becomes a role": lambda w: w[True].update(push=None),
    "apply may run for hours": lambda w: w["jobs"]["apply"].pop("timeout-minutes"),
    "there is a secret": lambda w: w["env"].update(KEY="${{ secrets.KEY }}"),
    "would be run": lambda w: w["jobs"]["plan"]["steps"].append({"run": "echo ${{ inputs.environment }}"}),
    "no such target": lambda w: w["jobs"]["plan"]["steps"].append({"run": "true\nmake happy PYTHON=python"}),
    "No such option": lambda w: w["jobs"]["plan"]["steps"].append({"run": "true | .venv/bin/coattail aws zips --ot x"}),
    "no such variable": lambda w: w["jobs"]["plan"]["steps"].append({"env": {"TF_VAR_happy": "1"}}),
}


@pytest.mark.parametrize("said", BROKEN)
def test_one_that_does_more_is_found(said: str) -> None:
    workflow = copy.deepcopy(WORKFLOWS["deploy.yml"])
    BROKEN[said](workflow)
    assert [found for found in wrong(workflow) if said in found] != []


def test_an_action_that_is_not_pinned_is_found() -> None:
    assert unpinned("- uses: actions/checkout@v4") == []
    for line in ("uses: actions/checkout@v4", f"uses: actions/checkout@{'a' * 40}", "uses: actions/checkout@main"):
        assert unpinned(f"id-token: write\n- {line}") == [line]
    assert unpinned("- uses: actions/checkout@main") != []


def test_what_is_applied_is_the_plan_that_was_made_and_somebody_approves_between() -> None:
    deploy = WORKFLOWS["deploy.yml"]
    plan, apply = deploy["jobs"]["plan"], deploy["jobs"]["apply"]
    assert apply["needs"] == "plan"
    assert (plan["environment"], apply["environment"]) == (
        "${{ inputs.environment }}-plan", "${{ inputs.environment }}",
    )  # fmt: skip
    (kept,) = (step["with"] for step in plan["steps"] if "upload-artifact" in step.get("uses", ""))
    (taken,) = (step["with"] for step in apply["steps"] if "download-artifact" in step.get("uses", ""))
    assert kept["name"] == taken["name"]
    (planned,) = re.findall(r"-out=(\S+)", str([step.get("run") for step in plan["steps"]]))
    assert set(kept["path"].split()) == {f"infra/{planned}", "infra/.terraform.lock.hcl", "build/lambdas"}
    commands = [step["run"] for step in apply["steps"] if "run" in step]
    assert commands[-1] == f"terraform -chdir=infra apply {planned}"
    assert [line for line in commands if " plan" in line or "auto-approve" in line] == []
    assert "coattail aws cost --plan plan.json" in str(plan["steps"]), "who approves knows what it costs"
    assert "-lockfile=readonly" in commands[0], "with the very provider of the plan"
    states = [line.split("init")[1].replace("-lockfile=readonly", "").split() for line in
              (step.get("run", "") for step in steps_of(deploy)) if " init" in line]  # fmt: skip
    assert states[0] == states[1]


def test_the_state_is_where_commands_of_coattail_look_for_it() -> None:
    deploy = WORKFLOWS["deploy.yml"]
    known = Environment(environment="dev", account_id="123456789012", region="eu-central-1")
    text = re.sub(r"\$\{\{ vars\.(\w+) \}\}", r"\1", deploy["env"]["BUCKET"])
    assert text.replace("AWS_ACCOUNT_ID", known.account_id).replace("AWS_REGION", known.region) == known.states
    keys = {key for step in steps_of(deploy) for key in re.findall(r"key=([^\"]+)", step.get("run", ""))}
    assert {key.replace("$TARGET", "dev") for key in keys} == {known.key}


def test_a_deployment_keeps_the_bundle_that_jobs_run_from_if_it_is_told_which() -> None:
    deploy = WORKFLOWS["deploy.yml"]
    assert deploy[True]["workflow_dispatch"]["inputs"]["bundle"]["default"] == ""
    (step,) = (each for each in steps_of(deploy) if " plan " in each.get("run", ""))
    assert step["env"]["BUNDLE"] == "${{ inputs.bundle }}"
    words = step["run"].split("-lock=false")[1]
    for given, said in (("deps-0-arm64.tar.gz", ["-var=bundle=deps-0-arm64.tar.gz"]), ("", [])):
        echoed = subprocess.run(
            ["bash", "-uc", f"printf '%s\\n' {words}"], env={"TARGET": "dev", "AWS_REGION": "x", "BUNDLE": given},
            capture_output=True, text=True, check=True,
        ).stdout.split("\n")  # fmt: skip
        assert [word for word in echoed if "bundle" in word] == said


def test_every_environment_that_can_be_chosen_has_a_file() -> None:
    chosen = WORKFLOWS["deploy.yml"][True]["workflow_dispatch"]["inputs"]["environment"]["options"]
    assert chosen
    assert [name for name in chosen if not (ROOT / "infra" / "environments" / f"{name}.tfvars").is_file()] == []


def test_one_version_of_terraform_is_used_and_it_is_new_enough() -> None:
    used = {step["with"]["terraform_version"] for workflow in WORKFLOWS.values() for step in steps_of(workflow)
            if "setup-terraform" in step.get("uses", "")}  # fmt: skip
    (version,) = used
    (needed,) = re.findall(r'required_version = ">= ([\d.]+)"', (ROOT / "infra" / "versions.tf").read_text())
    assert [int(part) for part in version.split(".")] >= [int(part) for part in needed.split(".")]


def test_infra_is_checked_with_terraform_and_scanners_for_every_change() -> None:
    jobs = WORKFLOWS["ci.yml"]["jobs"]
    assert jobs["infra"]["steps"][-1] == {
        "run": "make infra", "env": {"PYTHON": "python", "COATTAIL_TEST_TERRAFORM": "required"},
    }  # fmt: skip
    assert jobs["scan"]["steps"][-1]["run"] == "make scan"


def test_the_trust_policy_on_the_page_names_one_environment_of_one_repository() -> None:
    (block,) = re.findall(r"^```json title=\"trust policy.*?\"\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    (statement,) = json.loads(block)["Statement"]
    conditions = statement.pop("Condition")
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    chosen = WORKFLOWS["deploy.yml"][True]["workflow_dispatch"]["inputs"]["environment"]["options"][0]
    who = "token.actions.githubusercontent.com"
    assert conditions == {
        "StringEquals": {f"{who}:aud": "sts.amazonaws.com", f"{who}:sub": f"repo:OWNER/REPOSITORY:environment:{chosen}"}
    }
    assert set(re.findall(r"vars\.(\w+)", TEXTS["deploy.yml"])) == {"AWS_ROLE_ARN", "AWS_ACCOUNT_ID", "AWS_REGION"}
    assert all(f"`{name}`" in PAGE for name in ("AWS_ROLE_ARN", "AWS_ACCOUNT_ID", "AWS_REGION", f"{chosen}-plan"))


def test_what_looks_at_a_commit_is_installed_already_and_fetches_nothing() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {each["repo"] for each in repositories} == {"local"}
    hooks = [hook for each in repositories for hook in each["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    modules = {hook["entry"].split()[2] for hook in hooks if hook["entry"].startswith(".venv/bin/python -m ")}
    assert modules == {"ruff", "tools.staged"}
    assert all(find_spec(name) for name in modules)
    (formatted,) = (re.compile(hook["files"]) for hook in hooks if hook["entry"].startswith("terraform fmt "))
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "infra").rglob("*") if path.suffix in (".tf", ".tfvars")]
    assert [name for name in files if not formatted.fullmatch(name)] == []


def test_every_folder_that_dependabot_looks_into_has_something_for_it() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    kinds = {each["package-ecosystem"]: each.get("directories") or [each["directory"]] for each in updates}
    holds = {"github-actions": ".github/workflows/*.yml", "terraform": "versions.tf", "pip": "pyproject.toml"}
    assert kinds.keys() == holds.keys()
    empty = [
        name
        for kind, names in kinds.items()
        for name in names
        if not any(ROOT.glob(f"{name[1:]}/{holds[kind]}".strip("/")))
    ]
    assert empty == []
