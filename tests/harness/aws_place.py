"""Stores on emulated services: Kinesis, Glue and a bucket for the lake, DynamoDB, a bucket for dead letters."""

from __future__ import annotations

import itertools
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from coattail.stores import dynamo

REGION = "eu-central-1"
_ACCOUNTS = itertools.count(1)


def roles_lake(bucket: str, service: str) -> dict[str, str]:
    """The setting `lake` for a new bucket of the service, which names no key: whoever uses it has a role."""
    make_bucket(bucket, service)
    reached = {f"{name}.{what}": value for name in ("glue", "s3") for what, value in _reached(service, "")[:2]}
    return {"type": "glue", "warehouse": f"s3://{bucket}/warehouse", **reached}


def lake_there(bucket: str, service: str, *, at: str | None = None, account: int | None = None) -> dict[str, str]:
    """The setting `lake` for a new bucket of the service, in an account of its own: the emulator takes twelve digits of
    a key for one.

    at: Where the service is asked, if not there itself.
    """
    at = at or service
    key = f"{next(_ACCOUNTS) if account is None else account:012}"
    make_bucket(bucket, service, aws_access_key_id=key, aws_secret_access_key="testing")
    reached = {f"{name}.{what}": value for name in ("glue", "s3") for what, value in _reached(at, key)}
    return {"type": "glue", "warehouse": f"s3://{bucket}/warehouse", **reached}


def make_bucket(bucket: str, service: str, **signed: str) -> None:
    """Create a bucket in the service; `signed`: as whom, by boto3's names, if not as the environment says."""
    import boto3

    client = boto3.session.Session().client("s3", region_name=REGION, endpoint_url=service, **signed)
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.close()


def folder_there(bucket: str, service: str, *, at: str | None = None, folder: str = "dlq") -> str:
    """The address of a folder in a new bucket of the service, for settings like `dlq.url`."""
    make_bucket(bucket, service)
    return f"s3://{bucket}/{folder}?region={REGION}&endpoint={quote(at or service, safe='')}"


def hot_there(table: str, service: str, *, at: str | None = None) -> str:
    """The setting `hot.url` for a new table of the service."""
    dynamo.create(table, region=REGION, endpoint=service)
    return f"dynamodb://{table}?region={REGION}&endpoint={quote(at or service, safe='')}"


def _reached(endpoint: str, key: str) -> tuple[tuple[str, str], ...]:
    return ("region", REGION), ("endpoint", endpoint), ("access-key-id", key), ("secret-access-key", "testing")


def stream_there(name: str, service: str, *, at: str | None = None, shards: int = 2) -> str:
    """The setting `stream.url` for a new stream of the service."""
    import boto3

    with closing(boto3.session.Session().client("kinesis", region_name=REGION, endpoint_url=service)) as client:
        client.create_stream(StreamName=name, ShardCount=shards)
        client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return f"kinesis://{name}?region={REGION}&endpoint={quote(at or service, safe='')}"


def place_there(name: str, service: str, *, at: str | None = None) -> dict[str, object]:
    """Settings of a whole place in a new corner of the service: stream, lake, hot store with lease, dead letters.

    at: Where the stores are asked, if not there itself; the stream is asked there.
    """
    return {
        "stream.url": stream_there(name, service),
        "lake": lake_there(name, service, at=at),
        "hot.url": hot_there(name, service, at=at),
        "dlq.url": folder_there(f"{name}-dlq", service, at=at),
    }


def alerts_there(url: str) -> list[dict[str, Any]]:
    """The alerts in the table of `hot.url`, by boto3 alone; times as µs."""
    import boto3
    from boto3.dynamodb.types import TypeDeserializer

    plain = TypeDeserializer().deserialize
    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    with closing(
        boto3.session.Session().client("dynamodb", region_name=asked["region"], endpoint_url=asked["endpoint"])
    ) as client:
        pages = client.get_paginator("scan").paginate(TableName=parts.netloc, ConsistentRead=True)
        items = [{k: plain(v) for k, v in item.items()} for page in pages for item in page["Items"]]
    return [
        {**dict.fromkeys(("exchange",)), **item, "detected_at": _micros(item["detected_at"])}
        for item in items
        if "details" in item
    ]


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(microseconds=1)
