"""The witness of policies sees what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.policies import findings


def policy(action: str, resource: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_policy_that_is_well_has_no_findings() -> None:
    assert findings(policy("s3:GetObject", "arn:aws:s3:::trades/*")) == []


@pytest.mark.parametrize(
    ("action", "resource", "found"),
    [
        ("s3:GetObjekt", "*", "UNKNOWN_ACTION"),
        ("s3:GetObject", "arn:aws:s3:::trades", "RESOURCE_MISMATCH"),
        ("glue:UpdateTable", "arn:aws:glue:us-west-2:123456789012:table/coattail/*", "RESOURCE_MISMATCH"),
    ],
)
def test_what_is_wrong_is_found(action: str, resource: str, found: str) -> None:
    assert [each.split(":")[0] for each in findings(policy(action, resource))] == [found]


def test_a_condition_is_known_for_an_action_or_for_what_it_is_about() -> None:
    key = "arn:aws:kms:us-west-2:123456789012:key/*"
    for condition, found in (("kms:ResourceAliases", []), ("kms:RequestAlias", []), ("kms:Alias", ["UNKNOWN"])):
        limited = policy("kms:Decrypt", key, Condition={"ForAnyValue:StringEquals": {condition: "alias/trades"}})
        assert [each.split("_")[0] for each in findings(limited)] == found, condition
