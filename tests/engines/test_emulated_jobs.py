"""Applications of EMR Serverless are made and ended on the emulation as on AWS, and workflows run jobs there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.harness.commands import until
from tests.harness.emulation import INSTALLED, Emulation, emulation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("emulation"),
    pytest.mark.skipif(not INSTALLED, reason="the emulation of AWS is not installed: coattail[emulate]"),
]
ROLE = "arn:aws:iam::000000000000:role/jobs"
FAILS = "import sys\nprint('the job was told', sys.argv[1])\nsys.exit(sys.argv[1] != 'well')\n"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with emulation(tmp_path_factory.mktemp("services"), "--empty") as found:
        yield found


@pytest.fixture(scope="module")
def services(on: Emulation) -> Iterator[dict[str, Any]]:
    with ExitStack() as open_:
        names = ("emr-serverless", "stepfunctions", "iam", "s3")
        made = {name: on.client(name) for name in names}
        for client in made.values():
            open_.callback(client.close)
        yield made


def test_nothing_is_made_in_an_empty_one(on: Emulation) -> None:
    with closing(on.client("glue")) as glue, closing(on.client("s3")) as s3:
        assert (glue.get_databases()["DatabaseList"], s3.list_buckets()["Buckets"]) == ([], [])
    assert not (on.home / "aws.yaml").exists()
    assert "  coattail aws start" in on.said


@pytest.fixture
def application(services: dict[str, Any]) -> str:
    made = services["emr-serverless"].create_application(
        name="batch", releaseLabel="emr-spark-8.1.0", type="SPARK", clientToken="one", tags={"Environment": "dev"}
    )
    identity: str = made["applicationId"]
    return identity


def test_an_application_is_made_once_changed_when_it_rests_and_goes_when_it_is_stopped(
    services: dict[str, Any], application: str
) -> None:
    emr = services["emr-serverless"]
    again = emr.create_application(name="batch", releaseLabel="emr-spark-8.1.0", type="SPARK", clientToken="one")
    assert again["applicationId"] == application
    assert application in [each["id"] for each in emr.list_applications()["applications"]]
    emr.update_application(applicationId=application, clientToken="two", architecture="ARM64")
    found = emr.get_application(applicationId=application)["application"]
    assert (found["state"], found["architecture"], found["tags"]) == ("CREATED", "ARM64", {"Environment": "dev"})
    emr.tag_resource(resourceArn=found["arn"], tags={"Project": "coattail"})
    tags = {"Environment": "dev", "Project": "coattail"}
    assert emr.list_tags_for_resource(resourceArn=found["arn"])["tags"] == tags
    other = emr.create_application(name="other", releaseLabel="emr-spark-8.1.0", type="SPARK", clientToken="three")
    emr.start_application(applicationId=other["applicationId"])
    refused = emr.exceptions.ValidationException
    with pytest.raises(refused, match="must be in one of CREATED, STOPPED"):
        emr.update_application(applicationId=other["applicationId"], clientToken="four", architecture="ARM64")
    with pytest.raises(refused, match="must be stopped first"):
        emr.delete_application(applicationId=other["applicationId"])
    emr.stop_application(applicationId=other["applicationId"])
    emr.delete_application(applicationId=other["applicationId"])
    gone = emr.get_application(applicationId=other["applicationId"])["application"]["state"]
    assert gone == "TERMINATED"
    with pytest.raises(refused, match="Release label newest is not supported"):
        emr.create_application(name="new", releaseLabel="newest", type="SPARK", clientToken="five")


def test_a_job_is_of_one_application_which_cannot_be_stopped_before_it_ends(
    services: dict[str, Any], application: str
) -> None:
    emr = services["emr-serverless"]
    services["s3"].create_bucket(Bucket="waiting")
    services["s3"].put_object(Bucket="waiting", Key="job.py", Body=b"import time\ntime.sleep(60)\n")
    asked = {"applicationId": application, "executionRoleArn": ROLE, "clientToken": "run"}
    run = emr.start_job_run(**asked, jobDriver={"sparkSubmit": {"entryPoint": "s3://waiting/job.py"}})["jobRunId"]
    until(lambda: _state(emr, application, run) == "RUNNING")
    with pytest.raises(emr.exceptions.ValidationException, match="1 of its jobs are not over"):
        emr.stop_application(applicationId=application)
    with pytest.raises(emr.exceptions.ResourceNotFoundException):
        emr.get_job_run(applicationId="00emulated0", jobRunId=run)
    assert [each["id"] for each in emr.list_job_runs(applicationId="00emulated0")["jobRuns"]] == []
    emr.cancel_job_run(applicationId=application, jobRunId=run)
    until(lambda: _state(emr, application, run) == "CANCELLED")
    emr.stop_application(applicationId=application)


def _state(emr: Any, application: str, run: str) -> str:
    found: str = emr.get_job_run(applicationId=application, jobRunId=run)["jobRun"]["state"]
    return found


def test_a_workflow_runs_a_job_to_its_end_and_fails_with_it(services: dict[str, Any], application: str) -> None:
    services["s3"].create_bucket(Bucket="steps")
    services["s3"].put_object(Bucket="steps", Key="job.py", Body=FAILS.encode())
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = services["iam"].create_role(RoleName="steps", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    job = {"SparkSubmit": {"EntryPoint": "s3://steps/job.py", "EntryPointArguments.$": "$.arguments"}}
    step = {
        "Type": "Task", "Resource": "arn:aws:states:::emr-serverless:startJobRun.sync", "End": True,
        "Parameters": {"ApplicationId": application, "ExecutionRoleArn": ROLE, "JobDriver": job},
    }  # fmt: skip
    steps = services["stepfunctions"]
    machine = steps.create_state_machine(
        name="jobs", roleArn=role, definition=json.dumps({"StartAt": "Job", "States": {"Job": step}})
    )["stateMachineArn"]

    def ended(arguments: list[str]) -> Any:
        asked = json.dumps({"arguments": arguments})
        execution = steps.start_execution(stateMachineArn=machine, input=asked)["executionArn"]
        until(lambda: steps.describe_execution(executionArn=execution)["status"] != "RUNNING")
        return steps.describe_execution(executionArn=execution)

    well = ended(["well"])
    assert (well["status"], json.loads(well["output"])["State"]) == ("SUCCEEDED", "SUCCESS")
    failed = ended(["badly"])
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(failed["cause"])["StateDetails"] == "the job was told badly"
