"""The daily workflow as Terraform writes it: valid, with the job that coattail would order, and loud when it fails."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from statelint.config import Config
from statelint.linter import Linter

from coattail.aws.emulate import REGION as EMULATED
from coattail.config import load_settings
from coattail.home import Home
from coattail.jobs.base import JobOrder
from coattail.jobs.emr_applications import FIRST
from coattail.jobs.emr_request import Application, start_request
from coattail.workspace.ordering import chosen_of, refuse_without_stores
from coattail.workspace.tasks import options_of
from tests.harness import workflow
from tests.harness.emulation import INSTALLED, emulation
from tests.harness.planned import ACCOUNT, REGION, Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

CHECKPOINT = f"coattail-dev-checkpoint-{ACCOUNT}-{REGION}"
SECONDS_MISREAD = "Pause.Seconds is"
"""statelint takes an integer alone there; Step Functions takes an expression, too ("Wait workflow state")."""


@pytest.fixture(scope="module")
def definition(own_tests: list[dict[str, Any]]) -> dict[str, Any]:
    [plan] = [m["test_plan"] for m in own_tests if m["type"] == "test_plan" and m["@testrun"] == "workflow"]
    [machine] = [each for each in plan["resource_changes"] if each["type"] == "aws_sfn_state_machine"]
    found: dict[str, Any] = json.loads(machine["change"]["after"]["definition"])
    return found


def problems(definition: dict[str, Any]) -> list[str]:
    return [one for one in Linter.validate(definition, Config(evaluate_jsonata=True)) if SECONDS_MISREAD not in one]


def test_statelint_finds_nothing_and_would_find_a_state_that_is_not_there(definition: dict[str, Any]) -> None:
    assert problems(definition) == []
    broken = copy.deepcopy(definition)
    broken["States"]["Judge"]["Next"] = "Good enoug"
    assert "Good enoug" in " ".join(problems(broken))


def tasks(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task, those of iterations too."""
    for name, state in states.items():
        if state["Type"] == "Task":
            yield name, state
        if state["Type"] == "Map":
            yield from tasks(state["ItemProcessor"]["States"])


def test_every_task_has_an_end_and_every_failure_a_way_to_people(definition: dict[str, Any]) -> None:
    states = definition["States"]
    assert definition["TimeoutSeconds"] == 24 * 3600
    assert [name for name, task in tasks(states) if not task["TimeoutSeconds"]] == []
    caught = {name: state["Catch"][0] for name, state in states.items() if state["Type"] in ("Task", "Map")}
    assert {tuple(one["ErrorEquals"]) for one in caught.values()} == {("States.ALL",)}
    leading = {name: one["Next"] for name, one in caught.items()}
    assert leading.pop("Tell people") == "Say failure"
    assert leading.pop("Say failure") == "Failed"
    assert set(leading.values()) == {"Why"}
    named = states["Why"], states["Tell people"]
    assert [state["Next"] for state in named] == ["Tell people", "Say failure"]
    steps = {one["Assign"]["failed"]["step"] for one in caught.values() if "Assign" in one}
    longest = max(len(step) for step in steps)
    assert len("abcdefghijkl-production: the daily workflow failed at ") + longest <= 100, "SNS takes 100 characters"


def test_the_job_is_what_coattail_itself_would_order(definition: dict[str, Any], tmp_path: Path) -> None:
    asked = copy.deepcopy(definition["States"]["Land"]["Arguments"])
    job, text = asked["JobDriver"]["SparkSubmit"]["EntryPointArguments"]
    said = json.loads(text)
    order = JobOrder(job=job, options=said["options"], settings=said["settings"])
    assert options_of(job, order.options) == order.options
    settings = load_settings(Home.open(tmp_path, create=True), **chosen_of(order, Home.open(tmp_path)))
    refuse_without_stores(job, settings)
    assert settings.metrics.url is None, "the lag of yesterday's trades is no lag of an engine"
    on = Application(
        application=asked["ApplicationId"], role=asked["ExecutionRoleArn"], artifacts=f"s3://{CHECKPOINT}/artifacts",
        bundle="deps-0123456789abcdef-arm64.tar.gz",
    )  # fmt: skip
    own = pascal(start_request(order, on))
    del own["Tags"], own["ClientToken"], own["ExecutionTimeoutMinutes"]
    assert asked.pop("ExecutionTimeoutMinutes") * 60 < definition["States"]["Land"]["TimeoutSeconds"]
    for each in (asked, own):
        spark = each["JobDriver"]["SparkSubmit"]
        spark["SparkSubmitParameters"] = sorted(spark["SparkSubmitParameters"].split("--conf "))
        spark["EntryPointArguments"][1] = json.loads(spark["EntryPointArguments"][1])
    assert asked == own


