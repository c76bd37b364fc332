"""The bucket of the state, and what is billed by the hour, on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from coattail.aws.operate import account
from coattail.aws.operate.account import AnotherAccount, AwsRefused, Services, account_of, refuse_another
from coattail.aws.operate.billed import billed
from coattail.aws.operate.cleaning import clean
from coattail.aws.operate.copy import _backend, prepare, refuse_moved
from coattail.aws.operate.environment import Environment, folder_of, read_environment
from coattail.aws.operate.planning import bootstrap
from coattail.aws.operate.refusals import StillThere
from coattail.aws.operate.smoke import race
from coattail.aws.operate.smoke.run import CheckFailed, NotHere, Smoke, SmokeCheck, run
from coattail.aws.operate.smoke.thirteen import CHECKS
from coattail.aws.operate.states import BucketTaken, bucket_exists, make_bucket, remove_state, states_in
from coattail.aws.operate.stopping import EnvironmentStop
from coattail.cli import main
from coattail.home import Home
from tests.harness.aws_place import lake_there
from tests.harness.running import new_home, settings_of

REGION, NOWHERE = "eu-central-1", "http://127.0.0.1:9"
pytestmark = pytest.mark.slow


def environment(service: str, **given: object) -> Environment:
    values = {"environment": "dev", "account_id": "000000000000", "region": REGION, "endpoint": service, **given}
    return Environment(**values)  # type: ignore[arg-type]


@pytest.fixture
def services(service: str, silent: None) -> Iterator[Services]:
    with Services(environment(service)) as found:
        yield found


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """EMR Serverless does not answer."""
    made = account.client

    def client(service: str, **given: Any) -> Any:
        silence = {"endpoint": NOWHERE, "attempts": 1} if service == "emr-serverless" else {}
        return made(service, **{**given, **silence})

    monkeypatch.setattr(account, "client", client)


def test_the_bucket_is_made_once_and_closed(service: str, services: Services, tmp_path: Path) -> None:
    dev = services.environment
    assert not bucket_exists(services)
    assert [bootstrap(tmp_path, dev).made for _ in range(2)] == [True, False]
    s3 = services.of("s3")
    assert s3.get_bucket_versioning(Bucket=dev.states)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=dev.states)["PublicAccessBlockConfiguration"].values()) == {True}
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=dev.states)["Policy"]
    rules = s3.get_bucket_encryption(Bucket=dev.states)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_an_environment_that_is_there_is_not_forgotten_for_another_region(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", service)  # an account to boto3, and no emulation to coattail
    here, there = environment(service, prefix="moved", endpoint=None), "us-west-2"
    moved = msgspec.structs.replace(here, region=there)
    bootstrap(tmp_path, here)
    bootstrap(tmp_path, moved)  # nothing was made in the first, so it may be left
    bootstrap(tmp_path, here)
    with Services(here) as services:
        services.of("s3").put_object(Bucket=here.states, Key=here.key, Body=b"{}")
        with pytest.raises(
            StillThere, match=r"dev \(account 000000000000, eu-central-1.*would be forgotten, and billed"
        ):
            bootstrap(tmp_path, moved)
        assert read_environment(tmp_path, "dev").region == REGION
        bootstrap(tmp_path, msgspec.structs.replace(here, tier="medium"))
        assert read_environment(tmp_path, "dev").tier == "medium"


@pytest.mark.parametrize("change", [{"region": "us-west-2"}, {"prefix": "other"}])
def test_a_file_that_was_edited_to_name_another_place_is_refused_by_whatever_would_call_it_stopped(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", service)
    at, home = environment(service, endpoint=None), new_home(tmp_path / "home")
    _prepared_for(at, home)
    edited = msgspec.structs.replace(at, **change)
    for doing in (lambda: EnvironmentStop(home, edited).run(), lambda: clean(home, edited, []),
                  lambda: prepare(home.path, edited)):  # fmt: skip
        with pytest.raises(StillThere, match=r"this home knows dev by the state s3://coattail-states-0+-eu-central-1/"):
            doing()
    refuse_moved(home.path, at)
    moved = msgspec.structs.replace(at, endpoint=service)
    _prepared_for(moved, home)
    refuse_moved(home.path, msgspec.structs.replace(moved, endpoint=NOWHERE))  # emulations come and go


def _prepared_for(at: Environment, home: Home) -> None:
    folder = folder_of(home.path, at.environment) / "infra"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.tfbackend").write_text(_backend(at))


def test_the_bucket_goes_with_the_last_state(service: str, services: Services) -> None:
    make_bucket(services)
    s3, dev = services.of("s3"), services.environment
    for key in (dev.key, dev.key, "coattail/prod.tfstate"):
        s3.put_object(Bucket=dev.states, Key=key, Body=b"{}")
    assert not remove_state(services)
    assert states_in(services) == ["coattail/prod.tfstate"]
    s3.delete_object(Bucket=dev.states, Key="coattail/prod.tfstate")
    assert remove_state(services)
    assert not bucket_exists(services)


def test_a_bucket_of_somebody_else_is_refused(service: str) -> None:
    theirs = boto3.session.Session().client(
        "s3", region_name=REGION, endpoint_url=service, aws_access_key_id="111111111111", aws_secret_access_key="x"
    )
    with Services(environment(service, prefix="taken")) as services:
        where = {"LocationConstraint": REGION}
        theirs.create_bucket(Bucket=services.environment.states, CreateBucketConfiguration=where)
        with pytest.raises(BucketTaken, match=r"belongs to another account.*--prefix NAME"):
            make_bucket(services)
    theirs.close()


def test_credentials_of_another_account_are_refused(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert account_of(region=REGION, endpoint=service) == "000000000000"
    with pytest.raises(AnotherAccount, match="of account 000000000000, and dev is in 123456789012"):
        refuse_another(environment(service, account_id="123456789012"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(AwsRefused, match="there are no AWS credentials"):
        refuse_another(environment(service))


def test_what_is_billed_is_found_without_terraform_and_silence_is_not_taken_for_nothing(services: Services) -> None:
    kinesis, ec2 = services.of("kinesis"), services.of("ec2")
    before = {each.kind: each for each in billed(services).kinds}
    assert before["streams"].names == []
    for name in ("coattail-dev-trades", "coattail-prod-trades"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "coattail-dev"}])
    for kind, service in (("Interface", "glue"), ("Gateway", "s3")):
        ec2.create_vpc_endpoint(VpcId=vpc, VpcEndpointType=kind, ServiceName=f"com.amazonaws.{REGION}.{service}")
    found = billed(services)
    kinds = {each.kind: each for each in found.kinds}
    assert (kinds["streams"].names, kinds["streams"].others) == (["coattail-dev-trades"], ["coattail-prod-trades"])
    assert kinds["interface endpoints"].names == ["glue"]
    assert kinds["NAT gateways"].unknown is None
    assert "EMR Serverless does not answer" in (kinds["job runs"].unknown or "")
    assert not found.nothing


def test_status_works_where_only_some_of_it_is_there(
    service: str, silent: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "home"), "aws"]
    there = ["--environment", "part", "--prefix", "partly", "--region", REGION, "--endpoint", service]
    assert main([*home, "bootstrap", *there, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["emulated"] is True
    assert main([*home, "status", "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert "local emulation" in err
    assert (said["state"], said["parameters"], said["streaming"]) == ("bootstrapped", 0, False)
    assert said["billed"]["nothing"] is False
    assert said["last_start"] is None
    assert main([*home, "status"]) == 0
    assert "nothing: there is no stream" in capsys.readouterr().out


def test_a_catalog_that_tells_every_racing_writer_that_it_was_taken_is_found_out(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_home(tmp_path / "home")
    settings = settings_of({"lake": lake_there("raced", service, account=0)})
    with Services(environment(service)) as services:
        services.of("glue").create_database(DatabaseInput={"Name": "coattail"})
        smoke = Smoke(home, services.environment, services, tmp_path)
        smoke.__dict__["settings"] = settings
        monkeypatch.setattr(race, "race", lambda *_, **__: ([0, 1, 2, 3], 0))
        with pytest.raises(CheckFailed, match="4 of 4 racing commits were acknowledged, stored: 0"):
            race.raced(smoke)


def test_a_check_that_fails_is_skipped_or_breaks_stops_none_after_it(service: str, tmp_path: Path) -> None:
    def failing(_: Smoke) -> str:
        raise CheckFailed("it is not so", next_step="look")

    def lacking(_: Smoke) -> str:
        raise NotHere("the emulation has none")

    def broken(_: Smoke) -> str:
        raise KeyError("x")

    with Services(environment(service)) as services:
        smoke = Smoke(new_home(tmp_path / "home"), services.environment, services, tmp_path)
        checks: list[SmokeCheck] = [("a", failing), ("b", lacking), ("c", broken), ("d", lambda _: "well")]
        done = run(smoke, checks)
    assert [(each.outcome, each.detail) for each in done.results] == [
        ("FAIL", "it is not so; look"), ("SKIP", "the emulation has none"), ("FAIL", "KeyError: 'x'"), ("PASS", "well"),
    ]  # fmt: skip
    assert str(done) == "1 passed, 2 failed, 1 skipped, nobody bills an emulation"


def test_there_are_thirteen_checks_and_the_stop_and_the_receipt_come_last() -> None:
    assert len(CHECKS) == 13
    assert [name for name, _ in CHECKS[-2:]] == ["stop", "receipt"]
