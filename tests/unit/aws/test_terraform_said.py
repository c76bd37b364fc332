"""What Terraform says, as recorded from it, and what a person is told of that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coattail.aws.operate.copy import InfraCopy
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.refusals import Diagnostic, InfraRefused, OperationFailed, StateLocked, refusal
from coattail.aws.operate.said import TerraformRun, heard, run
from coattail.workspace.progress import Step
from tests.harness.commands import until
from tests.harness.processes import environment
from tests.harness.scripted_terraform import scripted

HERE = Path(__file__).parent
APPLY = (HERE / "terraform_apply.jsonl").read_text().splitlines()
"""Four buckets, one of whose names is somebody else's: Terraform 1.11.4 on an emulation."""
ERRORS = json.loads((HERE / "terraform_errors.json").read_text())
"""Likewise: errors as Terraform 1.11.4 said them."""

DOCUMENTED = {
    "quota": "creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 400, api error "
    "VpcLimitExceeded: The maximum number of VPCs has been reached.",
    "quota of a service": "creating EMR Serverless Application (coattail-dev-stream): operation error EMR Serverless: "
    "CreateApplication, ServiceQuotaExceededException: the quota of applications is reached",
    "release": "creating EMR Serverless Application (coattail-dev-stream): operation error EMR Serverless: "
    "CreateApplication, https response error StatusCode: 400, ValidationException: ReleaseLabel emr-spark-8.1.0 is not "
    "supported",
    "expired": "reading EC2 VPC: api error ExpiredToken: The security token included in the request is expired",
    "denied": "creating Kinesis Stream (coattail-dev-trades): api error AccessDeniedException: User: x is not "
    "authorized to perform: kinesis:CreateStream",
    "not empty": "deleting S3 Bucket (x): api error BucketNotEmpty: The bucket you tried to delete is not empty",
    "table taken": "creating AWS DynamoDB Table (coattail-dev-hot): operation error DynamoDB: CreateTable, "
    "ResourceInUseException: Table already exists: coattail-dev-hot",
    "old": "Unsupported Terraform Core version. This configuration does not support Terraform version 1.9.0.",
    "throttled": "api error RequestLimitExceeded: Request limit exceeded.",
}
"""Errors of services, in their own words (API references of EC2, EMR Serverless, STS, Kinesis, S3, DynamoDB)."""


def meant(diagnostic: Diagnostic) -> OperationFailed:
    return refusal([diagnostic], Path("the.log"), folder=Path("infra"))


