"""The doctor of a place: which of its services can be reached, and what to do where one cannot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from coattail.errors import CoattailError
from coattail.home import Home
from coattail.workspace import health, reach
from tests.harness.emulator import CREDENTIALS
from tests.harness.faulty_front import Faults, faulty
from tests.harness.kinesis_service import KinesisService

Run = Callable[..., Any]
STORES = {"catalog", "hot store", "stream", "dead letters", "lake", "jobs", "sql", "engine"}


def written(home: Home, endpoint: str | None) -> None:
    """An aws.yaml whose services are all at this address; None: AWS' own."""
    at = "region=eu-central-1" + (f"&endpoint={quote(endpoint, safe='')}" if endpoint else "")
    reached = {"region": "eu-central-1"} | ({"endpoint": endpoint} if endpoint else {})
    role = quote("arn:aws:iam::123456789012:role/job", safe="")
    place = {
        "stream": {"url": f"kinesis://trades?{at}"},
        "lake": {
            "type": "glue", "warehouse": "s3://bucket/lake",
            **{f"{name}.{what}": value for name in ("glue", "s3") for what, value in reached.items()},
        },
        "hot": {"url": f"dynamodb://alerts?{at}"},
        "dlq": {"url": f"s3://bucket/dlq?{at}"},
        "jobs": {"url": f"emr-serverless://00f1abc?{at}&role={role}&artifacts=s3://bucket/a"},
        "sql": {"url": f"athena://work?{at}&output=s3%3A%2F%2Fbucket%2Fathena"},
        "metrics": {"url": f"cloudwatch://coattail?{at}"},
    }  # fmt: skip
    (home.path / "aws.yaml").write_text(yaml.safe_dump(place))


def read(home: Home) -> str:
    file = home.path / "aws.yaml"
    return file.read_text() if file.exists() else ""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Faults]]:
    """An address where every service refuses, as the faults say."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    faults = Faults(0, share=0)
    with faulty("http://127.0.0.1:9", faults) as address:
        yield address, faults


@pytest.fixture
def doctor(coattail: Run, home: Home) -> Callable[[], tuple[int, dict[str, dict[str, str]]]]:
    def run() -> tuple[int, dict[str, dict[str, str]]]:
        done = coattail("--home", home.path, "--place", "aws", "doctor", "--json")
        assert "Traceback" not in done.err
        assert ("local emulation" in done.err) == ("endpoint" in read(home))
        return done.code, {found["name"]: found for found in json.loads(done.out)["findings"]}

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message", "detail", "remedy"),
    [
        ("ExpiredTokenException", "it is expired", "have expired", "sign in again"),
        ("AccessDenied", "not authorized", "may not be used with these credentials", "another account's"),
        ("AccessDenied", "not authorized to perform: kms:Decrypt", "the key that encrypts", "allow the role"),
        ("RequestTimeTooSkewed", "too large", "this machine's clock is wrong", "set the clock"),
    ],
)
def test_a_service_that_refuses_is_broken_in_a_sentence_with_the_next_step(
    refusing: tuple[str, Faults], doctor: Any, home: Home, code: str, message: str, detail: str, remedy: str
) -> None:
    address, faults = refusing
    written(home, address)
    faults.refuse = lambda action, body: (403, code, message)
    ended, found = doctor()
    assert ended == 1
    for name in STORES:
        assert found[name]["state"] == "broken", found[name]
        if name != "jobs":  # the front has no words for EMR
            assert detail in found[name]["detail"], found[name]
            assert remedy in found[name]["remedy"], found[name]
    assert found["place"]["detail"] == "aws: 12 settings"


@pytest.mark.slow
def test_a_command_whose_place_refuses_says_so_in_a_sentence_beside_the_label(
    refusing: tuple[str, Faults], coattail: Run, home: Home
) -> None:
    address, faults = refusing
    written(home, address)
    faults.refuse = lambda action, body: (400, "ExpiredTokenException", "it is expired")
    query = ("sql", "SELECT 1 FROM bars")
    for words in (
        ("alerts",),
        ("status",),
        query,
        ("dlq", "list"),
        ("snapshots",),
        ("land", "--drain"),
        ("reprocess",),
    ):
        done = coattail("--home", home.path, "--place", "aws", *words)
        label, sentence = done.err.splitlines()
        assert label.startswith("local emulation: "), words
        assert sentence.startswith("error: the AWS credentials for "), sentence
        assert "have expired" in sentence
        assert "sign in again" in sentence
        assert done.code == 1


def test_without_credentials_every_service_says_so(doctor: Any, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    written(home, None)
    ended, found = doctor()
    assert ended == 1
    for name in STORES:
        assert found[name]["state"] == "broken", found[name]
        assert "there are no AWS credentials for" in found[name]["detail"], found[name]
        assert "AWS_PROFILE" in found[name]["remedy"]


def test_a_place_that_cannot_be_read_is_broken_and_nothing_else_is_taken_for_its_stores(
    doctor: Any, home: Home
) -> None:
    ended, found = doctor()
    assert (ended, found["place"]["state"]) == (1, "broken")
    assert "aws.yaml is not there" in found["place"]["detail"]
    assert STORES.isdisjoint(found)


def test_a_bucket_in_another_region_is_broken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}}}
    monkeypatch.setattr(reach, "_asked", lambda *asked, **more: answer)
    found = reach._bucket("b", {"s3.region": "eu-central-1"})
    assert (found.state, found.detail) == ("broken", "the bucket b of the lake is in eu-west-1")
    assert found.remedy == "write lake: {s3.region: eu-west-1}"
    assert reach._bucket("b", {"s3.region": "eu-west-1"}).detail == "the bucket b in eu-west-1 answers"


def test_a_stream_that_ignores_partition_keys_is_broken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with KinesisService() as service:
        service.create("s")
        url = f"kinesis://s?region=eu-central-1&endpoint={service.endpoint}"
        found = reach.stream(home, url)
        assert (found.state, f"s in eu-central-1 at {service.endpoint} (local emulation)" in found.detail) == (
            "ok",
            True,
        )
        service.distribute("s", "AUTO")
        found = reach.stream(home, url)
        assert found.state == "broken"
        assert "RecordDistributionStrategy AUTO" in found.detail
        assert "--stream-arn arn:aws:kinesis:eu-central-1:000000000000:stream/s " in (found.remedy or "")


def test_a_lake_on_glue_is_never_rebuilt(
    home: Home, refusing: tuple[str, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, faults = refusing
    faults.refuse = lambda action, body: (403, "AccessDenied", "no")
    lake = {"type": "glue", "warehouse": "s3://bucket/lake", "glue.region": "eu-central-1", "glue.endpoint": address}
    from coattail.config import load_settings

    with pytest.raises(CoattailError, match=r"a lake on Glue is not rebuilt \(the Glue Data Catalog may not"):
        health.repair(home, load_settings(home, overrides={"lake": lake}))
