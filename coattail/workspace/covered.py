"""Which trades are here: a frame that draws itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coattail.workspace.shown import Folded, Tabular
from coattail.workspace.text import TextTable, bar, clock, percent, table
from coattail.workspace.timeline import Timeline

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Chart

WIDE, BROAD = 126, 100
"""Columns of a terminal that has room for ids too, and for bars and what was rejected."""
_COLUMNS = ("instrument", "coverage", "trades", "fetched", "gaps", "missing", "unobserved", "rejected", "ids")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Covered(Tabular):
    """The trade ids of each instrument. `rows` is the frame; `chart()` draws them over time."""

    rows: pl.DataFrame
    """Columns of `InstrumentDocument`, by exchange and symbol."""
    timeline: Timeline
    """The same over time, of the same moment."""

    def chart(self) -> Chart:
        """What of each instrument was heard, fetched, missed and not observed when.

        Raises: UsageError: If nothing is known about this time.
        """
        return self.timeline.chart()

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows

    def __len__(self) -> int:
        return self.rows.height

    def said(self) -> list[str]:
        """A row for each instrument, and the same over time, as `coattail coverage` prints them."""
        if self.rows.is_empty():
            return ["nothing has landed, or is known to be missing"]
        return [*self.counted(), "", Folded(self.timeline.words().split("\n"))]

    def counted(self, *, columns: int = WIDE, terminal: bool = False) -> list[str]:
        """A row for each instrument, and from when to when. columns: Of the screen. terminal: See `table`."""
        shown = len(_COLUMNS) if columns >= WIDE else len(_COLUMNS) - 1 if columns >= BROAD else len(_COLUMNS) - 2
        cells = [_cells(row, bars=columns >= BROAD)[:shown] for row in self.rows.iter_rows(named=True)]
        drawn: TextTable = table(_COLUMNS[:shown], cells, right=_COLUMNS[1:shown], terminal=terminal)
        first, last = self.rows["first_trade"].min(), self.rows["last_trade"].max()
        return [drawn] if first is None else [drawn, f"from {clock(first)} to {clock(last)}"]  # type: ignore[arg-type]


def _cells(row: Mapping[str, Any], *, bars: bool) -> tuple[str, ...]:
    whole = row["landed"] + row["missing"]
    share = f"{percent(row['landed'], whole, 3):>9}"
    if bars:
        share = f"{bar(row['landed'] / whole if whole else 0, 6)} {share}"
    if row["ids"] == "unique":
        share = "ids only unique"
    ids = "-" if row["first_id"] is None else f"{row['first_id']}-{row['last_id']}"
    return (f"{row['exchange']} {row['symbol']}", share, *(f"{row[name]:,}" for name in _COLUMNS[2:-1]), ids)
