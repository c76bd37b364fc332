"""Jobs on EMR Serverless: the request is right without an account, and what the service says is understood."""

from __future__ import annotations

import gzip
import json
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from coattail.errors import ConfigError, UsageError
from coattail.jobs.base import JobCount, JobError, JobOrder, JobState, NoSuchJob
from coattail.jobs.emr import STATES, EmrJobs
from coattail.jobs.emr_request import Application, refuse_invalid, start_request
from coattail.jobs.emulated import LABEL, EmulatedEmr
from coattail.jobs.opening import open_jobs
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator

ROLE = "arn:aws:iam::123456789012:role/coattail-job"
BUNDLE = "deps-0123456789abcdef-arm64.tar.gz"
URL = f"emr-serverless://00f1abcdefgh?region=eu-central-1&role={ROLE}&artifacts=s3://lake/artifacts&bundle={BUNDLE}"
DAY = JobOrder(job="daily", options={"day": "2025-03-04"}, token="daily-2025-03-04")


def on_aws(**more: str) -> Application:
    given = {"role": ROLE, "artifacts": "s3://lake/artifacts/", "bundle": BUNDLE, **more}
    return Application(application="00f1abcdefgh", **given)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No credentials, no region, no network that would say them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_the_request_of_a_batch_job(nobody: None, tmp_path: Any) -> None:
    request = open_jobs(URL, tmp_path, [], tier="medium").request(DAY)
    assert (request["mode"], request["executionTimeoutMinutes"]) == ("BATCH", 720)
    assert "retryPolicy" not in request
    assert (request["clientToken"], request["name"], request["executionRoleArn"]) == (DAY.token, "coattail-daily", ROLE)
    spark = request["jobDriver"]["sparkSubmit"]
    assert spark["entryPoint"] == "s3://lake/artifacts/jobs/daily.py"
    assert spark["entryPointArguments"][0] == "daily"
    options = {"day": "2025-03-04", "out": "s3://lake/artifacts/reports?region=eu-central-1"}
    assert json.loads(spark["entryPointArguments"][1]) == {"options": options, "settings": {}}
    for said in ("executor.instances=2", f"archives=s3://lake/artifacts/{BUNDLE}#deps", "driver.memoryOverhead=3g"):
        assert said in spark["sparkSubmitParameters"]


