"""Addresses of a service of AWS in settings: kinesis://NAME?region=…&endpoint=…, dynamodb://TABLE?…"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from coattail.errors import ConfigError

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


class ServiceUrl(NamedTuple):
    """What an address says."""

    name: str
    region: str | None
    """None: as the AWS configuration says."""
    endpoint: str | None
    """None: AWS' own."""


def service_url(setting: str, url: str, *, scheme: str, what: str) -> ServiceUrl:
    """The parts of the address in a setting; boto3, which it needs, is installed.

    what: What it names: a stream, a table. Raises: ConfigError: If the address makes no sense, or boto3 is missing.
    """
    form = (
        f"write {scheme}://NAME?region=eu-central-1, with &endpoint=http://127.0.0.1:4566 for another service than AWS"
    )
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise ConfigError(f"{setting} = {url!r} is not a URL ({error})", next_step=form) from error
    if parts.scheme != scheme or parts.path.strip("/") or parts.fragment:
        raise ConfigError(f"{setting} = {url!r} names no {what}", next_step=form)
    if _NAME.fullmatch(parts.netloc) is None:
        raise ConfigError(
            f"{setting} = {url!r}: {parts.netloc!r} is not a {what}'s name",
            next_step="use letters, digits, _, . and -",
        )
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
    return ServiceUrl(parts.netloc, options.get("region"), endpoint)
