"""Stores on emulated services: a bucket and Glue for the lake, DynamoDB for the newest alerts, a folder of a bucket."""

from __future__ import annotations

import itertools
from urllib.parse import quote

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

    client = boto3.client("s3", region_name=REGION, endpoint_url=service, **signed)
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
