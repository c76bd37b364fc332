"""The answer of `coattail score --recorded`: detectors on recorded trades with announced events."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its 90 % interval; null where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class RecordingRead(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read."""

    name: str
    sha256: str


class MarketJudged(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded market over one stretch of time."""

    exchange: str
    symbol: str
    first: datetime
    """Its first trade, and its last."""
    last: datetime
    since: datetime | None
    """Judged from here; null where it is shorter than the warm-up."""


class LabelsLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Labels that are not judged for one reason."""

    why: str
    labels: int
    examples: list[str]


class LabelsRead(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the labels."""

    file: str
    sha256: str
    columns: dict[str, str]
    """Field -> the column that it was read from."""
    rows: int
    unreadable: int
    judged: int
    """Labels that name an event that is judged; several may name the same one."""
    events: int
    left: list[LabelsLeft]


class PerMarketDay(msgspec.Struct, frozen=True, kw_only=True):
    """What is said on a quiet day of one market."""

    alerts: Interval
    episodes: Interval
    """Alerts that follow each other within a quarter of an hour are one; what goes on is counted again every hour."""


class OneMarket(msgspec.Struct, frozen=True, kw_only=True):
    """The same of one market alone."""

    market: str
    quiet_days: float
    alerts_per_day: float
    episodes_per_day: float


class ReturnPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """How many episodes of a return period came, against how many should have."""

    return_days: float
    episodes: int
    expected: float
    ratio: Interval


class SoonFound(msgspec.Struct, frozen=True, kw_only=True):
    """How many events were found, and called high or critical, within a time of their announcement."""

    seconds: int
    found: Interval
    high: Interval
    """High or critical."""
    critical: Interval


class Delays(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the announced time to the first alert, of the events that were found; as `OneEvent.first_s`."""

    p50: Interval
    p95: Interval


class Severities(msgspec.Struct, frozen=True, kw_only=True):
    """Severity -> events, by the first alert and by the highest."""

    first: dict[str, int]
    highest: dict[str, int]


class OneEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about one event."""

    event: str
    """Its markets."""
    announced: datetime
    labels: list[int]
    """Rows of the label file."""
    alerts: int
    first_s: float | None
    """Seconds from the announced time to the first alert after it; negative where one came before it only; null where
    none did."""
    high_s: float | None
    """The same to the first alert that is high or critical, and to the first that is critical."""
    critical_s: float | None
    severity_first: str | None
    severity_highest: str | None
    return_days: float | None
    """The longest return period that an alert said; null where none did."""


class AnnouncedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The announced events."""

    events: int
    found: Interval
    in_seconds: list[SoonFound]
    by_chance: float | None
    """The share of quiet moments that an alert follows as closely."""
    delay_s: Delays
    severity: Severities
    each: list[OneEvent]


class TypeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One type of alert under one preset."""

    alert_type: str
    markets: int
    quiet_days: float
    """Days of markets that no announced event reaches into."""
    per_market_day: PerMarketDay
    budget: float | None
    """Alerts a day and market that are meant to be; null where there is no budget."""
    by_market: list[OneMarket]
    return_periods: list[ReturnPeriod]
    """Empty where no alert says its return period."""
    announced: AnnouncedFigures | None
    """Null for a type that no announced event can be found by."""


class RecordedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Detectors held against recorded trades with announced events."""

    recordings: list[RecordingRead]
    trades: int
    duplicates: int
    rejected: dict[str, int]
    """Reason -> records."""
    labels: LabelsRead
    markets: list[MarketJudged]
    warm_up_days: float
    within_s: float
    """An alert so long after the announced time still finds the event."""
    presets: dict[str, dict[str, dict[str, TypeFigures]]]
    """Preset -> module -> type of alert -> its figures."""
    disclaimer: str
