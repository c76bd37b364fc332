"""What an environment costs, beside sums that are written out here with prices of their own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from coattail.aws.costs.estimate import cost_of_plan, cost_of_tier
from coattail.aws.costs.items import by_service
from coattail.aws.costs.kinds import BY_USE, FREE, OTHERWISE
from coattail.aws.costs.standing import PRICED, UnpricedResource
from coattail.aws.costs.streams import DERIVED_EVERY_SECONDS, METRIC_CALLS_AN_HOUR, METRICS, StreamedLoad
from coattail.config import load_settings, tier_names
from coattail.engines.counted import counted
from coattail.errors import ConfigError, UsageError
from coattail.prices import list_prices
from coattail.stores import cloudwatch
from tests.harness.processes import ROOT

OREGON = list_prices("us-west-2")
NOTHING = StreamedLoad(
    trades_per_second=0, alerts_per_hour=0, api_calls_per_hour=0, queries_per_hour=0, stored_gb=0, daily_minutes=0
)
STREAM = {
    "address": "module.kinesis.aws_kinesis_stream.trades[0]", "type": "aws_kinesis_stream",
    "values": {"retention_period": 24, "stream_mode_details": [{"stream_mode": "ON_DEMAND"}]},
}  # fmt: skip


def planned(*resources: dict[str, Any], **variables: object) -> dict[str, Any]:
    """A plan that holds these, all in one module, as Terraform prints it."""
    return {
        "format_version": "1.2",
        "variables": {name: {"value": value} for name, value in {"region": "us-west-2", **variables}.items()},
        "planned_values": {"root_module": {"child_modules": [{"resources": [
            {"mode": "managed", **each} for each in resources
        ]}]}},
    }  # fmt: skip


def resource(kind: str, name: str = "this", **values: object) -> dict[str, Any]:
    return {"address": f"module.some.{kind}.{name}", "type": kind, "values": values}


def test_an_hour_of_the_smallest_tier_is_what_a_hand_reckons() -> None:
    """Small, arm64, 100 trades/s, a batch every 10 s: every price and amount written out."""
    commits = 360 + 60 * 10
    gb = 100 * 3600 * 165 / 1024**3
    month = 730
    hand = {
        "EMR Serverless": 4 * 0.042094 + 8 * 0.004628,
        "Kinesis": 0.04 + gb * 0.08 + gb * 0.04,
        "VPC": 4 * 0.01 + (gb + commits * 11_200 / 1024**3) * 0.01,
        "S3": commits * 6.8 * 0.005 / 1000 + commits * 11.3 * 0.0004 / 1000 + 5 * 0.023 / month,
        "Glue": commits * 3.2 / 1e6,
        "DynamoDB": (13_700 + 60 * 30) * 0.625 / 1e6 + 360 * 5 * 0.125 / 1e6 + 0.1 * 0.25 / month,
        "CloudWatch": 25 * 0.30 / month + 360 * 0.01 / 1000 + 360 * 1000 / 1024**3 * 0.50,
        "KMS": 1 / month + 200 * 0.03 / 10_000,
        "API Gateway": 360 / 1e6,
        "Lambda": 360 * 0.20 / 1e6 + 360 * 0.05 * 0.0000133334,
        "data transfer": 360 * 20_000 / 1024**3 * 0.09,
        "Athena": 6 * 10 / 1024**2 * 5,
    }
    found = cost_of_tier("small", OREGON, StreamedLoad(trigger_seconds=10))
    assert dict(by_service(found.items, "always", "streaming")) == pytest.approx(hand)
    assert found.hourly == pytest.approx(sum(hand.values()))
    assert found.hourly == pytest.approx(0.3607, abs=5e-4)


def test_a_day_of_it_stopped_and_one_of_it_forgotten() -> None:
    found = cost_of_tier("small", OREGON)
    stopped = 24 / 730 * (1.00 + 5 * 0.023 + 0.1 * 0.25)
    assert found.idle_daily == pytest.approx(stopped)
    assert found.forgotten_daily == pytest.approx(stopped + 24 * 0.04 + 24 * 4 * 0.01)


def test_a_daily_run_is_its_job_its_functions_and_the_workflow() -> None:
    found = cost_of_tier("medium", OREGON, StreamedLoad(daily_minutes=20), architecture="x86_64")
    hand = (
        (6 * 0.052624 + 12 * 0.0057785) / 3
        + 90 * 0.0000166667
        + 40 * 0.025 / 1000
        + 50 * 0.30 / 730
        + (1 * 1.00 + 1 * 0.50) / 1e6
        + 2 / 100_000
    )
    assert found.daily_run == pytest.approx(hand)


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
@pytest.mark.parametrize("tier", tier_names())
def test_every_tier_is_below_what_an_hour_and_a_day_may_cost(tier: str, architecture: str) -> None:
    """Five dollars an hour, one a day; also with twenty times the trades, three zones and a busy API."""
    busy = StreamedLoad(trades_per_second=2_000, alerts_per_hour=1_000, api_calls_per_hour=36_000, stored_gb=100)
    for load, zones in ((StreamedLoad(), 1), (busy, 3)):
        found = cost_of_tier(tier, OREGON, load, architecture=architecture, zones=zones)
        assert found.hourly < 5
        assert found.idle_daily < 1


def test_a_larger_tier_costs_its_workers_more_and_nothing_else() -> None:
    small, large = (cost_of_tier(tier, OREGON) for tier in ("small", "large"))
    assert large.hourly - small.hourly == pytest.approx(4 * 0.042094 + 8 * 0.004628)
    assert large.idle_daily == small.idle_daily


def test_a_longer_trigger_commits_less() -> None:
    often, rarely = (cost_of_tier("small", OREGON, StreamedLoad(trigger_seconds=s)).hourly for s in (2, 10))
    assert often - rarely == pytest.approx(
        1440 * (6.8 * 5e-6 + 11.3 * 4e-7 + 3.2e-6 + 11_200 / 1024**3 * 0.01), rel=1e-6
    )


def test_every_price_is_used_or_of_what_jobs_bill() -> None:
    load = StreamedLoad(kept_hours=48)
    alarms = [resource("aws_cloudwatch_metric_alarm", f"a{n}", period=60) for n in range(11)]
    boards = [resource("aws_cloudwatch_dashboard", f"d{n}") for n in range(4)]
    made = [cost_of_tier("small", OREGON, load, architecture=a).items for a in ("arm64", "x86_64")]
    made.append(cost_of_plan(planned(*alarms, *boards)).items)
    priced = {(each.service, each.unit, each.price) for items in made for each in items}
    unused = {p.name for p in OREGON.lines.values() if (p.service, p.unit, p.each) not in priced}
    assert unused == {"emr_storage_gb_hour"}, "which only receipts can tell"


def test_a_plan_without_a_stream_costs_what_is_there() -> None:
    found = cost_of_plan(planned(resource("aws_kms_key"), resource("aws_vpc"), environment="dev"), load=NOTHING)
    assert (found.of, found.streaming, found.region) == ("plan, environment dev", False, "us-west-2")
    assert found.hourly == pytest.approx((1.00 + 0.1 * 0.25) / 730)
    assert found.idle_daily == found.forgotten_daily == pytest.approx(24 * found.hourly)
    assert [(each.type, each.because) for each in found.unbilled] == [("aws_vpc", "networks are free")]


def test_endpoints_are_billed_in_each_zone_and_gateways_are_not() -> None:
    subnets = [resource("aws_subnet", z, availability_zone=f"us-west-2{z}") for z in "abc"]
    endpoints = [resource("aws_vpc_endpoint", f"i{n}", vpc_endpoint_type="Interface") for n in range(2)]
    known = resource("aws_vpc_endpoint", "known", vpc_endpoint_type="Interface", subnet_ids=["subnet-1"])
    gateway = resource("aws_vpc_endpoint", "gateway", vpc_endpoint_type="Gateway")
    found = cost_of_plan(planned(*subnets, *endpoints, known, gateway))
    assert [each.quantity for each in found.items if each.service == "VPC"] == [2 * 3 + 1]


def test_alarms_and_dashboards_are_billed_beyond_what_an_account_has_free() -> None:
    alarms = [resource("aws_cloudwatch_metric_alarm", f"a{n}", period=60) for n in range(9)]
    sums = resource("aws_cloudwatch_metric_alarm", "of_three", metric_query=[{"metric": [{}]}] * 3 + [{"metric": []}])
    boards = [resource("aws_cloudwatch_dashboard", f"d{n}") for n in range(4)]
    found = cost_of_plan(planned(*alarms, sums, *boards), load=NOTHING)
    cloudwatch = [each for each in found.items if each.service == "CloudWatch" and each.when == "always"]
    assert [round(each.dollars * 730, 9) for each in cloudwatch] == [2 * 0.10, 1 * 3.00]


def test_what_is_kept_longer_in_the_stream_is_billed() -> None:
    longer = {**STREAM, "values": {**STREAM["values"], "retention_period": 168}}
    kept, day = (cost_of_plan(planned(each)).hourly for each in (longer, STREAM))
    assert kept - day == pytest.approx(100 * 3600 * 165 / 1024**3 * 144 * 0.10 / 730)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (resource("aws_nat_gateway", "way_out"), r"module\.some\.aws_nat_gateway\.way_out \(aws_nat_gateway\)"),
        (resource("aws_instance"), r"aws_instance\.this"),
        ({**STREAM, "values": {"stream_mode_details": [{"stream_mode": "PROVISIONED"}]}}, "its shards are provisioned"),
        (resource("aws_dynamodb_table", billing_mode="PROVISIONED"), "its capacity is provisioned"),
        (resource("aws_dynamodb_table", billing_mode="PAY_PER_REQUEST", point_in_time_recovery=[{"enabled": True}]),
         "it has backups"),
        (resource("aws_emrserverless_application", initial_capacity=[{}]), "it keeps workers ready"),
        (resource("aws_ssm_parameter", tier="Advanced"), "it is Advanced"),
        (resource("aws_vpc_endpoint", vpc_endpoint_type="GatewayLoadBalancer"), "it is a GatewayLoadBalancer"),
        (resource("aws_cloudwatch_metric_alarm", period=10), "more often than once a minute"),
        (resource("aws_cloudwatch_metric_alarm", metric_query=[{"metric": [{"period": 30}]}]), "more often than once"),
        (resource("aws_apigatewayv2_api", protocol_type="WEBSOCKET"), "it is not an HTTP API"),
        (resource("aws_sfn_state_machine", type="EXPRESS"), "it is an express workflow"),
    ],
)  # fmt: skip
def test_what_is_not_priced_is_refused_with_its_address(made: dict[str, Any], said: str) -> None:
    with pytest.raises(UnpricedResource, match=said):
        cost_of_plan(planned(resource("aws_kms_key"), made))


def test_a_data_source_is_nothing_that_is_billed() -> None:
    asked = cost_of_plan(planned(resource("aws_kms_key"), {**resource("aws_instance"), "mode": "data"}))
    assert asked == cost_of_plan(planned(resource("aws_kms_key")))


def test_whatever_terraform_may_make_is_priced_or_free() -> None:
    """Also what is there only with other variables than those of a plan."""
    written = "\n".join(file.read_text() for file in sorted((ROOT / "infra").rglob("*.tf")))
    types = set(re.findall(r'^resource "(\w+)"', written, re.MULTILINE))
    assert len(types) > 20
    assert types - FREE.keys() - BY_USE.keys() - PRICED.keys() == set()


def test_what_is_assumed_of_an_engine_is_what_it_does() -> None:
    engine = load_settings(None).engine
    assert StreamedLoad().trigger_seconds == engine.trigger.total_seconds()
    assert engine.derived_commit_every.total_seconds() == DERIVED_EVERY_SECONDS
    assert timedelta(hours=1) / cloudwatch._EVERY == METRIC_CALLS_AN_HOUR
    rows = [dict.fromkeys(("received", "landed", "rejected", "late", "duplicates"), 1) | {"exchange": e} for e in "ab"]
    backlog = 1  # which the engine adds
    assert len(counted(rows, {"a": 1, "b": 2}, datetime.now(UTC))) + backlog == METRICS


def test_a_type_is_free_or_billed_by_use_and_not_both() -> None:
    assert not FREE.keys() & BY_USE.keys()
    assert OTHERWISE.keys() - FREE.keys() - BY_USE.keys() == {
        "aws_kinesis_stream", "aws_vpc_endpoint", "aws_cloudwatch_metric_alarm",
    }  # fmt: skip


@pytest.mark.parametrize("document", [{}, {"a": 1}, {"format_version": "1.2"}, {"planned_values": {"root_module": {}}}])
def test_what_is_no_plan_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"not a plan of Terraform|does not say its region"):
        cost_of_plan(document)


def test_a_plan_elsewhere_needs_prices() -> None:
    plan = planned(resource("aws_kms_key"), region="eu-central-1")
    with pytest.raises(ConfigError, match="prices of eu-central-1"):
        cost_of_plan(plan)
    assert cost_of_plan(plan, OREGON).region == "us-west-2"


def test_a_plan_for_an_emulation_says_so() -> None:
    assert cost_of_plan(planned(endpoint="http://127.0.0.1:4566")).emulated
    assert not cost_of_plan(planned()).emulated


@pytest.mark.parametrize("given", [{"trades_per_second": -1.0}, {"trigger_seconds": 0.0}, {"stored_gb": float("nan")}])
def test_an_amount_that_makes_no_sense_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"makes no sense"):
        StreamedLoad(**given)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="choose arm64 or x86_64"):
        cost_of_tier("small", OREGON, architecture="riscv")


def test_an_estimate_is_one_document() -> None:
    found = cost_of_tier("small", OREGON)
    assert msgspec.json.decode(msgspec.json.encode(found))["evidence"] == "estimate"
