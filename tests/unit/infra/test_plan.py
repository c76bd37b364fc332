"""What Terraform would make of infra/, as its plan says it: without an account, and nothing is asked of AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coattail import place
from coattail.config import Settings, load_settings
from coattail.service_url import bucket_url, service_url
from coattail.sql.athena import workgroup_of
from coattail.stores import dynamo
from coattail.stores.catalog import NAMESPACE
from tests.harness.planned import ACCOUNT, EVERYTHING, REGION, Plan
from tools.infra import Terraform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

HOURLY = {"aws_kinesis_stream", "aws_vpc_endpoint"}
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


def test_its_own_tests_pass(terraform: Terraform) -> None:
    assert "0 failed" in terraform.run("test", "-no-color")


def test_only_between_start_and_stop_is_anything_there_that_costs_by_the_hour(terraform: Terraform, plan: Plan) -> None:
    idle = terraform.planned(**{**EVERYTHING, "streaming": False})
    streaming = {r["address"]: r for r in plan.resources()}
    assert len(idle) > 40
    assert idle.keys() < streaming.keys()
    assert {streaming[address]["values"]["vpc_endpoint_type"] for address in idle if idle[address] in HOURLY} == {
        "Gateway"  # which is free
    }
    started = [streaming[address] for address in streaming.keys() - idle.keys()]
    assert sorted(each["type"] for each in started) == ["aws_kinesis_stream", *["aws_vpc_endpoint"] * 4]


def test_whatever_stores_something_is_encrypted_with_the_key(plan: Plan) -> None:
    unnamed = []
    for kind, written, called in plan.configured():
        if kind in KEYED:
            found: Any = written
            for part in KEYED[kind].split("."):
                found = found[0] if isinstance(found, list) else found
                found = found[part]
            assert "var.key_arn" in found["references"], kind
            assert "module.kms.key_arn" in called["key_arn"]["references"], kind
        elif kind not in UNENCRYPTED and not kind.startswith(STORES_NOTHING):
            unnamed.append(kind)
    assert unnamed == [], "say in KEYED where it names its key, or in UNENCRYPTED why it names none"
    assert {kind for kind, *_ in plan.configured()} >= {*KEYED, *UNENCRYPTED}
    assert [stream["encryption_type"] for stream in plan.of("aws_kinesis_stream")] == ["KMS"]
    assert [key["enable_key_rotation"] for key in plan.of("aws_kms_key")] == [True]
    rules = [each["rule"][0] for each in plan.of("aws_s3_bucket_server_side_encryption_configuration")]
    assert {rule["apply_server_side_encryption_by_default"][0]["sse_algorithm"] for rule in rules} == {"aws:kms"}


def test_no_bucket_is_public_and_all_are_reached_by_encrypted_connections_only(plan: Plan) -> None:
    buckets = {each["bucket"] for each in plan.of("aws_s3_bucket")}
    assert len(buckets) == 4
    blocks = plan.of("aws_s3_bucket_public_access_block")
    assert len(blocks) == 4
    names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    assert all(block[name] is True for block in blocks for name in names)
    policies = [json.loads(each["policy"]) for each in plan.of("aws_s3_bucket_policy")]
    assert [p for p in policies for s in p["Statement"] if s["Effect"] != "Deny"] == []
    refused = {arn for p in policies for s in p["Statement"] for arn in s["Resource"]
               if s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}}  # fmt: skip
    assert refused == {f"arn:aws:s3:::{bucket}{what}" for bucket in buckets for what in ("", "/*")}


def test_only_what_is_kept_for_a_while_expires_and_tables_never(plan: Plan) -> None:
    expiring = {
        (resource["index"], rule["filter"][0]["prefix"]): rule["expiration"][0]["days"]
        for resource in plan.resources()
        if resource["type"] == "aws_s3_bucket_lifecycle_configuration"
        for rule in resource["values"]["rule"]
        if rule["transition"] or any(each["days"] or each["date"] for each in rule["expiration"])
    }
    assert expiring == {
        ("raw", "historical/"): 7, ("raw", "dlq/"): 7, ("checkpoint", "artifacts/logs/"): 7, ("athena", "results/"): 7,
    }  # fmt: skip


def test_everything_that_can_have_tags_has_them(plan: Plan) -> None:
    tagged = [resource for resource in plan.resources() if "tags_all" in resource["values"]]
    wanted = {"Project": "coattail", "Environment": "dev", "ManagedBy": "terraform"}
    assert [r["address"] for r in tagged if not r["values"]["tags_all"].items() >= wanted.items()] == []
    untagged = {resource["type"] for resource in plan.resources()} - {resource["type"] for resource in tagged}
    assert {kind for kind in untagged if not kind.startswith("aws_s3_bucket_")} == {
        "aws_kms_alias", "aws_route_table_association", "aws_cloudwatch_dashboard", "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
        "aws_iam_role_policy", "aws_lambda_permission",
        "aws_apigatewayv2_integration", "aws_apigatewayv2_route", "aws_scheduler_schedule",
        "aws_lakeformation_lf_tag", "aws_lakeformation_opt_in", "aws_lakeformation_permissions",
        "aws_lakeformation_resource", "aws_lakeformation_resource_lf_tags",
    }  # fmt: skip


def test_only_jobs_reach_the_endpoints_and_nothing_reaches_the_internet(plan: Plan) -> None:
    groups = [
        way for group in plan.of("aws_security_group") for way in ("ingress", "egress") for _ in group.get(way, [])
    ]
    assert groups == ["ingress", *["egress"] * 3]
    text = json.dumps([r["values"] for r in plan.resources() if "security_group" in r["type"]])
    assert "0.0.0.0" not in text
    assert "::/0" not in text
    kinds = {resource["type"] for resource in plan.resources()}
    assert kinds & {"aws_internet_gateway", "aws_nat_gateway", "aws_route"} == set()
    allowed = [json.loads(each["policy"])["Statement"] for each in plan.of("aws_vpc_endpoint")]
    own = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    assert all(statement["Condition"] == own for [statement] in allowed)


def test_the_table_is_what_the_hot_store_defines(plan: Plan) -> None:
    [table] = plan.of("aws_dynamodb_table")
    assert _defined(table) == dynamo.definition("coattail-dev-alerts")
    ttl = [{name: each[name] for name in ("attribute_name", "enabled")} for each in table["ttl"]]
    assert ttl == [{"attribute_name": "ttl_epoch", "enabled": True}]


def _defined(table: dict[str, Any]) -> dict[str, Any]:
    """A planned table as CreateTable takes it, in the order of `dynamo.definition`."""

    def schema(keyed: dict[str, Any]) -> list[dict[str, str]]:
        kinds = (("hash_key", "HASH"), ("range_key", "RANGE"))
        return [{"AttributeName": keyed[name], "KeyType": kind} for name, kind in kinds]

    indices = {each["name"]: each for each in table["global_secondary_index"]}
    assert indices.keys() == dynamo.INDICES.keys()
    return {
        "TableName": table["name"],
        "BillingMode": table["billing_mode"],
        "AttributeDefinitions": [
            {"AttributeName": each["name"], "AttributeType": each["type"]}
            for each in sorted(table["attribute"], key=lambda each: each["name"])
        ],
        "KeySchema": schema(table),
        "GlobalSecondaryIndexes": [
            {"IndexName": name, "KeySchema": schema(indices[name]),
             "Projection": {"ProjectionType": indices[name]["projection_type"]}}
            for name in dynamo.INDICES
        ],
        "SSESpecification": {"Enabled": table["server_side_encryption"][0]["enabled"]},
    }  # fmt: skip


def test_the_parameters_are_the_settings_of_a_place_that_names_what_is_made(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _read_back(plan, tmp_path, monkeypatch)
    buckets = {r["index"]: r["values"]["bucket"] for r in plan.resources() if r["type"] == "aws_s3_bucket"}
    stream = service_url("stream.url", str(settings.stream.url), scheme="kinesis", what="stream")
    assert [(stream.name, stream.region)] == [(each["name"], REGION) for each in plan.of("aws_kinesis_stream")]
    hot = service_url("hot.url", str(settings.hot.url), scheme="dynamodb", what="table")
    assert [hot.name] == [each["name"] for each in plan.of("aws_dynamodb_table")]
    dlq = bucket_url("dlq.url", str(settings.dlq.url))
    assert (dlq.bucket, dlq.folder) == (buckets["raw"], "dlq")
    assert [workgroup_of(str(settings.sql.url)).name] == [each["name"] for each in plan.of("aws_athena_workgroup")]
    assert settings.lake == {
        "type": "glue", "warehouse": f"s3://{buckets['processed']}/warehouse", "glue.region": REGION,
        "s3.region": REGION,
    }  # fmt: skip
    assert [each["name"] for each in plan.of("aws_glue_catalog_database")] == [NAMESPACE]
    assert settings.metrics.url == f"cloudwatch://coattail-dev?region={REGION}"
    assert (settings.tier, settings.jobs.url, settings.lease.url) == ("small", None, None)
    assert plan.document["planned_values"]["outputs"]["detectors"]["value"] == list(settings.modules)


def _read_back(plan: Plan, home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that `--place` of the output `place` reads, from the parameters as they are planned."""
    name = plan.document["planned_values"]["outputs"]["place"]["value"]
    planned = plan.of("aws_ssm_parameter")
    names = {each["name"].removeprefix("/coattail/dev/") for each in planned if "insecure_value" not in each}
    assert names == {"jobs.url", "applications", "api_url"}  # known when they are there
    there = [{"Name": each["name"], "Type": each["type"], "Value": each["insecure_value"]}
             for each in planned if "insecure_value" in each]  # fmt: skip
    asked = []

    class Client:
        def get_paginator(self, _: str) -> Client:
            return self

        def paginate(self, **arguments: object) -> list[dict[str, Any]]:
            asked.append(arguments)
            return [{"Parameters": there}]

        def close(self) -> None:
            return

    def connect(service: str, *, region: str, **_: object) -> Client:
        assert (service, region) == ("ssm", REGION)
        return Client()

    monkeypatch.setattr(place, "connect", connect)
    layer = place.read_place(name, home)
    assert asked == [{"Path": "/coattail/dev", "WithDecryption": True}]
    return load_settings(home, place=layer)
