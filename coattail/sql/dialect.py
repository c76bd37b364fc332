"""From a text in Athena's dialect to a statement that DuckDB runs, with nothing in it but reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp, parse_one
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ErrorLevel, ParseError, TokenError, UnsupportedError
from sqlglot.tokenizer_core import Token, TokenType

from coattail.errors import UsageError
from coattail.stores.catalog import NAMESPACE

READING = "SELECT, WITH, VALUES, SHOW TABLES, SHOW COLUMNS, DESCRIBE and EXPLAIN"
MAIN = "main"
"""DuckDB's schema that what a query names is defined in."""

_SETTINGS = {"current_setting", "getenv", "getvariable"}
_WRITING = (exp.DDL, exp.DML, exp.Command, exp.Into)

StatementKind = Literal["query", "explain", "tables", "columns", "describe", "databases"]


@dataclass(frozen=True)
class Statement:
    """What was asked. `tree` of a query or of what is to be explained; `name` of a table, or a pattern of names."""

    kind: StatementKind
    tree: exp.Expr | None = None
    name: str | None = None


def parse(text: str) -> Statement:
    """The statement that `text` writes.

    Raises: UsageError: If it cannot be read, is more than one statement, or does something else than reading.
    """
    tokens = _tokens(text)
    if not tokens:
        raise UsageError("the query is empty", next_step="try: SHOW TABLES")
    first, after = tokens[0].text.upper(), tokens[0].end + 1
    if first == "EXPLAIN":
        return Statement("explain", _query(_blank(text, after)))
    if first == "SHOW":
        return _show(_tokens(text[after:]))
    if first in ("DESCRIBE", "DESC") and len(tokens) > 1:
        return Statement("describe", name=tokens[-1].text)
    return Statement("query", _query(text))


def _tokens(text: str) -> list[Token]:
    """The tokens of one statement, without the semicolon at its end."""
    try:
        tokens = Trino().tokenize(text)
    except TokenError as error:
        raise UsageError(
            "the query cannot be read: a quote or a comment is not closed", next_step="close it"
        ) from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise UsageError("more than one statement", next_step="send one at a time")
    return tokens


def _blank(text: str, end: int) -> str:
    """The text with spaces up to `end`, so that places in the rest stay what they are."""
    return "".join("\n" if c == "\n" else " " for c in text[:end]) + text[end:]


def _show(tokens: list[Token]) -> Statement:
    match [token.text.upper() for token in tokens]:
        case ["TABLES"]:
            return Statement("tables")
        case ["TABLES", "IN" | "FROM", _]:
            return Statement("tables")
        case ["TABLES", _] | ["TABLES", "LIKE", _] | ["TABLES", "IN" | "FROM", _, _]:
            return Statement("tables", name=tokens[-1].text)
        case ["COLUMNS", "IN" | "FROM", *_] if len(tokens) > 2:
            return Statement("columns", name=tokens[-1].text)
        case ["DATABASES"] | ["SCHEMAS"]:
            return Statement("databases")
    raise UsageError(
        f"SHOW {' '.join(t.text for t in tokens)} is not known here",
        next_step="known: SHOW TABLES, SHOW COLUMNS IN <table>, SHOW DATABASES, DESCRIBE <table>",
    )


def _query(text: str) -> exp.Expr:
    try:
        tree = parse_one(text, read=Trino)
    except ParseError as error:
        raise UsageError(
            f"the query cannot be read: {_reason(error)}", next_step="Athena's SQL is spoken here"
        ) from error
    if not isinstance(tree, (exp.Query, exp.Values)) or tree.find(*_WRITING) is not None:
        raise UsageError("this statement does not only read", next_step=f"possible here: {READING}")
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() in _SETTINGS:
            raise UsageError(f"{call.name}{place_of(call)} reads settings", next_step="leave it out")
    return tree


def _reason(error: ParseError) -> str:
    first = error.errors[0]
    near = first["highlight"] or ""
    what = str(first["description"]).partition(" but got <")[0]
    if "missing for <class" in what:
        what = f"something is missing near '{near}'"
    else:
        what = f"unexpected '{near}'" if "Unexpected token" in what else f"{what[:1].lower()}{what[1:]} near '{near}'"
    return f"{what} (line {first['line']}, column {first['col'] - max(len(near), 1) + 1})"


def place_of(node: exp.Expr) -> str:
    """` (line 1, column 8)` of the first name in a node, or nothing where it is not known."""
    for named in (node, *node.find_all(exp.Identifier)):
        if "line" in named.meta:
            return (
                f" (line {named.meta['line']}, column {named.meta['col'] - (named.meta['end'] - named.meta['start'])})"
            )
    return ""


def duckdb_text(tree: exp.Expr) -> str:
    """The query in DuckDB's dialect, with Athena's meaning and Athena's names for columns without one."""
    tree = tree.transform(_as_athena_means)
    select = tree.find(exp.Select) if isinstance(tree, exp.Query) else None
    if select is not None:
        select.set("expressions", [_named(e, place) for place, e in enumerate(select.expressions)])
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise UsageError(
            f"not available here: {str(error).splitlines()[0]}", next_step="write it another way"
        ) from error


def view_text(text: str) -> str:
    """What a view of ours, which is written in Athena's dialect, says in DuckDB's."""
    return duckdb_text(_query(text))


def _as_athena_means(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.DateDiff):  # Athena counts whole units, DuckDB's date_diff the boundaries crossed
        unit = exp.Literal.string(node.text("unit").lower() or "day")
        return exp.Anonymous(this="DATE_SUB", expressions=[unit, node.expression, node.this])
    if isinstance(node, exp.Anonymous) and node.name.lower() == "zip":
        node.set("this", "list_zip")
    if isinstance(node, exp.Reduce) and _gives_back(node.args.get("finish")):
        node.set("finish", None)
    if isinstance(node, exp.Column) and node.args.get("db") is not None:
        node.set("db", None)
        node.set("catalog", None)
    return node


def _gives_back(function: exp.Expr | None) -> bool:
    """Whether this is `x -> x`."""
    if not isinstance(function, exp.Lambda) or not isinstance(function.this, exp.Identifier):
        return False
    return [function.this.name] == [each.name for each in function.expressions]


def _named(expression: exp.Expr, place: int) -> exp.Expr:
    if isinstance(expression, (exp.Alias, exp.Column)) or expression.is_star:
        return expression
    return exp.alias_(expression, f"_col{place}", quoted=True)


def tables_of(tree: exp.Expr) -> list[exp.Table]:
    """The tables that a query names, without those that it defines itself.

    Raises: UsageError: If something else than a table is read from, or another database.
    """
    defined = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    found = []
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise UsageError(
                f"{table.this.sql(dialect='trino')}{place_of(table)} is not a table",
                next_step="`SHOW TABLES` lists them",
            )
        if table.db and table.db.lower() not in (NAMESPACE, MAIN):
            raise UsageError(f"there is no database '{table.db}'{place_of(table)}", next_step=f"known: {NAMESPACE}")
        if table.db or table.name.lower() not in defined or _inside_its_namesake(table):
            found.append(table)
    return found


def _inside_its_namesake(table: exp.Table) -> bool:
    """Whether this is the table in `WITH bars AS (SELECT * FROM bars ...)`, which is the real one."""
    around = table.find_ancestor(exp.CTE)
    recursive = around is not None and around.parent is not None and around.parent.args.get("recursive")
    return around is not None and not recursive and around.alias.lower() == table.name.lower()
