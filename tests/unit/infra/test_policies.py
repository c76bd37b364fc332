"""What infra/ may never do, as rules over its plan; a plan that is changed so that it breaks a rule is found.

Each rule takes a plan and gives a line for everything that breaks it. What is allowed although a rule says no stands in
a table with its reason. What roles may do is held elsewhere: by their work, action by action.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.harness.planned import ACCOUNT, Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

Rule = Callable[[Plan], list[str]]
Change = Callable[[dict[str, Any]], object]

ANYBODY = {
    (
        "module.api.aws_apigatewayv2_route.this",
        "$default",
    ): "alerts about public trades are public, and the API only reads",
}
"""Address and route that need no credentials, and why."""
WHOLE_SERVICES = {
    ("aws_kms_key", "kms:*"): "the account itself, so that roles can be given the key and nobody is locked out of it",
    ("aws_kms_key", "kms:GenerateDataKey*"): "CloudWatch and its logs, as their guides write it",
    ("aws_kms_key", "kms:ReEncrypt*"): "CloudWatch's logs, as its guide writes it",
    ("aws_vpc_endpoint", "*"): "whatever a role of this account may do; roles say what",
    ("aws_s3_bucket_policy", "s3:*"): "refused, not allowed",
}
"""Kind of resource and action with a wildcard, and why."""
POLICIES = ("policy", "assume_role_policy")
THE_ACCOUNT = ("aws:PrincipalAccount", "aws:SourceAccount")
NEVER_PUBLIC = ("publicly_accessible", "map_public_ip_on_launch", "associate_public_ip_address")
WAYS_OUT = {
    "aws_internet_gateway",
    "aws_egress_only_internet_gateway",
    "aws_nat_gateway",
    "aws_eip",
    "aws_lambda_function_url",
}
EVERYWHERE = ("0.0.0.0/0", "::/0")


def values(plan: Plan) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for resource in plan.resources():
        yield resource["address"], resource["type"], resource["values"]


def statements(plan: Plan) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every statement of every policy: the address and kind of its resource, and what it says."""
    for address, kind, held in values(plan):
        for text in _texts(held):
            if text.startswith("{") and "Statement" in (document := json.loads(text)):
                for statement in document["Statement"]:
                    yield address, kind, statement


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def unreadable_policies(plan: Plan) -> list[str]:
    """Policies that are written, and that nobody can read before they are made: whatever they name is not known."""
    written = {(kind, name) for kind, expressions, _ in plan.configured() for name in POLICIES if name in expressions}
    return [
        f"{change['address']}: {name}"
        for change in plan.document["resource_changes"]
        for name in POLICIES
        if change["change"]["after_unknown"].get(name) is True and (change["type"], name) in written
    ]


def policies_for_anybody(plan: Plan) -> list[str]:
    """Statements that allow something to whoever asks: a principal `*`, and no condition that names the account."""
    wrong = []
    for address, _, statement in statements(plan):
        principal = statement.get("Principal")
        named = [
            who
            for value in (principal.values() if isinstance(principal, dict) else [principal])
            for who in listed(value)
        ]
        limits = {key: value for each in statement.get("Condition", {}).values() for key, value in each.items()}
        if (
            statement["Effect"] == "Allow"
            and "*" in named
            and not any(limits.get(key) == ACCOUNT for key in THE_ACCOUNT)
        ):
            wrong.append(f"{address}: anybody may {statement['Action']}")
    for address, kind, held in values(plan):
        if kind == "aws_lambda_permission" and held["principal"] == "*":
            wrong.append(f"{address}: anybody may call the function")
    return wrong


def ways_for_anybody(plan: Plan) -> list[str]:
    """Routes without credentials, services with a public address, and ways to or from the internet."""
    wrong = []
    for address, kind, held in values(plan):
        if kind in WAYS_OUT or (kind == "aws_route" and held.get("destination_cidr_block") in EVERYWHERE):
            wrong.append(f"{address}: a way to the internet")
        wrong += [f"{address}: {name}" for name in NEVER_PUBLIC if held.get(name)]
        bare = kind == "aws_apigatewayv2_route" and held.get("authorization_type") in (None, "NONE")
        if bare and (address, held["route_key"]) not in ANYBODY:
            wrong.append(f"{address}: a route without credentials")
    return wrong


def open_buckets(plan: Plan) -> list[str]:
    """Buckets that could become public: without a block, or with one that leaves a way."""
    names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    blocked = {r["index"] for r in plan.resources() if r["type"] == "aws_s3_bucket_public_access_block"
               and all(r["values"][name] is True for name in names)}  # fmt: skip
    return [r["address"] for r in plan.resources() if r["type"] == "aws_s3_bucket" and r["index"] not in blocked]


def open_groups(plan: Plan) -> list[str]:
    """Rules of security groups that let the whole internet in, or anything out to it."""
    return [
        f"{address}: {text}"
        for address, kind, held in values(plan)
        if "security_group" in kind
        for text in _texts(held)
        if text in EVERYWHERE
    ]


def wildcards(plan: Plan) -> list[str]:
    """Actions with a wildcard that are in no table."""
    return [
        f"{address}: {action}"
        for address, kind, statement in statements(plan)
        for action in listed(statement["Action"])
        if "*" in action and (kind, action) not in WHOLE_SERVICES
    ]


