"""What a place of coattail needs, made in the emulation: services, the parameters that name them, and `aws.yaml`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import yaml

from coattail.aws.emulate import KEY, REGION
from coattail.config import AWS_FILE
from coattail.errors import ConfigError
from coattail.home import Home
from coattail.jobs.emr_model import jobs_url
from coattail.service_client import SIGNED, connect
from coattail.stores import dynamo
from coattail.stores.catalog import NAMESPACE
from coattail.workspace.text import quoted

BUCKET, STREAM, TABLE, WORKGROUP = "coattail-emulated", "coattail-trades", "coattail-alerts", "coattail"
PARAMETERS = "/coattail/emulated"
_SHARDS = 2
_MARK = "# Written by coattail aws emulate, which replaces it at its next start: a local emulation.\n"


def settings_of(endpoint: str) -> dict[str, Any]:
    """The settings of the place, nested."""
    at = f"region={REGION}&endpoint={quote(endpoint, safe='')}"
    reached = {f"{name}.{what}": value for name in ("glue", "s3") for what, value in (
        ("region", REGION), ("endpoint", endpoint))}  # fmt: skip
    output = quote(f"s3://{BUCKET}/athena", safe="")
    return {
        "stream": {"url": f"kinesis://{STREAM}?{at}"},
        "lake": {"type": "glue", "warehouse": f"s3://{BUCKET}/warehouse", **reached},
        "hot": {"url": f"dynamodb://{TABLE}?{at}"},
        "dlq": {"url": f"s3://{BUCKET}/dlq?{at}"},
        "jobs": {"url": jobs_url(endpoint, REGION, f"s3://{BUCKET}/artifacts")},
        "sql": {"url": f"athena://{WORKGROUP}?{at}&output={output}"},
    }


def create(endpoint: str) -> None:
    """Make the services of the place; those that are there stay."""
    made = {name: _client(name, endpoint) for name in ("s3", "kinesis", "glue", "athena", "ssm")}
    _unless_there(made["s3"], "create_bucket", "BucketAlreadyOwnedByYou", Bucket=BUCKET)
    _unless_there(made["kinesis"], "create_stream", "ResourceInUseException", StreamName=STREAM, ShardCount=_SHARDS)
    _unless_there(made["glue"], "create_database", "AlreadyExistsException", DatabaseInput={"Name": NAMESPACE})
    output = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/athena/"}}
    _unless_there(made["athena"], "create_work_group", "InvalidRequestException", Name=WORKGROUP, Configuration=output)
    for key, value in _parameters(settings_of(endpoint)).items():
        made["ssm"].put_parameter(Name=f"{PARAMETERS}/{key}", Value=value, Type="String", Overwrite=True)
    for client in made.values():
        client.close()
    dynamo.create(TABLE, region=REGION, endpoint=endpoint)


def _parameters(settings: dict[str, Any]) -> dict[str, str]:
    """Dotted key -> value, as parameters of SSM say settings; `lake` is one, as YAML."""
    return {
        **{f"{section}.url": values["url"] for section, values in settings.items() if section != "lake"},
        "lake": yaml.safe_dump(settings["lake"], sort_keys=False),
    }


def _client(service: str, endpoint: str) -> Any:
    keys = dict(zip(SIGNED, (KEY, KEY, None), strict=True))
    return connect(service, setting="the emulation", region=REGION, endpoint=endpoint, keys=keys)


def _unless_there(client: Any, operation: str, there: str, **arguments: object) -> None:
    try:
        getattr(client, operation)(**arguments)
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != there:
            raise


def write_settings(home: Home, endpoint: str) -> None:
    """Write the home's `aws.yaml`, unless somebody else has.

    Raises: ConfigError: If it is another place's.
    """
    file = home.path / AWS_FILE
    if file.exists() and not file.read_text(encoding="utf-8").startswith(_MARK):
        raise ConfigError(
            f"{file} names another place, and stays as it is",
            next_step="give another home: coattail --home FOLDER aws emulate",
        )
    written = _MARK + yaml.safe_dump(settings_of(endpoint), sort_keys=False, width=1000)
    beside = file.with_suffix(".new")
    beside.write_text(written, encoding="utf-8")
    beside.replace(file)


def lines(home: Home, endpoint: str) -> list[str]:
    """What a shell needs to use it, and what to try."""
    given = {
        "COATTAIL_HOME": str(home.path.absolute()), "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY,
    }  # fmt: skip
    return [f"export {name}={quoted(value)}" for name, value in given.items()]
