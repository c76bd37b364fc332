"""Who may take a role and what it may do, as the plan says it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.planned import ACCOUNT, ANALYST, REGION, Plan
from tests.harness.policies import findings
from tests.harness.roles import FUNCTIONS_NEED

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

ROLES = ("producer", "jobs", "api", "loader", "gate", "catalog", "workflow", "scheduler", "analyst", "scientist")
BY_SERVICE = {"jobs": "emr-serverless", "workflow": "states", "scheduler": "scheduler"}
BY_LAMBDA = ("api", "loader", "gate", "catalog")
READER = "module.lake_formation[0].aws_iam_role_policy.reader"
NOT_BY_NAME = {
    "*": {
        "Metrics": "PutMetricData has no resource; the condition names the namespace",
        "Tables": "GetDataAccess has no resource; Lake Formation says what is read",
        "Log": "deliveries of logs have no ARN",
    },
    "kms:key/*": dict.fromkeys(
        ("Key", READER), "a key has its ARN only when it is there; the condition names its alias"
    ),
    "emr-serverless:/applications/*": {
        "Start": "an application has its id only when it is there; the condition names its tag"
    },
    "emr-serverless:/applications/*/jobruns/*": {
        "Follow": "a run has no tag of its application, and who may tag runs may tag any"
    },
    "glue:catalog": dict.fromkeys(("Catalog", "Schemas", "Table", "AllTables"), "an account has one in a region"),
    "events:rule/StepFunctionsGetEventsForEMRServerlessJobRule": {"HearOfTheEnd": "Step Functions calls it so"},
}
"""Resource that names nothing of this environment -> statements with it, and why."""


def policies(plan: Plan) -> dict[str, dict[str, Any]]:
    """Role, or the address of one that another module makes -> its policy."""
    found = [resource for resource in plan.resources() if resource["type"] == "aws_iam_role_policy"]
    return {each.get("index", each["address"]): json.loads(each["values"]["policy"]) for each in found}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_each_role_has_one_policy_of_its_own_without_a_mistake(plan: Plan) -> None:
    found = policies(plan)
    assert found.keys() >= set(ROLES)
    assert {role: wrong for role, policy in found.items() if (wrong := findings(policy))} == {}


def test_every_resource_is_one_of_this_environment_or_has_a_reason(plan: Plan) -> None:
    wide: dict[str, set[str]] = {}
    for role, policy in policies(plan).items():
        for statement in policy["Statement"]:
            assert not [action for action in listed(statement["Action"]) if "*" in action]
            for resource in listed(statement["Resource"]):
                if "coattail" not in resource:
                    parts = resource.split(":", 5)
                    wide.setdefault(f"{parts[2]}:{parts[5]}" if parts[1:] else resource, set()).add(
                        statement.get("Sid", role)
                    )
    assert wide == {resource: set(reasons) for resource, reasons in NOT_BY_NAME.items()}


def test_what_has_no_name_yet_is_known_by_a_condition(plan: Plan) -> None:
    conditions = {
        statement["Sid"]: statement["Condition"]
        for role in ROLES
        for statement in policies(plan)[role]["Statement"]
        if "Condition" in statement
    }
    assert conditions == {
        "Key": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/coattail-dev"}},
        "Metrics": {"StringEquals": {"cloudwatch:namespace": "coattail-dev"}},
        "Start": {"StringEquals": {"aws:ResourceTag/Name": "coattail-dev-batch"}},
        "JobsRole": {"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}},
    }
    assert [each["name"] for each in plan.of("aws_kms_alias")] == ["alias/coattail-dev"]
    tags = {each["tags"]["Name"] for each in plan.of("aws_emrserverless_application")}
    assert tags == {"coattail-dev-stream", "coattail-dev-batch"}


def test_a_service_takes_a_role_for_this_account_and_people_by_mfa_or_by_another_policy(plan: Plan) -> None:
    trust = {each["name"].removeprefix("coattail-dev-"): json.loads(each["assume_role_policy"])["Statement"]
             for each in plan.of("aws_iam_role")}  # fmt: skip
    assert trust.keys() >= set(ROLES)
    trust = {role: trust[role] for role in ROLES}
    said = {role: (one["Effect"], one["Principal"], one.get("Condition")) for role, [one] in trust.items()}
    own = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    for role, service in BY_SERVICE.items():
        assert said.pop(role) == ("Allow", {"Service": f"{service}.amazonaws.com"}, own)
    for role in BY_LAMBDA:
        assert said.pop(role) == ("Allow", {"Service": "lambda.amazonaws.com"}, None)
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    assert said.pop("analyst") == ("Allow", {"AWS": [ANALYST]}, mfa)
    assert said == dict.fromkeys(("producer", "scientist"), ("Allow", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, None))


def test_nobody_who_asks_reads_the_bucket_of_the_tables_itself(plan: Plan) -> None:
    for role, folder in (("analyst", "results/analyst"), ("scientist", "results")):
        named = {
            resource for statement in policies(plan)[role]["Statement"] for resource in listed(statement["Resource"])
        }
        athena = f"arn:aws:s3:::coattail-dev-athena-{ACCOUNT}-{REGION}"
        assert {each for each in named if each.startswith("arn:aws:s3:::")} == {athena, f"{athena}/{folder}/*"}


def test_functions_are_allowed_what_they_are_tried_with(plan: Plan) -> None:
    found = {
        function: tuple(
            action
            for statement in policies(plan)[function]["Statement"]
            for action in statement["Action"]
            if not action.startswith(("kms:", "logs:"))
        )
        for function in FUNCTIONS_NEED
    }
    assert found == FUNCTIONS_NEED
