"""The daily workflow on an emulated Step Functions: started, followed to its end, and what was said of it.

clients: Given the name of a service, boto3's client of it, where the state machine is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Clients = Callable[[str], Any]
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Execution:
    """One that has ended."""

    arn: str
    status: str
    error: str
    cause: str
    output: dict[str, Any]
    """Of a success."""
    states: list[str] = field(default_factory=list)
    """Which it has entered, one after the other; those of an iteration are not among them."""


def start(clients: Clients, machine: str, asked: object = None) -> str:
    """Start an execution of a state machine, by its ARN; returns that of the execution."""
    began = clients("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(asked or {}))
    arn: str = began["executionArn"]
    return arn


def ended(clients: Clients, execution: str, *, within: float = 60.0) -> Execution:
    """Wait for its end, `within` seconds at most."""
    steps, until = clients("stepfunctions"), time.monotonic() + within
    while (found := steps.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < until, f"{execution} goes on after {within} s"
        time.sleep(_LOOK_SECONDS)
    events = steps.get_paginator("get_execution_history").paginate(executionArn=execution)
    entered = [e["stateEnteredEventDetails"]["name"] for page in events for e in page["events"]
               if "stateEnteredEventDetails" in e]  # fmt: skip
    return Execution(
        execution, found["status"], found.get("error", ""), found.get("cause", ""),
        json.loads(found.get("output") or "{}"), entered,
    )  # fmt: skip


def subscribed(clients: Clients, topic: str) -> str:
    """A new queue that gets what is published to a topic; returns its address."""
    queues = clients("sqs")
    address: str = queues.create_queue(QueueName=f"of-{topic.rpartition(':')[2]}")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=address, AttributeNames=["QueueArn"])["Attributes"]
    clients("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
    return address


def messages(clients: Clients, queue: str) -> list[dict[str, Any]]:
    """What has come into the queue, and is taken out of it: `Subject`, `Message`."""
    queues, found = clients("sqs"), []
    while batch := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        for one in batch:
            found.append(json.loads(one["Body"]))
            queues.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    return found


def counted(clients: Clients, namespace: str, metric: str) -> int:
    """How often a metric without dimensions was put in the last hour."""
    now = datetime.now(UTC)
    found = clients("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=metric, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1),
        Period=3600, Statistics=["SampleCount"],
    )  # fmt: skip
    return int(sum(point["SampleCount"] for point in found["Datapoints"]))