def test_a_job_without_an_end_is_a_streaming_one_which_the_service_starts_again() -> None:
    request = start_request(JobOrder(job="stream", ends=False), on_aws())
    assert (request["mode"], request["executionTimeoutMinutes"]) == ("STREAMING", 0)
    assert request["retryPolicy"] == {"maxFailedAttemptsPerHour": 5}
    refuse_invalid("StartJobRun", request)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"applicationId": "UPPER"}, "applicationId = 'UPPER' does not look like"),
        ({"executionRoleArn": "arn:aws:iam::12:role/short-account"}, "executionRoleArn = "),
        ({"mode": "EVER"}, "mode = 'EVER' is none of BATCH, STREAMING"),
        ({"clientToken": "t" * 65}, "has 65 characters, and may have 1 to 64"),
        ({"retryPolicy": {"maxFailedAttemptsPerHour": "5"}}, "maxFailedAttemptsPerHour"),
        ({"jobDriver": {"sparkSubmit": {"entryPoint": ""}}}, "entryPoint"),
        ({"executionTimeoutMinutes": 10**7}, "executionTimeoutMinutes = 10000000 is not from 0 to 1000000"),
        ({"tags": {"": "x"}}, "tags"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_the_service_would_refuse_is_refused_here(nobody: None, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_invalid("StartJobRun", start_request(DAY, on_aws()) | change)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"bundle": "deps.tar.gz"}, "bundle 'deps.tar.gz' is not the name of one"),
        ({"architecture": "x86_64"}, f"the bundle {BUNDLE} is for arm64, and the workers are x86_64"),
    ],
)
def test_a_bundle_is_named_by_its_content_and_is_of_the_architecture(more: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        on_aws(**more)


def test_a_job_says_which_bundle_it_runs_from_and_asks_for_nothing_that_none_has() -> None:
    without = Application(application="00f1", role=ROLE, artifacts="s3://lake/artifacts")
    with pytest.raises(UsageError, match=r"names no bundle .* `coattail aws bundle --upload`"):
        start_request(DAY, without)
    for job, options, said in (
        ("daily", {"share": True}, "share needs packages"),
        ("reprocess", {"into": "mine"}, "into needs packages"),
    ):
        with pytest.raises(UsageError, match=said):
            start_request(JobOrder(job=job, options=options), on_aws())
    assert start_request(JobOrder(job="reprocess", options={"into": "branch:mine"}), on_aws())


def test_what_only_this_machine_knows_does_not_travel() -> None:
    for settings in ({"config_file": "/my.yaml"}, {"place": "/my.yaml"}):
        with pytest.raises(UsageError, match=r"/my\.yaml is known on this machine only"):
            start_request(JobOrder(job="stream", settings=settings), on_aws())


def test_every_state_of_the_service_is_known() -> None:
    import botocore.session

    model = botocore.session.Session().get_service_model("emr-serverless")
    assert set(STATES) == set(model.shape_for("JobRunState").enum)


def run(state: str, **more: Any) -> dict[str, Any]:
    begun = datetime(2025, 3, 4, 12, tzinfo=UTC)
    return {
        "jobRunId": "00abc",
        "name": "coattail-stream",
        "state": state,
        "createdAt": begun,
        "updatedAt": begun,
        **more,
    }


def test_a_run_is_read_with_its_attempts_its_end_and_what_was_billed() -> None:
    jobs = EmrJobs(on_aws())
    queued = jobs._seen(run("QUEUED"))
    assert (queued.state, queued.stage, queued.cost, queued.progress) == (JobState.SUBMITTED, "QUEUED", None, None)
    started = datetime(2025, 3, 4, 12, 1, tzinfo=UTC)
    billed = {"vCPUHour": 2.0, "memoryGBHour": 4.0, "storageGBHour": 0.5}
    failed = jobs._seen(
        run("FAILED", attempt=3, stateDetails="out of memory", startedAt=started, totalExecutionDurationSeconds=1800,
            endedAt=started + timedelta(minutes=30), billedResourceUtilization=billed)
    )  # fmt: skip
    assert (failed.state, failed.stage, failed.reason) == (JobState.FAILED, "FAILED, attempt 3", "out of memory")
    assert failed.cost is not None
    assert (failed.cost.seconds, failed.cost.billed) == (1800, True)
    assert failed.progress == JobCount(doing="ran", done=1800, unit="seconds")
    assert failed.cost.dollars == pytest.approx(2 * 0.042094 + 4 * 0.004628 + 0.5 * 0.000111, abs=1e-6)
    assert failed.cost.priced == "arm64 at list prices of us-east-1, 2026-11-27"
    stopping = jobs._seen(run("CANCELLING", startedAt=started))
    assert (stopping.state, stopping.stage) == (JobState.RUNNING, "CANCELLING")
    with pytest.raises(JobError, match="says 'DREAMING'"):
        jobs._seen(run("DREAMING"))


def test_a_running_job_counts_what_its_engine_says_and_time_where_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = datetime(2025, 3, 4, 12, 1, tzinfo=UTC)
    said = [JobCount(doing="landed", done=5, unit="trades"), None]
    jobs = EmrJobs(on_aws(), lambda job, since: said.pop(0) if (job, since) == ("stream", begun) else None)
    monkeypatch.setattr(jobs, "_call", lambda *a, **k: {"jobRun": run("RUNNING", startedAt=begun)})
    assert jobs.look("00abc").progress == JobCount(doing="landed", done=5, unit="trades")
    timed = jobs.look("00abc").progress
    assert timed is not None
    assert (timed.doing, timed.unit) == ("at work", "seconds")


def test_a_job_that_has_ended_says_its_last_word_once_its_log_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    logs: list[list[str] | JobError] = [JobError("no log yet"), ["2025-03-04T12:00:00Z stream", "the well is dry; dig"]]

    def tail(on: Application, application: str, identity: str, lines: int) -> list[str]:
        said = logs.pop(0)
        if isinstance(said, JobError):
            raise said
        return said

    monkeypatch.setattr("coattail.jobs.emr_log.tail", tail)
    state, jobs = "FAILED", EmrJobs(on_aws())
    monkeypatch.setattr(jobs, "_call", lambda *a, **k: {"jobRun": run(state, stateDetails="ExitCode: 1")})
    assert jobs.look("00abc").reason == "ExitCode: 1"
    assert jobs.look("00abc").reason == "the well is dry; dig"
    assert jobs.look("00abc").reason == "the well is dry; dig"
    state, jobs = "SUCCESS", EmrJobs(on_aws())
    monkeypatch.setattr(jobs, "_call", lambda *a, **k: {"jobRun": run(state)})
    logs.append(["2025-03-04T12:00:00Z received 5 = landed 5"])
    assert jobs.look("00abc").result == "received 5 = landed 5"


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (
            {"state": "STARTED", "releaseLabel": "emr-spark-8.1.0", "architecture": "ARM64"},
            "started, emr-spark-8.1.0 arm64",
        ),
        ({"state": "STOPPED", "architecture": "X86_64"}, "are x86_64, and jobs.url says architecture=arm64"),
    ],
)
def test_the_application_is_asked_what_its_workers_are(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, str], said: str
) -> None:
    jobs = EmrJobs(on_aws())
    monkeypatch.setattr(jobs, "_call", lambda *a, **k: {"application": about})
    try:
        words = jobs.reached()
    except JobError as error:
        words = error.message
    assert said in words


