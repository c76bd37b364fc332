"""A place that parameters of Systems Manager say: a job that has nothing but its order works on the same stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import boto3
import pytest

from coattail import Workspace
from coattail.config import load_settings
from coattail.jobs.base import JobOrder, JobState
from coattail.jobs.emulated import EmulatedEmr
from coattail.streams.opening import open_stream
from coattail.workspace.ordering import chosen_of
from coattail.workspace.rehearsal import program
from tests.harness.aws_place import REGION, hot_there, lake_there
from tests.harness.commands import until
from tests.harness.emulator import INSTALLED
from tests.harness.processes import environment
from tests.harness.running import feed, landed, new_home
from tests.harness.scenes import evenly, market

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
]


def written(service: str, jobs: str) -> str:
    """Stores of the service, in parameters; returns the place."""
    kinesis = boto3.session.Session().client("kinesis", region_name=REGION, endpoint_url=service)
    kinesis.create_stream(StreamName="trades", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="trades", WaiterConfig={"Delay": 1})
    at = f"region={REGION}&endpoint={quote(service, safe='')}"
    said = {
        "stream.url": f"kinesis://trades?{at}", "lake": json.dumps(lake_there("placed", service, account=0)),
        "hot.url": hot_there("placed", service), "dlq.url": f"s3://placed/dlq?{at}", "jobs.url": jobs,
        "preset": "classic", "engine.batch_bytes": "64 KiB",
    }  # fmt: skip
    ssm = boto3.session.Session().client("ssm", region_name=REGION, endpoint_url=service)
    for key, value in said.items():
        ssm.put_parameter(Name=f"/coattail/dev/{key}", Value=value, Type="SecureString" if key == "lake" else "String")
    ssm.put_parameter(Name="/coattail/dev/api_url", Value="https://api.example", Type="String")
    ssm.put_parameter(Name="/coattail/dev/deeper/key", Value="somebody's", Type="String")
    for client in (kinesis, ssm):
        client.close()
    return f"ssm:/coattail/dev?{at}"


def submitted_by_a_kernel_that_is_killed(home: Path, place: str, **options: object) -> str:
    script = (
        "import json, os, signal, sys\nfrom coattail import Workspace\n"
        "ws = Workspace(sys.argv[1], place=sys.argv[2])\n"
        "print(ws.submit('stream', **json.loads(sys.argv[3])).id, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [sys.executable, "-c", script, str(home), place, json.dumps(options)]
    killed = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment()})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return killed.stdout.strip()


def test_a_job_whose_submitter_is_killed_lands_into_the_place_that_its_order_carries(
    service: str, tmp_path: Path
) -> None:
    driver, home = new_home(tmp_path / "driver"), new_home(tmp_path / "home")
    driver.config_file.unlink()
    pieces = evenly(market(), 4)
    here = Workspace(landed(tmp_path / "here", pieces).path)
    with EmulatedEmr(program(driver)) as emr:
        place = written(service, emr.url)
        with Workspace(home.path, place=place) as ws:
            assert f"place={place!r}): local emulation: " in repr(ws)
            url = ws.settings.stream.url
            feed(open_stream(url, home.stream), pieces)
            job = ws.job(submitted_by_a_kernel_that_is_killed(home.path, place))
            landed_here = here.status().trades.landed
            until(lambda: f"wait: {landed_here:,} trades" in repr(job.progress()))
            ended = job.cancel(grace=60).wait(within=60)
            assert ended.state is JobState.CANCELLED, job.log()
            assert f"landed {landed_here:,}" in ended.document.result
            assert "stopped; received" in repr(job.log())
            assert ws.status().trades.landed == landed_here
            assert ws.alerts().rows["alert_id"].to_list() == here.alerts().rows["alert_id"].to_list() != []
            assert list((driver.path / "warehouse").rglob("*.parquet")) == []
            named = JobOrder(job="stream", settings={"place": place})  # as a scheduler writes it
            assert load_settings(driver, **chosen_of(named, driver)).hot.url == ws.settings.hot.url
            findings = {found.name: found for found in ws.doctor()}
            for name in ("place", "catalog", "tables", "lake", "hot store", "stream", "dead letters", "jobs"):
                assert findings[name].state == "ok", findings[name]
            for name in ("catalog", "lake", "hot store", "stream"):
                assert f"in {REGION} at {service} (local emulation)" in findings[name].detail
