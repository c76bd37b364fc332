"""Errors of Terraform and of the services it asks, each as one sentence with the next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from coattail.errors import CoattailError

AGAIN = "run the same command again: what is there is kept, and it goes on from there"
_MOST = 300


class Diagnostic(NamedTuple):
    """One error of Terraform."""

    summary: str
    detail: str
    address: str
    """The resource that it is about; empty: none."""

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.summary}\n{self.detail}"


class OperationFailed(CoattailError):
    """A command that changes an environment has not come to its end."""


class Declined(OperationFailed):
    """A person has said no."""


class StillThere(OperationFailed):
    """Something would be lost, or is still billed."""


class StateLocked(OperationFailed):
    """Somebody else changes the environment, or was cut off while doing so."""


class InfraRefused(OperationFailed):
    """A value, a name or a limit stands in the way."""


def refusal(wrong: Sequence[Diagnostic], log: Path, *, folder: Path) -> OperationFailed:
    """What a failed run means. log: Where all of it is. folder: Of the working copy, for a command to copy."""
    for one in wrong:
        for pattern, made in _MEANINGS:
            if found := re.search(pattern, one.text, re.DOTALL):
                error = made(one, found, folder)
                error.next_step = f"{error.next_step} (all that was said: {log})"
                return error
    if not wrong:
        return OperationFailed(
            "Terraform was cut off before it came to its end", next_step=f"{AGAIN} (all that was said: {log})"
        )
    said = _short(wrong[0])
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return OperationFailed(f"Terraform has failed: {said}{more}", next_step=f"see {log}; then {AGAIN}")


def _locked(one: Diagnostic, found: re.Match[str], folder: Path) -> StateLocked:
    about = dict(re.findall(r"^\s*(ID|Who|Created|Operation):\s*(\S.*?)\s*$", one.detail, re.MULTILINE))
    since = about.get("Created", "?").partition(".")[0]
    who, what = about.get("Who", "somebody"), about.get("Operation", "").removeprefix("OperationType").lower()
    return StateLocked(
        f"the environment is being changed by {who} since {since} UTC ({what or 'terraform'})",
        next_step="wait until that has ended; if it was cut off and nothing runs any more: "
        f"terraform -chdir={folder} force-unlock {about.get('ID', 'ID')}",
    )


def _refused(message: str, step: str) -> Callable[[Diagnostic, re.Match[str], Path], OperationFailed]:
    """A sentence with the parts of the match in it, and what Terraform has said as `{said}`, the address as `{of}`."""

    def made(one: Diagnostic, found: re.Match[str], folder: Path) -> InfraRefused:
        words = {"said": _short(one), "of": one.address.removeprefix("module.") or "a resource"}
        parts = {name: text or "" for name, text in found.groupdict().items()}
        return InfraRefused(message.format(**words, **parts), next_step=step.format(**words, **parts))

    return made


_SIGN_IN = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or sign in again: aws sso login"
_MEANINGS: tuple[tuple[str, Callable[[Diagnostic, re.Match[str], Path], OperationFailed]], ...] = (
    (r"Error acquiring the state lock", _locked),
    (r"AWS account ID not allowed: (?P<account>\d+)",
     _refused("these credentials are of account {account}, and the environment is in another one",
              "set AWS_PROFILE to one of its account; nothing was made")),
    (r"ExpiredToken|RequestExpired|token .{0,40}expired",
     _refused("the AWS credentials have expired ({said})", f"sign in again, then {AGAIN}")),
    (r"No valid credential sources|failed to refresh cached credentials|InvalidClientTokenId|SSO session",
     _refused("there are no AWS credentials that work", _SIGN_IN)),
    (r'S3 bucket "(?P<bucket>[^"]+)" does not exist|NoSuchBucket',
     _refused("the bucket {bucket} of the state is not there", "make it: coattail aws bootstrap")),
    (r"Unsupported Terraform Core version",
     _refused("this Terraform is too old", "install 1.10 or newer, or name one: TERRAFORM=/path/to/terraform")),
    (r"Failed to query available provider|Failed to install provider|Inconsistent dependency lock",
     _refused("Terraform's provider for AWS cannot be had ({said})",
              "let Terraform reach registry.terraform.io, or name a folder that holds it: TF_PLUGIN_DIR=FOLDER "
              "(terraform providers mirror FOLDER fills one)")),
    (r"(?i)release ?label|emr-spark-\d",
     _refused("EMR Serverless refuses the release in this region ({said})",
              "name one that it has (coattail aws bootstrap --var release_label=emr-spark-8.0.0), or another region")),
    (r"Throttling|RequestLimitExceeded|TooManyRequests|dial tcp|i/o timeout|connection re(fused|set)|no such host",
     _refused("a service did not answer ({said})", f"check the network, wait a moment, then {AGAIN}")),
    (r"ServiceQuotaExceeded|LimitExceeded|QuotaExceeded|VcpuLimit|Limit ?Exceeded|maximum number of",
     _refused("the account's quota is too small for {of} ({said})",
              f"ask for more in Service Quotas, or remove what is not needed; then {AGAIN}")),
    (r"creating Glue Catalog Database \((?P<name>[^()]+)\).*AlreadyExists",
     _refused("Glue has a database {name} already, and an account has one environment in a region",
              "clean up the other environment, or take another region; if nothing uses it: aws glue delete-database "
              "--name {name}")),
    (r"(?P<kind>[\w ]+?) \((?P<name>[^()]+)\): .{0,80}?(BucketAlreadyExists|AlreadyExists|already exists|InUse)"
     r"|BucketAlreadyExists|AlreadyExistsException|EntityAlreadyExists",
     _refused("a name is taken, and what has it is not this environment's ({said})",
              "remove that if it is yours, or choose another prefix: coattail aws bootstrap --prefix NAME")),
    (r"UnauthorizedOperation|AccessDenied|not authorized to perform",
     _refused("these credentials may not do it ({said})",
              f"use a role that may make the services of infra/; then {AGAIN}")),
    (r"BucketNotEmpty|RecursiveDeleteOption",
     _refused("there is data in what is to be removed ({said})",
              "`coattail aws cleanup` asks for its name, and removes it with its data")),
    (r"Invalid value for (input )?variable|Invalid variable|No value for required variable|undeclared variable",
     _refused("a value for infra/ is refused: {said}", "correct environment.yaml, or run coattail aws bootstrap")),
    (r"interrupted|execution halted|context canceled|Operation was canceled",
     _refused("it was interrupted", AGAIN)),
)  # fmt: skip


def _short(one: Diagnostic) -> str:
    """The first lines of what it says, on one."""
    detail = one.detail.strip().split("\n\n")[0]
    text = " ".join(f"{one.summary.strip()}. {detail}".split()).rstrip(". ")
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
