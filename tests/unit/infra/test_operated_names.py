"""Commands that operate an environment know its things by names that they build: those are the names of infra/."""

from __future__ import annotations

import pytest

from coattail.aws.operate.cleaning import BUCKETS
from coattail.aws.operate.environment import Environment
from tests.harness.planned import ACCOUNT, REGION, Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]
DEV = Environment(environment="dev", account_id=ACCOUNT, region=REGION)


def test_the_stream_buckets_applications_and_parameters_are_those_of_infra(plan: Plan) -> None:
    assert [each["name"] for each in plan.of("aws_kinesis_stream")] == [DEV.stream]
    assert {each["bucket"] for each in plan.of("aws_s3_bucket")} == {DEV.bucket(role) for role in BUCKETS}
    applications = [each["name"] for each in plan.of("aws_emrserverless_application")]
    assert [name for name in applications if not name.startswith(f"{DEV.name}-")] == []
    assert f"{DEV.name}-stream" in applications
    assert [each["tags"]["Name"] for each in plan.of("aws_vpc")] == [DEV.name]
    assert {each["name"].rpartition("/")[0] for each in plan.of("aws_ssm_parameter")} == {"/coattail/dev"}
    assert [each["name"] for each in plan.of("aws_sfn_state_machine")] == [DEV.workflow.rpartition(":")[2]]
