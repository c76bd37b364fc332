"""Terraform over infra/: format, validity and its own tests, and scanners, without a network and without an account.

`make infra` runs it. What is missing is named, and the way to get it; COATTAIL_TEST_TERRAFORM=required makes that a
failure, so that a green run cannot hide it, and lets Terraform fetch its provider from the public registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coattail.aws.terraform import (
    PROVIDER,
    Terraform,
    TerraformFailed,
    TerraformMissing,
    cli_settings,
    find_plugins,
    find_program,
    given,
    provider_kind,
    quiet,
)
from coattail.aws.zips import HANDLER, PROGRAMS
from tools import scan

__all__ = ["Terraform", "TerraformFailed", "TerraformMissing", "find_program", "find_provider", "given", "prepared"]

ROOT = Path(__file__).parents[1]
REQUIRED = "COATTAIL_TEST_TERRAFORM"


def find_provider() -> Path | None:
    """The folder of plugins that holds the provider; None if Terraform has to ask the public registry.

    Raises: TerraformMissing: If none holds it, unless COATTAIL_TEST_TERRAFORM says `required`.
    """
    found = find_plugins()
    if found is None and os.environ.get(REQUIRED) != "required":
        raise TerraformMissing(
            f"the provider hashicorp/aws {PROVIDER} for {provider_kind()} is not here",
            next_step="put it below a folder of plugins, by `terraform providers mirror FOLDER`, and name that: "
            f"TF_PLUGIN_DIR=FOLDER; or let Terraform fetch it from registry.terraform.io: {REQUIRED}=required",
        )
    return found


_LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
_OFFLINE = "".join(
    f"""
provider "aws" {{{alias}
  allowed_account_ids         = null
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}}
"""
    for alias in ("", '\n  alias = "billing"')
)


@contextmanager
def prepared(*, state: str | None = None) -> Iterator[Terraform]:
    """infra/ in a folder that goes with the block, with the provider, and with zips that hold nothing.

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
        _write_zips(top / "build" / "lambdas")
        if state is None:
            (folder / "here_override.tf").write_text(_LOCAL_STATE + _OFFLINE)
        (folder / "here.tfbackend").write_text(state or "")
        settings = top / "terraform.tfrc"
        settings.write_text(cli_settings(plugins))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
        keys |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
        found = Terraform(folder, program, {**own, **keys, **quiet(settings)})
        found.run("init", "-no-color", "-input=false", *(["-backend-config=here.tfbackend"] if state else []))
        yield found


def _write_zips(folder: Path) -> None:
    """Zips that hold nothing, with what `zips.json` says of the real ones, where variable `zips` looks by default."""
    folder.mkdir(parents=True)
    said = [
        {"name": name, "file": f"{name}.zip", "handler": HANDLER.format(name), "runtime": "python3.13",
         "architecture": "arm64"}
        for name in PROGRAMS
    ]  # fmt: skip
    for one in said:
        zipfile.ZipFile(folder / one["file"], "w").close()
    (folder / "zips.json").write_text(json.dumps({"zips": said}))


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
