"""The working copy of infra/ of an environment, below the home, and Terraform on it."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coattail
from coattail.aws.bundle import shipped
from coattail.aws.operate import said
from coattail.aws.operate.environment import FILE, Environment, folder_of
from coattail.aws.operate.refusals import InfraRefused, StillThere
from coattail.aws.operate.said import TerraformRun, log_name
from coattail.aws.terraform import Terraform, cli_settings, find_plugins, find_program, quiet
from coattail.workspace.progress import OnProgress, Step, unheard

_LEFT_OUT = shutil.ignore_patterns(".terraform*", "*.tfstate*", "tests", "environments")
_VARIABLES, _PLAN, _BACKEND = "operate.tfvars.json", "operate.plan", "state.tfbackend"


@dataclass(frozen=True)
class InfraCopy:
    """Terraform, ready to be run for an environment; on its state in the bucket."""

    environment: Environment
    terraform: Terraform
    folder: Path
    """Of the environment, with `infra/`, `build/` and `logs/`."""

    def plan(self, *, streaming: bool, on_progress: OnProgress = unheard, **variables: object) -> TerraformRun:
        """What an apply would change; nothing is made. `document` then says the whole plan.

        Raises: CoattailError: In a sentence, if Terraform fails.
        """
        self._say(streaming, variables)
        return self._run("plan", f"-out={_PLAN}", *_ALWAYS, on_progress=on_progress)

    def document(self) -> dict[str, Any]:
        """The plan that was made last, as `terraform show -json` says it."""
        found: dict[str, Any] = json.loads(self.terraform.run("show", "-json", _PLAN))
        return found

    def apply_planned(self, *, on_progress: OnProgress = unheard) -> TerraformRun:
        """Make what the last plan says, and nothing else. Raises: CoattailError: In a sentence, if Terraform fails."""
        return self._run("apply", *_ALWAYS[:-1], _PLAN, on_progress=on_progress)

    def apply(self, *, streaming: bool, on_progress: OnProgress = unheard, **variables: object) -> TerraformRun:
        """Make it so. Raises: CoattailError: In a sentence, if Terraform fails."""
        self._say(streaming, variables)
        return self._run("apply", "-auto-approve", *_ALWAYS, on_progress=on_progress)

    def destroy(self, *, on_progress: OnProgress = unheard, **variables: object) -> TerraformRun:
        """Remove all of it. Raises: CoattailError: In a sentence, if Terraform fails."""
        self._say(False, variables)
        return self._run("destroy", "-auto-approve", *_ALWAYS, on_progress=on_progress)

    def outputs(self) -> dict[str, Any]:
        """The outputs by name, as the state has them; empty where nothing was applied."""
        found = json.loads(self.terraform.run("output", "-json"))
        return {name: each["value"] for name, each in found.items()}

    def made(self) -> list[str]:
        """Addresses of all that the state knows."""
        return [line for line in self.terraform.run("state", "list").splitlines() if line and ".data." not in line]

    def _say(self, streaming: bool, variables: Mapping[str, object]) -> None:
        values = self.environment.terraform_variables(streaming=streaming, **variables)
        _write(self.terraform.folder / _VARIABLES, json.dumps(values, indent=2))

    def _run(self, *arguments: str, on_progress: OnProgress) -> TerraformRun:
        on_progress(Step(f"Terraform begins to {arguments[0]}"))  # which says nothing for up to half a minute
        return said.run(
            self.terraform, *arguments, log=log_name(self.folder, arguments[0]), on_progress=on_progress,
            interrupted=lambda: on_progress(Step("stopping in order: what has begun is finished")),
        )  # fmt: skip


_ALWAYS = ("-no-color", "-input=false", "-lock-timeout=5s", f"-var-file={_VARIABLES}")


def prepare(home: Path, environment: Environment, on_progress: OnProgress = unheard) -> InfraCopy:
    """The working copy as this version of coattail has it, with the provider and the address of the state.

    Raises: TerraformMissing: If there is no Terraform. BundleError: If infra/ is not there. StillThere: As of
    `refuse_moved`. InfraRefused: As of `refuse_undeclared`. CoattailError: If Terraform cannot begin, in a sentence.
    """
    refuse_moved(home, environment)
    refuse_undeclared(environment)
    program, plugins = find_program(), find_plugins()
    top = folder_of(home, environment.environment).absolute()
    folder = top / "infra"
    _refresh(shipped("infra"), folder)
    package = top / "coattail"
    if not package.is_symlink() or package.readlink() != Path(coattail.__file__).parent:
        package.unlink(missing_ok=True)
        package.symlink_to(Path(coattail.__file__).parent)
    settings, backend = top / "terraform.tfrc", folder / _BACKEND
    own = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    if plugins is None and (theirs := os.environ.get("TF_CLI_CONFIG_FILE")) and Path(theirs).exists():
        settings = Path(theirs)
    else:
        _write(settings, cli_settings(plugins))
    _write(backend, _backend(environment))
    made = InfraCopy(environment, Terraform(folder, program, {**own, **quiet(settings)}), top)
    stamp, now = folder / ".terraform" / "coattail", _digest(folder, settings, program)
    if not stamp.exists() or stamp.read_text() != now:
        on_progress(Step("preparing Terraform"))
        said.run(made.terraform, "init", "-no-color", "-input=false", "-reconfigure",
                 f"-backend-config={backend.name}", log=log_name(top, "init"))  # fmt: skip
        stamp.parent.mkdir(exist_ok=True)
        _write(stamp, now)
    return made


def refuse_undeclared(environment: Environment) -> None:
    """Refuse variables that infra/ does not have: Terraform itself would only warn, and leave them out.

    Raises: InfraRefused. BundleError: If infra/ is not there.
    """
    text = (shipped("infra") / "variables.tf").read_text(encoding="utf-8")
    declared = re.findall(r'^variable "(\w+)"', text, re.MULTILINE)
    for name in environment.variables:
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            raise InfraRefused(
                f"infra/ has no variable {name!r}",
                next_step=f"{f'did you mean {near[0]}? ' if near else ''}infra/variables.tf lists them; those of an "
                f"environment are in its {FILE}",
            )


def refuse_moved(home: Path, environment: Environment) -> None:
    """Refuse another account, region or prefix than Terraform was prepared for: what was made there would be forgotten,
    and billed. An emulation may move: its address is another one each time.

    Raises: StillThere.
    """
    top = folder_of(home, environment.environment)
    try:
        before = (top / "infra" / _BACKEND).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    was = dict(re.findall(r'^(\w+) = "(.*)"$', before, re.MULTILINE))
    there = (was.get("bucket"), was.get("key")) == (environment.states, environment.key) and not environment.emulated
    if not there and "endpoints" not in before:
        raise StillThere(
            f"{top / FILE} says {environment.words()}, and this home knows {environment.environment} by the state "
            f"s3://{was.get('bucket')}/{was.get('key')}",
            next_step="put back account_id, region and prefix; another place is for another environment: coattail "
            "aws bootstrap --environment NAME",
        )


def forget_place(home: Path, environment: Environment) -> None:
    """Forget for which place Terraform was prepared."""
    (folder_of(home, environment.environment) / "infra" / _BACKEND).unlink(missing_ok=True)


def _refresh(source: Path, folder: Path) -> None:
    """Make the folder a copy of the source, keeping what Terraform has put there."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in folder.iterdir():
        if each.suffix == ".tf" or each.name == "modules":
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    shutil.copytree(source, folder, ignore=_LEFT_OUT, dirs_exist_ok=True)


def _backend(environment: Environment) -> str:
    """Where the state is, as -backend-config takes it."""
    said = {"bucket": environment.states, "key": environment.key, "region": environment.region}
    lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
    if environment.endpoint is not None:
        skipped = ("use_path_style", "skip_credentials_validation", "skip_requesting_account_id",
                   "skip_metadata_api_check")  # fmt: skip
        lines += [f"{name} = true" for name in skipped]
        lines.append(f"endpoints = {{ s3 = {json.dumps(environment.endpoint)} }}")
    return "\n".join([*lines, ""])


def _digest(folder: Path, settings: Path, program: str) -> str:
    """What a preparation depends on."""
    taken = hashlib.sha256(program.encode())
    for path in (settings, *sorted(folder.rglob("*.tf")), folder / _BACKEND):
        if ".terraform" not in path.parts:
            taken.update(path.read_bytes())
    return taken.hexdigest()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
