"""The newest rows of a module's table, as they are judged: kept in memory, each window as it was judged last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from coattail.tables import Table

_MOST_PIECES = 64
"""Frames that wait to be put together: a drain adds one with each batch, and nobody may ask for long."""


class Lately:
    """Rows of a table of the last `span` before its newest.

    columns: Of the table, all by default; its key and its time are among them.
    """

    def __init__(self, table: Table, span: timedelta, columns: Sequence[str] | None = None) -> None:
        self._key, self._time, self._span = table.latest_by, str(table.day_of), span
        self._columns = list(dict.fromkeys([*self._key, self._time, *(columns or table.schema)]))
        self._rows = table.empty().select(self._columns)
        self._added: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows; one whose key is known replaces that."""
        self._added.append(rows.select(self._columns))
        if len(self._added) >= _MOST_PIECES:
            self.rows()

    def rows(self, until: datetime | None = None) -> pl.DataFrame:
        """Those of the last `span` before `until`, or before the newest of them."""
        if self._added:
            both = pl.concat([self._rows, *self._added])
            inside = both.filter(pl.col(self._time) > pl.col(self._time).max() - self._span)
            self._rows = inside.unique(self._key, keep="last", maintain_order=True)
            self._added = []
        return self._rows if until is None else self._rows.filter(pl.col(self._time) > until - self._span)
