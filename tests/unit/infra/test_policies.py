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

UNENCRYPTED = {
    "aws_kms_key": "the key itself",
    "aws_s3_bucket": "a resource beside it says how",
    "aws_glue_catalog_database": "names and schemas; the catalog's encryption is a setting of the whole account",
    "aws_ssm_parameter": "addresses, which are no secret: whoever may read them needs no key",
    "aws_sns_topic": "that of alarms does, as test_monitoring.py holds; that of billing carries sums (ADR 0048)",
    "aws_sfn_state_machine": "counts and addresses of executions, by a key of the service (ADR 0047)",
    "aws_emrserverless_application": "disks of workers, which go with them; what a job writes is in buckets",
}
"""What stores something and does not name the customer's key, and why."""
KEYED = {
    "aws_kinesis_stream": "kms_key_id",
    "aws_dynamodb_table": "server_side_encryption.kms_key_arn",
    "aws_s3_bucket_server_side_encryption_configuration": (
        "rule.apply_server_side_encryption_by_default.kms_master_key_id"
    ),
    "aws_athena_workgroup": "configuration.result_configuration.encryption_configuration.kms_key_arn",
    "aws_cloudwatch_log_group": "kms_key_id",
    "aws_lambda_function": "kms_key_arn",
    "aws_scheduler_schedule": "kms_key_arn",
}
"""What stores something -> where it names its key."""
STORES_NOTHING = (
    "aws_vpc", "aws_subnet", "aws_route_table", "aws_security_group", "aws_default_security_group", "aws_kms_alias",
    "aws_s3_bucket_", "aws_iam_role", "aws_apigatewayv2_", "aws_lambda_permission",
    "aws_cloudwatch_", "aws_sns_topic_", "aws_lakeformation_",
)  # fmt: skip
UNTAGGED = {
    "aws_kms_alias", "aws_route_table_association", "aws_cloudwatch_dashboard", "aws_sns_topic_policy",
    "aws_sns_topic_subscription", "aws_iam_role_policy", "aws_lambda_permission", "aws_apigatewayv2_integration",
    "aws_apigatewayv2_route", "aws_scheduler_schedule", "aws_lakeformation_lf_tag", "aws_lakeformation_opt_in",
    "aws_lakeformation_permissions", "aws_lakeformation_resource", "aws_lakeformation_resource_lf_tags",
    "aws_s3_bucket_lifecycle_configuration", "aws_s3_bucket_ownership_controls", "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block", "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
}  # fmt: skip
"""Kinds of resources that cannot have tags."""
TAGS = {"Project": "coattail", "Environment": "dev", "ManagedBy": "terraform"}
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


def without_key(plan: Plan) -> list[str]:
    """What stores something without the customer's key, and kinds of which no table says whether they store."""
    wrong = []
    for kind, written, called in plan.configured():
        if kind in KEYED:
            found: Any = written
            for part in KEYED[kind].split("."):
                found = (found[0] if isinstance(found, list) else found).get(part, {})
            if "var.key_arn" not in found.get("references", []):
                wrong.append(f"{kind}: {KEYED[kind]} is not the key of the module")
            if "module.kms.key_arn" not in called["key_arn"].get("references", []):
                wrong.append(f"{kind}: its module is given another key")
        elif kind not in UNENCRYPTED and not kind.startswith(STORES_NOTHING):
            wrong.append(f"{kind}: say in KEYED where it names its key, or in UNENCRYPTED why it names none")
    wrong += [
        f"{s['name']}: {s['encryption_type']}" for s in plan.of("aws_kinesis_stream") if s["encryption_type"] != "KMS"
    ]
    wrong += ["the key is never renewed" for key in plan.of("aws_kms_key") if not key["enable_key_rotation"]]
    for each in plan.of("aws_s3_bucket_server_side_encryption_configuration"):
        how = each["rule"][0]["apply_server_side_encryption_by_default"][0]["sse_algorithm"]
        wrong += [f"a bucket is encrypted by {how}"] if how != "aws:kms" else []
    return wrong


def untagged(plan: Plan) -> list[str]:
    """What has not all of the tags that everything has."""
    return [
        f"{address}: {held.get('tags_all')}"
        for address, kind, held in values(plan)
        if kind not in UNTAGGED and not (held.get("tags_all") or {}).items() >= TAGS.items()
    ]


def plain_connections(plan: Plan) -> list[str]:
    """Buckets that may be reached without TLS."""
    refused = {
        arn
        for _, kind, statement in statements(plan)
        if kind == "aws_s3_bucket_policy" and statement["Effect"] == "Deny" and statement["Principal"] == "*"
        if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for arn in listed(statement["Resource"])
    }
    buckets = [each["bucket"] for each in plan.of("aws_s3_bucket")]
    return [bucket for bucket in buckets if not {f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"} <= refused]


def forgotten_logs(plan: Plan) -> list[str]:
    """Groups of logs that are kept for ever."""
    return [
        address
        for address, kind, held in values(plan)
        if kind == "aws_cloudwatch_log_group" and not held["retention_in_days"]
    ]


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        without_key, unreadable_policies, policies_for_anybody, ways_for_anybody, open_buckets, plain_connections,
        open_groups, wildcards, forgotten_logs, untagged,
    )
}  # fmt: skip


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


def _written(kind: str, name: str, expression: object = None) -> Change:
    """A change of what is written: of an argument of every resource of a kind; None takes it out."""

    def change(document: dict[str, Any]) -> None:
        for call in document["configuration"]["root_module"]["module_calls"].values():
            for resource in call["module"]["resources"]:
                if resource["type"] == kind:
                    resource["expressions"].pop(name)
                    resource["expressions"] |= {} if expression is None else {name: expression}

    return change


def _another_key(document: dict[str, Any]) -> None:
    calls = document["configuration"]["root_module"]["module_calls"]
    calls["dynamodb"]["expressions"]["key_arn"] = {"constant_value": "alias/aws/dynamodb"}


def _new_kind(document: dict[str, Any]) -> None:
    resources = document["configuration"]["root_module"]["module_calls"]["glue"]["module"]["resources"]
    resources.append({"type": "aws_sqs_queue", "expressions": {}})


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
    ("without_key", _written("aws_cloudwatch_log_group", "kms_key_id")),
    ("without_key", _written("aws_kinesis_stream", "kms_key_id", {"constant_value": "alias/aws/kinesis"})),
    ("without_key", _written("aws_dynamodb_table", "server_side_encryption", [{"enabled": {"constant_value": True}}])),
    ("without_key", _another_key),
    ("without_key", _new_kind),
    ("without_key", _set("aws_kinesis_stream", encryption_type="NONE")),
    ("without_key", _set("aws_kms_key", enable_key_rotation=False)),
    ("plain_connections", _more("aws_s3_bucket", bucket="more")),
    ("plain_connections", _allow("aws_s3_bucket_policy", Principal="*", Action="s3:GetObject", Resource="*")),
    ("untagged", _set("aws_dynamodb_table", tags_all={"Project": "coattail"})),
    ("untagged", _set("aws_dynamodb_table", tags_all=None)),
    ("untagged", _more("aws_sqs_queue", name="more")),
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
    assert {kind for kind, *_ in plan.configured()} >= {*KEYED, *UNENCRYPTED}
    assert {kind for _, kind, held in values(plan) if "tags_all" not in held} == UNTAGGED
