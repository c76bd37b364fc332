"""Catalog statistics: rows, files, bytes and snapshots of every table, and when it was committed last.

From the tables' metadata alone. The function `catalog` on Lambda and `coattail daily` ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from coattail.stores.outline import Outline

FACT = "catalog"
"""What the figures are called among the facts of the hot store."""


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