@pytest.mark.parametrize(
    ("name", "kind", "said", "step"),
    [
        ("locked", StateLocked, "being changed by kim@laptop since 2026-11-27 09:12:44 UTC (apply)",
         "terraform -chdir=infra force-unlock 1b4fae1f-7b9d-3a0b-1f3d-6d3f1c2b0a99"),
        ("other account", InfraRefused, "of account 000000000000, and the environment is in another", "AWS_PROFILE"),
        ("taken", InfraRefused, "a name is taken", "--prefix NAME"),
        ("no credentials backend", InfraRefused, "there are no AWS credentials that work", "AWS_PROFILE"),
        ("no bucket init", InfraRefused, "bucket coattail-none of the state is not there", "coattail aws bootstrap"),
        ("no provider", InfraRefused, "provider for AWS cannot be had", "TF_PLUGIN_DIR=FOLDER"),
        ("registry", InfraRefused, "provider for AWS cannot be had", "registry.terraform.io"),
        ("unknown tier", InfraRefused, "tier: the name of a file in coattail/conf/tiers", "environment.yaml"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_with_the_next_step(name: str, kind: type, said: str, step: str) -> None:
    about = ERRORS[name]
    error = meant(Diagnostic(about["summary"], about["detail"], about.get("address", "")))
    assert type(error) is kind
    assert said in error.message
    assert step in error.next_step
    assert "\n" not in str(error)
    assert "the.log" in str(error)


@pytest.mark.parametrize(
    ("name", "said", "step"),
    [
        ("quota", "quota is too small for network.aws_vpc.this", "Service Quotas"),
        ("quota of a service", "quota is too small", "Service Quotas"),
        ("release", "EMR Serverless refuses the release in this region", "release_label=emr-"),
        ("expired", "credentials have expired", "sign in again"),
        ("denied", "these credentials may not do it", "use a role"),
        ("not empty", "there is data", "coattail aws cleanup"),
        ("table taken", "a name is taken", "--prefix"),
        ("old", "this Terraform is too old", "1.10 or newer"),
        ("throttled", "did not answer", "run the same command again"),
    ],
)
def test_so_is_an_error_of_a_service(name: str, said: str, step: str) -> None:
    error = meant(Diagnostic(DOCUMENTED[name], "", "module.network.aws_vpc.this"))
    assert isinstance(error, InfraRefused)
    assert said in error.message
    assert step in error.next_step


def test_one_that_is_not_known_is_said_as_it_is() -> None:
    assert meant(Diagnostic("strange", "very\nso\n\nand more", "")).message == "Terraform has failed: strange. very so"
    assert "cut off" in refusal([], Path("the.log"), folder=Path()).message


def test_before_terraform_says_its_first_word_somebody_hears_that_it_is_at_work(tmp_path: Path) -> None:
    steps: list[Step] = []
    dev = Environment(environment="dev", account_id="123456789012", region="us-west-2")
    copy = InfraCopy(dev, scripted(tmp_path / "infra", ['{"type": "version"}']), tmp_path)
    copy.plan(streaming=True, on_progress=steps.append)
    copy.apply_planned(on_progress=steps.append)
    copy.destroy(on_progress=steps.append)
    assert steps == [Step(f"Terraform begins to {doing}") for doing in ("plan", "apply", "destroy")]


def test_its_lines_are_counted_and_its_failure_is_raised_and_all_is_kept(tmp_path: Path) -> None:
    steps: list[Step] = []
    terraform = scripted(tmp_path / "t", APPLY, code=1)
    with pytest.raises(InfraRefused, match="a name is taken"):
        run(terraform, "apply", "-auto-approve", log=tmp_path / "logs" / "a.jsonl", on_progress=steps.append)
    assert (tmp_path / "t" / "words").read_text() == f"-chdir={tmp_path / 't'} apply -json -auto-approve\n"
    assert (tmp_path / "logs" / "a.jsonl").read_text().splitlines() == [*APPLY, "not JSON"]
    assert steps[0] == Step('creating s3_lakehouse.aws_s3_bucket.this["checkpoint"]', 0, 4)
    assert steps[-1] == Step('s3_lakehouse.aws_s3_bucket.this["processed"]', 3, 4)


def test_what_it_plans_and_what_others_have_done_is_kept_apart() -> None:
    said = TerraformRun(Path("log"))
    for kind, action in (("planned_change", "create"), ("resource_drift", "delete")):
        resource = {"addr": "module.kinesis.aws_kinesis_stream.trades[0]"}
        heard(json.dumps({"type": kind, "change": {"resource": resource, "action": action}}), said)
    assert [*said.planned.values(), *said.drifted.values()] == ["create", "delete"]


RUNS = """
import sys
from pathlib import Path
from coattail.aws.operate.said import run
from coattail.aws.terraform import Terraform
folder = Path(sys.argv[1])
try:
    run(Terraform(folder, str(folder / "terraform"), {}), "apply", log=folder / "log",
        interrupted=lambda: print("stopping", flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "left", "said"), [(signal.SIGINT, "interrupted", "stopping\ninterrupted\n"), (signal.SIGKILL, "ended", "")]
)
def test_an_apply_that_is_cut_comes_to_an_end_in_order(tmp_path: Path, sent: int, left: str, said: str) -> None:
    """Ctrl-C asks Terraform to stop and waits for it; killed, this process leaves it to its end."""
    scripted(tmp_path, APPLY[:6], pause=0.15)
    words = [sys.executable, "-c", RUNS, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment()}) as process:
        until(lambda: (tmp_path / "words").exists())
        time.sleep(0.1)
        process.send_signal(sent)
        assert process.stdout is not None
        assert process.stdout.read() == said
    until(lambda: (tmp_path / left).exists())


@pytest.mark.slow
def test_however_often_ctrl_c_is_pressed_terraform_is_asked_once_and_keeps_its_state(tmp_path: Path) -> None:
    scripted(tmp_path, APPLY[:6], pause=0.3)
    words = [sys.executable, "-c", RUNS, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment()}) as process:
        until(lambda: (tmp_path / "words").exists())
        assert process.stdout is not None
        for _ in range(2):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "stopping\n"
        assert process.stdout.read() == "interrupted\n"
    assert (tmp_path / "interrupted").read_text() == "1"