def forgotten_logs(plan: Plan) -> list[str]:
    """Groups of logs that are kept for ever, or that a key of AWS encrypts."""
    keyed = {
        (kind, "kms_key_id" in written) for kind, written, _ in plan.configured() if kind == "aws_cloudwatch_log_group"
    }
    wrong = ["a group of logs without the key"] if (("aws_cloudwatch_log_group", False)) in keyed else []
    kept = [
        (address, held["retention_in_days"])
        for address, kind, held in values(plan)
        if kind == "aws_cloudwatch_log_group"
    ]
    return wrong + [f"{address}: kept for ever" for address, days in kept if not days]


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        unreadable_policies,
        policies_for_anybody,
        ways_for_anybody,
        open_buckets,
        open_groups,
        wildcards,
        forgotten_logs,
    )
}


@pytest.mark.parametrize("name", RULES)
def test_the_plan_keeps_the_rule(plan: Plan, name: str) -> None:
    assert RULES[name](plan) == []


def _of(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first planned resource of a kind."""
    return next(resource for resource in Plan(document).resources() if resource["type"] == kind)


def _set(kind: str, **changed: object) -> Change:
    """A change of some values of the first resource of a kind."""
    return lambda document: _of(document, kind)["values"].update(changed)


def _more(kind: str, **held: object) -> Change:
    """One resource more."""
    more = {"address": f"module.more.{kind}.this", "type": kind, "index": "more", "values": held}
    return lambda document: document["planned_values"]["root_module"]["child_modules"][0]["resources"].append(more)


def _allow(kind: str, **said: object) -> Change:
    """A policy of a kind of resource that allows something."""
    return _set(kind, policy=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **said}]}))


def _without_key(document: dict[str, Any]) -> None:
    for call in document["configuration"]["root_module"]["module_calls"].values():
        for resource in call["module"]["resources"]:
            if resource["type"] == "aws_cloudwatch_log_group":
                resource["expressions"].pop("kms_key_id", None)


def _unknown(document: dict[str, Any]) -> None:
    change = next(each for each in document["resource_changes"] if each["type"] == "aws_iam_role")
    change["change"]["after_unknown"]["assume_role_policy"] = True


BROKEN: list[tuple[str, Change]] = [
    ("unreadable_policies", _unknown),
    ("policies_for_anybody", _allow("aws_s3_bucket_policy", Principal="*", Action="s3:GetObject", Resource="*")),
    ("policies_for_anybody", _allow("aws_kms_key", Principal={"AWS": ["*"]}, Action="kms:Decrypt", Resource="*")),
    ("policies_for_anybody", _allow("aws_sns_topic_policy", Principal={"AWS": "*"}, Action="sns:Publish", Resource="*",
                                    Condition={"StringEquals": {"aws:PrincipalAccount": "999999999999"}})),
    ("policies_for_anybody", _set("aws_lambda_permission", principal="*")),
    ("ways_for_anybody", _more("aws_nat_gateway")),
    ("ways_for_anybody", _more("aws_route", destination_cidr_block="0.0.0.0/0")),
    ("ways_for_anybody", _set("aws_subnet", map_public_ip_on_launch=True)),
    ("ways_for_anybody", _set("aws_apigatewayv2_route", route_key="PUT /alerts")),
    ("open_buckets", _set("aws_s3_bucket_public_access_block", restrict_public_buckets=False)),
    ("open_buckets", _more("aws_s3_bucket", bucket="more")),
    ("open_groups", _set("aws_vpc_security_group_ingress_rule", cidr_ipv4="0.0.0.0/0")),
    ("open_groups", _set("aws_security_group", egress=[{"cidr_blocks": ["0.0.0.0/0"]}])),
    ("open_groups", _set("aws_security_group", ingress=[{"ipv6_cidr_blocks": ["::/0"]}])),
    ("wildcards", _allow("aws_iam_role_policy", Action=["s3:GetObject", "s3:Put*"], Resource="arn:aws:s3:::trades/*")),
    ("wildcards", _allow("aws_sns_topic_policy", Principal={"AWS": ACCOUNT}, Action="sns:*", Resource="*")),
    ("forgotten_logs", _set("aws_cloudwatch_log_group", retention_in_days=0)),
    ("forgotten_logs", _without_key),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change"), BROKEN)
def test_a_plan_that_breaks_it_is_found(plan: Plan, name: str, change: Change) -> None:
    document = copy.deepcopy(plan.document)
    change(document)
    assert RULES[name](Plan(document)) != []


def test_every_rule_is_broken_by_some_plan() -> None:
    assert {name for name, _ in BROKEN} == RULES.keys()


def test_every_exception_is_still_needed(plan: Plan) -> None:
    used = {(kind, action) for _, kind, each in statements(plan) for action in listed(each["Action"]) if "*" in action}
    assert used == WHOLE_SERVICES.keys()
    routes = {(a, held["route_key"]) for a, kind, held in values(plan) if kind == "aws_apigatewayv2_route"}
    assert routes == ANYBODY.keys()
