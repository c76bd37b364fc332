"""What an order says of the settings: names for this machine, values for another one, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coattail import Workspace
from coattail.config import load_settings
from coattail.errors import UsageError
from coattail.home import Home
from coattail.jobs.base import JobOrder
from coattail.place import read_place
from coattail.workspace.ordering import chosen_of, named, refuse_without_stores, written_out

ROLE = "arn:aws:iam::123456789012:role/job"
EMR = f"emr-serverless://00f1abcdefgh?region=eu-central-1&role={ROLE}&artifacts=s3://lake/artifacts"
EMR += "&bundle=deps-0123456789abcdef-arm64.tar.gz"
PLACE = {
    "stream": {"url": "kinesis://trades?region=eu-central-1"},
    "lake": {"type": "glue", "warehouse": "s3://bucket/lake", "s3.region": "eu-central-1"},
    "hot": {"url": "dynamodb://alerts?region=eu-central-1", "ttl": "12h"},
    "dlq": {"url": "s3://bucket/dlq?region=eu-central-1"},
    "jobs": {"url": EMR},
}


@pytest.fixture
def home(home: Home, tmp_path: Path) -> Home:
    """A home with something of its own, in a place, beside a file with a question."""
    home.config_file.write_text(
        "preset: classic\nquality: {earliest: 2010-01-01}\ndetectors: {whale-detector: {medium: {classic: 150000}}}\n"
        "notify: {sinks: {desk: {kind: webhook, url: 'https://secret.example/x'}}}\n"
    )
    (home.path / "aws.yaml").write_text(json.dumps(PLACE))
    (tmp_path / "mine.yaml").write_text("detectors: {volume-anomaly: {z_threshold: 3.0}}\n")
    return home


def chosen(home: Home, tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {
        "place": read_place("aws", home), "config_file": tmp_path / "mine.yaml",
        "overrides": {"engine.trigger": "5s"}, **more,
    }  # fmt: skip


def test_a_process_elsewhere_reads_the_same_settings(home: Home, tmp_path: Path) -> None:
    asked = chosen(home, tmp_path, preset="default")
    here = load_settings(home, **asked)
    order = JobOrder(job="stream", settings=json.loads(json.dumps(written_out(asked, home))))
    scratch = Home.open(tmp_path / "scratch", create=True)
    there = load_settings(scratch, **chosen_of(order, scratch))
    for name in ("lake", "stream", "hot", "quality", "engine", "detectors", "preset", "tier", "time"):
        assert getattr(there, name) == getattr(here, name), name
    assert there.jobs.url is None
    assert there.notify.sinks == {}
    assert "secret.example" not in repr(order)
    original = load_settings(scratch, None, None, None, None, chosen_of(order, scratch)["place"])
    assert original.preset == "classic"
    assert "volume-anomaly" not in original.detectors


def test_a_process_of_this_machine_gets_names(home: Home, tmp_path: Path) -> None:
    said = named(chosen(home, tmp_path, tier=None))
    assert said == {
        "place": "aws", "config_file": str(tmp_path / "mine.yaml"), "overrides": {"engine.trigger": "5s"},
    }  # fmt: skip
    again = chosen_of(JobOrder(job="stream", settings=said), home)
    assert load_settings(home, **again).hot.url == PLACE["hot"]["url"]


def test_a_secret_is_not_sent_to_a_service(home: Home) -> None:
    (home.path / "aws.yaml").write_text(json.dumps(PLACE | {"lake": {**PLACE["lake"], "s3.secret-access-key": "k"}}))
    ws = Workspace(home.path, place="aws")
    with pytest.raises(UsageError, match=r"lake\.s3\.secret-access-key would stand in the request"):
        ws.submit("stream", dry_run=True)


def test_what_a_job_needs_of_the_home_and_the_settings_do_not_place_is_said(home: Home) -> None:
    with pytest.raises(
        UsageError,
        match=r"the job stream .* say no lake and no stream\.url and no hot\.url and no dlq\.url; say where",
    ):
        Workspace(home.path).submit("stream", on=EMR, dry_run=True)
    with pytest.raises(UsageError, match=r"the job daily .* say no lake and no hot\.url;"):
        refuse_without_stores("daily", load_settings(home))


def test_a_place_is_in_the_request(home: Home) -> None:
    request = Workspace(home.path, place="aws").submit("stream", dry_run=True).request
    job, said = request["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    place = json.loads(said)["settings"]["place"]
    assert (job, place["name"]) == ("stream", "aws")
    assert place["settings"]["hot.url"] == PLACE["hot"]["url"]
    assert place["settings"]["lake.s3.region"] == "eu-central-1"
    assert not [key for key in place["settings"] if key.startswith(("jobs", "notify"))]
