"""Where a home's stores are, as one choice: in the home itself, or where its `aws.yaml` or parameters of AWS say.

A place is a layer of settings: it overrides the home's `coattail.yaml`, and is overridden by `--config` and flags.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from coattail.config import AWS_FILE, KeyPath, Layer, Leaf, leaves_at, leaves_of, read_yaml
from coattail.errors import ConfigError, HomeError, UsageError
from coattail.service_client import connect, trouble

LOCAL, AWS, SSM = "local", "aws", "ssm:"
OF_OTHERS = ("api_url", "applications", "buckets")
"""Parameters that stand beside the settings for other clients, and are none."""

_FORM = "write ssm:/coattail/dev?region=eu-central-1"
_PATH = re.compile(r"(/[A-Za-z0-9_.-]+)+/?")
_SETTING = "--place"


def is_place(text: object) -> bool:
    """Whether this names a place, and not a folder."""
    return isinstance(text, str) and (text in (LOCAL, AWS) or text.startswith(SSM))


def chosen_place(given: str | None, *, home_named: bool) -> str:
    """The name of the place: what was given, else COATTAIL_PLACE, else `local`.

    home_named: Whether the home was given by its path: then COATTAIL_PLACE, like COATTAIL_HOME, is about another one.
    """
    return given or ("" if home_named else os.environ.get("COATTAIL_PLACE")) or LOCAL


def read_place(name: str, home: str | os.PathLike[str]) -> Layer | None:
    """The place of this name, for a home; None for the home itself.

    name: local; aws: the home's aws.yaml; ssm:/PATH?region=…&endpoint=…: the parameters directly below a path of
    Systems Manager, each named by a key of the settings, its value as in YAML.
    Raises: UsageError: If there is no such place. HomeError: If there is no aws.yaml. ConfigError: If it holds what is
    not understood, or nothing, or if Systems Manager refuses or does not answer.
    """
    if name == LOCAL:
        return None
    if name == AWS:
        return Layer(name, _of_file(Path(home) / AWS_FILE))
    if name.startswith(SSM):
        return Layer(name, dict(_of_parameters(name)))
    near = difflib.get_close_matches(name, (LOCAL, AWS), n=1)
    raise UsageError(
        f"there is no place {name!r}",
        next_step=(f"did you mean {near[0]}? " if near else "") + "choose local, aws or ssm:/coattail/ENV",
    )


def carried(name: str, settings: Mapping[str, object]) -> Layer:
    """Settings that an order brings along, by dotted key; `name` is where its submitter had them from."""
    source = f"the order (from {name})"
    return Layer(name, {path: leaf for key, value in settings.items() for path, leaf in leaves_at(key, value, source)})


def _of_file(file: Path) -> Mapping[KeyPath, Leaf]:
    if not file.exists():
        raise HomeError(
            f"{file} is not there: it says where the stores on AWS are",
            next_step="write it as docs/AWS.md shows; or name the place that `coattail aws start` has printed, "
            "--place ssm:…; or use the home's own stores: --place local, Workspace()",
        )
    found = leaves_of(read_yaml(file), str(file))
    if not found:
        raise ConfigError(f"{file} says nothing", next_step="write where the stores are, as docs/AWS.md shows")
    return found


def _of_parameters(name: str) -> Iterator[tuple[KeyPath, Leaf]]:
    path, options = _taken_apart(name)
    source, some = f"{SSM}{path}", False
    for parameter in _parameters(path, source, **options):
        key = parameter["Name"].removeprefix(f"{path}/")
        if key not in OF_OTHERS:
            some = True
            yield from leaves_at(key, _value(parameter, source), source)
    if not some:
        raise ConfigError(
            f"there are no settings below {path} in Systems Manager",
            next_step=f"write one: aws ssm put-parameter --type String --name {path}/hot.url --value dynamodb://TABLE"
            "; or correct the path and its region; those of an environment `coattail aws start` writes",
        )


def _taken_apart(name: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(name)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise UsageError(f"the place {name!r} is not an address ({error})", next_step=_FORM) from error
    if parts.netloc or parts.fragment or not _PATH.fullmatch(parts.path):
        raise UsageError(f"the place {name!r} names no path of parameters", next_step=_FORM)
    if unknown := sorted(options.keys() - {"region", "endpoint"}):
        raise UsageError(f"the place {name!r} has the unknown option {unknown[0]!r}", next_step=_FORM)
    if (endpoint := options.get("endpoint")) is not None and urlsplit(endpoint).scheme not in ("http", "https"):
        raise UsageError(
            f"the place {name!r}: the endpoint {endpoint!r} is not an address",
            next_step="write it like http://127.0.0.1:4566",
        )
    if find_spec("boto3") is None:
        raise ConfigError(
            f"the place {name!r} needs boto3, which is not installed",
            next_step="install the extra: pip install 'coattail[aws]'",
        )
    return parts.path.rstrip("/"), options


def _parameters(
    path: str, source: str, *, region: str | None = None, endpoint: str | None = None
) -> Iterable[dict[str, Any]]:
    """What stands directly below the path, decrypted; what lies deeper belongs to others."""
    import botocore.exceptions as botocore

    client = connect("ssm", setting=_SETTING, region=region, endpoint=endpoint, attempts=3)
    try:
        for page in client.get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=True):
            yield from page["Parameters"]
    except (botocore.ClientError, botocore.BotoCoreError) as error:
        found = trouble(error, source, setting=_SETTING)
        assert found is not None
        raise ConfigError(found.message, next_step=found.next_step) from error
    finally:
        client.close()


def _value(parameter: Mapping[str, Any], source: str) -> object:
    text = parameter["Value"]
    if parameter["Type"] == "StringList":
        return text.split(",")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ConfigError(
            f"the value of {parameter['Name']} in {source} cannot be read ({problem})", next_step="quote it as in YAML"
        ) from error
