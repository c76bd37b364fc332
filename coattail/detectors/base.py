"""The detector's contract: facts in, verdicts out, and which verdicts are alerts. Pure functions of event time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import FINAL, PROVISIONAL, Alert, alert_id, canonical_json
from coattail.config import CLASSIC, PRESETS
from coattail.detectors.described import AlertType, Details, Measure
from coattail.detectors.windows import windows_of
from coattail.tables import Table

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What detectors may know.

    `bars` (one row per bar, merged), `orders` (joined), `spans` (stretches of trade ids without a hole: exchange,
    symbol, first_id, last_id, first_ts, last_ts). Verdicts are asked for `since` <= detected_at < `until`; the
    frames reach `lookback` + `window` further back. A verdict with detected_at <= `watermark` is closed.
    `fit_of` gives what a detector learned from the days before a day; without it, that is learned from these frames.
    """

    bars: pl.DataFrame
    orders: pl.DataFrame
    spans: pl.DataFrame
    since: datetime
    until: datetime
    watermark: datetime
    fit_of: Callable[[BaseDetector, datetime], pl.DataFrame] | None = field(default=None, repr=False, compare=False)
    _windows: dict[tuple[timedelta, timedelta], pl.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def windows(self, every: timedelta, lookback: timedelta) -> pl.DataFrame:
        """`windows_of` length `every` from `lookback` before `since`; summed once, whoever asks."""
        key = (every, lookback)
        if key not in self._windows:
            self._windows[key] = windows_of(self.bars, self.spans, every, self.since - lookback, self.until)
        return self._windows[key]

    def fit(self, detector: BaseDetector, day: datetime) -> pl.DataFrame:
        """What the detector's `fit` says for the day that begins at `day` (UTC)."""
        return self.fit_of(detector, day) if self.fit_of is not None else detector.fit(self.before(day, detector))

    def before(self, day: datetime, detector: BaseDetector) -> Facts:
        """The facts that a detector's fit for a day may know: nothing of that day, `history` before it."""
        since = day - detector.history
        bars = self.bars.filter(pl.col("bar_start").is_between(since, day, closed="left"))
        orders = self.orders.filter(pl.col("timestamp").is_between(since, day, closed="left"))
        return past_of(detector, day, bars=bars, orders=orders, spans=self.spans)


def past_of(
    detector: BaseDetector, day: datetime, *, bars: pl.DataFrame, orders: pl.DataFrame, spans: pl.DataFrame
) -> Facts:
    """The facts that a detector learns from for a day: bars and orders of the `history` before it, all closed."""
    since = day - detector.history
    meets = (pl.col("last_ts") >= since) & (pl.col("first_ts") < day)
    return Facts(bars=bars, orders=orders, spans=spans.filter(meets), since=since, until=day, watermark=day)


@dataclass(frozen=True, kw_only=True)
class BaseDetector(ABC):
    """A module. The instance is its configuration; `preset` names the set of thresholds it came from."""

    module_id: ClassVar[str]
    name: ClassVar[str]
    table: ClassVar[Table]
    alert_types: ClassVar[tuple[AlertType, ...]]
    """None where nothing is an alert, as in a module that only measures."""
    presets: ClassVar[tuple[str, ...]] = PRESETS
    """Under which it runs; a module need not be in all of them."""
    measures: ClassVar[Measure | None] = None
    """What is drawn of its table over time, in a report and by `explain`; None: nothing."""
    series: ClassVar[tuple[str, ...]] = ("exchange", "symbol")
    """The columns of its table that tell one line of that from another."""
    against: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Names in `details` of a size and of the threshold that it exceeds: reports rank alerts by their ratio."""

    preset: str = CLASSIC
    """Name of the set of thresholds, for people; part of every alert's identity, so that one home can hold both."""

    @property
    @abstractmethod
    def window(self) -> timedelta:
        """Length of what one verdict is about (zero for a single trade)."""

    @property
    @abstractmethod
    def lookback(self) -> timedelta:
        """How far before a judged window `score` must see."""

    @property
    def history(self) -> timedelta:
        """How far before the day of a verdict `fit` must see: whole days; zero for one that learns nothing."""
        return timedelta(0)

    @property
    def episode(self) -> timedelta:
        """How long after `detected_at` an alert still gathers the alarms of its episode."""
        return timedelta(0)

    def fit(self, past: Facts) -> pl.DataFrame:
        """What is learned from the days `past.since` to `past.until` for the day that begins at `past.until`."""
        return pl.DataFrame()

    def concerns(self, alert: Alert) -> pl.Expr:
        """Of which instruments (exchange, symbol) the bars are that an alert was computed from."""
        return (pl.col("exchange") == alert.exchange) & (pl.col("symbol") == alert.symbol)

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        """What else an alert was computed from: rows of the facts, in an order that depends on nothing else."""
        return ()

    @abstractmethod
    def score(self, facts: Facts) -> pl.DataFrame:
        """Every window or order judged: the module's table, and `detected_at`, `closed`.

        Windows that cannot be judged are there too, with the reason in `state`.
        """

    def kept(self, scored: pl.DataFrame) -> pl.DataFrame:
        """The scored rows that belong to the module's table; the others are for alerts only."""
        return scored

    @abstractmethod
    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        """The alerts among the scored rows: provisional while open, final when closed."""

    @classmethod
    def raises(cls, alert_type: str) -> bool:
        """Whether alerts of this type are among its own."""
        return any(t.name == alert_type for t in cls.alert_types)

    @classmethod
    def about(cls, alert: Alert) -> dict[str, Any]:
        """The values of `series` in the rows of the table that an alert is about, as far as it is about one series."""
        details = Details(alert.details).all
        return {name: getattr(alert, name) if hasattr(alert, name) else details.get(name) for name in cls.series}

    @classmethod
    def why(cls, details: Details) -> list[str]:
        """Sentences about the numbers in an alert's details; what they leave out, a report lists by name."""
        return []

    def alert(
        self,
        *,
        alert_type: AlertType,
        key: Mapping[str, Any],
        symbol: str,
        exchange: str | None,
        severity: str,
        detected_at: datetime,
        closed: bool,
        message: str,
        details: Mapping[str, Any],
    ) -> Alert:
        """An alert of this module; `key` is what makes it this one (window or trade)."""
        natural = {
            "module": self.module_id,
            "type": alert_type.name,
            "exchange": exchange,
            "symbol": symbol,
            "preset": self.preset,
            **key,
        }
        return Alert(
            alert_id=alert_id(natural),
            alert_type=alert_type.name,
            module_id=self.module_id,
            symbol=symbol,
            exchange=exchange,
            severity=severity,
            detected_at=detected_at,
            status=FINAL if closed else PROVISIONAL,
            message=message,
            details=canonical_json({n: v + 0.0 if isinstance(v, float) else v for n, v in details.items()}),  # no -0.0
            preset=self.preset,
        )


def severity_of(value: float, steps: tuple[tuple[float, str], ...]) -> str | None:
    """The name of the highest step that `value` exceeds, or None. Steps rise."""
    name = None
    for threshold, step in steps:
        if value > threshold:
            name = step
    return name


def iso(when: datetime) -> str:
    """ISO 8601 with Z, microseconds only where there are any."""
    return when.isoformat().replace("+00:00", "Z")
