"""Who sees which columns, as the grants of the plan add up; the rules of Lake Formation are written down here again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from coattail.detectors import MODULE_TABLES
from coattail.stores.catalog import NAMESPACE
from coattail.tables import CORE_TABLES, RAW_TRADES
from tests.harness.planned import ACCOUNT, Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

PAYLOAD = "raw_event_payload"
TABLES: Mapping[str, frozenset[str]] = {
    table.name: frozenset(column.name for column in table.columns) for table in (*CORE_TABLES, *MODULE_TABLES)
}
LATER = {**TABLES, "wallet_scores": frozenset(["wallet", "score"])}
"""With a table that nobody knew when the grants were made."""


def arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/coattail-dev-{role}"


def seen(plan: Plan, role: str, tables: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Table -> the columns that a role may read: grants add up, and a table has its database's tag, or its own."""
    tags = dict.fromkeys(tables, "")
    for tagged in plan.of("aws_lakeformation_resource_lf_tags"):
        if tagged.get("database"):
            tags = {name: tag or tagged["lf_tag"][0]["value"] for name, tag in tags.items()}
        for table in tagged.get("table") or ():
            tags[table["name"]] = tagged["lf_tag"][0]["value"]
    found: dict[str, frozenset[str]] = {}
    for grant in plan.of("aws_lakeformation_permissions"):
        if grant["principal"] == arn(role) and "SELECT" in grant["permissions"]:
            for name, columns in tables.items():
                found[name] = found.get(name, frozenset()) | _granted(grant, name, columns, tags[name])
    return {name: columns for name, columns in found.items() if columns}


def _granted(grant: Mapping[str, Any], name: str, columns: frozenset[str], tag: str) -> frozenset[str]:
    """The columns of a table that one grant covers."""
    for policy in grant.get("lf_tag_policy") or ():
        [expression] = policy["expression"]
        assert policy["resource_type"] == "TABLE"
        if tag in expression["values"]:
            return columns
    for table in grant.get("table") or ():
        if table["wildcard"] or table["name"] == name:
            return columns
    for part in grant.get("table_with_columns") or ():
        if part["name"] == name:
            assert part["wildcard"], "columns that are excluded need the wildcard"
            return columns - frozenset(part["excluded_column_names"])
    return frozenset()


def test_an_analyst_sees_every_column_but_the_payload_and_a_scientist_that_too(plan: Plan) -> None:
    assert PAYLOAD in TABLES[RAW_TRADES.name]
    assert seen(plan, "analyst", TABLES) == {**TABLES, RAW_TRADES.name: TABLES[RAW_TRADES.name] - {PAYLOAD}}
    assert seen(plan, "scientist", TABLES) == TABLES


def test_a_table_that_comes_later_is_hidden_from_analysts_until_somebody_opens_it(plan: Plan) -> None:
    assert "wallet_scores" not in seen(plan, "analyst", LATER)
    assert seen(plan, "scientist", LATER) == LATER


def test_one_grant_on_all_tables_would_show_the_payload(plan: Plan) -> None:
    document = json.loads(json.dumps(plan.document))
    grant = {"principal": arn("analyst"), "permissions": ["SELECT"], "table": [{"wildcard": True, "name": None}]}
    document["planned_values"]["root_module"].setdefault("resources", []).append(
        {"type": "aws_lakeformation_permissions", "values": grant}
    )
    assert PAYLOAD in seen(Plan(document), "analyst", TABLES)[RAW_TRADES.name]


def test_both_are_opted_in_to_all_tables_and_nobody_else_is_and_nobody_is_granted_by_iam_alone(plan: Plan) -> None:
    opted = [
        (each["principal"][0]["data_lake_principal_identifier"], kind, data[0].get("wildcard"))
        for each in plan.of("aws_lakeformation_opt_in")
        for kind, data in each["resource_data"][0].items()
        if data
    ]
    assert sorted(opted, key=str) == [
        (arn(role), *what) for role in ("analyst", "scientist") for what in (("database", None), ("table", True))
    ]
    grants = plan.of("aws_lakeformation_permissions")
    assert {grant["principal"] for grant in grants} == {arn(role) for role in ("analyst", "scientist", "jobs")}
    assert [g for g in grants if set(g["permissions"]) & {"ALL", "SUPER", "INSERT", "DELETE", "DROP"}] == []
    databases = {part["database_name"] for grant in grants for kind in ("table", "table_with_columns")
                 for part in grant.get(kind) or ()}  # fmt: skip
    assert databases == {NAMESPACE}


def test_the_folder_is_registered_beside_iam_and_read_by_a_role_that_cannot_write(plan: Plan) -> None:
    [folder] = plan.of("aws_lakeformation_resource")
    assert folder["hybrid_access_enabled"] is True
    assert folder["arn"].endswith("/warehouse")
    [policy] = [p["policy"] for r in plan.resources() for p in [r["values"]]
                if r["address"] == "module.lake_formation[0].aws_iam_role_policy.reader"]  # fmt: skip
    allowed = [(s["Action"], s["Resource"]) for s in json.loads(policy)["Statement"]]
    bucket = folder["arn"].removesuffix("/warehouse")
    assert [action for action, _ in allowed] == ["s3:GetObject", "s3:ListBucket", "kms:Decrypt"]
    assert [resource for _, resource in allowed[:2]] == [f"{folder['arn']}/*", bucket]
    assert bucket in {f"arn:aws:s3:::{each['bucket']}" for each in plan.of("aws_s3_bucket")}


def test_whoever_is_opted_in_reads_no_file_of_a_table_by_himself(plan: Plan) -> None:
    policies = {values["role"]: json.loads(values["policy"])["Statement"] for values in plan.of("aws_iam_role_policy")}
    for role in ("analyst", "scientist"):
        files = [
            s["Resource"] for s in policies[f"coattail-dev-{role}"] if any(a.startswith("s3:") for a in s["Action"])
        ]
        assert files
        assert all(resource.startswith("arn:aws:s3:::coattail-dev-athena-") for resource in files)


def test_an_analyst_reads_no_answer_that_somebody_else_was_given(plan: Plan) -> None:
    groups = {
        each["name"]: each["configuration"][0]["result_configuration"][0]["output_location"].removeprefix("s3://")
        for each in plan.of("aws_athena_workgroup")
    }
    own = groups.pop("coattail-dev-analyst")
    policies = {values["role"]: json.loads(values["policy"])["Statement"] for values in plan.of("aws_iam_role_policy")}
    asks, objects = (
        [s["Resource"] for s in policies["coattail-dev-analyst"] if action in s["Action"]]
        for action in ("athena:GetQueryResults", "s3:GetObject")
    )
    assert [arn.rpartition(":")[2] for arn in asks] == ["workgroup/coattail-dev-analyst"]
    assert objects == [f"arn:aws:s3:::{own}*"]
    assert groups
    assert [others for others in groups.values() if others.startswith(own)] == []


def test_the_account_s_administrators_are_left_alone(plan: Plan) -> None:
    assert plan.of("aws_lakeformation_data_lake_settings") == []