def test_the_price_is_that_of_the_size() -> None:
    small, large = EmrJobs(on_aws()).dollars_an_hour(), EmrJobs(on_aws(tier="large")).dollars_an_hour()
    assert small.dollars == pytest.approx(0.2054, abs=1e-4)  # 4 vCPU and 8 GB
    assert large.dollars == pytest.approx(2 * small.dollars)
    assert EmrJobs(
        on_aws(architecture="x86_64", bundle=BUNDLE.replace("arm64", "x86_64"))
    ).dollars_an_hour().dollars == pytest.approx(0.2567, abs=1e-4)


def test_without_credentials_or_a_service_it_says_so(nobody: None, tmp_path: Any) -> None:
    with pytest.raises(JobError, match="there are no AWS credentials for EMR Serverless") as lacking:
        open_jobs(URL, tmp_path, []).submit(DAY)
    assert not lacking.value.passing
    gone = EmulatedEmr([])
    gone.close()
    jobs = EmrJobs(on_aws(region="us-east-1", endpoint=gone.endpoint))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.retryhandler.delay_exponential", lambda *a, **k: 0)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *a: 0)
        with pytest.raises(JobError, match="does not answer") as silent:
            jobs.look("00abc")
        assert silent.value.passing


def test_an_address_that_makes_no_sense_is_refused(tmp_path: Any) -> None:
    for url, said in (
        ("s3://bucket", "names nobody who runs jobs"),
        ("emr-serverless://", "names nobody who runs jobs"),
        ("emr-serverless://app?role", "is not a URL"),
        ("emr-serverless://app?region=x", "names no role and no artifacts"),
        (f"{URL}&colour=red", "unknown option 'colour'"),
        (f"{URL}&architecture=vax", "no architecture 'vax'"),
        (f"{URL}&endpoint=host:1", "is not an address"),
        (URL.replace("s3://lake", "lake"), "is not a place in S3"),
    ):
        with pytest.raises(ConfigError) as caught:
            open_jobs(url, tmp_path, [])
        assert said in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="needs the emulator of the extra dev")
