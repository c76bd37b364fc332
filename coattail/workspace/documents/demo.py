"""What a demo showed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from coattail.workspace.documents.landing import Counts, Outcome


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
