"""Tables that tools write into a page, between <!-- name --> and <!-- end -->: a row a statistic, a column a market."""

from __future__ import annotations

import re
from collections.abc import Mapping

from coattail.errors import UsageError

MarketColumn = Mapping[str, float | None]
"""Statistic -> its value; None: nothing to say."""


def texts(column: MarketColumn) -> dict[str, str]:
    """The numbers of a column as a page shows them: three digits."""
    return {name: "" if value is None else _text(value) for name, value in column.items()}


def table(columns: Mapping[str, Mapping[str, str]], rows: Mapping[str, str]) -> str:
    """The columns as a table in Markdown; `rows`: statistic -> what it says."""
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {said} | " + " | ".join(c[name] for c in columns.values()) + " |" for name, said in rows.items()]
    return "\n".join(lines)


def columns_of(page: str, name: str, rows: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The columns of the table of this name in a page.

    Raises: UsageError: If the page has no place for it.
    """
    said = {text: statistic for statistic, text in rows.items()}
    shown = [line for line in table_in(page, name).splitlines() if line and not line.startswith("|---")]
    lines = [[cell.strip() for cell in row.removeprefix("|").removesuffix("|").split("|")] for row in shown]
    names = lines[0][1:] if lines else []
    return {column: {said[row[0]]: row[1 + n] for row in lines[1:]} for n, column in enumerate(names)}


def written(page: str, name: str, text: str) -> str:
    """The page with another table of this name.

    Raises: UsageError: If the page has no place for it.
    """
    return page.replace(_place(page, name)[0], f"<!-- {name} -->\n{text}\n<!-- end -->")


def table_in(page: str, name: str) -> str:
    """The table of this name.

    Raises: UsageError: If the page has no place for it.
    """
    return _place(page, name)[1].strip()


def _place(page: str, name: str) -> tuple[str, str]:
    """A table with its marks, and what is between them."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    if found is None:
        raise UsageError(
            f"the page has no place for the table {name}",
            next_step=f"mark it with <!-- {name} --> and <!-- end -->, a line each",
        )
    return found.group(0), found.group(1)


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
