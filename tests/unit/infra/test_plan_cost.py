"""What the plan of infra/ costs, beside a sum that is written out here."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from coattail.aws.costs.estimate import ENDPOINTS, cost_of_plan, cost_of_tier
from coattail.prices import list_prices
from tests.harness.planned import Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

OREGON = list_prices("us-west-2")
"""The plan is of another region, whose prices are not known."""


def stopped(document: dict[str, Any]) -> dict[str, Any]:
    """The same plan without what is there only between start and stop: test_plan.py says that it is these."""
    left = copy.deepcopy(document)
    for module in left["planned_values"]["root_module"]["child_modules"]:
        module["resources"] = [
            each
            for each in module.get("resources", [])
            if each["type"] != "aws_kinesis_stream" and each["values"].get("vpc_endpoint_type") != "Interface"
        ]
    return left


def test_stopped_it_costs_a_key_and_what_is_stored(plan: Plan) -> None:
    """Less than a dollar a day: one key at 1 dollar a month, 5 GB in S3 at 0.023, 0.1 GB in DynamoDB at 0.25; alarms
    and dashboards beyond 10 and 3."""
    alarms = sum(
        max(sum(bool(query["metric"]) for query in alarm.get("metric_query") or ()), 1)
        for alarm in plan.of("aws_cloudwatch_metric_alarm")
    )
    dashboards = len(plan.of("aws_cloudwatch_dashboard"))
    month = 1.00 + 5 * 0.023 + 0.1 * 0.25 + max(alarms - 10, 0) * 0.10 + max(dashboards - 3, 0) * 3.00
    found = cost_of_plan(stopped(plan.document), OREGON)
    assert not found.streaming
    assert found.idle_daily == pytest.approx(month / 730 * 24)
    assert found.idle_daily < 1
    assert cost_of_plan(plan.document, OREGON).idle_daily == found.idle_daily


def test_streaming_it_costs_what_its_tier_does(plan: Plan) -> None:
    found = cost_of_plan(plan.document, OREGON)
    assert {"tier", "architecture", "region"} <= plan.document["variables"].keys(), "also where they are defaults"
    assert found.streaming
    assert found.hourly < 5
    assert len(plan.of("aws_vpc_endpoint")) == ENDPOINTS + 2, "two of which are gateways"
    by_the_hour = 0.04 + ENDPOINTS * 0.01
    assert found.forgotten_daily - found.idle_daily == pytest.approx(24 * by_the_hour)
    tier = cost_of_tier("small", OREGON)
    more_alarms = (found.idle_daily - tier.idle_daily) / 24
    assert found.hourly - more_alarms == pytest.approx(tier.hourly)
    assert found.daily_run == pytest.approx(tier.daily_run)
