"""An environment started, looked at and stopped: services and jobs of an emulation, and a Terraform that says what was
recorded, as applying all of infra/ takes minutes (`make aws-emulate`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from coattail.aws import zips
from coattail.aws.operate.account import Services
from coattail.aws.operate.environment import Environment, folder_of, write_environment
from coattail.aws.operate.packing import sources_of
from coattail.aws.operate.refusals import OperationFailed, StillThere
from coattail.aws.operate.standing import settings_there, standing
from coattail.aws.operate.starting import EnvironmentStart, jobs_there, submit_stream
from coattail.aws.operate.states import make_bucket
from coattail.aws.operate.steps import StepDone
from coattail.aws.operate.stopping import EnvironmentStop
from coattail.aws.zips import own_architecture
from coattail.cli import main
from coattail.errors import UsageError
from coattail.home import Home
from coattail.jobs.base import JobState
from coattail.streams.opening import open_stream
from tests.harness.commands import until
from tests.harness.emulation import INSTALLED, emulation
from tests.harness.running import feed, new_home
from tests.harness.scenes import market
from tests.harness.scripted_terraform import scripted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("emulation"),
    pytest.mark.skipif(not INSTALLED, reason="the emulation of AWS is not installed: coattail[emulate]"),
]
REGION, NAME = "us-east-1", "coattail-emulated"
BUNDLE = f"deps-0123456789abcdef-{own_architecture()}.tar.gz"
STREAM = {"addr": "module.kinesis.aws_kinesis_stream.trades[0]"}
PLAN = [
    {"type": "resource_drift", "change": {"resource": STREAM, "action": "delete"}},
    {"type": "planned_change", "change": {"resource": STREAM, "action": "create"}},
    {"type": "change_summary", "changes": {"add": 1, "change": 0, "remove": 0}},
]
APPLY = [*PLAN[1:], {"type": "apply_complete", "hook": {"resource": STREAM, "action": "create"}}]
DOCUMENT = {"format_version": "1.2", "variables": {}, "planned_values": {"root_module": {}}}


def lines(*words: dict[str, Any]) -> list[str]:
    return [json.dumps(word) for word in words]


class There:
    """An environment whose services an emulation has made, but for Terraform."""

    def __init__(self, endpoint: str, home: Home, folder: Path) -> None:
        self.home, self.folder = home, folder
        self.at = Environment(
            environment="emulated", account_id="000000000000", region=REGION, endpoint=endpoint,
            architecture=own_architecture(),
        )  # fmt: skip
        self.services = Services(self.at)
        write_environment(home.path, self.at)
        self.stream_made()
        emr = self.services.of("emr-serverless")
        made = emr.create_application(name=f"{NAME}-stream", releaseLabel="emr-spark-8.1.0", type="SPARK",
                                      architecture="ARM64" if own_architecture() == "arm64" else "X86_64",
                                      clientToken="stream")  # fmt: skip
        self.application = made["applicationId"]
        jobs = settings_there(home, self.at).jobs.url or ""
        parts = jobs.partition("?")[2]
        more = f"architecture={own_architecture()}&bundle={BUNDLE}"
        self.parameter("jobs.url", f"emr-serverless://{self.application}?{parts}&{more}")
        at = f"region={REGION}&endpoint={quote(endpoint, safe='')}"
        self.parameter("stream.url", f"kinesis://{NAME}-trades?{at}")
        self.parameter("api_url", "https://api.example")

    def stream_made(self) -> None:
        self.services.of("kinesis").create_stream(StreamName=f"{NAME}-trades", ShardCount=1)

    def stream_deleted_by_hand(self) -> None:
        self.services.of("kinesis").delete_stream(StreamName=f"{NAME}-trades")

    def parameter(self, name: str, value: str) -> None:
        self.services.of("ssm").put_parameter(
            Name=f"/coattail/emulated/{name}", Value=value, Type="String", Overwrite=True
        )

    def send(self) -> None:
        settings = settings_there(self.home, self.at)
        assert settings.stream.url is not None
        feed(open_stream(settings.stream.url, self.home.stream), [market()[:1000]])

    def states(self) -> list[str]:
        """Of the jobs of the environment."""
        runs = self.services.of("emr-serverless").list_job_runs(applicationId=self.application)["jobRuns"]
        return [each["state"] for each in runs]

    def start(self, agreed: list[str]) -> list[tuple[str, str]]:
        made = EnvironmentStart(self.home, self.at, agree=agreed.append).run()
        assert made.api_url == "https://api.example"
        return [(step.name, step.outcome) for step in made.steps]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    folder = tmp_path_factory.mktemp("operations")
    home = new_home(folder / "home")
    with emulation(folder / "emulation") as on, pytest.MonkeyPatch.context() as patch:
        outputs = {"api_url": {"value": "https://api.example"}}
        scripted(
            folder / "terraform", [], plan=lines(*PLAN), apply=lines(*APPLY), show=[json.dumps(DOCUMENT)],
            output=[json.dumps(outputs)],
        )  # fmt: skip
        patch.setenv("TERRAFORM", str(folder / "terraform" / "terraform"))
        found = There(on.endpoint, home, folder)
        packed = folder_of(home.path, "emulated") / "build" / "lambdas"
        packed.mkdir(parents=True)
        (packed / "zips.json").write_text("{}")
        stamp = {"sources": sources_of(zips.LOCK, zips.HERE, ""), "name": "4 functions"}
        (packed / "packed.json").write_bytes(msgspec.json.encode(stamp))
        yield found
        found.services.__exit__()


def told(there: There) -> list[str]:
    """The commands that Terraform was given."""
    words = (there.folder / "terraform" / "words").read_text().splitlines()
    return [next(word for word in line.split() if not word.startswith("-")) for line in words]


def test_nothing_is_made_without_agreement_and_the_question_says_what(
    there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(there.home.path), "aws", "start"]) == 2
    out, err = capsys.readouterr()
    assert "functions         is there 4 functions" in out
    assert "local emulation" in err
    assert "1 change of services (1 of what somebody else has changed or deleted), a job that lands" in err
    assert "it costs nothing: local emulation" in err
    assert "nobody is here to agree; add --yes" in err
    assert "apply" not in told(there)


def test_it_is_started_and_once_more_only_what_is_missing_is_done(there: There) -> None:
    agreed: list[str] = []
    first = there.start(agreed)
    assert first == [
        ("account", "done"), ("functions", "there"), ("bundle", "left out"), ("services", "done"),
        ("upload", "left out"), ("doctor", "done"), ("stream job", "done"),
    ]  # fmt: skip
    assert dict(there.start(agreed))["stream job"] == "there"
    assert there.states() == ["RUNNING"]
    assert len(agreed) == 2
    told_last = json.loads((folder_of(there.home.path, "emulated") / "infra" / "operate.tfvars.json").read_text())
    assert (told_last["streaming"], told_last["endpoint"]) == (True, there.at.endpoint)


def test_an_application_that_is_to_change_must_have_no_job(there: There) -> None:
    application = {"addr": 'module.emr_serverless.aws_emrserverless_application.this["stream"]'}
    script = there.folder / "terraform" / "lines-plan"
    before = script.read_text()
    script.write_text(
        "\n".join(lines({"type": "planned_change", "change": {"resource": application, "action": "update"}}))
    )
    applied = told(there).count("apply")
    with pytest.raises(StillThere, match=r"1 job at work on applications that are to change; coattail aws stop"):
        there.start([])
    assert told(there).count("apply") == applied
    script.write_text(before)


def test_its_status_says_what_lands_and_what_is_billed(there: There) -> None:
    there.send()
    until(lambda: (found := standing(there.home, there.at).waiting) is not None and not found.records)
    found = standing(there.home, there.at)
    kinds = {each.kind: each.names for each in found.billed.kinds}
    assert kinds["streams"] == [f"{NAME}-trades"]
    assert kinds["started applications"] == [f"{NAME}-stream"]
    assert [name.split()[0] for name in kinds["job runs"]] == ["coattail-stream"]
    assert found.streaming
    assert found.last_start is not None
    assert "everything in the stream has landed" in str(found)


def test_a_stop_is_refused_while_another_job_runs_or_records_wait(there: There) -> None:
    emr = there.services.of("emr-serverless")
    settings = settings_there(there.home, there.at)
    jobs = jobs_there(there.home, settings)
    stream_job = jobs.newest(1)[0].id
    asked = emr.get_job_run(applicationId=there.application, jobRunId=stream_job)["jobRun"]
    bucket, key = "coattail-emulated", "artifacts/jobs/wait.py"
    there.services.of("s3").put_object(Bucket=bucket, Key=key, Body=b"import time\ntime.sleep(60)\n")
    other = emr.start_job_run(
        applicationId=there.application, executionRoleArn=asked["executionRole"], name="coattail-reprocess",
        jobDriver={"sparkSubmit": {"entryPoint": f"s3://{bucket}/{key}"}}, clientToken="other",
    )["jobRunId"]  # fmt: skip
    with pytest.raises(StillThere, match=rf"other jobs: 1 job at work \(reprocess {other}\)"):
        EnvironmentStop(there.home, there.at).run()
    for identity in (other, stream_job):
        jobs.cancel(identity)
    until(lambda: not {"RUNNING", "CANCELLING", "PENDING", "SCHEDULED", "SUBMITTED"} & set(there.states()))
    there.stream_deleted_by_hand()
    there.stream_made()
    there.send()
    with pytest.raises(StillThere, match=r"packs .* wait in the stream, and would be lost; .*coattail aws start") as no:
        EnvironmentStop(there.home, there.at, land_seconds=0).run()
    assert "coattail aws stop --force" in no.value.next_step


def test_a_stop_lands_what_waits_ends_jobs_in_order_and_is_not_believed_without_proof(there: There) -> None:
    job = submit_stream(there.home, there.at, jobs_there(there.home, settings_there(there.home, there.at)))
    with pytest.raises(StillThere, match=rf"not proved .*\(streams: {NAME}-trades\).*by hand"):
        EnvironmentStop(there.home, there.at, gone_seconds=0).run()
    seen = jobs_there(there.home, settings_there(there.home, there.at)).look(job)
    assert seen.state is JobState.CANCELLED
    assert "everything in the stream has landed" in str(standing(there.home, there.at))
    there.stream_deleted_by_hand()
    make_bucket(there.services)
    there.services.of("s3").put_object(Bucket=there.at.states, Key=there.at.key, Body=b"{}")
    done = EnvironmentStop(there.home, there.at).run()
    assert [each.kind for each in done.proof.kinds if each.names == []] == [
        "streams", "interface endpoints", "NAT gateways", "job runs", "started applications",
    ]  # fmt: skip
    assert done.lost is None
    assert [(step.name, step.outcome) for step in done.steps][1:4] == [
        ("other jobs", "done"), ("stream", "there"), ("stream jobs", "there"),
    ]  # fmt: skip
    told_last = json.loads((folder_of(there.home.path, "emulated") / "infra" / "operate.tfvars.json").read_text())
    assert (told_last["streaming"], told_last["bundle"]) == (False, BUNDLE)


def test_what_waits_is_lost_by_force_only_and_that_is_said(there: There) -> None:
    there.stream_made()
    there.send()
    steps: list[StepDone] = []
    with pytest.raises(StillThere, match="not proved"):
        EnvironmentStop(there.home, there.at, force=True, gone_seconds=0, said=steps.append).run()
    assert [step.detail.endswith("wait in the stream; it is lost, by --force") for step in steps[2:5]] == [
        True, False, True,
    ]  # fmt: skip
    there.stream_deleted_by_hand()


def test_a_cleanup_wants_the_name_and_goes_on_where_it_was_cut(
    there: There, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--home", str(there.home.path), "aws", "cleanup"]
    assert main(words) == 2
    assert "with its data" in capsys.readouterr().err
    assert main([*words, "--name", "prod"]) == 2
    assert "--name prod is not emulated; nothing was changed" in capsys.readouterr().err
    assert "destroy" not in told(there)

    def cut(*_: object, **__: object) -> None:
        raise OperationFailed("cut off", next_step="again")

    with monkeypatch.context() as patch:
        patch.setattr("coattail.aws.operate.cleaning.remove_state", cut)
        assert main([*words, "--name", "emulated"]) == 1
    assert "state: cut off; again" in capsys.readouterr().err
    known = folder_of(there.home.path, "emulated")
    assert (known / "started.json").exists()
    assert main([*words, "--name", "emulated", "--json"]) == 0
    assert not (known / "started.json").exists(), "another environment of this name was never started"
    done = json.loads(capsys.readouterr().out)
    assert done["bucket_removed"] is True
    assert done["proof"]["nothing"] is True
    assert told(there).count("destroy") == 2
    assert main(["--home", str(there.home.path), "aws", "status"]) == UsageError.exit_code
