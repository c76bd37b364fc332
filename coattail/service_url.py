"""Addresses of AWS in settings: kinesis://NAME?region=…&endpoint=…, dynamodb://TABLE?…, s3://BUCKET/FOLDER?…"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

from coattail.errors import ConfigError
from coattail.service_client import is_bucket

_ELSEWHERE = ", with &endpoint=http://127.0.0.1:4566 for another service than AWS"
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


class ServiceUrl(NamedTuple):
    """What an address says."""

    name: str
    region: str | None
    """None: as the AWS configuration says."""
    endpoint: str | None
    """None: AWS' own."""


class BucketUrl(NamedTuple):
    """What the address of a folder in a bucket says."""

    bucket: str
    folder: str
    """Without slashes at its ends; empty: the bucket itself."""
    region: str | None
    """None: as the AWS configuration says."""
    endpoint: str | None
    """None: AWS' own."""


def service_url(setting: str, url: str, *, scheme: str, what: str) -> ServiceUrl:
    """The parts of the address in a setting; boto3, which it needs, is installed.

    what: What it names: a stream, a table. Raises: ConfigError: If the address makes no sense, or boto3 is missing.
    """
    form = f"write {scheme}://NAME?region=eu-central-1{_ELSEWHERE}"
    parts, options = _parts(setting, url, form)
    if parts.scheme != scheme or parts.path.strip("/") or parts.fragment:
        raise ConfigError(f"{setting} = {url!r} names no {what}", next_step=form)
    if _NAME.fullmatch(parts.netloc) is None:
        raise ConfigError(
            f"{setting} = {url!r}: {parts.netloc!r} is not a {what}'s name",
            next_step="use letters, digits, _, . and -",
        )
    return ServiceUrl(parts.netloc, *_asked(setting, url, options, form))


def bucket_url(setting: str, url: str) -> BucketUrl:
    """The parts of s3://BUCKET/FOLDER?region=…&endpoint=… in a setting; boto3, which it needs, is installed.

    Raises: ConfigError: If the address makes no sense, or boto3 is missing.
    """
    form = f"write s3://BUCKET/FOLDER?region=eu-central-1{_ELSEWHERE}"
    parts, options = _parts(setting, url, form)
    if parts.scheme != "s3" or parts.fragment or not is_bucket(parts.netloc):
        raise ConfigError(f"{setting} = {url!r} names no folder of a bucket", next_step=form)
    return BucketUrl(parts.netloc, parts.path.strip("/"), *_asked(setting, url, options, form))


def _parts(setting: str, url: str, form: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(url)
        return parts, dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise ConfigError(f"{setting} = {url!r} is not a URL ({error})", next_step=form) from error


def _asked(setting: str, url: str, options: Mapping[str, str], form: str) -> tuple[str | None, str | None]:
    """Region and endpoint."""
    unknown = options.keys() - {"region", "endpoint"}
    if unknown:
        raise ConfigError(f"{setting} = {url!r} has the unknown option {sorted(unknown)[0]!r}", next_step=form)
    endpoint = options.get("endpoint")
    if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigError(
            f"{setting} = {url!r}: the endpoint {endpoint!r} is not an address",
            next_step="write it like http://127.0.0.1:4566",
        )
    if find_spec("boto3") is None:
        raise ConfigError(
            f"{setting} = {url!r} needs boto3, which is not installed",
            next_step="install the extra: pip install 'coattail[aws]'",
        )
    return options.get("region"), endpoint


def is_loopback(endpoint: str | None) -> bool:
    """Whether an endpoint is on this machine: a local emulation, and no account of AWS."""
    host = urlsplit(endpoint or "").hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.") or host.endswith(".localhost")