def test_the_log_is_the_end_of_what_the_driver_wrote_last(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    jobs = EmrJobs(on_aws(region="us-east-1"))
    monkeypatch.setattr(jobs, "_call", lambda *a, **k: {"jobRun": run("SUCCESS")})
    with emulator() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(JobError, match=r"the log in s3://lake/.* is not there"):
            jobs.tail("00abc", 3)
        s3 = boto3.session.Session().client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        with pytest.raises(JobError, match=r"has written no log to s3://lake/artifacts/logs/.*/00abc/ yet"):
            jobs.tail("00abc", 3)
        folder = "artifacts/logs/applications/00f1abcdefgh/jobs/00abc"
        for name, text in (("SPARK_EXECUTOR/1/stdout.gz", "not this"), ("SPARK_DRIVER/stderr.gz", "Spark's own")):
            s3.put_object(Bucket="lake", Key=f"{folder}/{name}", Body=gzip.compress(text.encode()))
        assert jobs.tail("00abc", 2) == ["Spark's own"]
        said = "".join(f"line {number} {'x' * 100}\n" for number in range(30_000)) + "the end"
        s3.put_object(Bucket="lake", Key=f"{folder}/SPARK_DRIVER/stdout.gz", Body=gzip.compress(said.encode()))
        assert jobs.tail("00abc", 2) == [f"line 29999 {'x' * 100}", "the end"]
        s3.put_object(Bucket="lake", Key=f"{folder}/attempts/2/SPARK_DRIVER/stdout", Body=b"second\n\xff\n")
        s3.put_object(Bucket="lake", Key=f"{folder}/SPARK_DRIVER/stdout.gz", Body=b"no gzip")
        with pytest.raises(JobError, match="is damaged"):
            jobs.tail("00abc", 2)
        s3.delete_object(Bucket="lake", Key=f"{folder}/SPARK_DRIVER/stdout.gz")
        assert jobs.tail("00abc", 5) == ["second", "\ufffd"]
        s3.close()


def test_only_the_job_that_follows_the_stream_runs_where_that_is_and_all_are_found() -> None:
    with EmulatedEmr(["true"], step=0.001) as service:
        client = boto3.session.Session().client(
            "emr-serverless", region_name="us-east-1", endpoint_url=service.endpoint, aws_access_key_id="emulated",
            aws_secret_access_key="emulated",
        )  # fmt: skip
        other = client.create_application(releaseLabel="emr-spark-8.1.0", type="SPARK", architecture="ARM64")
        there = f"{service.url}&batch={other['applicationId']}"
        jobs = open_jobs(there, None, [])  # type: ignore[arg-type]
        ids = {name: jobs.submit(JobOrder(job=name)) for name in ("stream", "maintain", "daily")}
        apart = {
            application: {run["id"] for run in client.list_job_runs(applicationId=application)["jobRuns"]}
            for application in ("00emulated0", other["applicationId"])
        }
        assert apart == {"00emulated0": {ids["stream"]}, other["applicationId"]: {ids["maintain"], ids["daily"]}}
        later = open_jobs(there, None, [])  # type: ignore[arg-type]
        assert [seen.id for seen in later.newest(2)] == [ids["daily"], ids["maintain"]]
        for name, identity in ids.items():
            while not (seen := later.look(identity)).state.ended:
                pass
            assert (seen.job, seen.state) == (name, JobState.SUCCEEDED)
            later.cancel(identity)
            assert later.tail(identity, 1) == []
        assert "started, local-emulation arm64 and started, emr-spark-8.1.0 arm64" in later.reached()
        with pytest.raises(NoSuchJob):
            later.tail("0none", 1)
        client.close()


def test_a_streaming_job_is_tried_as_often_as_asked_and_the_emulation_says_what_it_is() -> None:
    with EmulatedEmr(["false"], step=0.001) as service:
        jobs = open_jobs(service.url, None, [])  # type: ignore[arg-type]
        assert LABEL in jobs.place
        identity = jobs.submit(JobOrder(job="stream", ends=False))
        while not (seen := jobs.look(identity)).state.ended:
            pass
        assert (seen.stage, seen.reason) == ("FAILED, attempt 5", "the job run failed with exit code 1")
        assert seen.cost is not None
        assert LABEL in seen.cost.priced
        other = service.url.replace("00emulated0", "0other")
        with pytest.raises(JobError, match="Application 0other does not exist"):
            open_jobs(other, None, []).submit(DAY)  # type: ignore[arg-type]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{service.endpoint}/applications/00emulated0/jobruns", timeout=5)
        with refused.value as answer:
            assert answer.status == 403
            assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationToken"
            assert "local-emulation" in answer.headers["Server"]


def test_a_driver_with_a_bundle_for_another_machine_dies_at_its_start_and_the_job_says_why(tmp_path: Path) -> None:
    """What Python says is real: the package is as its wheel for aarch64 unpacks, for a Python that is none of these."""
    package = tmp_path / "msgspec"
    package.mkdir()
    (package / "__init__.py").write_text("from ._core import Struct\n")
    (package / "_core.cpython-311-elsewhere-linux-gnu.so").touch()
    (tmp_path / "stream.py").write_text("import msgspec\n")
    with EmulatedEmr([sys.executable, "-S", str(tmp_path / "stream.py")], step=0.001) as service:
        jobs = open_jobs(service.url, tmp_path, [])
        identity = jobs.submit(DAY)
        while not (seen := jobs.look(identity)).state.ended:
            pass
        assert seen.reason.startswith("the bundle is for another architecture, or another Python, than the workers")
        assert "No module named 'msgspec._core'" in seen.reason
        assert jobs.tail(identity, 1) == ["ModuleNotFoundError: No module named 'msgspec._core'"]


def test_the_emulation_takes_what_the_model_allows_and_answers_in_its_form() -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    with EmulatedEmr(["true"], step=0.001) as service:
        jobs = open_jobs(service.url, None, [])  # type: ignore[arg-type]
        identity = jobs.submit(DAY)
        while not jobs.look(identity).state.ended:
            pass
        model = botocore.session.Session().get_service_model("emr-serverless")
        for answer, operation in (
            (service.get("00emulated0", identity), "GetJobRun"),
            (service.all("00emulated0"), "ListJobRuns"),
        ):
            shape = model.operation_model(operation).output_shape
            assert not ParamValidator().validate(answer, shape).has_errors()
            name = next(iter(shape.members))
            refuse_members(answer[name], shape.members[name])
        assert service.cancel("00emulated0", identity, None)["jobRunId"] == identity
        assert jobs.look(identity).state is JobState.SUCCEEDED


def refuse_members(answer: Any, shape: Any) -> None:
    """Every word of an answer is one that the model knows, and has its form."""
    from coattail.jobs.emr_request import _misfits

    assert list(_misfits(answer, shape, shape.name)) == []
