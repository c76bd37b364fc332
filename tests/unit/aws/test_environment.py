"""What is known of an environment, and what is refused before anything is asked of AWS."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coattail.aws import terraform as found
from coattail.aws.operate.copy import prepare, refuse_undeclared
from coattail.aws.operate.environment import Environment, environments, read_environment, write_environment
from coattail.aws.operate.planning import bootstrap
from coattail.aws.operate.refusals import InfraRefused
from coattail.cli import main
from coattail.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[3]
GIVEN = {"environment": "dev", "account_id": "123456789012", "region": "us-west-2"}


def made(**given: object) -> Environment:
    return Environment(**{**GIVEN, **given})  # type: ignore[arg-type]


def test_it_is_read_as_it_was_written_and_names_everything(tmp_path: Path) -> None:
    dev = made(variables={"zones": ["a", "b"]})
    write_environment(tmp_path, dev)
    assert read_environment(tmp_path, None) == read_environment(tmp_path, "dev") == dev
    assert (dev.name, dev.states) == ("coattail-dev", "coattail-states-123456789012-us-west-2")
    assert dev.place == "ssm:/coattail/dev?region=us-west-2"
    write_environment(tmp_path, made(environment="prod"))
    assert environments(tmp_path) == ["dev", "prod"]
    with pytest.raises(UsageError, match="there are 2 environments"):
        read_environment(tmp_path, None)
    with pytest.raises(UsageError, match=r"no environment 'test' is known .*\(known: dev, prod\)"):
        read_environment(tmp_path, "test")


def test_terraform_is_told_what_it_knows() -> None:
    dev = made(variables={"alarm_email": "you@example.com"})
    told = dev.terraform_variables(streaming=True, bundle="deps-x")
    assert told == {
        **GIVEN, "prefix": "coattail", "tier": "small", "architecture": "arm64", "streaming": True,
        "bundle": "deps-x", "alarm_email": "you@example.com",
    }  # fmt: skip
    declared = re.findall(r'^variable "(\w+)"', (ROOT / "infra" / "variables.tf").read_text(), re.MULTILINE)
    assert told.keys() | {"endpoint", "force_destroy", "zips"} <= set(declared)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tier": "smal"}, r"there is no tier 'smal'; did you mean small\?"),
        ({"architecture": "sparc"}, "there is no architecture 'sparc'"),
        ({"environment": "production"}, "environment 'production' is not one"),
        ({"prefix": "awsome"}, "prefix 'awsome' is not one; write 2 to 12 .* not aws or ssm first"),
        ({"account_id": "1234"}, "account_id '1234' is not one; write 12 digits"),
        ({"region": "Frankfurt"}, "region 'Frankfurt' is not one"),
        ({"endpoint": "https://example.com"}, "the endpoint https://example.com is not on this machine"),
        ({"variables": {"streaming": True}}, "streaming is not among `variables`"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(**given)


def test_a_variable_that_infra_does_not_have_is_refused_where_terraform_would_leave_it_out(tmp_path: Path) -> None:
    misspelt = made(variables={"alarm_emial": "you@example.com"})
    for doing in (lambda: bootstrap(tmp_path, misspelt), lambda: prepare(tmp_path, misspelt)):
        with pytest.raises(InfraRefused, match=r"no variable 'alarm_emial'; did you mean alarm_email\?"):
            doing()
    assert environments(tmp_path) == []
    refuse_undeclared(made(variables={"alarm_email": "you@example.com", "zones": ["a", "b"]}))


def test_a_file_that_is_not_understood_is_named(tmp_path: Path) -> None:
    file = write_environment(tmp_path, made())
    file.write_text("environment: dev\naccount: 1\n")
    with pytest.raises(ConfigError, match=r"environment\.yaml is not understood .*`account`"):
        read_environment(tmp_path, "dev")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"environment\.yaml is not understood .*; correct it, or remove it"):
        read_environment(tmp_path, "dev")


def test_a_value_that_is_not_yaml_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(tmp_path / "home"), "aws", "bootstrap", "--account", "123456789012", "--var", "zones=[a"]
    assert main(words) == UsageError.exit_code
    assert "--var 'zones=[a' is not YAML" in capsys.readouterr().err


def test_without_bootstrap_or_with_an_unknown_tier_a_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "home")]
    for words in (["plan"], ["status"]):
        assert main([*home, "aws", *words]) == 2
        assert "make it: coattail aws bootstrap --environment dev" in capsys.readouterr().err
    assert (
        main([*home, "aws", "bootstrap", "--environment", "Production"]) == 1
    )  # before anybody is asked for an account
    assert "environment 'Production' is not one" in capsys.readouterr().err
    assert main([*home, "aws", "bootstrap", "--tier", "colossal", "--account", "123456789012"]) == 1
    assert "there is no tier 'colossal'" in capsys.readouterr().err


def test_without_terraform_a_plan_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coattail.aws.operate.copy import prepare

    monkeypatch.setenv("TERRAFORM", str(tmp_path / "none"))
    with pytest.raises(found.TerraformMissing, match=r"install 1\.10 or newer"):
        prepare(tmp_path, made())
    monkeypatch.setenv("TERRAFORM", "true")
    monkeypatch.setenv("TF_PLUGIN_DIR", str(tmp_path))
    with pytest.raises(found.TerraformMissing, match="does not hold the provider"):
        prepare(tmp_path, made())
