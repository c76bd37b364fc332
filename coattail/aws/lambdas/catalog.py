"""Catalog statistics: rows, files, bytes and snapshots of every table, and when it was committed last.

Handler: `coattail.aws.lambdas.catalog.handler`. The answer is put into the hot store, too, as the fact `catalog`.
Environment: `COATTAIL_HOT_STORE`, dynamodb://TABLE?region=…; `COATTAIL_METRICS`, the namespace of its metrics, by
default coattail.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from coattail.aws.lambdas.invoked import HOT_STORE, Invocation, count_aloud, function, variable
from coattail.aws.lambdas.tables import outlines
from coattail.stores.opening import hot_at
from coattail.stores.outline import Outline

FACT = "catalog"


class CatalogEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is asked: all tables are."""


class TableFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How a table stands, as `coattail status` counts."""

    name: str
    rows: int
    files: int
    """Of data."""
    snapshots: int
    size_bytes: int
    """Of the files of data."""
    committed_at: datetime | None
    """None: nothing has been committed to it."""


class CatalogFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How all tables stand."""

    tables: list[TableFigures]
    """By name."""
    rows: int
    files: int
    size_bytes: int
    committed_at: datetime | None
    """The newest commit of all."""


def figures(tables: Mapping[str, Outline]) -> CatalogFigures:
    """What the tables' metadata says."""
    found = [
        TableFigures(
            name=name, rows=table.total("records"), files=table.total("data-files"), snapshots=len(table.snapshots),
            size_bytes=table.total("files-size"), committed_at=table.current.committed_at if table.current else None,
        )
        for name, table in sorted(tables.items())
    ]  # fmt: skip
    return CatalogFigures(
        tables=found, rows=sum(one.rows for one in found), files=sum(one.files for one in found),
        size_bytes=sum(one.size_bytes for one in found),
        committed_at=max((one.committed_at for one in found if one.committed_at is not None), default=None),
    )  # fmt: skip


def measure(asked: CatalogEvent, call: Invocation) -> CatalogFigures:
    """The figures of the lake of this account and region, put into the hot store and counted in CloudWatch."""
    where = variable(HOT_STORE, "name a table in it, dynamodb://TABLE?region=…")
    found, now = figures(outlines()), datetime.now(UTC)
    with closing(hot_at(where)) as hot:
        hot.put_fact(FACT, msgspec.to_builtins(found), now=now)
    for one in found.tables:
        values = {
            "TableRows": one.rows, "TableFiles": one.files, "TableBytes": one.size_bytes,
            "TableSnapshots": one.snapshots,
        }  # fmt: skip
        count_aloud(values, {"Table": one.name}, now)
    return found


handler = function("catalog", CatalogEvent, measure)
