"""Who runs jobs, by address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from coattail.errors import ConfigError
from coattail.jobs.base import Jobs

if TYPE_CHECKING:
    from coattail.jobs.emr import Counted
    from coattail.jobs.emr_request import Application

_FORM = (
    "emr-serverless://APPLICATION?region=eu-central-1&role=arn:aws:iam::ACCOUNT:role/NAME&artifacts=s3://BUCKET/PREFIX"
)


def open_jobs(
    url: str | None, folder: Path, program: Sequence[str], *, tier: str = "small", counted: Counted | None = None
) -> Jobs:
    """Who runs jobs at `url` (the address of an application of EMR Serverless); None: processes of this machine.

    folder, program: Of `LocalJobs`. tier: How large a job on a service is. counted: How far one is there.
    Nothing is connected yet. Raises: ConfigError: If the URL makes no sense, or what it needs is not installed.
    """
    if url is None:
        from coattail.jobs.local import LocalJobs

        return LocalJobs(folder, program)
    from coattail.jobs.emr import EmrJobs

    return EmrJobs(application_at(url, tier=tier), counted)


def application_at(url: str, *, tier: str = "small") -> Application:
    """The application of EMR Serverless at an address. Raises: ConfigError: As of `open_jobs`."""
    from coattail.jobs.emr_request import Application

    application, options = _taken_apart(url)
    known = {field.name for field in fields(Application)} - {"application", "tier"}
    for name in options:
        if name not in known:
            raise ConfigError(f"jobs.url = {url!r} has the unknown option {name!r}", next_step=f"write {_FORM}")
    if lacking := [name for name in ("role", "artifacts") if not options.get(name)]:
        raise ConfigError(f"jobs.url = {url!r} names no {' and no '.join(lacking)}", next_step=f"write {_FORM}")
    if find_spec("boto3") is None:
        raise ConfigError(
            f"jobs.url = {url!r} needs boto3, which is not installed",
            next_step="install the extra: pip install 'coattail[aws]'",
        )
    return Application(application=application, tier=tier, **options)


def _taken_apart(url: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise ConfigError(f"jobs.url = {url!r} is not a URL ({error})", next_step=f"write {_FORM}") from error
    if parts.scheme != "emr-serverless" or not parts.netloc or parts.path.strip("/") or parts.fragment:
        raise ConfigError(f"jobs.url = {url!r} names nobody who runs jobs", next_step=f"write {_FORM}")
    return parts.netloc, options
