"""What is known of an environment: the file that `bootstrap` writes, and where things of it are. It holds no secret."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from coattail.errors import ConfigError, UsageError
from coattail.jobs.emr_request import ARCHITECTURES
from coattail.service_url import is_loopback

FOLDER, FILE = "aws", "environment.yaml"
_MARK = "# Written by `coattail aws bootstrap`, which may be run again to change it. No secrets belong here.\n"
_NAME, _PREFIX = re.compile(r"[a-z][a-z0-9]{1,7}"), re.compile(r"(?!aws|ssm)[a-z][a-z0-9]{1,11}")
_ACCOUNT, _REGION = re.compile(r"[0-9]{12}"), re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_OWN = frozenset({
    "environment", "account_id", "region", "prefix", "tier", "architecture", "endpoint", "streaming", "bundle", "zips",
    "force_destroy",
})  # fmt: skip
"""Variables of infra/ that are said by commands, and not among `variables`."""


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One environment: names of everything follow from this."""

    environment: str
    """Second part of every name: dev."""
    account_id: str
    region: str
    prefix: str = "coattail"
    """First part of every name."""
    tier: str = "small"
    architecture: str = "arm64"
    endpoint: str | None = None
    """An emulation of AWS on this machine; None: AWS itself."""
    variables: dict[str, Any] = {}
    """More variables of infra/, by name: alarm_email, zones, retention_hours."""

    def __post_init__(self) -> None:
        self._refuse_misnamed()
        if self.architecture not in ARCHITECTURES:
            known = " or ".join(ARCHITECTURES)
            raise ConfigError(f"there is no architecture {self.architecture!r}", next_step=f"choose {known}")
        if self.tier not in tiers():
            near = difflib.get_close_matches(self.tier, tiers(), n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(f"there is no tier {self.tier!r}", next_step=f"{meant}known: {', '.join(tiers())}")
        if self.endpoint is not None and not is_loopback(self.endpoint):
            raise ConfigError(
                f"the endpoint {self.endpoint} is not on this machine",
                next_step="leave it out for AWS, or name an emulation: http://127.0.0.1:4566",
            )
        if own := sorted(self.variables.keys() & _OWN):
            raise ConfigError(f"{own[0]} is not among `variables`", next_step=f"say it by itself: {own[0]}: …")

    def _refuse_misnamed(self) -> None:
        for name, value, form, like in (
            ("environment", self.environment, _NAME, "2 to 8 lower-case letters and digits, like dev"),
            ("prefix", self.prefix, _PREFIX, "2 to 12 lower-case letters and digits, not aws or ssm first: coattail"),
            ("account_id", self.account_id, _ACCOUNT, "12 digits, in quotes"),
            ("region", self.region, _REGION, "a name like us-west-2"),
        ):
            if form.fullmatch(value) is None:
                raise ConfigError(f"{name} {value!r} is not one", next_step=f"write {like}")

    @property
    def name(self) -> str:
        """First part of every name in it: `coattail-dev`."""
        return f"{self.prefix}-{self.environment}"

    def owns(self, name: str) -> bool:
        """Whether a thing of this name is the environment's."""
        return name.startswith(f"{self.name}-")

    @property
    def emulated(self) -> bool:
        """Whether its services are on this machine."""
        return self.endpoint is not None

    @property
    def states(self) -> str:
        """The bucket of Terraform's state: one for all environments of an account and region."""
        return f"{self.prefix}-states-{self.account_id}-{self.region}"

    @property
    def key(self) -> str:
        """The object in it that is this environment's state."""
        return f"{self.prefix}/{self.environment}.tfstate"

    @property
    def place(self) -> str:
        """What --place takes."""
        from urllib.parse import quote

        there = "" if self.endpoint is None else f"&endpoint={quote(self.endpoint, safe='')}"
        return f"ssm:/{self.prefix}/{self.environment}?region={self.region}{there}"

    def words(self) -> str:
        """In words: `dev (account 123456789012, us-west-2, tier small)`."""
        label = ", local emulation" if self.emulated else ""
        return f"{self.environment} (account {self.account_id}, {self.region}, tier {self.tier}{label})"

    def terraform_variables(self, *, streaming: bool, **more: object) -> dict[str, object]:
        """What infra/ is told; what is None is left to it."""
        said: dict[str, object] = {
            "prefix": self.prefix, "environment": self.environment, "account_id": self.account_id,
            "region": self.region, "tier": self.tier, "architecture": self.architecture, "endpoint": self.endpoint,
            "streaming": streaming, **more,
        }  # fmt: skip
        return {name: value for name, value in said.items() if value is not None} | self.variables

    def bucket(self, role: str) -> str:
        """The bucket that is its raw, processed, checkpoint or athena."""
        return f"{self.name}-{role}-{self.account_id}-{self.region}"

    @property
    def stream(self) -> str:
        """The stream, whether it is there or not."""
        return f"{self.name}-trades"

    @property
    def workflow(self) -> str:
        """The ARN of its daily workflow."""
        return f"arn:aws:states:{self.region}:{self.account_id}:stateMachine:{self.name}-daily"


def tiers() -> list[str]:
    """Their names."""
    import coattail

    return sorted(path.stem for path in (Path(coattail.__file__).parent / "conf" / "tiers").glob("*.yaml"))


def folder_of(home: Path, name: str) -> Path:
    """Where the files of an environment are."""
    return home / FOLDER / name


def environments(home: Path) -> list[str]:
    """The names of those that are known here."""
    return sorted(path.parent.name for path in (home / FOLDER).glob(f"*/{FILE}"))


def read_environment(home: Path, name: str | None) -> Environment:
    """The environment of this name; None: the only one.

    Raises: UsageError: If it is not known here, or there are several. ConfigError: If its file is not understood.
    """
    known = environments(home)
    if name is None:
        if len(known) > 1:
            raise UsageError(f"there are {len(known)} environments", next_step=f"--environment {' or '.join(known)}")
        name = known[0] if known else "dev"
    if name not in known:
        others = f" (known: {', '.join(known)})" if known else ""
        raise UsageError(
            f"no environment {name!r} is known in {home}{others}",
            next_step=f"make it: coattail aws bootstrap --environment {name}, or give another --home",
        )
    file = folder_of(home, name) / FILE
    try:
        found = msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), Environment)
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} is not understood ({' '.join(str(error).split())})",
            next_step="correct it, or remove it and make it again: coattail aws bootstrap",
        ) from error
    if found.environment != name:
        raise ConfigError(f"{file} is of {found.environment!r}", next_step=f"move it to {FOLDER}/{found.environment}")
    return found


def write_environment(home: Path, environment: Environment) -> Path:
    """Write its file; returns where."""
    file = folder_of(home, environment.environment) / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    text = yaml.safe_dump(msgspec.to_builtins(environment), sort_keys=False, width=1000)
    beside.write_text(_MARK + text, encoding="utf-8")
    beside.replace(file)
    return file
