"""What shows itself: one list of lines and tables, printed as text, and as HTML in a notebook.

HTML has no colour of its own but that of severities, which is readable on white and on black: the rest is the
notebook's, light or dark. Whatever is not `Markup` is text, so nothing in data becomes an element.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

from coattail.alerts import SEVERITIES
from coattail.amounts import number
from coattail.charts.colours import NAMED
from coattail.errors import UsageError
from coattail.markup import Content, Markup, join, tag
from coattail.workspace.text import TextTable, cell_text, clock, printable, table

if TYPE_CHECKING:
    import polars as pl

_SHORT = 24
"""Characters of a cell that is not broken into lines: a time, an id."""
_LEFT, _RIGHT = "text-align:left", "text-align:right;font-variant-numeric:tabular-nums"


class Headline(str):
    """A line that is seen first."""

    __slots__ = ()


class Folded(str):
    """Lines of fixed width; with a `summary` of what they are, a notebook shows them when they are asked for."""

    def __new__(cls, lines: Iterable[str], summary: str = "") -> Folded:
        made = super().__new__(cls, "\n".join(lines))
        made.summary = summary
        return made

    summary: str


class Displayed:
    """Prints what `said` gives, and shows it in a notebook; a dataclass needs `repr=False` to be one."""

    __slots__ = ()

    @abstractmethod
    def said(self) -> Iterable[str]:
        """Lines, tables (`coattail.workspace.text.table`, `pairs`), `Headline`s and `Folded` lines."""

    def __repr__(self) -> str:
        return "\n".join(self.said())

    def _repr_html_(self) -> str:
        return html_of(self.said())


class Tabular(Displayed):
    """What shows itself and is a table, too."""

    __slots__ = ()

    @abstractmethod
    def to_polars(self) -> pl.DataFrame:
        """The table as a frame."""

    def to_pandas(self) -> Any:
        """The table for pandas.

        Raises: UsageError: If pandas is not installed.
        """
        try:
            return self.to_polars().to_pandas()
        except ModuleNotFoundError as error:
            step = "pip install 'coattail[lab]', or use .to_polars()"
            raise UsageError(f"{error.name} is not installed", next_step=step) from error


def html_of(said: Iterable[str]) -> str:
    """Lines and tables as HTML; an empty line begins a paragraph."""
    return join(
        [
            _lines(list(part)) if kind is str else [_element(one) for one in part]
            for kind, part in groupby(said, key=lambda one: TextTable if isinstance(one, TextTable) else type(one))
        ]
    )


def frame_table(frame: pl.DataFrame, *, most: int = 10) -> TextTable:
    """The last rows of a frame; numbers with five digits, times to the second."""
    shown = frame.tail(most)
    right = [name for name, kind in shown.schema.items() if kind.is_numeric()]
    rows = [[_readable(value) for value in row] for row in shown.iter_rows()]
    return table(shown.columns, rows, right=right)


def _readable(value: object) -> object:
    if isinstance(value, float | Decimal):
        return number(float(value) + 0.0)
    return clock(value) if isinstance(value, datetime) else value


def _element(one: str) -> Markup:
    if isinstance(one, TextTable):
        return _table(one)
    if isinstance(one, Folded):
        lines = tag("pre", [[_plain(line), Markup("\n")] for line in one.split("\n")])
        return tag("details", tag("summary", one.summary), lines) if one.summary else lines
    return tag("p", tag("b", _plain(one)))


def _table(drawn: TextTable) -> Markup:
    styles = [_RIGHT if name in drawn.right else _LEFT for name in drawn.columns]
    head = [tag("th", _plain(name), style=style) for name, style in zip(drawn.columns, styles, strict=True)]
    body = [tag("tr", [_cell(cell, style) for cell, style in zip(row, styles, strict=True)]) for row in drawn.rows]
    named = tag("thead", tag("tr", head)) if any(drawn.columns) else None
    return tag("table", named, tag("tbody", body), style="margin:.5em 0")


def _cell(value: object, style: str) -> Markup:
    text = cell_text(value)
    whole = f"{style};white-space:nowrap" if len(text) <= _SHORT else style
    content: Content = tag("b", text, style=f"color:{NAMED[text]}") if text in SEVERITIES else _plain(text)
    return tag("td", content, style=whole)


def _lines(lines: Sequence[str]) -> Markup:
    """Paragraphs, parted by empty lines."""
    parts = [list(part) for filled, part in groupby(lines, key=bool) if filled]
    return join([tag("p", [[tag("br") if n else None, _indented(line)] for n, line in enumerate(p)]) for p in parts])


def _indented(text: str) -> Markup:
    bare = text.lstrip(" ")
    lines = [[tag("br") if n else None, _plain(line)] for n, line in enumerate(bare.split("\n"))]
    return join(["\u00a0" * (len(text) - len(bare)), lines])


def _plain(text: str) -> str:
    """Text without control characters but the ends of lines."""
    return "\n".join(printable(line) for line in text.split("\n"))
