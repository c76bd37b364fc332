"""The stream that the settings name."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from coattail.errors import ConfigError
from coattail.streams.base import PATIENCE, Stream

_FORM = "kinesis://NAME?region=eu-central-1, with &endpoint=http://127.0.0.1:4566 for another service than AWS"
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


def open_stream(url: str | None, folder: Path, *, patience: timedelta = PATIENCE) -> Stream:
    """The stream at `url` (`kinesis://NAME?region=…&endpoint=…`); None: the embedded one in `folder`. `patience`: how
    long a service that does not answer is asked again.

    Nothing is connected yet. Raises: ConfigError: If the URL makes no sense, or what it needs is not installed.
    """
    if url is None:
        from coattail.streams.local import LocalStream

        return LocalStream(folder)
    name, options = _taken_apart(url)
    if find_spec("boto3") is None:
        raise ConfigError(
            f"stream.url = {url!r} needs boto3, which is not installed",
            next_step="install the extra: pip install 'coattail[aws]'",
        )
    from coattail.streams.kinesis import KinesisStream

    return KinesisStream(name, region=options.get("region"), endpoint=options.get("endpoint"), patience=patience)


def _taken_apart(url: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise ConfigError(f"stream.url = {url!r} is not a URL ({error})", next_step=f"write {_FORM}") from error
    if parts.scheme != "kinesis" or parts.path.strip("/") or parts.fragment:
        raise ConfigError(f"stream.url = {url!r} names no stream", next_step=f"write {_FORM}")
    if _NAME.fullmatch(parts.netloc) is None:
        raise ConfigError(
            f"stream.url = {url!r}: {parts.netloc!r} is not a stream's name",
            next_step="use letters, digits, _, . and -",
        )
    unknown = options.keys() - {"region", "endpoint"}
    if unknown:
        raise ConfigError(
            f"stream.url = {url!r} has the unknown option {sorted(unknown)[0]!r}", next_step=f"write {_FORM}"
        )
    endpoint = options.get("endpoint")
    if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigError(
            f"stream.url = {url!r}: the endpoint {endpoint!r} is not an address",
            next_step="write it like http://127.0.0.1:4566",
        )
    return parts.netloc, options
