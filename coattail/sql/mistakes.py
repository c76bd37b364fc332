"""DuckDB's errors as one sentence about the query that the person wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb
from sqlglot import exp

from coattail.errors import CoattailError, StoreError, UsageError
from coattail.sql.dialect import place_of

_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')
_TABLE = re.compile(r'Referenced table "([^"]+)" not found')
_FUNCTION = re.compile(r"Function with name (\S+) does not exist!(?:\s*Did you mean \"([^\"]+)\")?")
_CARET = re.compile(r"^LINE \d+: (.*)\n( *)\^", re.MULTILINE)


def explained(
    error: duckdb.Error, tree: exp.Expr | None, text: str, columns: Mapping[str, Sequence[str]]
) -> CoattailError:
    """What went wrong with the query `text` (`tree` is what was read from it).

    `columns`: the columns of each table that the query names.
    """
    message = str(error)
    tree = tree or exp.Select()
    if isinstance(error, (duckdb.IOException, duckdb.HTTPException)):
        return StoreError(f"a file of the tables cannot be read ({_first(message)})", next_step="run `coattail doctor`")
    if isinstance(error, duckdb.OutOfMemoryException):
        return CoattailError("the query needs more memory than there is", next_step="ask for fewer rows or columns")
    if found := _COLUMN.search(message):
        name = found[1] or found[2]
        if any(i.quoted and i.name == name for i in tree.find_all(exp.Identifier)):
            step = f"a text is written in single quotes: '{name}'"
            return UsageError(f"there is no column '{name}'{_named(tree, name)}", next_step=step)
        here = "; ".join(f"{table} has {', '.join(names)}" for table, names in columns.items())
        return UsageError(f"there is no column '{name}'{_named(tree, name)}", next_step=here or "name a table in FROM")
    if found := _TABLE.search(message):
        known = ", ".join(sorted({t.alias_or_name for t in tree.find_all(exp.Table)})) or "none"
        return UsageError(
            f"there is no table '{found[1]}' in this query{_named(tree, found[1])}", next_step=f"named in FROM: {known}"
        )
    if found := _FUNCTION.search(message):
        near = f"did you mean {found[2]}?" if found[2] else "docs/SQL.md says which are known"
        return UsageError(f"there is no function {found[1].lower()}{_word(text, found[1])}", next_step=near)
    return UsageError(f"the query fails: {_first(message)}{_word(text, _blamed(message))}")


def _blamed(message: str) -> str:
    """The word under DuckDB's caret, or the first one it quotes."""
    if caret := _CARET.search(message):
        word = re.match(r"\W?(\w+)", caret[1][len(caret[2]) - len("LINE 1: ") :])
    else:
        word = re.search(r"[\"'](\w+)", message.splitlines()[0])
    return word[1] if word else ""


def _first(message: str) -> str:
    if "Division by zero" in message:
        return "division by zero; TRY(a / b) gives null instead"
    first = message.splitlines()[0].rstrip(".")
    return re.sub(r"^\w[\w ]* Error: ", "", first)


def _named(tree: exp.Expr, name: str) -> str:
    for identifier in tree.find_all(exp.Identifier):
        if identifier.name.lower() == name.lower():
            return place_of(identifier)
    return ""


def _word(text: str, word: str) -> str:
    """Where a word first stands in the query."""
    found = re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) if word else None
    if found is None:
        return ""
    line_start = text.rfind("\n", 0, found.start()) + 1
    return f" (line {text.count(chr(10), 0, found.start()) + 1}, column {found.start() - line_start + 1})"