def pascal(value: Any) -> Any:
    """As Step Functions spells it."""
    if isinstance(value, list):
        return [pascal(one) for one in value]
    return {n[0].upper() + n[1:]: pascal(v) for n, v in value.items()} if isinstance(value, dict) else value


HERE = f"{REGION}:{ACCOUNT}"
RULE = f"arn:aws:events:{HERE}:rule/StepFunctionsGetEventsForEMRServerlessJobRule"
DELIVERIES = (
    "CreateLogDelivery",
    "DeleteLogDelivery",
    "DescribeLogGroups",
    "DescribeResourcePolicies",
    "GetLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "UpdateLogDelivery",
)
"""Of logs. Source: "Using CloudWatch Logs to log execution history in Step Functions"."""


def needed(definition: dict[str, Any]) -> dict[str, set[str]]:
    """Action -> the resources on which its states need it.

    Source: "IAM policies for integrated services" of the AWS Step Functions Developer Guide, by service.
    """
    found: dict[str, set[str]] = {f"logs:{name}": {"*"} for name in DELIVERIES}

    def need(resource: str, *actions: str) -> None:
        for action in actions:
            found.setdefault(action, set()).add(resource)

    for _, task in tasks(definition["States"]):
        asked = task["Arguments"]
        match task["Resource"].removeprefix("arn:aws:states:::"):
            case "lambda:invoke":
                need(asked["FunctionName"], "lambda:InvokeFunction")
            case "emr-serverless:startJobRun.sync":
                application = f"arn:aws:emr-serverless:{HERE}:/applications/{asked['ApplicationId']}"
                need(application, "emr-serverless:StartJobRun")
                need(f"{application}/jobruns/00run", "emr-serverless:GetJobRun", "emr-serverless:CancelJobRun")
                need(asked["ExecutionRoleArn"], "iam:PassRole")
                need(RULE, "events:PutTargets", "events:PutRule", "events:DescribeRule")
            case "sns:publish":
                need(asked["TopicArn"], "sns:Publish")  # whose messages are encrypted with the key
                need(f"arn:aws:kms:{HERE}:key/1", "kms:Decrypt", "kms:GenerateDataKey")
            case "aws-sdk:cloudwatch:putMetricData":
                need("*", "cloudwatch:PutMetricData")
            case other:
                raise AssertionError(f"say what {other} needs")
    return found


