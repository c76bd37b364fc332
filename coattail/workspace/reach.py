"""Whether the services of a place can be reached: each is asked something harmless. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

from coattail.config import Settings
from coattail.errors import CoattailError
from coattail.home import Home
from coattail.service_client import KEY_PROPERTIES, connect, trouble
from coattail.service_url import is_loopback
from coattail.workspace.documents.health import Finding

_PATIENCE = timedelta(seconds=5)
"""How long a stream may take to answer."""
_ATTEMPTS, _SECONDS = 2, 5.0


def services(home: Home, settings: Settings) -> Iterator[Finding]:
    """The services that the settings name besides catalog, hot store, stream and dead letters."""
    warehouse = urlsplit(settings.lake.get("warehouse", ""))
    if warehouse.scheme == "s3":
        yield _bucket(warehouse.netloc, settings.lake)
    if settings.jobs.url is not None:
        yield _jobs(home, settings, settings.jobs.url)
    if settings.sql.url is not None:
        yield _athena(settings.sql.url)
    if settings.metrics.url is not None:
        yield Finding("metrics", "note", f"{at(settings.metrics.url)}: not tried, only sending some would show")


def at(url: str) -> str:
    """A service's name, region and endpoint, by its address: `trades in eu-central-1`."""
    parts, asked = urlsplit(url), parse_qs(urlsplit(url).query)
    return f"{parts.netloc}{parts.path} {where(asked.get('region', [None])[0], asked.get('endpoint', [None])[0])}"


def where(region: str | None, endpoint: str | None) -> str:
    """Region and endpoint, in words; None means those of AWS' own configuration."""
    if region is None and find_spec("boto3") is not None:
        import boto3

        region = boto3.session.Session().region_name
    there = f"in {region}" if region else "in no region"
    if endpoint is None:
        return there
    return f"{there} at {endpoint}{' (local emulation)' if is_loopback(endpoint) else ''}"


def hot_store(home: Home, settings: Settings, url: str) -> Finding:
    """The table of the newest alerts."""
    from coattail.stores.opening import open_hot

    def ask() -> str:
        with closing(open_hot(home, settings)) as hot:
            hot.complete(now=datetime.now(UTC))
        return f"the table {at(url)} answers"

    return _found("hot store", ask)


def stream(home: Home, url: str) -> Finding:
    """The stream, and whether it keeps the packs of an instrument together."""
    from coattail.streams.kinesis import KinesisStream
    from coattail.streams.opening import open_stream

    try:
        there = open_stream(url, home.stream, patience=_PATIENCE)
        said = f"the stream {at(url)}: {there.stream_id}"
        keeps = not isinstance(there, KinesisStream) or there.keeps_lanes
    except CoattailError as error:
        return Finding("stream", "broken", error.message, error.next_step)
    if keeps:
        return Finding("stream", "ok", said)
    arn = there.stream_id.partition("@")[0]
    return Finding(
        "stream",
        "broken",
        f"{said} distributes records as it likes (RecordDistributionStrategy AUTO): lanes do not stay in order",
        f"aws kinesis update-stream-record-distribution-strategy --stream-arn {arn} "
        "--record-distribution-strategy USER_PARTITION_KEY",
    )


def _bucket(bucket: str, lake: Mapping[str, str]) -> Finding:
    what, region = f"the bucket {bucket} of the lake", lake.get("s3.region")
    keys = {name: lake.get(f"s3.{key}") for name, key in KEY_PROPERTIES.items()}

    def ask() -> str:
        there_is = {"Bucket": bucket, "MaxKeys": 1}  # an answer to HeadBucket would not say why it is refused
        answer = _asked("s3", "list_objects_v2", what, "lake", region, lake.get("s3.endpoint"), keys, **there_is)
        there = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        if region is not None and there is not None and there != region:
            raise CoattailError(f"{what} is in {there}", next_step=f"write lake: {{s3.region: {there}}}")
        return f"the bucket {bucket} {where(region, lake.get('s3.endpoint'))} answers"

    return _found("lake", ask)


def _jobs(home: Home, settings: Settings, url: str) -> Finding:
    from coattail.workspace.submitting import jobs_of

    return _found("jobs", lambda: f"{jobs_of(home, settings, url).reached()}, {where(*_asked_of(url))}")


def _athena(url: str) -> Finding:
    def ask() -> str:
        name = urlsplit(url).netloc
        what = f"the workgroup {name} of Athena"
        group = _asked("athena", "get_work_group", what, "sql.url", *_asked_of(url), WorkGroup=name)["WorkGroup"]
        rules = group.get("Configuration", {})
        output = parse_qs(urlsplit(url).query).get("output") or rules.get("ResultConfiguration", {}).get(
            "OutputLocation"
        )
        if not output and not rules.get("ManagedQueryResultsConfiguration", {}).get("Enabled"):
            raise CoattailError(
                f"neither sql.url nor {what} says where answers go", next_step="write &output=s3://BUCKET/FOLDER there"
            )
        most = rules.get("BytesScannedCutoffPerQuery")
        limit = "as much as it likes" if most is None else f"{most / 1e6:,.0f} MB"
        return f"the workgroup {at(url)} is {group.get('State', 'there').lower()}; a query may read {limit}"

    return _found("sql", ask)


def _asked_of(url: str) -> tuple[str | None, str | None]:
    asked = parse_qs(urlsplit(url).query)
    return asked.get("region", [None])[0], asked.get("endpoint", [None])[0]


def _asked(
    service: str, operation: str, what: str, setting: str, region: str | None, endpoint: str | None,
    keys: Mapping[str, str | None] | None = None, **arguments: object,
) -> dict[str, Any]:  # fmt: skip
    """The answer to one call. Raises: CoattailError: If there is none, or it is a refusal."""
    import botocore.exceptions as botocore

    client = connect(
        service, setting=setting, region=region, endpoint=endpoint, attempts=_ATTEMPTS, read_seconds=_SECONDS, keys=keys
    )
    try:
        answer: dict[str, Any] = getattr(client, operation)(**arguments)
        return answer
    except (botocore.ClientError, botocore.BotoCoreError) as error:
        found = trouble(error, what, setting=setting)
        assert found is not None
        raise CoattailError(found.message, next_step=found.next_step) from error
    finally:
        client.close()


def _found(name: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", ask())
    except CoattailError as error:
        return Finding(name, "broken", error.message, error.next_step)
