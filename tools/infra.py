"""Terraform over infra/: format, validity and its own tests, and scanners, without a network and without an account.

`make infra` runs it. What is missing is named, and the way to get it; COATTAIL_TEST_TERRAFORM=required makes that a
failure, so that a green run cannot hide it, and lets Terraform fetch its provider from the public registry.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import scan

ROOT = Path(__file__).parents[1]
PROVIDER = "5.100.0"
"""The version of hashicorp/aws that infra/ was tried with; versions.tf allows later ones of 5.x."""
REQUIRED = "COATTAIL_TEST_TERRAFORM"

ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_HOMES = (".terraform.d/plugins", ".local/share/terraform/plugins")
SHARED = ("/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
"""Where Terraform itself looks for providers."""
ADDED = Path("/opt")
"""Below it, a folder of plugins may have any name."""


class TerraformMissing(Exception):
    """What of Terraform is not here, and the two ways to get it."""


class TerraformFailed(Exception):
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
        done = subprocess.run(
            [self.program, f"-chdir={self.folder}", *arguments], env=self.environment, capture_output=True, text=True
        )
        if done.returncode not in codes:
            raise TerraformFailed(f"terraform {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def plan(self, **variables: object) -> dict[str, Any]:
        """The plan for an empty account as `terraform show -json` says it; nothing is asked of AWS."""
        self.run("plan", "-out=plan", *_OF_NOTHING, *given(variables))
        found: dict[str, Any] = json.loads(self.run("show", "-json", "plan"))
        return found

    def planned(self, **variables: object) -> dict[str, str]:
        """Address -> type of what the same plan would make; in two thirds of the time."""
        said = [json.loads(line) for line in self.run("plan", "-json", *_OF_NOTHING, *given(variables)).splitlines()]
        made = [line["change"]["resource"] for line in said if line["type"] == "planned_change"]
        return {each["addr"]: each["resource_type"] for each in made}


_OF_NOTHING = ("-no-color", "-input=false", "-lock=false", "-refresh=false")


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
            f"Terraform is not here ({asked}): install 1.10 or newer (developer.hashicorp.com/terraform/install) so "
            "that PATH has it, or name it: TERRAFORM=/path/to/terraform"
        )
    return found


def find_provider() -> Path | None:
    """The folder of plugins that holds the provider; None if Terraform has to ask the public registry.

    $TF_PLUGIN_DIR, else where Terraform looks by itself, else a folder of /opt.
    Raises: TerraformMissing: If none holds it, unless COATTAIL_TEST_TERRAFORM says `required`.
    """
    kind = f"{platform.system().lower()}_{ARCHITECTURES.get(platform.machine(), platform.machine())}"
    named = os.environ.get("TF_PLUGIN_DIR")
    roots = [Path(named)] if named else [*(Path.home() / each for each in _HOMES), *map(Path, SHARED)]
    roots += sorted(ADDED.glob("*"))
    for root in roots:
        if any((root / "registry.terraform.io/hashicorp/aws" / PROVIDER / kind).glob("terraform-provider-aws*")):
            return root.absolute()
    if os.environ.get(REQUIRED) == "required":
        return None
    raise TerraformMissing(
        f"the provider hashicorp/aws {PROVIDER} for {kind} is not here: put it below a folder of plugins, by "
        "`terraform providers mirror FOLDER`, and name that: TF_PLUGIN_DIR=FOLDER; or let Terraform fetch it from "
        f"registry.terraform.io: {REQUIRED}=required"
    )


_LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
_OFFLINE = """
provider "aws" {
  allowed_account_ids         = null
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
"""


@contextmanager
def prepared(*, state: str | None = None) -> Iterator[Terraform]:
    """infra/ in a folder that goes with the block, with the provider.

    state: What `init` is told of the bucket of the state, as in a file of -backend-config; None: the state is a file of
    the folder, and the provider asks nobody, not even whose account it is in.
    Raises: TerraformMissing: If Terraform or its provider is not here. TerraformFailed: If it cannot begin.
    """
    program, plugins = find_program(), find_provider()
    with tempfile.TemporaryDirectory(prefix="coattail-infra-") as scratch:
        top = Path(scratch)
        folder = top / "infra"
        shutil.copytree(ROOT / "infra", folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        (top / "coattail").symlink_to(ROOT / "coattail")
        if state is None:
            (folder / "here_override.tf").write_text(_LOCAL_STATE + _OFFLINE)
        (folder / "here.tfbackend").write_text(state or "")
        settings = top / "terraform.tfrc"
        settings.write_text("disable_checkpoint = true\n" + ("" if plugins is None else _mirror(plugins)))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
        keys |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
        words = {"TF_CLI_CONFIG_FILE": str(settings), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        found = Terraform(folder, program, {**own, **keys, **words})
        found.run("init", "-no-color", "-input=false", *(["-backend-config=here.tfbackend"] if state else []))
        yield found


def _mirror(plugins: Path) -> str:
    where = json.dumps(str(plugins))
    return f"provider_installation {{\n  filesystem_mirror {{\n    path = {where}\n  }}\n}}\n"


def main() -> int:
    """Check infra/; 0 if all of it is well, or if something is missing that was not required."""
    return max(_checked(), _scanned())


def _scanned() -> int:
    """Whether scanners find anything, if they are here: `make scan` installs them, and fails without."""
    try:
        for scanner in scan.SCANNERS:
            scanner.program()
    except scan.ScannerMissing as missing:
        print(f"skipped: {missing}")
        return 0
    return scan.main()


def _checked() -> int:
    try:
        program = find_program()
        wrong = subprocess.run(
            [program, "fmt", "-check", "-diff", "-recursive", str(ROOT / "infra")], capture_output=True, text=True,
            env={name: value for name, value in os.environ.items() if name != "TF_CLI_CONFIG_FILE"},
        )  # fmt: skip
        if wrong.returncode:
            print(wrong.stdout + wrong.stderr + f"error: put it into its format: {program} fmt -recursive infra")
            return 1
        print("format: as it should be")
        with prepared() as terraform:
            terraform.run("validate", "-no-color")
            print("validate: valid")
            print("test:", terraform.run("test", "-no-color").strip().splitlines()[-1])
    except TerraformMissing as missing:
        required = os.environ.get(REQUIRED) == "required"
        print(f"{'error' if required else 'skipped'}: {missing}")
        return 1 if required else 0
    except TerraformFailed as failed:
        print(f"error: {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