def allowed(plan: Plan, role: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(Action, resource, condition) of everything that a role may do."""
    [policy] = [r["values"]["policy"] for r in plan.resources()
                if r["type"] == "aws_iam_role_policy" and r.get("index") == role]  # fmt: skip
    return [
        (action, resource, statement.get("Condition", {}))
        for statement in json.loads(policy)["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def amiss(needed: dict[str, set[str]], allowed: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """What is needed and not allowed, and what is allowed that nothing needs."""
    missing = [
        f"missing: {action} on {resource}"
        for action, resources in needed.items()
        for resource in resources
        if not any(may == action and fnmatchcase(resource, on) for may, on, _ in allowed)
    ]
    spare = [
        f"spare: {action} on {on}"
        for action, on, _ in allowed
        if not any(fnmatchcase(resource, on) for resource in needed.get(action, ()))
    ]
    return missing + spare


def test_its_role_may_do_what_its_states_do_and_nothing_else(definition: dict[str, Any], plan: Plan) -> None:
    states, role = needed(definition), allowed(plan, "workflow")
    assert amiss(states, role) == []
    conditions = {action: condition for action, _, condition in role}
    assert conditions["cloudwatch:PutMetricData"] == {"StringEquals": {"cloudwatch:namespace": namespace(definition)}}
    assert conditions["iam:PassRole"] == {"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}}
    assert conditions["emr-serverless:StartJobRun"] == {"StringEquals": {"aws:ResourceTag/Name": "coattail-dev-batch"}}
    for number, (action, on, _) in enumerate(role):
        assert amiss(states, role[:number] + role[number + 1 :])[0].startswith(f"missing: {action} on "), (action, on)
    assert amiss({a: r for a, r in states.items() if a != "sns:Publish"}, role) == [
        f"spare: sns:Publish on arn:aws:sns:{HERE}:coattail-dev-alarms"
    ]


def namespace(definition: dict[str, Any]) -> str:
    [found] = {task["Arguments"]["Namespace"] for _, task in tasks(definition["States"])
               if "Namespace" in task["Arguments"]}  # fmt: skip
    return str(found)


def test_the_schedule_is_off_and_its_role_may_start_this_workflow_alone(plan: Plan) -> None:
    [schedule], [machine] = plan.of("aws_scheduler_schedule"), plan.of("aws_sfn_state_machine")
    assert (schedule["state"], schedule["schedule_expression"]) == ("DISABLED", "cron(0 2 * * ? *)")
    [target] = schedule["target"]
    assert (json.loads(target["input"]), target["retry_policy"][0]["maximum_retry_attempts"]) == ({}, 5)
    roles = f"arn:aws:iam::{ACCOUNT}:role/coattail-dev-"
    assert (target["role_arn"], machine["role_arn"]) == (f"{roles}scheduler", f"{roles}workflow")
    may = {action: on for action, on, _ in allowed(plan, "scheduler") if not action.startswith("kms:")}
    assert may == {"states:StartExecution": f"arn:aws:states:{HERE}:stateMachine:{machine['name']}"}


FAKES = """
import json

class Blocked(Exception):
    pass

def loader(event, context):
    if event["symbol"] == "BLOCKED":
        raise Blocked('this address is not served ("451"); name another host')
    done = "cursor" in event and event["symbol"] != "ENDLESS"
    wanted = 0 if event["symbol"] == "NOTHING" else 10
    after = {**event, "cursor": {"first_id": 1, "last_id": 10}}
    return {"done": done, "wait_seconds": 0 if done else 7, "next": after, "exchange": event["exchange"],
            "symbol": event["symbol"], "wanted": wanted, "filed": wanted if done else 4, "lacking": 0, "trades": wanted}

def gate(event, context):
    assert event["since"].startswith("20") and event["since"][10] == "T", event
    passed = event["threshold"] <= 95
    return {"passed": passed, "reason": f"95 % of 10 records passed, and {event['threshold']:g} % should have"}

def catalog(event, context):
    assert event == {}
    return {"rows": 10}
"""
JOB = "import sys\nprint(sys.argv[1:], file=sys.stderr)\n"
FAILING = JOB + 'sys.exit("3 ids are missing; submit it again")\n'
TWO = [{"exchange": "binance", "symbol": "BTC-USDT"}, {"exchange": "coinbase", "symbol": "BTC-USD"}]


def emulated(text: str) -> str:
    """The same for the account, the region and the application of the emulation."""
    for there, here in ((ACCOUNT, "000000000000"), (REGION, EMULATED), ("00batch", FIRST)):
        text = text.replace(there, here)
    return text


class Deployed:
    """The workflow, with functions and a job that do as they are told."""

    def __init__(self, clients: workflow.Clients, definition: dict[str, Any]) -> None:
        self.clients = clients
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = clients("iam").create_role(RoleName="fakes", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("fakes.py", FAKES)
        for name in ("loader", "gate", "catalog"):
            clients("lambda").create_function(
                FunctionName=f"coattail-dev-{name}", Runtime="python3.13", Handler=f"fakes.{name}", Role=role,
                Code={"ZipFile": packed.getvalue()}, Timeout=20,
            )  # fmt: skip
        clients("s3").create_bucket(Bucket=emulated(CHECKPOINT))
        self.ordered(JOB)
        self.topic = clients("sns").create_topic(Name="coattail-dev-alarms")["TopicArn"]
        self.queue = workflow.subscribed(clients, self.topic)
        made = clients("stepfunctions").create_state_machine(
            name="coattail-dev-daily", roleArn=role, definition=emulated(json.dumps(definition))
        )
        self.machine = made["stateMachineArn"]

    def ordered(self, script: str) -> None:
        """What the job does from now on."""
        self.clients("s3").put_object(
            Bucket=emulated(CHECKPOINT), Key="artifacts/jobs/backfill.py", Body=script.encode()
        )

    def run(self, *asked: object) -> list[workflow.Execution]:
        """Executions, one after the other."""
        return [workflow.ended(self.clients, workflow.start(self.clients, self.machine, one)) for one in asked]

    def said(self) -> tuple[int, int]:
        """How often success and failure were counted."""
        count = partial(workflow.counted, self.clients, "coattail-dev")
        return count("WorkflowSuccess"), count("WorkflowFailure")


@pytest.fixture
def deployed(definition: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    if not INSTALLED:
        pytest.skip("the emulator of AWS is not installed: coattail[dev,aws,emulate]")
    monkeypatch.setenv("SFN_WAIT_SCALE", "0")  # nobody waits for the exchange
    with emulation(tmp_path / "home") as there:
        yield Deployed(there.client, definition)


def instruments(*symbols: str) -> dict[str, Any]:
    return {"instruments": [{"exchange": "binance", "symbol": symbol} for symbol in symbols]}


def test_it_succeeds_once_and_whatever_fails_is_told_once_and_counted_once(deployed: Deployed) -> None:
    good, low, blocked, nothing, endless = deployed.run(
        {"instruments": TWO, "since": "2025-03-04T00:00:00Z"}, {"threshold": 96}, instruments("BTC-USDT", "BLOCKED"),
        instruments("NOTHING"), instruments("ENDLESS"),
    )  # fmt: skip
    assert (good.status, good.cause, good.states) == (
        "SUCCEEDED", "", ["Usual", "Asked", "Load", "Land", "Judge", "Good enough", "Count", "Say success"],
    )  # fmt: skip
    assert good.output["loaded"] == [{**one, "trades": 10, "lacking": 0} for one in TWO]
    assert (good.output["verdict"]["passed"], good.output["tables"]) == (True, {"rows": 10})
    failed = {
        low.arn: ("the quality gate", "95 % of 10 records passed, and 96 % should have"),
        blocked.arn: ("loading history", 'this address is not served ("451"); name another host'),
        nothing.arn: ("loading history", "binance has no trade of NOTHING from yesterday to today"),
        endless.arn: ("loading history", "4 of 10 ids of binance ENDLESS came in 20 rounds"),
    }
    told = workflow.messages(deployed.clients, deployed.queue)
    assert deployed.said() == (1, 4)

    deployed.ordered(FAILING)
    [broken] = deployed.run({})
    failed[broken.arn] = ("landing the files", "3 ids are missing; submit it again (its log: coattail aws logs 00")
    told += workflow.messages(deployed.clients, deployed.queue)
    assert deployed.said() == (1, 5)

    assert len(told) == len(failed)
    for execution in (low, blocked, nothing, endless, broken):
        step, why = failed[execution.arn]
        assert (execution.status, execution.error) == ("FAILED", "WorkflowFailed")
        assert execution.cause.startswith(f"{step}: {why}")
        assert execution.states[-4:] == ["Why", "Tell people", "Say failure", "Failed"]
        [message] = [one for one in told if execution.arn in one["Message"]]
        assert message["Subject"] == f"coattail-dev: the daily workflow failed at {step}"
        assert f"Why: {why}" in message["Message"]
        assert "What to do: docs/RUNBOOK.md#alarm-workflow-failed" in message["Message"]

    deployed.clients("sns").delete_topic(TopicArn=deployed.topic)
    [untold] = deployed.run(instruments("NOTHING"))
    assert (untold.status, untold.error, deployed.said()) == ("FAILED", "WorkflowFailed", (1, 6))
    assert workflow.messages(deployed.clients, deployed.queue) == []
