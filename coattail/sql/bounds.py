"""Between which times a query looks at a table: so that only the days that matter are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from sqlglot import exp

from coattail.errors import UsageError

Bounds = tuple[datetime | None, datetime | None]
"""From a time on, and before a time; None where there is no bound."""

ANY: Bounds = (None, None)
_TICK = timedelta(microseconds=1)
_FLIPPED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.EQ: exp.EQ}


def bounds_of(table: exp.Table, column: str, time_of: Callable[[exp.Expr], datetime]) -> Bounds:
    """The bounds that the WHERE around a table sets for its time column, by comparisons joined with AND.

    `time_of` gives the time of a constant expression, and raises UsageError for one that is not a time. Whatever is not
    understood sets no bound, so rows outside the bounds never matter to the query.
    """
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select is not None else None
    if select is None or where is None:
        return ANY
    alone = len([*select.find_all(exp.Table)]) == 1
    since: datetime | None = None
    until: datetime | None = None
    for found, comparison, constant in _compared(where.this):
        qualified = found.table.lower() == table.alias_or_name.lower()
        if found.name.lower() != column or not (qualified or (alone and not found.table)):
            continue
        try:
            moment = time_of(constant)
        except UsageError:
            continue
        if comparison in (exp.GT, exp.GTE, exp.EQ):
            since = moment if since is None else max(since, moment)
        if comparison in (exp.LT, exp.LTE, exp.EQ):
            end = moment if comparison is exp.LT else moment + _TICK
            until = end if until is None else min(until, end)
    return since, until


def _compared(condition: exp.Expr) -> Iterator[tuple[exp.Column, type[exp.Expr], exp.Expr]]:
    """Every comparison of a column with something else that the condition demands: column, comparison, the other."""
    match condition:
        case exp.Paren():
            yield from _compared(condition.this)
        case exp.And():
            yield from _compared(condition.left)
            yield from _compared(condition.right)
        case exp.Between(this=exp.Column() as column):
            yield column, exp.GTE, condition.args["low"]
            yield column, exp.LTE, condition.args["high"]
        case exp.GT() | exp.GTE() | exp.LT() | exp.LTE() | exp.EQ():
            if isinstance(condition.left, exp.Column):
                yield condition.left, type(condition), condition.right
            elif isinstance(condition.right, exp.Column):
                yield condition.right, _FLIPPED[type(condition)], condition.left
