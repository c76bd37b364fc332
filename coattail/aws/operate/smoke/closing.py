"""The daily workflow, metrics and alarms; then the proof of a stop, and what it has cost."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from coattail.aws.costs.receipts import receipt_of
from coattail.aws.operate.billed import billed, prices_of
from coattail.aws.operate.smoke.run import CheckFailed, NotHere, Smoke
from coattail.aws.operate.stopping import EnvironmentStop, prove
from coattail.tiers import workers_of

_WORKFLOW_SECONDS, _METRIC_SECONDS, _LOOK_SECONDS = 1800.0, 300.0, 5.0
_MOST_DEVIATION = 0.5
"""By which the service's bill may differ from workers times seconds: it bills from the first worker to the last, and a
minute at least."""


def workflow(smoke: Smoke) -> str:
    """The daily workflow succeeds on ten minutes of one instrument, and fails on an exchange that there is not."""
    if smoke.emulated:
        raise NotHere("this emulation's place has no workflow; make aws-emulate runs one to each of its ends")
    until = datetime.now(UTC) - timedelta(minutes=20)
    span = {"since": f"{until - timedelta(minutes=10):%Y-%m-%dT%H:%MZ}", "until": f"{until:%Y-%m-%dT%H:%MZ}"}
    good = {"instruments": [{"exchange": "coinbase", "symbol": "BTC-USD"}], **span}
    bad = {"instruments": [{"exchange": "nowhere", "symbol": "BTC-USD"}], **span}
    ends = [_execution(smoke, smoke.at.workflow, asked) for asked in (good, bad)]
    if ends != ["SUCCEEDED", "FAILED"]:
        raise CheckFailed(
            f"a good execution has {ends[0]}, and one that cannot work has {ends[1]}",
            next_step=f"look at the executions of {smoke.at.workflow}",
        )
    return "one execution succeeded, one failed and told the topic of alarms: look for the mail"


def _execution(smoke: Smoke, arn: str, asked: Mapping[str, object]) -> str:
    """How an execution with this input has ended."""
    name = f"smoke-{uuid.uuid4().hex[:12]}"
    started = smoke.services.ask(
        "stepfunctions", "start_execution", "the workflow", stateMachineArn=arn, name=name, input=json.dumps(asked)
    )
    until = time.monotonic() + _WORKFLOW_SECONDS
    while True:
        seen = smoke.services.ask(
            "stepfunctions", "describe_execution", "the workflow", executionArn=started["executionArn"]
        )
        status: str = seen["status"]
        if status != "RUNNING" or time.monotonic() > until:
            return status
        time.sleep(_LOOK_SECONDS)


def metrics(smoke: Smoke) -> str:
    """Commits have said their numbers to CloudWatch, and no alarm of it is without data where there is some."""
    if smoke.settings.metrics.url is None:
        raise NotHere("the place does not say where metrics go")
    namespace = smoke.settings.metrics.url.removeprefix("cloudwatch://").partition("?")[0]
    until = time.monotonic() + (0 if smoke.emulated else _METRIC_SECONDS)
    while True:
        found = smoke.services.pages("cloudwatch", "list_metrics", "Metrics", "CloudWatch", Namespace=namespace)
        if names := sorted({each["MetricName"] for each in found}):
            break
        if time.monotonic() > until:
            raise CheckFailed(f"no metric is in {namespace}", next_step="look at the log of the stream's job")
        time.sleep(_LOOK_SECONDS)
    alarms = smoke.services.pages(
        "cloudwatch", "describe_alarms", "MetricAlarms", "CloudWatch", AlarmNamePrefix=f"{smoke.at.name}-"
    )
    ringing = sorted(each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM")
    if smoke.emulated:
        return f"{len(names)} metrics in {namespace}; this emulation's place has no alarms"
    if not alarms:
        raise CheckFailed("there are no alarms", next_step="coattail aws start makes them")
    rings = f"; in alarm: {', '.join(ringing)}" if ringing else ", none in alarm"
    return f"{len(names)} metrics in {namespace}; {len(alarms)} alarms{rings}"


def stopped(smoke: Smoke) -> str:
    """After a stop nothing is billed by the hour, by the services' own word."""
    if not smoke.emulated:
        done = EnvironmentStop(smoke.home, smoke.at, on_progress=smoke.on_progress).run()
        return ", ".join(f"{len(each.names)} {each.kind}" for each in done.proof.kinds)
    for run in smoke.jobs.newest(50):
        if not run.state.ended:
            smoke.jobs.cancel(run.id)
    name = f"{smoke.at.name}-proof"
    smoke.services.ask("kinesis", "create_stream", f"the stream {name}", StreamName=name, ShardCount=1)
    found = next(each.names for each in billed(smoke.services).kinds if each.kind == "streams")
    smoke.services.ask("kinesis", "delete_stream", f"the stream {name}", StreamName=name)
    if found != [name]:
        raise CheckFailed(f"a stream that was made for the proof is not found ({found})", next_step="report this")
    prove(smoke.services)
    return "a stream that was made by hand was found, and after its deletion nothing is; Terraform had no part in it"


def receipt(smoke: Smoke) -> str:
    """What the service has billed for the jobs is about what their workers and seconds come to."""
    seen = [smoke.jobs.look(identity) for identity in smoke.jobs_run]
    at = smoke.at
    found = receipt_of(
        seen, prices_of(at), workers_of(at.tier), at.architecture, place=smoke.jobs.place, tier=at.tier,
        emulated=smoke.emulated,
    )  # fmt: skip
    if found.ratio is None:
        raise NotHere("the service has not said what it bills")
    said = f"{len(found.jobs)} jobs used ${found.dollars:.4f}, estimated ${found.estimated:.4f} from their seconds"
    if abs(found.dollars - found.estimated) > _MOST_DEVIATION * found.estimated + 0.01:
        raise CheckFailed(said, next_step="look at the workers of the tier, and at the prices")
    return f"{said}{' (modelled, nobody bills it)' if smoke.emulated else ''}"
