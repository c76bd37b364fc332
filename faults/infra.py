"""R31: an environment is made on an emulation by the commands that make one on AWS, is used, stopped and removed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from coattail import Workspace
from coattail.errors import UsageError
from coattail.home import Home
from coattail.streams.opening import open_stream
from faults.experiment import Control, Experiment, LeftOut, Outcome, Task
from tests.harness import workflow
from tests.harness.backfilling import START, past_day
from tests.harness.browser import CHROMIUM, Browser
from tests.harness.emulation import INSTALLED, Emulation, emulation
from tests.harness.live_page import DRAWN
from tests.harness.processes import environment
from tests.harness.running import drained, feed
from tests.harness.scenes import evenly, market, spoiled, with_duplicates
from tools import infra
from tools.infra import TerraformMissing

REGION, ACCOUNT, NAME = "us-east-1", "000000000000", "coattail-emulated"
PATIENCE_S = 150
LACKING = {
    "aws_vpc_endpoint": "forgets policy, private DNS and groups",
    "aws_security_group": "forgets lists of prefixes, and keeps the rule of a new group that lets everything out",
    "aws_kinesis_stream": "forgets the tags that CreateStream says",
    "aws_cloudwatch_metric_alarm": "does not say an alarm's period, statistic and dimensions",
}
"""What the emulator does not keep as it was told: a second plan would change it, and nothing else."""
SAME = {
    "trades": "SELECT event_id, price, quantity, side, timestamp, raw_event_payload FROM raw_trades ORDER BY 1",
    "bars": "SELECT * FROM bars_merged ORDER BY exchange, symbol, bar_start",
    "alerts": (
        "SELECT alert_id, alert_type, symbol, severity, message, details FROM alerts WHERE status = 'final' ORDER BY 1"
    ),
}
"""What is compared with a home in which the same records have landed."""
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_FAILS = "import sys\nsys.exit('the files cannot be landed today')\n"


@dataclass
class There:
    """The emulation, the home that knows the environment, and whatever was not as it must be."""

    on: Emulation
    home: Home
    wrong: list[str] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The client of a service; one for all who ask."""
        return self.clients.setdefault(service, self.on.client(service))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "coattail", "--home", str(self.home.path), *words]

    def does(self, *words: str, code: int = 0) -> dict[str, Any]:
        """What a command prints as JSON, and {"said": …} if it should fail."""
        done = subprocess.run(self.command(*words), env=environment(), capture_output=True, text=True)
        if done.returncode != code:
            raise RuntimeError(f"coattail {' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = {"said": done.stderr} if code else json.loads(done.stdout)
        return found

    def must(self, well: bool, said: str) -> None:
        if not well:
            self.wrong.append(said)


def run(task: Task) -> Outcome:
    """All of it, from bootstrap to cleanup.

    Raises: LeftOut: If the emulator of AWS, Terraform or its provider is not here.
    """
    if not INSTALLED:
        raise LeftOut("the emulation of AWS is not installed: coattail[emulate]")
    try:
        infra.find_program(), infra.find_provider()
    except TerraformMissing as missing:
        raise LeftOut(str(missing)) from missing
    with emulation(task.folder / "services", "--empty") as on, ExitStack() as closing:
        there = There(on, Home.open(task.folder / "home", create=True))
        closing.callback(lambda: [client.close() for client in there.clients.values()])
        return _lived_through(there, task)


def _lived_through(there: There, task: Task) -> Outcome:
    made = _started(there, task)
    place = f"ssm:/coattail/emulated?region={REGION}&endpoint={there.on.endpoint}"
    records = with_duplicates(spoiled(market(), seed=task.seed), 0.02, seed=task.seed)
    here = _landed_here(task.folder / "here", records)
    with Workspace(there.home.path, place=place) as far:
        stream = open_stream(str(far.settings.stream.url), there.home.stream)
        feed(stream, evenly(records, 4))
        task.say("a job lands what the stream holds")
        _wait(lambda: _rows(far) == _rows(here), "the job to land")
        _wait(lambda: _alerts(far).height == _alerts(here).height, "the alerts")
        _wait(lambda: far.sql(SAME["bars"]).height > 0, "the first bars, which are committed once a minute")
        for what, text in SAME.items():
            there.must(far.sql(text).equals(here.sql(text)), f"{what} differ from those of a home")
        _shown(there, far, task)
        executions = _workflows(there, far, task)
        landed = _rows(far)
        lost, hourly = _stopped(there, made, stream, records[:1])
        there.must(_rows(far) == landed, "the tables are not what they were before the stop")
    task.say("everything is removed")
    there.does("aws", "cleanup", "--name", "emulated", "--json")
    left = _left(there)
    there.must(not left, f"removed, and there is {', '.join(left)}")
    here.close()
    return Outcome(
        f"{made['changes']} resources, {len(records):,} records, {executions} executions of the workflow",
        {"wrong": len(there.wrong), "billed by the hour after the stop": len(hourly), "left at the end": len(left)},
        there.wrong,
        [Control("a stop that does not ask what waits", f"loses {lost} pack of records", lost > 0)],
    )


def _started(there: There, task: Task) -> dict[str, Any]:
    """Bootstrap, plan, and two starts at a time, of which one is refused; then nothing is left to change."""
    for variable in ("govern=true", "alarm_email=someone@example.com", "key_deletion_days=7"):
        given = ("--var", variable)
        there.does("aws", "bootstrap", "--environment", "emulated", "--region", REGION, "--json", *given)
    other = there.does("aws", "bootstrap", "--environment", "other", "--account", "1" * 12, "--json", code=1)["said"]
    there.must(ACCOUNT in other, f"another account is not refused: {other}")
    bucket = there.does("aws", "bootstrap", "--environment", "emulated", "--json")["bucket"]
    planned = there.does("aws", "plan", "--json")
    task.say(f"{len(planned['changes'])} changes are planned, and made")
    words = there.command("aws", "start", "--yes", "--json")
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        _wait(lambda: first.poll() is not None or _locked(there, bucket), "the lock of the state", within=600)
        refused = there.does("aws", "start", "--yes", "--json", code=1)["said"]
        out, err = first.communicate()
    there.must("lock" in refused, f"a second start meanwhile is not refused: {refused}")
    if first.returncode != 0:
        raise RuntimeError(f"coattail aws start ended with {first.returncode}\n{out}{err}")
    again = there.does("aws", "plan", "--json")["changes"]
    there.wrong += [
        f"a second plan would change {each['address']}"
        for each in again
        if not any(part in LACKING for part in each["address"].replace("[", ".").split("."))
    ]
    return {**json.loads(out), "changes": len(planned["changes"])}


def _locked(there: There, bucket: str) -> bool:
    found = there.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return any(each["Key"].endswith(".tflock") for each in found)


def _landed_here(folder: Path, records: list[Any]) -> Workspace:
    """The same records in a home of this machine."""
    home = Home.open(folder, create=True)
    with Workspace(home.path) as empty:
        feed(open_stream(None, home.stream), evenly(records, 4))
        drained(home, {"preset": empty.settings.preset})
    return Workspace(home.path)


def _rows(workspace: Workspace) -> int:
    """How many trades have landed."""
    try:
        return workspace.table("raw_trades").height
    except UsageError:  # nothing has yet
        return 0


def _alerts(workspace: Workspace) -> pl.DataFrame:
    """The current alerts, newest first."""
    return workspace.alerts(limit=None).rows


def _shown(there: There, far: Workspace, task: Task) -> None:
    """The API behind its gateway has the alerts; so has the live page."""
    task.say("the API and the page show the alerts")
    apis = there.client("apigatewayv2").get_apis()["Items"]
    api = next(each["ApiId"] for each in apis if each["Name"].startswith(NAME))
    address = f"{there.on.endpoint}/_aws/execute-api/{api}/$default/alerts?limit=200"
    with urllib.request.urlopen(address, timeout=60) as answer:
        said = {each["alert_id"] for each in json.loads(answer.read())["alerts"]}
    stored = {*_alerts(far)["alert_id"]}
    there.must(said == stored != set(), f"the API shows {len(said)} alerts of {len(stored)}")
    if CHROMIUM is None:
        task.say("there is no browser here: the page is not looked at")
        return
    with _page(there) as page:
        browser = Browser(task.folder / "browser", width=1280, height=900)
        try:
            browser.visit(page)
            browser.wait_for(DRAWN)
            shown = browser.ask("Array.from(document.querySelectorAll('#feed > li'), each => each.dataset.id)")
            browser.picture(task.folder / "page.png")
        finally:
            browser.close()
    there.must(len(shown) > 0 and {*shown} <= stored, f"the page shows the alerts {shown}")


@contextmanager
def _page(there: There) -> Iterator[str]:
    """The address of the live page of the place."""
    place = f"ssm:/coattail/emulated?region={REGION}&endpoint={there.on.endpoint}"
    words = there.command("--place", place, "live", "--port", "0")
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        try:
            yield next(found[0] for line in served.stdout if (found := _ADDRESS.search(line)))
        finally:
            served.terminate()


def _workflows(there: There, far: Workspace, task: Task) -> int:
    """The daily workflow succeeds; fails by its job; fails by quality: each told once, and counted once."""
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{NAME}-daily"
    queue = workflow.subscribed(there.client, f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-alarms")
    entry = {"Bucket": f"{NAME}-checkpoint-{ACCOUNT}-{REGION}", "Key": "artifacts/jobs/backfill.py"}
    with past_day(0.5, rate=0.05, asset="ETH") as day:
        one = {"exchange": "binance", "symbol": "ETH-USDT", "rest_host": day.binance.rest_url}
        asked = {
            "instruments": [one], "since": START.isoformat(), "until": (START + timedelta(hours=0.5)).isoformat()
        }  # fmt: skip
        before, traded = _rows(far), day.binance.trades().height
        cases = (
            ("the workflow succeeds", {}, "SUCCEEDED", None),
            ("its job fails", {}, "FAILED", "landing the files"),
            ("quality is too low", {"threshold": 100}, "FAILED", "the quality gate"),
        )
        for number, (what, more, status, step) in enumerate(cases):
            task.say(what)
            if step == "landing the files":
                there.client("s3").put_object(**entry, Body=_FAILS.encode())
            execution = workflow.start(there.client, machine, {**asked, **more})
            ended = workflow.ended(there.client, execution, within=300)
            there.client("s3").delete_object(**entry)
            there.must(ended.status == status, f"{what}: {ended.status} {ended.cause}")
            told = [m["Subject"] for m in workflow.messages(there.client, queue) if NAME + ": the" in m["Subject"]]
            wanted = [] if step is None else [f"{NAME}: the daily workflow failed at {step}"]
            there.must(told == wanted, f"{what}: people were told {told}")
            counts = {
                name: workflow.counted(there.client, NAME, name) for name in ("WorkflowSuccess", "WorkflowFailure")
            }
            there.must(counts == {"WorkflowSuccess": 1, "WorkflowFailure": number}, f"{what}: CloudWatch has {counts}")
            _wait(lambda: _rows(far) >= before + traded, "what the first execution has loaded")
    there.must(_rows(far) == before + traded > before, f"{_rows(far) - before} trades were loaded of {traded}")
    return len(cases)


def _stopped(there: There, made: dict[str, Any], stream: Any, records: list[Any]) -> tuple[int, list[str]]:
    """A stop refuses while something waits; forced, it loses that, and proves that nothing is billed by the hour.

    Returns how much was lost, and what is billed nevertheless.
    """
    there.does("aws", "cancel", made["job"], "--wait", "--json")
    feed(stream, [records])
    refused = there.does("aws", "stop", "--json", code=1)["said"]
    there.must("--force" in refused, f"a stop is not refused while records wait: {refused}")
    stopped = there.does("aws", "stop", "--force", "--json")
    there.must(stopped["proof"]["nothing"] is True, f"after the stop: {stopped['proof']}")
    hourly = _billed_by_the_hour(there)
    there.must(not hourly, f"after the stop there is {', '.join(hourly)}")
    return (stopped["lost"] or {"records": 0})["records"], hourly


def _billed_by_the_hour(there: There) -> list[str]:
    """Streams and interface endpoints that are there."""
    endpoints = there.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    streams: list[str] = there.client("kinesis").list_streams()["StreamNames"]
    return [*streams, *(each["ServiceName"] for each in endpoints if each["VpcEndpointType"] == "Interface")]


def _left(there: There) -> list[str]:
    """Whatever is there."""
    states = there.client("stepfunctions").list_state_machines()["stateMachines"]
    applications = there.client("emr-serverless").list_applications()["applications"]
    return [
        *(each["Name"] for each in there.client("s3").list_buckets()["Buckets"]),
        *there.client("dynamodb").list_tables()["TableNames"],
        *(each["Name"] for each in there.client("glue").get_databases()["DatabaseList"]),
        *(each["Name"] for each in there.client("ssm").describe_parameters()["Parameters"]),
        *(each["FunctionName"] for each in there.client("lambda").list_functions()["Functions"]),
        *(each["RoleName"] for each in there.client("iam").list_roles()["Roles"] if each["RoleName"].startswith(NAME)),
        *(each["Name"] for each in there.client("apigatewayv2").get_apis()["Items"]),
        *(each["name"] for each in states),
        *(each["Name"] for each in there.client("scheduler").list_schedules()["Schedules"]),
        *(each["TopicArn"] for each in there.client("sns").list_topics()["Topics"]),
        *(each["AlarmName"] for each in there.client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(each["name"] for each in applications if each["name"].startswith(NAME) and each["state"] != "TERMINATED"),
        *(each["logGroupName"] for each in there.client("logs").describe_log_groups()["logGroups"]),
        *_billed_by_the_hour(there),
    ]


def _wait(until: Callable[[], bool], what: str, *, within: float = PATIENCE_S) -> None:
    end = time.monotonic() + within
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {within:.0f} s")
        time.sleep(0.2)


R31 = Experiment(
    id="R31",
    does="an environment is made on an emulation by `coattail aws start`, lands, judges, tells, stops and is removed",
    run=run,
    engines=("aws",),
    seed=523,
    long={},
    short=None,
    shortly="tests/unit/infra/test_plan.py",
)
