"""What Terraform would make of infra/, as its plan says it: without an account, and nothing is asked of AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coattail import place
from coattail.config import Settings, load_settings
from coattail.service_url import bucket_url, service_url
from coattail.sql.athena import workgroup_of
from coattail.stores import dynamo
from coattail.stores.catalog import NAMESPACE
from tests.harness.planned import EVERYTHING, REGION, Plan
from tools.infra import Terraform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

HOURLY = {"aws_kinesis_stream", "aws_vpc_endpoint"}


def test_its_own_tests_pass(own_tests: list[dict[str, Any]]) -> None:
    assert [message["@message"] for message in own_tests if message["type"] == "diagnostic"] == []
    [summary] = [message["test_summary"] for message in own_tests if message["type"] == "test_summary"]
    assert (summary["status"], summary["failed"], summary["errored"]) == ("pass", 0, 0)


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
    group = workgroup_of(str(settings.sql.url)).name
    assert {group, f"{group}-analyst"} == {each["name"] for each in plan.of("aws_athena_workgroup")}
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
