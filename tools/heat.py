"""Recall by size and duration, drawn as tables that are darker where it is higher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coattail.markup import Markup, join, tag
from coattail.scoring.charts import document, moved, soft

_ROW_H, _CELL_W = 34, 62
_DARK = 0.65
"""From this share on a cell is dark enough for white words."""


class Heat(NamedTuple):
    """Recall by size (rows) and duration (columns); a cell without events is None."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[str, str], tuple[float, int]]
    """(row, column) -> recall, events."""


def heat_of(title: str, card: Mapping[str, Any]) -> Heat:
    """A card's recall by size and duration."""
    cells = {(b["size"], b["length"]): (b["value"], b["events"]) for b in card["by_size"]}
    rows = list(dict.fromkeys(b["size"] for b in card["by_size"]))
    return Heat(title, rows, list(dict.fromkeys(b["length"] for b in card["by_size"])), cells)


def heat_chart(title: str, tables: Sequence[Heat], *, alt: str) -> str:
    """The tables as one SVG file, two side by side; each cell says its share and its number of events."""
    across = min(len(tables), 2)
    side = max((96 + _cell_width(t) * len(t.columns) for t in tables), default=200) + 28
    tall = max((60 + _ROW_H * len(t.rows) for t in tables), default=100)
    down = -(-len(tables) // across)
    body = [
        moved(20 + (number % across) * side, 58 + (number // across) * tall, _drawn(table))
        for number, table in enumerate(tables)
    ]
    return document(title, alt, max(20 + across * side, 460), 64 + down * tall + 24, body)


def _cell_width(table: Heat) -> int:
    """Wide enough for the longest duration."""
    return max([_CELL_W, *(14 + 7 * len(column) for column in table.columns)])


def _drawn(table: Heat) -> Markup:
    wide = _cell_width(table)
    parts = [tag("text", table.title, class_="name", x=0, y=0)]
    parts += [soft(column, 96 + (c + 0.5) * wide, 20, "middle") for c, column in enumerate(table.columns)]
    for r, row in enumerate(table.rows):
        y = 28 + r * _ROW_H
        parts.append(soft(row, 90, y + 20, "end"))
        for c, column in enumerate(table.columns):
            x = 96 + c * wide
            cell = table.cells.get((row, column))
            parts.append(
                soft("-", x + wide / 2, y + 20, "middle") if cell is None else _cell(row, column, cell, x, y, wide)
            )
    return join(parts)


def _cell(row: str, column: str, cell: tuple[float, int], x: int, y: int, wide: int) -> Markup:
    share, events = cell
    back = tag(
        "rect",
        tag("title", f"{row}, {column}: {share:.0%} of {events}"),
        class_="cell",
        x=x + 1,
        y=y + 1,
        width=wide - 2,
        height=_ROW_H - 2,
        rx=3,
        fill_opacity=f"{0.06 + 0.94 * share:.2f}",
    )
    dark = "on" if share > _DARK else None
    return join([back, tag("text", f"{share:.0%}", class_=dark, x=x + wide / 2, y=y + 20, text_anchor="middle")])
