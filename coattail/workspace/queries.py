"""Questions in Athena's SQL, answered from the lake and the hot store; or by Athena, where the settings say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.errors import UsageError
from coattail.workspace.opening import Stores

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from coattail.sql.cost import QueryCost


@dataclass(frozen=True)
class QueryResult:
    """The rows that a query asked for."""

    table: pa.Table
    truncated: bool
    """Whether there are more than were wanted."""
    snapshots: Mapping[str, int]
    """Table (`table@id` where one was asked for) -> the snapshot it was read at."""
    cost: QueryCost | None = None
    """What Athena has read; None: it was answered here."""

    def frame(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        import polars as pl

        return pl.DataFrame(self.table)

    def tuples(self) -> list[tuple[Any, ...]]:
        """The rows as Python values."""
        columns = [column.to_pylist(maps_as_pydicts="lossy") for column in self.table.columns]
        return list(zip(*columns, strict=True))


def ask(
    stores: Stores, query: str, *, parameters: Mapping[str, object] | None = None, limit: int | None = None
) -> QueryResult:
    """What a statement that only reads asks for, answered here.

    parameters: Values of `:name` in the statement: text, a number, a truth, a date, a time, None, or a list of these
    for `IN (:name)`; None means there are none. limit: The most rows to return; None means all.
    Raises: UsageError: If the statement cannot be understood, does more than read, or a parameter fits none of its
    names. StoreError: If a table cannot be read.
    """
    from coattail.sql import Sql

    return _asked(Sql(stores.lake, stores.hot).query, query, parameters, limit)


def answer(
    stores: Stores, query: str, *, parameters: Mapping[str, object] | None = None, limit: int | None = None
) -> QueryResult:
    """What a statement asks for, answered by whom the setting `sql.url` names: Athena, or DuckDB here. The past of a
    home (`as_of`) is read here.

    Arguments and errors: as of `ask`.
    """
    url = stores.settings.sql.url
    if url is None or stores.as_of is not None:
        return ask(stores, query, parameters=parameters, limit=limit)
    from coattail.sql.athena import AthenaSql, workgroup_of

    return _asked(AthenaSql(workgroup_of(url)).query, query, parameters, limit)


def _asked(
    answering: Callable[..., pa.Table], query: str, parameters: Mapping[str, object] | None, limit: int | None
) -> QueryResult:
    from coattail.sql import SNAPSHOTS
    from coattail.sql.cost import COST, QueryCost

    if limit is not None and limit < 0:
        raise UsageError(f"limit {limit} is below zero", next_step="give 0 or more, or None for all")
    most = None if limit is None else limit + 1
    table = answering(query, parameters=parameters, limit=most)
    found = table.schema.metadata or {}
    snapshots = msgspec.json.decode(found.get(SNAPSHOTS, b"{}"), type=dict[str, int])
    cost = msgspec.json.decode(found[COST], type=QueryCost) if COST in found else None
    truncated = limit is not None and table.num_rows > limit
    return QueryResult(table.slice(0, limit) if truncated else table, truncated, snapshots, cost)


def names(stores: Stores) -> list[str]:
    """The tables and views that a statement may name."""
    from coattail.sql import Sql

    return Sql(stores.lake, stores.hot).names()
