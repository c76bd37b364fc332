"""A page of alerts: the answer to a question about alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coattail.alerts import DISCLAIMER
from coattail.workspace.documents.alerts import (
    AcknowledgedDocument,
    AlertDocument,
    AlertsDocument,
    alert_document,
)
from coattail.workspace.shown import Tabular
from coattail.workspace.text import TextTable, clock, printable

if TYPE_CHECKING:
    import polars as pl

    from coattail.alerts import Alert
    from coattail.stores.replies import Marks

PageRow = Mapping[str, Any]
"""An alert by the columns of `anomaly_alerts`."""

_SHOWN = 50


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Page(Tabular):
    """Alerts in order, newest first. Iterating gives documents; `rows` is the frame; printing shows lines."""

    found: Sequence[PageRow]
    has_more: bool
    """Whether older ones that were asked for are not on this page."""
    next_cursor: str | None
    """Asks for the page after this one; None on the last."""
    marks: Marks
    """What people had said of alerts by then."""
    elsewhere: tuple[AlertDocument, ...] = ()
    """The newest alerts at any time, where none is in the time asked for."""

    @property
    def count(self) -> int:
        """How many alerts are on this page."""
        return len(self.found)

    @cached_property
    def alerts(self) -> tuple[AlertDocument, ...]:
        """The alerts as documents."""
        return tuple(alert_document(row, marks=self.marks) for row in self.found)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The alerts as a frame: the columns of `anomaly_alerts`, `details` and `evidence` as JSON."""
        import polars as pl

        from coattail.tables import ALERTS

        return pl.DataFrame(list(self.found), schema=ALERTS.schema)

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows

    def document(self) -> AlertsDocument:
        """The page in its JSON form."""
        return AlertsDocument(
            alerts=list(self.alerts), count=self.count, has_more=self.has_more, next_cursor=self.next_cursor
        )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> AlertDocument:
        return self.alerts[place]

    def __iter__(self) -> Iterator[AlertDocument]:
        return iter(self.alerts)

    def said(self) -> list[str]:
        """A line for each alert, 50 at most, and what there is to say of them together."""
        shown = self.alerts[:_SHOWN]
        if not shown:
            return [*self.notes(), DISCLAIMER]
        rows = [[printable(cell) for cell in _cells(alert)] for alert in shown]
        return [TextTable("\n".join(map(alert_line, shown)), _COLUMNS, rows), *self.notes(), DISCLAIMER]

    def notes(
        self,
        *,
        line: Callable[[AlertDocument], str] | None = None,
        shown: int = _SHOWN,
        more: str = "limit=None asks for all",
    ) -> list[str]:
        """What there is to say of the page as a whole; `line` says an alert, `shown` of this page are to be seen."""
        if self.elsewhere:
            first = self.elsewhere[0].detected_at
            said = f"no alerts in that time; it is the market's, and the newest alert is of {clock(first)}:"
            return [said, *map(line or alert_line, self.elsewhere)]
        if not self.count:
            return ["no alerts yet, or none that fit"]
        if self.count > shown:
            return [f"and {self.count - shown:,} more: .rows has them all"]
        return [f"older ones are not shown: {more}"] if self.has_more else []


_COLUMNS = ("detected_at", "severity", "type", "message", "id")


def _cells(alert: Alert | AlertDocument, change: str = "") -> tuple[str, ...]:
    notes = [change if change in ("revised", "retracted") else alert.status if alert.status != "final" else ""]
    if isinstance(alert, AlertDocument):
        notes += ["muted" if alert.muted else "", _seen(alert.acknowledged)]
    note = ", ".join(filter(None, notes))
    message = f"{alert.message} ({note})" if note else alert.message
    return (clock(alert.detected_at), alert.severity, alert.alert_type, message, alert.alert_id[:12])


def _seen(said: AcknowledgedDocument | None) -> str:
    return "" if said is None else "acknowledged" + (f": {said.note}" if said.note else "")


def _uncoloured(text: str, _name: str) -> str:
    return text


def alert_line(
    alert: Alert | AlertDocument, change: str = "", *, colour: Callable[[str, str], str] = _uncoloured
) -> str:
    """When, how bad, what, and the id that `explain` takes.

    change: What became of it just now; `revised` and `retracted` are said. colour: Text and a severity, or `dim`.
    """
    when, severity, kind, message, identity = _cells(alert, change)
    how_bad, name = colour(f"{severity:8}", severity), colour(identity, "dim")
    return f"{when}  {how_bad}  {kind:17}  {printable(message)}  {name}"
