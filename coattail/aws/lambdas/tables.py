"""How the tables of a lake on Glue stand: GetTable, then the metadata file that it names. boto3 alone is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from coattail.errors import StoreError
from coattail.service_client import connect, trouble
from coattail.stores.catalog import NAMESPACE
from coattail.stores.outline import Outline

_SETTING = "AWS_REGION"
"""Which the service itself sets; elsewhere whoever calls does, and AWS_ENDPOINT_URL for another service than AWS."""


def outline(table: str) -> Outline | None:
    """How one table stands; None where there is none.

    Raises: StoreError: If it is no table of Iceberg, or Glue or its metadata cannot be read.
    """
    glue = connect("glue", setting=_SETTING)
    with _errors("the Glue Data Catalog"):
        try:
            found = glue.get_table(DatabaseName=NAMESPACE, Name=table)["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None
    location = _location(found)
    if location is None:
        raise StoreError(
            f"{NAMESPACE}.{table} in Glue is no table of Iceberg: it names no metadata",
            next_step="see who made it; coattail's own is made by the first commit",
        )
    return _read(table, location)


def outlines() -> dict[str, Outline]:
    """Table -> how it stands, in alphabetical order; none where there is no database. Somebody's that is no table of
    Iceberg is left out.

    Raises: StoreError: If Glue or the metadata of a table cannot be read.
    """
    glue = connect("glue", setting=_SETTING)
    with _errors("the Glue Data Catalog"):
        try:
            pages = glue.get_paginator("get_tables").paginate(DatabaseName=NAMESPACE)
            places = {table["Name"]: _location(table) for page in pages for table in page["TableList"]}
        except glue.exceptions.EntityNotFoundException:
            return {}
    return {name: _read(name, place) for name, place in sorted(places.items()) if place is not None}


def _location(table: dict[str, Any]) -> str | None:
    found: str | None = table.get("Parameters", {}).get("metadata_location")
    return found


def _read(name: str, location: str) -> Outline:
    at, s3 = urlsplit(location), connect("s3", setting=_SETTING)
    with _errors(f"the metadata of table '{name}' ({location})"):
        content = s3.get_object(Bucket=at.netloc, Key=at.path.lstrip("/"))["Body"].read()
    try:
        return Outline.read(content)
    except ValueError as error:
        raise StoreError(
            f"the metadata of table '{name}' ({location}) cannot be read ({error})",
            next_step="point the table in Glue at its newest metadata that can be read",
        ) from error


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Turn errors of a service in the block into ours."""
    try:
        yield
    except Exception as error:
        found = trouble(error, what, setting=_SETTING)
        if found is None:
            raise
        raise StoreError(found.message, next_step=found.next_step) from error
