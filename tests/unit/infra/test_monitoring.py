"""Alarms and dashboard watch metrics that exist, say what to do, and reach somebody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from coattail.alerts import DISCLAIMER
from coattail.aws.lambdas import catalog, gate
from coattail.engines.counted import counted
from coattail.service_url import service_url
from coattail.stores.cloudwatch import CloudWatch
from coattail.stores.figures import CatalogFigures, TableFigures
from coattail.stores.gate import Verdict
from tests.harness.pages import anchors, unknown_words
from tests.harness.planned import ACCOUNT, REGION, Plan
from tests.harness.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

RUNBOOK = (ROOT / "docs" / "RUNBOOK.md").read_text()
WORKFLOW = (ROOT / "infra" / "modules" / "step-functions" / "daily.asl.json.tftpl").read_text()
NAME = "coattail-dev"
COMMAND = re.compile(r"coattail ((?:aws |dlq )?[a-z-]+)")
Metric = tuple[str, str, frozenset[str]]
"""Namespace, name and the names of dimensions."""

OF_SERVICES: dict[str, dict[tuple[str, ...], tuple[str, ...]]] = {
    "AWS/ApiGateway": {("ApiId",): ("4xx", "5xx", "Count", "Latency")},
    "AWS/Billing": {("Currency",): ("EstimatedCharges",)},
    "AWS/DynamoDB": {
        ("TableName",): ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"),
        ("TableName", "Operation"): ("SuccessfulRequestLatency", "ThrottledRequests"),
    },
    "AWS/EMRServerless": {
        ("ApplicationId", "ApplicationName"): ("FailedJobs", "RunningJobs", "SuccessJobs"),
        ("ApplicationId", "ApplicationName", "CapacityAllocationType", "WorkerType"): (
            "CPUAllocated", "MemoryAllocated",
        ),
    },
    "AWS/Kinesis": {
        ("StreamName",): (
            "GetRecords.IteratorAgeMilliseconds", "GetRecords.Records", "IncomingRecords",
            "ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
        ),
    },
    "AWS/Lambda": {("FunctionName",): ("Duration", "Errors", "Throttles")},
}  # fmt: skip
"""What services say of themselves, as far as it is watched: "metrics and dimensions" of each one's developer guide."""


def known(metrics: set[tuple[str, frozenset[str]]]) -> set[Metric]:
    """Every metric that there is: of services, and those of our own in the environment's namespace."""
    services = {
        (space, name, frozenset(dimensions))
        for space, kinds in OF_SERVICES.items()
        for dimensions, names in kinds.items()
        for name in names
    }
    return services | {(NAME, name, dimensions) for name, dimensions in metrics}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, frozenset[str]]]:
    """Names and dimensions of what the engine, the gate, the catalog's statistics and the workflow really say."""
    now = datetime.now(UTC)
    row = {"exchange": "binance", "received": 3, "landed": 1, "rejected": 1, "late": 0, "duplicates": 1}
    said = {
        (name, frozenset(["Exchange"]) if exchange else frozenset[str]())
        for name, exchange in counted([row], {"binance": int(now.timestamp() * 1e6)}, now)
    }
    said.add(("Backlog", frozenset()))
    judged = Verdict(passed=True, reason="well", threshold=95, quality_score=99.0)
    monkeypatch.setattr(gate, "outline", lambda name: None)
    monkeypatch.setattr(gate, "verdict", lambda table, asked: judged)
    table = TableFigures(name="bars", rows=1, files=1, snapshots=1, size_bytes=1, committed_at=now)
    figures = CatalogFigures(tables=[table], rows=1, files=1, size_bytes=1, committed_at=now)
    monkeypatch.setattr(catalog, "outlines", dict)
    monkeypatch.setattr(catalog, "figures", lambda tables: figures)
    monkeypatch.setattr(catalog, "hot_at", lambda where: _Hot())
    monkeypatch.setenv("COATTAIL_HOT_STORE", "dynamodb://t")
    capsys.readouterr()
    gate.handler({}, None)
    catalog.handler({}, None)
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            [dimensions] = directive["Dimensions"]
            said |= {(metric["Name"], frozenset(dimensions)) for metric in directive["Metrics"]}
    of_workflow = re.findall(
        r'"Namespace": "\$\{namespace\}", "MetricData": \[\{ "MetricName": "(\w+)", "Value"', WORKFLOW
    )
    assert len(of_workflow) == 2
    return said | {(name, frozenset()) for name in of_workflow}


