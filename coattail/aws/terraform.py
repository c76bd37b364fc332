"""Terraform over a copy of infra/: where the program and its provider are found, and how it is run."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coattail.errors import CoattailError

PROVIDER = "5.100.0"
"""The version of hashicorp/aws that infra/ was tried with; versions.tf allows later ones of 5.x."""

ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_HOMES = (".terraform.d/plugins", ".local/share/terraform/plugins")
SHARED = ("/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
"""Where Terraform itself looks for providers."""
ADDED = Path("/opt")
"""Below it, a folder of plugins may have any name."""

OF_NOTHING = ("-no-color", "-input=false", "-lock=false", "-refresh=false")
"""Options of a plan for an empty account, about which nobody is asked."""


class TerraformMissing(CoattailError):
    """What of Terraform is not here, and how to get it."""


class TerraformFailed(CoattailError):
    """What Terraform has said."""


@dataclass(frozen=True)
class Terraform:
    """A copy of infra/ in a folder of its own, so that nothing is written beside the sources.

    folder: Where the copy is. program: Terraform. environment: What it runs with.
    """

    folder: Path
    program: str
    environment: Mapping[str, str]

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """What it says on its standard output.

        codes: Exit codes that are no failure.
        Raises: TerraformFailed: With all that it said, if it ends with another code.
        """
        done = subprocess.run(self.words(*arguments), env=self.environment, capture_output=True, text=True)
        if done.returncode not in codes:
            raise TerraformFailed(f"terraform {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def words(self, *arguments: str) -> list[str]:
        """The words of the command."""
        return [self.program, f"-chdir={self.folder}", *arguments]

    def plan(self, **variables: object) -> dict[str, Any]:
        """The plan for an empty account as `terraform show -json` says it; nothing is asked of AWS."""
        self.run("plan", "-out=plan", *OF_NOTHING, *given(variables))
        found: dict[str, Any] = json.loads(self.run("show", "-json", "plan"))
        return found

    def planned(self, **variables: object) -> dict[str, str]:
        """Address -> type of what the same plan would make; in two thirds of the time."""
        said = [json.loads(line) for line in self.run("plan", "-json", *OF_NOTHING, *given(variables)).splitlines()]
        made = [line["change"]["resource"] for line in said if line["type"] == "planned_change"]
        return {each["addr"]: each["resource_type"] for each in made}


def given(variables: Mapping[str, object]) -> list[str]:
    """Variables as options: text as it is, all else as JSON."""
    return [f"-var={name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in variables.items()]


def find_program() -> str:
    """Terraform: $TERRAFORM, or what PATH has.

    Raises: TerraformMissing: If there is none.
    """
    asked = os.environ.get("TERRAFORM") or "terraform"
    found = shutil.which(asked)
    if found is None:
        raise TerraformMissing(
            f"Terraform is not here ({asked})",
            next_step="install 1.10 or newer (developer.hashicorp.com/terraform/install) so that PATH has it, or name "
            "it: TERRAFORM=/path/to/terraform",
        )
    return found


def find_plugins() -> Path | None:
    """The folder of plugins that holds the provider; None: Terraform has to ask the public registry.

    $TF_PLUGIN_DIR, else where Terraform looks by itself, else a folder of /opt.
    Raises: TerraformMissing: If $TF_PLUGIN_DIR is set, and does not hold it.
    """
    kind = provider_kind()
    named = os.environ.get("TF_PLUGIN_DIR")
    roots = [Path(named)] if named else [*(Path.home() / each for each in _HOMES), *map(Path, SHARED)]
    if not named:
        roots += sorted(ADDED.glob("*"))
    for root in roots:
        if any((root / "registry.terraform.io/hashicorp/aws" / PROVIDER / kind).glob("terraform-provider-aws*")):
            return root.absolute()
    if named:
        raise TerraformMissing(
            f"TF_PLUGIN_DIR={named} does not hold the provider hashicorp/aws {PROVIDER} for {kind}",
            next_step=f"fill it: terraform providers mirror {named}; or unset it, and Terraform asks its registry",
        )
    return None


def provider_kind() -> str:
    """For which machine the provider has to be: `linux_amd64`."""
    return f"{platform.system().lower()}_{ARCHITECTURES.get(platform.machine(), platform.machine())}"


def cli_settings(plugins: Path | None) -> str:
    """The file that TF_CLI_CONFIG_FILE names: nothing is asked of HashiCorp, and the provider is taken from there."""
    said = "disable_checkpoint = true\n"
    if plugins is not None:
        where = json.dumps(str(plugins))
        said += f"provider_installation {{\n  filesystem_mirror {{\n    path = {where}\n  }}\n}}\n"
    return said


def quiet(settings: Path) -> dict[str, str]:
    """The environment in which it reads those settings, and gives no advice to a person."""
    return {"TF_CLI_CONFIG_FILE": str(settings), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
