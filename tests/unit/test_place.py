"""Where the stores are: the home, its aws.yaml, or parameters of Systems Manager."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from coattail import Workspace, place
from coattail.config import Layer, load_settings
from coattail.errors import CoattailError, ConfigError, HomeError, UsageError
from coattail.home import Home
from coattail.place import carried, read_place

DEV = "ssm:/coattail/dev?region=eu-central-1"
LAKE = "{type: glue, warehouse: 's3://b/w', glue.region: eu-central-1}"
Said = Callable[..., None]


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Said:
    """Systems Manager says these pages of (key, value[, type]) next, or refuses with this code; once."""

    def said(*pages: Any, refused: str = "", message: str = "no") -> None:
        client = boto3.session.Session().client(
            "ssm", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        stub = Stubber(client)
        for number, page in enumerate(pages, 1):
            found = [
                {"Name": f"/coattail/dev/{key}", "Value": value, "Type": kind[0] if kind else "String"}
                for key, value, *kind in page
            ]
            more = {"NextToken": str(number)} if number < len(pages) else {}
            asked = {"Path": "/coattail/dev", "WithDecryption": True}
            asked |= {"NextToken": str(number - 1)} if number > 1 else {}
            stub.add_response("get_parameters_by_path", {"Parameters": found, **more}, asked)
        if refused:
            stub.add_client_error("get_parameters_by_path", refused, message)
        stub.activate()
        monkeypatch.setattr(place, "connect", lambda *given, **options: client)

    return said


def test_the_home_alone_is_the_place_of_none(tmp_path: Path) -> None:
    assert read_place("local", tmp_path) is None


def test_the_file_overrides_the_home_and_is_overridden_by_a_flag(home: Home) -> None:
    home.config_file.write_text("engine: {trigger: 1s}\nhot: {ttl: 3h}\n")
    (home.path / "aws.yaml").write_text("engine: {trigger: 4s, keep_snapshots: 7}\n")
    there = read_place("aws", home)
    sources = {key: (value, source) for key, value, source in load_settings(home, place=there).explain()}
    assert sources["engine.trigger"] == ("4s", str(home.path / "aws.yaml"))
    assert sources["hot.ttl"] == ("3h", str(home.config_file))
    assert load_settings(home, overrides={"engine.keep_snapshots": 9}, place=there).engine.keep_snapshots == 9


def test_parameters_of_every_page_are_settings_and_say_where_they_are_from(ssm: Said, home: Home) -> None:
    ssm(
        [("hot.url", "dynamodb://alerts?region=eu-central-1"), ("lake", LAKE), ("api_url", "https://x")],
        [("engine.keep_snapshots", "7"), ("quality.symbols", "BTC-USD,ETH-USD", "StringList")],
        [("lake.s3.region", "eu-central-1"), ("detectors.volume-anomaly.z_threshold", "3.5", "SecureString")],
    )
    settings = load_settings(home, place=read_place(DEV, home))
    assert settings.hot.url == "dynamodb://alerts?region=eu-central-1"
    assert settings.lake == {
        "type": "glue", "warehouse": "s3://b/w", "glue.region": "eu-central-1", "s3.region": "eu-central-1",
    }  # fmt: skip
    assert (settings.engine.keep_snapshots, settings.quality.symbols) == (7, ("BTC-USD", "ETH-USD"))
    assert settings.detectors["volume-anomaly"] == {"z_threshold": 3.5}
    assert {source for key, _, source in settings.explain() if key.startswith(("hot.url", "lake"))} == {
        "ssm:/coattail/dev"
    }


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ([], r"no settings below /coattail/dev in Systems Manager; write one: aws ssm put-parameter .*/dev/hot\.url"),
        ([("api_url", "https://x")], r"no settings below /coattail/dev"),
        ([("hot.urll", "x")], r"unknown setting hot\.urll = 'x' in ssm:/coattail/dev; did you mean .*hot\.url"),
        ([("aip_url", "x")], r"unknown setting aip_url"),
        ([("hot.ttl", "soon")], r"hot\.ttl = 'soon' in ssm:/coattail/dev must be a duration"),
        ([("lake", "{type: glue")], r"the value of /coattail/dev/lake in ssm:/coattail/dev cannot be read"),
        ([("lake", "glue")], r"lake = 'glue' in ssm:/coattail/dev must be a mapping"),
    ],
)
def test_parameters_that_are_no_settings_are_refused(ssm: Said, home: Home, pages: list[Any], said: str) -> None:
    ssm(pages)
    with pytest.raises(ConfigError, match=said) as refused:
        read_place(DEV, home)
    assert refused.value.exit_code == 1


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("AccessDeniedException", "not authorized to perform: ssm:GetParametersByPath", "may not be used with these"),
        ("ExpiredTokenException", "The security token is expired", "have expired.*sign in again"),
        ("InvalidKeyId", "the key is disabled", "the key that encrypts .* is refused"),
        ("AccessDeniedException", "not authorized to perform: kms:Decrypt", "the key that encrypts .* is refused"),
    ],
)
def test_systems_manager_that_refuses_is_a_sentence(ssm: Said, home: Home, code: str, message: str, said: str) -> None:
    ssm(refused=code, message=message)
    with pytest.raises(ConfigError, match=said) as refusal:
        read_place(DEV, home)
    assert "ssm:/coattail/dev" in refusal.value.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("awz", "there is no place 'awz'; did you mean aws"),
        ("ssm:", "names no path of parameters; write ssm:/coattail/dev"),
        ("ssm://host/dev", "names no path"),
        ("ssm:/coattail/d v", "names no path"),
        ("ssm:/dev?regio=x", "unknown option 'regio'"),
        ("ssm:/dev?region", "is not an address"),
        ("ssm:/dev?endpoint=host", "endpoint 'host' is not an address"),
    ],
)
def test_what_names_no_place_is_a_mistake_in_the_command(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_place(name, tmp_path)


def test_a_file_that_says_nothing_or_is_not_there_is_refused(home: Home) -> None:
    with pytest.raises(HomeError, match=r"aws\.yaml is not there.*docs/AWS\.md"):
        read_place("aws", home)
    (home.path / "aws.yaml").write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match=r"aws\.yaml says nothing"):
        read_place("aws", home)


def test_the_environment_chooses_the_place_of_the_home_that_it_chooses(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.path / "aws.yaml").write_text("engine: {keep_snapshots: 7}\n")
    monkeypatch.setenv("COATTAIL_HOME", str(home.path))
    monkeypatch.setenv("COATTAIL_PLACE", "aws")
    assert Workspace().settings.engine.keep_snapshots == 7
    for own in (Workspace("local"), Workspace(home.path), Workspace(place="local"), Workspace().elsewhere(home)):
        assert own.settings.engine.keep_snapshots == 20
    assert Workspace(home.path, place="aws").settings.engine.keep_snapshots == 7
    monkeypatch.setenv("COATTAIL_PLACE", "mars")
    with pytest.raises(UsageError, match="no place 'mars'"):
        Workspace()


def test_settings_that_an_order_carries_are_held_against_the_same_types(home: Home) -> None:
    there = carried("aws", {"lake.s3.region": "eu-central-1", "hot.ttl": "2h"})
    assert isinstance(there, Layer)
    assert load_settings(home, place=there).lake == {"s3.region": "eu-central-1"}
    with pytest.raises(CoattailError, match=r"hot\.ttl = 'x' in the order \(from aws\) must be a duration"):
        carried("aws", {"hot.ttl": "x"})


def test_a_folder_with_nothing_but_the_file_becomes_a_home(tmp_path: Path) -> None:
    (tmp_path / "aws.yaml").write_text("engine: {keep_snapshots: 7}\n")
    assert read_place("aws", Home.open(tmp_path, create=True)) is not None


def test_secrets_of_the_lake_are_masked(home: Home) -> None:
    lake = {"s3.secret-access-key": "k", "s3.session-token": "t", "s3.access-key-id": "AK", "token": "q"}
    (home.path / "aws.yaml").write_text(json.dumps({"lake": lake}))
    shown = {key: value for key, value, _ in load_settings(home, place=read_place("aws", home)).explain()}
    assert {key: shown[f"lake.{key}"] for key in lake} == {
        "s3.secret-access-key": "***", "s3.session-token": "***", "s3.access-key-id": "AK", "token": "***",
    }  # fmt: skip
