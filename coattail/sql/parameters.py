"""`:name` in a statement, bound as literals: nothing that a value holds can become part of the statement.

PyAthena's own parameters are formatted differently; a literal is the same text for both engines.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlglot import exp

from coattail.errors import UsageError
from coattail.sql.dialect import Statement, parse, place_of

_UNNAMED = "?"


def bound(statement: Statement, values: Mapping[str, object]) -> Statement:
    """The statement with a literal in place of each `:name`.

    Raises: UsageError: If a name has no value, a value no name, or a value cannot be written.
    """
    tree = statement.tree
    named = [] if tree is None else list(tree.find_all(exp.Placeholder))
    names = {one.name for one in named} - {_UNNAMED}
    if unknown := sorted(values.keys() - names):
        known = f"it has {', '.join(f':{name}' for name in sorted(names))}" if names else "it has none"
        raise UsageError(f"there is no :{unknown[0]} in the statement", next_step=known)
    for one in named:
        if one.name == _UNNAMED:
            raise UsageError("a parameter without a name", next_step="write :name, and give name=…")
        if one.name not in values:
            near = difflib.get_close_matches(one.name, values, n=1)
            step = f"did you mean :{near[0]}?" if near else f"give {one.name}=…"
            raise UsageError(f":{one.name} has no value{place_of(one)}", next_step=step)
    if tree is None or not named:
        return statement

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.In) and any(isinstance(one, exp.Placeholder) for one in node.expressions):
            node.set("expressions", [made for one in node.expressions for made in _several(one, values)])
        elif isinstance(node, exp.Placeholder):
            return _literal(node.name, values[node.name])
        return node

    return replace(statement, tree=tree.copy().transform(put))


def names_in(text: str) -> list[str]:
    """The names of the parameters that a statement has.

    Raises: UsageError: If it cannot be read.
    """
    tree = parse(text).tree
    named = [] if tree is None else list(tree.find_all(exp.Placeholder))
    return sorted({one.name for one in named} - {_UNNAMED})


def _several(node: exp.Expr, values: Mapping[str, object]) -> list[exp.Expr]:
    if not isinstance(node, exp.Placeholder):
        return [node]
    value = values[node.name]
    if not isinstance(value, list | tuple):
        return [_literal(node.name, value)]
    if not value:
        raise UsageError(f":{node.name} is empty", next_step="IN needs one value at least")
    return [_literal(node.name, one) for one in value]


def _literal(name: str, value: object) -> exp.Expr:
    match value:
        case None | bool() | int() | str():
            return exp.convert(value)
        case float() if value == value and abs(value) != float("inf"):
            return exp.cast(exp.convert(repr(value)), exp.DType.DOUBLE)
        case Decimal() if value.is_finite():
            return exp.Literal.number(f"{value:f}")
        case datetime():
            moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return exp.cast(exp.convert(f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"), exp.DType.TIMESTAMPTZ)
        case date():
            return exp.cast(exp.convert(f"{value:%Y-%m-%d}"), exp.DType.DATE)
    raise UsageError(
        f":{name} {value!r} cannot be written in a statement",
        next_step="possible: text, numbers, truths, dates, times, None, and lists of these after IN",
    )