class _Hot:
    def put_fact(self, *_: object, **__: object) -> None: ...

    def close(self) -> None: ...


def alarms(plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address and values of every alarm."""
    for resource in plan.resources():
        if resource["type"] == "aws_cloudwatch_metric_alarm":
            yield resource["address"], resource["values"]


def widgets(plan: Plan) -> list[dict[str, Any]]:
    [dashboard] = plan.of("aws_cloudwatch_dashboard")
    assert dashboard["dashboard_name"] == NAME
    found: list[dict[str, Any]] = json.loads(dashboard["dashboard_body"])["widgets"]
    return found


def shown(widget: dict[str, Any]) -> Iterator[Metric]:
    """Metrics of a widget, also those that a search finds."""
    for metric in widget["properties"].get("metrics", ()):
        if isinstance(metric[0], dict):
            [schema] = re.findall(r"SEARCH\('\{([^}]+)\}", metric[0]["expression"])
            space, *dimensions = schema.split(",")
            [name] = re.findall(r'MetricName="([^"]+)"', metric[0]["expression"])
            yield space.strip('"'), name, frozenset(dimensions)
        else:
            space, name, *pairs = (part for part in metric if not isinstance(part, dict))
            yield space, name, frozenset(pairs[::2])


def test_every_alarm_watches_a_metric_that_there_is(plan: Plan, own: set[tuple[str, frozenset[str]]]) -> None:
    found = {
        address: (a["namespace"], a["metric_name"], frozenset(a["dimensions"] or ())) for address, a in alarms(plan)
    }
    assert {address: metric for address, metric in found.items() if metric not in known(own)} == {}
    assert len(found) == 11, "beyond ten each metric in an alarm is paid for: say so in ADR 0048"


def test_alarms_and_dashboard_are_about_what_is_made(plan: Plan) -> None:
    assert {value for _, a in alarms(plan) for value in (a["dimensions"] or {}).values()} == {
        f"{NAME}-trades", f"{NAME}-alerts", "PutItem", "USD", f"{NAME}-stream", "00stream", f"{NAME}-batch", "00batch",
        "api1",
    }  # fmt: skip
    [own] = re.findall(
        r'^module "monitoring" \{\n(.*?)^\}', (ROOT / "infra/main.tf").read_text(), re.DOTALL | re.MULTILINE
    )
    assert re.search(r"applications += module\.emr_serverless\.applications\n", own)
    assert re.search(r"api_id += module\.api\.id\n", own)
    made = {f"{each['name']}" for each in plan.of("aws_emrserverless_application")}
    assert made == {f"{NAME}-stream", f"{NAME}-batch"}


def test_thresholds_are_those_of_the_specification_and_nothing_alarms_while_nothing_streams(plan: Plan) -> None:
    found = {
        a["metric_name"]: (a["comparison_operator"], a["threshold"], a["period"] * a["evaluation_periods"])
        for _, a in alarms(plan)
        if a["namespace"] != "AWS/Billing"
    }
    assert found["QualityScore"] == ("LessThanThreshold", 95, 300)
    assert found["GetRecords.IteratorAgeMilliseconds"] == ("GreaterThanThreshold", 300_000, 120)
    assert found["WorkflowFailure"] == ("GreaterThanThreshold", 0, 60)
    assert {a["treat_missing_data"] for _, a in alarms(plan)} == {"notBreaching"}
    assert sorted(a["threshold"] for _, a in alarms(plan) if a["namespace"] == "AWS/Billing") == [25, 50]


def test_every_alarm_says_what_it_means_what_to_do_first_and_where_the_runbook_goes_on(plan: Plan) -> None:
    wrong = []
    for address, alarm in alarms(plan):
        text = alarm["alarm_description"]
        form = re.fullmatch(r"[A-Z].+\. First: .+\. Then: docs/RUNBOOK\.md#([a-z0-9-]+)", text)
        if form is None or form[1] not in anchors(RUNBOOK) or len(text) > 1024:
            wrong.append((address, text))
    assert wrong == []
    named = {match for _, alarm in alarms(plan) for match in COMMAND.findall(alarm["alarm_description"])}
    assert {"aws jobs", "dlq list"} <= named
    assert [command for command in named if unknown_words(command.split())] == []
    linked = {alarm["alarm_description"].rsplit("#", 1)[1] for _, alarm in alarms(plan)}
    assert {anchor for anchor in anchors(RUNBOOK) if anchor.startswith("alarm-")} == linked


def test_the_runbook_has_every_step_at_which_the_workflow_can_fail() -> None:
    [section] = re.findall(r"^### Alarm: workflow-failed\n(.*?)^### ", RUNBOOK, re.DOTALL | re.MULTILINE)
    steps = {*re.findall(r'\$\{caught\["([^"]+)"\]\}', WORKFLOW), *re.findall(r'"step": "([^"]+)"', WORKFLOW)}
    assert len(steps) > 4
    assert {step for step in steps if f"| {step} |" not in section} == set()


def test_every_alarm_reaches_the_topic_of_its_region(plan: Plan) -> None:
    topics: dict[str, str] = {}
    for kind, written, _ in plan.configured():
        if kind == "aws_cloudwatch_metric_alarm":
            topics[written["metric_name"].get("constant_value", "others")] = written["alarm_actions"]["references"][0]
    assert topics == {"EstimatedCharges": "aws_sns_topic.billing.arn", "others": "aws_sns_topic.this.arn"}


def test_the_topic_of_alarms_is_encrypted_with_the_key_and_only_that_of_billing_is_not(plan: Plan) -> None:
    topics = [written for kind, written, _ in plan.configured() if kind == "aws_sns_topic"]
    assert [topic["name"]["references"] for topic in topics if "kms_master_key_id" not in topic] == [["var.name"]]
    [keyed] = [topic["kms_master_key_id"]["references"] for topic in topics if "kms_master_key_id" in topic]
    assert keyed == ["var.key_arn"]
    assert sorted(topic["name"] for topic in plan.of("aws_sns_topic")) == [f"{NAME}-alarms", f"{NAME}-billing"]


def test_cloudwatch_may_use_the_key_of_the_topic_for_alarms_of_this_account(plan: Plan) -> None:
    [key] = plan.of("aws_kms_key")
    [own] = [s for s in json.loads(key["policy"])["Statement"]
             if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]  # fmt: skip
    assert (own["Effect"], sorted(own["Action"])) == ("Allow", ["kms:Decrypt", "kms:GenerateDataKey*"])
    assert own["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_whoever_is_named_gets_a_mail_of_both_topics(plan: Plan) -> None:
    mails = [(each["protocol"], each["endpoint"]) for each in plan.of("aws_sns_topic_subscription")]
    assert mails == [("email", "you@example.com")] * 2


def test_only_alarms_of_this_account_and_the_workflow_publish_and_over_tls(plan: Plan) -> None:
    policies = [json.loads(each["policy"])["Statement"] for each in plan.of("aws_sns_topic_policy")]
    allowed = [s for statements in policies for s in statements if s["Effect"] == "Allow"]
    assert all(s["Action"] == "sns:Publish" for statements in policies for s in statements)
    services = [s for s in allowed if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert {s["Condition"]["ArnLike"]["aws:SourceArn"] for s in services} == {
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{NAME}-*",
        f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{NAME}-billing-*",
    }
    assert all(s["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT} for s in services)
    [role] = [s for s in allowed if s not in services]
    assert role["Condition"] == {"ArnEquals": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/{NAME}-workflow"]}}
    denied = [s["Condition"] for statements in policies for s in statements if s["Effect"] == "Deny"]
    assert denied == [{"Bool": {"aws:SecureTransport": "false"}}] * 2


def test_the_dashboard_shows_metrics_that_there_are_and_no_widget_lies_on_another(
    plan: Plan, own: set[tuple[str, frozenset[str]]]
) -> None:
    found = widgets(plan)
    metrics = [metric for widget in found for metric in shown(widget)]
    assert [metric for metric in metrics if metric not in known(own)] == []
    taken: dict[tuple[int, int], str] = {}
    for widget in found:
        assert 0 <= widget["x"] <= widget["x"] + widget["width"] <= 24
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert (x, y) not in taken, (widget, taken.get((x, y)))
                taken[x, y] = widget["type"]
    assert {metric[1] for metric in metrics} >= {
        "RecordsProcessed", "RecordsPassed", "RecordsFailed", "RecordsLate", "RecordsDuplicate", "QualityScore",
        "EventLag", "GetRecords.IteratorAgeMilliseconds", "WriteProvisionedThroughputExceeded", "ThrottledRequests",
        "CPUAllocated", "MemoryAllocated", "FailedJobs", "Count", "4xx", "5xx", "Latency", "Errors", "Duration",
        "WorkflowSuccess", "WorkflowFailure", "EstimatedCharges",
    }  # fmt: skip


def test_the_dashboard_has_the_disclaimer_the_runbook_and_the_state_of_every_alarm(plan: Plan) -> None:
    text, state = widgets(plan)[:2]
    assert text["properties"]["markdown"].endswith(DISCLAIMER)
    assert "(docs/RUNBOOK.md)" in text["properties"]["markdown"]
    regional = {a["alarm_name"] for _, a in alarms(plan) if a["namespace"] != "AWS/Billing"}
    prefix = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:"
    assert {arn.removeprefix(prefix) for arn in state["properties"]["alarms"]} == regional


def test_an_alarm_of_the_plan_is_raised_and_its_text_reaches_who_subscribes(plan: Plan, service: str) -> None:
    import boto3

    def client(name: str) -> Any:
        return boto3.session.Session().client(name, region_name=REGION, endpoint_url=service)

    sns, sqs, cloudwatch = map(client, ("sns", "sqs", "cloudwatch"))
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    [planned] = [a for _, a in alarms(plan) if a["metric_name"] == "QualityScore"]
    cloudwatch.put_metric_alarm(**_asked(planned), AlarmActions=[topic])
    now, url = datetime.now(UTC), f"cloudwatch://{NAME}?region={REGION}&endpoint={quote(service, safe='')}"
    states = []
    for rejected in (1, 10):
        row = {"exchange": "binance", "received": 100, "landed": 100 - rejected, "rejected": rejected, "late": 0,
               "duplicates": 0}  # fmt: skip
        engines = CloudWatch(service_url("metrics.url", url, scheme="cloudwatch", what="namespace"))
        for minute in range(6):  # one more than is looked at: a minute may begin meanwhile
            engines.add(counted([row], {}, now), now - timedelta(minutes=minute))
        engines.close()
        states.append(cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"])
    assert states == ["OK", "ALARM"]
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    said = [json.loads(json.loads(message["Body"])["Message"]) for message in got]
    assert [(m["NewStateValue"], m["AlarmDescription"]) for m in said] == [("ALARM", planned["alarm_description"])]
    for each in (sns, sqs, cloudwatch):
        each.close()


def _asked(planned: dict[str, Any]) -> dict[str, Any]:
    """A planned alarm as PutMetricAlarm takes it."""
    names = {
        "AlarmName": "alarm_name", "AlarmDescription": "alarm_description", "Namespace": "namespace",
        "MetricName": "metric_name", "Statistic": "statistic", "Period": "period", "Threshold": "threshold",
        "ComparisonOperator": "comparison_operator", "EvaluationPeriods": "evaluation_periods",
        "DatapointsToAlarm": "datapoints_to_alarm", "TreatMissingData": "treat_missing_data",
    }  # fmt: skip
    return {name: planned[written] for name, written in names.items()}
