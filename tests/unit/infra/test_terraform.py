"""How Terraform and its provider are found, and what is said where they are not."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coattail.aws import terraform as found
from tools import infra
from tools.infra import TerraformMissing

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "infra").rglob("*.tf"))
VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r'^output "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing of Terraform is, with an empty home."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "none"))  # where scanners would be beside it
    for name in ("TERRAFORM", "TF_PLUGIN_DIR", infra.REQUIRED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(found, "SHARED", ())
    monkeypatch.setattr(found, "ADDED", tmp_path / "added")
    return tmp_path


def test_without_terraform_the_check_is_skipped_and_says_what_to_do(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infra.main() == 0
    said = capsys.readouterr().out
    assert said.startswith("skipped: Terraform is not here (terraform); install 1.10 or newer")
    assert "TERRAFORM=/path" in said
    monkeypatch.setenv(infra.REQUIRED, "required")
    monkeypatch.setenv("TERRAFORM", "/nowhere/terraform")
    assert infra.main() == 1
    assert capsys.readouterr().out.startswith("error: Terraform is not here (/nowhere/terraform)")


def test_without_the_provider_only_the_format_is_looked_at(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = bare / "terraform"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    assert infra.main() == 0
    format_, skipped, scanners = capsys.readouterr().out.splitlines()
    assert format_ == "format: as it should be"
    assert skipped.startswith(f"skipped: the provider hashicorp/aws {found.PROVIDER} for ")
    assert "TF_PLUGIN_DIR=FOLDER; or" in skipped
    assert scanners.startswith("skipped: trivy is neither in ")
    monkeypatch.setenv(infra.REQUIRED, "required")
    assert infra.find_provider() is None  # then Terraform asks the registry
    program.write_text("#!/bin/sh\necho '-a'; echo '+b'; exit 3\n")
    assert infra.main() == 1
    assert "-a\n+b\nerror: put it into its format" in capsys.readouterr().out


@pytest.mark.parametrize(
    "where", ["named", ".terraform.d/plugins", ".local/share/terraform/plugins", "shared", "added/any"]
)
def test_the_provider_is_found_where_terraform_looks(bare: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = f"{platform.system().lower()}_{found.ARCHITECTURES[platform.machine()]}"
    held = bare / where / "registry.terraform.io" / "hashicorp" / "aws" / found.PROVIDER / kind
    held.mkdir(parents=True)
    if where == "named":
        monkeypatch.setenv("TF_PLUGIN_DIR", str(bare / where))
    monkeypatch.setattr(found, "SHARED", (str(bare / "shared"),))
    with pytest.raises(TerraformMissing):  # an empty folder holds none
        infra.find_provider()
    (held / f"terraform-provider-aws_v{found.PROVIDER}_x5").touch()
    assert infra.find_provider() == bare / where


def test_what_terraform_says_is_in_the_error(tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text("#!/bin/sh\necho out; echo wrong >&2; exit 2\n")
    program.chmod(0o755)
    terraform = infra.Terraform(tmp_path, str(program), {})
    with pytest.raises(infra.TerraformFailed, match="terraform plan -x\nout\nwrong"):
        terraform.run("plan", "-x")
    assert terraform.run("plan", codes=(0, 2)) == "out\n"


def test_no_machine_is_named_in_infra_and_no_state_is_kept_there() -> None:
    kept = subprocess.run(["git", "ls-files", "infra"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in kept.splitlines() if ".tfstate" in name or "/.terraform" in name] == []
    assert [path.name for path in FILES if re.search(r"/(opt|home|work|root)/", path.read_text())] == []


def test_every_module_has_the_same_four_files() -> None:
    for module in sorted((ROOT / "infra" / "modules").iterdir()):
        assert {path.name for path in module.glob("*.tf")} == {"main.tf", "variables.tf", "outputs.tf", "versions.tf"}


def test_every_variable_is_typed_and_described_and_what_people_give_is_checked() -> None:
    for path in FILES:
        for name, body in VARIABLE.findall(path.read_text()):
            assert re.search(r"^  description = \"", body, re.MULTILINE), f"{path}: {name}"
            kind = re.search(r"^  type +=", body, re.MULTILINE)
            assert kind, f"{path}: {name}"
            if path.parent.name == "infra" and not re.search(r"type +=.*\bbool$", body, re.MULTILINE):
                assert "validation {" in body, f"{path}: {name}"
        for name, body in OUTPUT.findall(path.read_text()):
            assert re.search(r"^  description = \"", body, re.MULTILINE), f"{path}: {name}"
    assert {name for path in FILES for name, _ in VARIABLE.findall(path.read_text())} >= {
        "streaming",
        "name",
        "key_arn",
    }
