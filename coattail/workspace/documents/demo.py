"""What a demo showed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from coattail.workspace.documents.landing import Counts, Outcome
from coattail.workspace.text import table


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """The two hours that landed at once."""

    trades: int
    seconds: float
    """How long they took to land."""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The market going on."""

    trades: int
    seconds: float
    simulated_seconds: float


class PlantedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An anomaly that had been planted, and whether an alert found it."""

    kind: str
    exchange: str | None
    """None for a spread, which is between exchanges."""
    symbol: str
    start: datetime
    end: datetime
    size: float
    """burst: times the usual volume; whale: US dollars; spread: per cent."""
    found: bool
    over: bool
    """Whether it was old enough at the end to have been noticed."""
    delay_s: float | None
    """Seconds of the market from its start to the first alert; None if it was not found."""

    def size_words(self) -> str:
        """`12 x volume`, `900,000`, `+0.8 %`."""
        size = self.size
        shown = {"burst": f"{size:g} x volume", "whale": f"{size:,.0f}", "spread": f"{size:+.1f} %"}
        return shown.get(self.kind, f"{size:g}")

    def cells(self) -> tuple[object, ...]:
        """A row of the table that a demo ends with."""
        outcome = "found" if self.found else "MISSED" if self.over else "not over yet"
        after = f"{self.delay_s:.0f} s" if self.delay_s is not None else None
        where = self.exchange or "between venues"
        return (f"{self.start:%H:%M:%S}", self.kind, self.symbol, where, self.size_words(), outcome, after)


class DemoDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A demo from its start to its end."""

    seed: int
    home: Path
    hours: Hours
    live: Live
    seconds_to_first_alert: float
    planted: list[PlantedEvent]
    found: int
    missed: int
    """Of the planted events that were over."""
    false_alarms: int
    false_groups: int
    alerts: Counts
    landed: Outcome
    disclaimer: str

    def planted_words(self, *, terminal: bool = False) -> list[str]:
        """What had been planted, when it was noticed, and how many there were. `terminal`: see `table`."""
        columns, right = ["start", "planted", "symbol", "where", "size", "", "after"], ["size", "after"]
        rows = [event.cells() for event in self.planted]
        head = "What had been planted, and when it was noticed (simulated time):"
        return ["", head, table(columns, rows, right=right, terminal=terminal), "", self.found_words()]

    def found_words(self) -> str:
        """`found 10 of 10 planted anomalies; false alarms: 2 single, in 1 group, of 44 alerts in all`."""
        over = self.found_over + self.missed
        young = len(self.planted) - over
        alerts = sum(sum(severities.values()) for severities in self.alerts.values())
        return (
            f"found {self.found_over} of {over} planted anomalies"
            + (f" ({young} more had not ended when the demo did)" if young else "")
            + f"; false alarms: {self.false_alarms} single, in {self.false_groups} "
            f"group{'' if self.false_groups == 1 else 's'}, of {alerts} alerts in all"
        )

    @property
    def found_over(self) -> int:
        """Of the planted events that were over."""
        return sum(event.found and event.over for event in self.planted)

    def speed_words(self) -> str:
        """How fast the two hours landed, and when the first alert came."""
        rate = self.hours.trades / max(self.hours.seconds, 1e-3)
        return (
            f"{self.hours.trades:,} trades landed in {self.hours.seconds:.1f} s ({rate:,.0f} trades/s, by an engine "
            f"that had just started); first alert {self.seconds_to_first_alert:.1f} s after the start"
        )
