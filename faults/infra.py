"""R31: infra/ is applied on an emulation, used, stopped and destroyed; two applies at a time are kept apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from coattail.aws.emulate import place
from coattail.config import Layer
from coattail.engines.local import LocalEngine
from coattail.jobs.emr_applications import FIRST
from coattail.place import read_place
from coattail.stores.catalog import NAMESPACE
from coattail.streams.opening import open_stream
from faults.experiment import Control, Experiment, LeftOut, Outcome, Task
from tests.harness.emulation import INSTALLED, emulation
from tests.harness.oracle import expected
from tests.harness.running import differences, feed, found, new_home, settings_of
from tests.harness.scenes import evenly, market, spoiled, with_duplicates
from tools.infra import Terraform, TerraformFailed, TerraformMissing, given, prepared

REGION = "us-east-1"
"""As environments/emulated.tfvars says."""
STATES = "coattail-states"
PATIENCE_S = 60
LACKING = {
    "aws_vpc_endpoint": "forgets policy, private DNS and groups",
    "aws_security_group": "forgets lists of prefixes, and keeps the rule of a new group that lets everything out",
    "aws_kinesis_stream": "forgets the tags that CreateStream says",
    "aws_cloudwatch_metric_alarm": "does not say an alarm's period, statistic and dimensions",
}
"""What the emulator does not keep as it was told: a second plan would change it, and nothing else."""


def run(task: Task) -> Outcome:
    """Apply, look again, use, stop, destroy.

    Raises: LeftOut: If the emulator of AWS, Terraform or its provider is not here.
    """
    import boto3

    if not INSTALLED:
        raise LeftOut("the emulate extra is not installed")
    with emulation(task.folder / "emulation") as emulated:
        address = emulated.endpoint
        made: dict[str, Any] = {
            name: boto3.session.Session().client(name, region_name=REGION, endpoint_url=address)
            for name in ("s3", "kinesis", "ec2", "dynamodb", "glue", "ssm", "iam", "lambda", "emr-serverless")
        }
        _clear(made)
        made["s3"].create_bucket(Bucket=STATES)
        try:
            with prepared(state=_state(address)) as terraform:
                return _lived_through(terraform, address, made, task)
        except TerraformMissing as missing:
            raise LeftOut(str(missing)) from missing
        finally:
            for client in made.values():
                client.close()


def _state(address: str) -> str:
    """What `terraform init` is told of the state's bucket; the lock is as backend.tf says."""
    return f"""bucket = "{STATES}"
key = "coattail/emulated.tfstate"
region = "{REGION}"
use_path_style = true
skip_credentials_validation = true
skip_requesting_account_id = true
skip_metadata_api_check = true
endpoints = {{ s3 = "{address}" }}
"""


def _lived_through(terraform: Terraform, address: str, made: dict[str, Any], task: Task) -> Outcome:
    settings = ["-no-color", "-input=false", "-var-file=environments/emulated.tfvars", *given({"endpoint": address})]
    started = [*settings, *given({"streaming": True})]
    other = _refused(terraform, *settings, "-var=account_id=111111111111")
    created, refused, unlocked = _two_at_a_time(terraform, started, made["s3"])
    task.say(created)
    wrong = [] if "Error acquiring the state lock" in refused else [f"a second one was not refused: {refused[-300:]}"]
    wrong += [] if "AWS account ID not allowed: 000000000000" in other else [f"another account: {other[-300:]}"]
    changed = _changed(terraform, started)
    wrong += [f"a second plan would change {each}" for each, kind in changed if kind not in LACKING]

    there = json.loads(terraform.run("output", "-json", "place"))
    home = new_home(task.folder / "home")
    layer = read_place(there, home.path)
    assert isinstance(layer, Layer)
    overrides: dict[str, object] = {".".join(path): leaf.written for path, leaf in layer.leaves.items()}
    records = with_duplicates(spoiled(market(), seed=task.seed), 0.02, seed=task.seed)
    feed(open_stream(str(overrides["stream.url"]), home.stream), evenly(records, 4))
    with LocalEngine(home, settings_of(overrides)) as engine:
        engine.drain()
    truth = expected(records)
    wrong += differences(truth, found(home, settings_of(overrides)))
    broken = _broken(home.path, there)
    wrong += [f"the doctor says {each}" for each in broken]

    terraform.run("apply", "-auto-approve", *settings)
    hourly = _billed_by_the_hour(made)
    wrong += [f"after the stop there is {each}" for each in hourly]
    wrong += differences(truth, found(home, settings_of(overrides)))
    missed = _broken(home.path, there)

    terraform.run("destroy", "-auto-approve", *settings)
    left = [*terraform.run("state", "list").split(), *_there(made)]
    wrong += [f"destroyed, and there is {each}" for each in left]
    return Outcome(
        f"{created.split()[3]} resources, {len(records):,} records",
        {"wrong": len(wrong), "billed by the hour after the stop": len(hourly), "left at the end": len(left)},
        wrong,
        [
            Control("a plan that does not ask for the lock", "made beside the apply", unlocked),
            Control("the doctor, while the stream is not there", "; ".join(missed).split(" (")[0], bool(missed)),
        ],
    )


