"""The answer to a query."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.workspace.documents.conventions import plain

if TYPE_CHECKING:
    from coattail.workspace.queries import QueryResult


class ColumnDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A column of an answer."""

    name: str
    type: str
    """Arrow's."""


class AnswerCostDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What Athena has read for an answer."""

    query: str
    """Its id there."""
    place: str
    bytes: int
    """Scanned."""
    seconds: float
    dollars: float
    """At list prices, whether or not somebody bills it."""
    priced: str
    """By which list."""
    emulated: bool
    """Whether nobody bills it."""
    note: str
    """What the answer lacks; empty where it lacks nothing."""


class AnswerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a query asked for."""

    columns: list[ColumnDocument]
    rows: list[dict[str, Any]]
    row_count: int
    truncated: bool
    """Whether there are more."""
    snapshots: dict[str, str]
    """Table (`table@id` where one was asked for) -> the snapshot it was read at."""
    cost: AnswerCostDocument | None
    """None: it was answered here."""


def answer_document(answer: QueryResult) -> AnswerDocument:
    """The document of an answer."""
    names, cost = answer.table.column_names, answer.cost
    return AnswerDocument(
        columns=[ColumnDocument(name=field.name, type=str(field.type)) for field in answer.table.schema],
        rows=[dict(zip(names, map(json_cell, row), strict=True)) for row in answer.tuples()],
        row_count=answer.table.num_rows,
        truncated=answer.truncated,
        snapshots={table: str(snapshot) for table, snapshot in answer.snapshots.items()},
        cost=None
        if cost is None
        else AnswerCostDocument(**msgspec.structs.asdict(cost), dollars=round(cost.dollars, 9), priced=cost.priced),
    )


def json_cell(value: Any) -> Any:
    """A value of an answer in JSON: a time without a zone stays without one; what JSON has no form for is text."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat()
    written = plain(value)
    known = written is None or isinstance(written, (str, int, float, list, dict))
    return written if known else str(written)
