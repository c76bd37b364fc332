"""The statement that Athena gets: what the person wrote, with our views before it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlglot import exp, parse_one
from sqlglot.dialects.trino import Trino

from coattail.errors import UsageError
from coattail.sql.dialect import Statement, tables_of
from coattail.sql.sources import empty_like
from coattail.sql.views import VIEWS


@dataclass
class Pinned:
    """Which snapshots were asked for by name.

    named: Gives name -> snapshot of a table's tags and branches.
    """

    named: Callable[[str], dict[str, int]]
    snapshots: dict[str, int] = field(default_factory=dict)
    """`table@id` -> id."""

    def snapshot(self, table: str, version: str) -> int:
        """The id of what `FOR VERSION AS OF version` says.

        Raises: UsageError: If the table has no such tag or branch.
        """
        if not version.isdecimal():
            known = self.named(table)
            if version not in known:
                step = f"names: {', '.join(sorted(known))}" if known else "it has no tags"
                raise UsageError(f"{table} has no snapshot {version}, or it has expired", next_step=step)
            version = str(known[version])
        self.snapshots[f"{table}@{version}"] = int(version)
        return int(version)


def written(statement: Statement, *, limit: int | None, pinned: Pinned, absent: Collection[str] = ()) -> str:
    """The text for Athena.

    limit: Of rows, where the statement itself sets none. absent: Tables of ours that the catalog does not have yet:
    empty ones stand for them.
    """
    assert statement.tree is not None
    tree = statement.tree.copy()
    known = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    before: dict[str, exp.Expr] = {}
    for table in tables_of(tree):
        name = table.name.lower()
        if (version := table.args.get("version")) is not None and version.name.upper() != "TIMESTAMP":
            snapshot = pinned.snapshot(name, version.expression.name)
            version.set("expression", exp.Literal.number(snapshot))
        if name in VIEWS and version is not None:
            raise UsageError(
                f"{name} is a view, and only tables keep their past", next_step=f"use {VIEWS[name].of.name}"
            )
        if name in VIEWS or name in absent:
            called = f"{name}_view" if name in known else name
            _define(name, called, before, absent)
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(called))
            table.set("version", None)
        if name in VIEWS or name in absent or table.db:
            table.set("db", None)
            table.set("catalog", None)
    for column in tree.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    if limit is not None and isinstance(tree, exp.Query) and not (tree.args.get("limit") or tree.args.get("fetch")):
        tree = tree.limit(limit, copy=False)
    if before:
        own = tree.args.get("with_")
        ctes = [exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name))) for name, body in before.items()]
        recursive = own is not None and own.args.get("recursive")
        tree.set("with_", exp.With(expressions=[*ctes, *(own.expressions if own else ())], recursive=recursive))
    sent = tree.sql(dialect=Trino)
    return f"EXPLAIN {sent}" if statement.kind == "explain" else sent


def _define(name: str, called: str, before: dict[str, exp.Expr], absent: Collection[str]) -> None:
    """Put a view, and what of ours it needs, before the statement."""
    if called in before:
        return
    if name in VIEWS:
        of = VIEWS[name].of.name
        if of in absent:
            _define(of, of, before, absent)
        before[called] = parse_one(VIEWS[name].sql, read=Trino)
    else:
        before[called] = parse_one(empty_like(name), read=Trino)