def _two_at_a_time(terraform: Terraform, options: list[str], s3: Any) -> tuple[str, str, bool]:
    """What an apply has made; what was said meanwhile to a plan; whether one without the lock was made meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(terraform.run, "apply", "-auto-approve", *options)
        _wait(lambda: first.done() or any(".tflock" in key for key in _keys(s3, STATES)))
        refused = _refused(terraform, "-lock-timeout=0s", *options)
        unlocked = "Plan:" in terraform.run("plan", "-lock=false", *options) and not first.done()
        said = first.result()
    return next(line for line in said.splitlines() if line.startswith("Apply complete")), refused, unlocked


def _refused(terraform: Terraform, *options: str) -> str:
    """Why a plan is not made; empty if it is."""
    try:
        terraform.run("plan", *options)
    except TerraformFailed as failed:
        return str(failed)
    return ""


def _billed_by_the_hour(made: dict[str, Any]) -> list[str]:
    """Streams and interface endpoints that are there."""
    endpoints = made["ec2"].describe_vpc_endpoints()["VpcEndpoints"]
    streams: list[str] = made["kinesis"].list_streams()["StreamNames"]
    return [*streams, *(each["ServiceName"] for each in endpoints if each["VpcEndpointType"] == "Interface")]


def _there(made: dict[str, Any]) -> list[str]:
    """Whatever is there, besides the bucket of the state."""
    return [
        *(each["Name"] for each in made["s3"].list_buckets()["Buckets"] if each["Name"] != STATES),
        *made["dynamodb"].list_tables()["TableNames"],
        *(each["Name"] for each in made["glue"].get_databases()["DatabaseList"]),
        *(each["Name"] for each in made["ssm"].describe_parameters()["Parameters"]),
        *(each["RoleName"] for each in made["iam"].list_roles()["Roles"]),
        *(each["FunctionName"] for each in made["lambda"].list_functions()["Functions"]),
        *_applications(made),
        *_billed_by_the_hour(made),
    ]


def _applications(made: dict[str, Any]) -> list[str]:
    """Applications of EMR Serverless, but that of the emulation; a deleted one is listed as terminated."""
    found = made["emr-serverless"].list_applications()["applications"]
    return [each["name"] for each in found if each["id"] != FIRST and each["state"] != "TERMINATED"]


def _clear(made: dict[str, Any]) -> None:
    """Remove the place that the emulation comes with: Terraform makes one, of which some names are the same."""
    made["glue"].delete_database(Name=NAMESPACE)
    made["kinesis"].delete_stream(StreamName=place.STREAM)
    made["dynamodb"].delete_table(TableName=place.TABLE)
    made["s3"].delete_bucket(Bucket=place.BUCKET)
    for each in made["ssm"].describe_parameters()["Parameters"]:
        made["ssm"].delete_parameter(Name=each["Name"])


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("no apply has begun")
        time.sleep(0.05)


def _keys(s3: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def _changed(terraform: Terraform, options: list[str]) -> list[tuple[str, str]]:
    """Address and type of what another apply would change."""
    terraform.run("plan", "-out=again", *options)
    found: dict[str, Any] = json.loads(terraform.run("show", "-json", "again"))
    return [
        (each["address"], each["type"]) for each in found["resource_changes"] if each["change"]["actions"] != ["no-op"]
    ]


def _broken(home: Path, place: str) -> list[str]:
    """What the doctor finds broken."""
    command = [sys.executable, "-m", "coattail", "--home", str(home), "--place", place, "doctor", "--json"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["healthy"] == (done.returncode == 0)
    return [f"{each['name']}: {each['detail']}" for each in found["findings"] if each["state"] == "broken"]


R31 = Experiment(
    id="R31",
    does="the services of infra/ are made on an emulation, used, stopped and destroyed, two applies at a time",
    run=run,
    engines=("aws",),
    seed=523,
    long={},
    short=None,
    shortly="tests/unit/infra/test_plan.py",
)
