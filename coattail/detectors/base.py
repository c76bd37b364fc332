"""The detector's contract: facts in, verdicts out, and which verdicts are alerts. Pure functions of event time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, ClassVar, NamedTuple

import polars as pl

from coattail.alerts import FINAL, PROVISIONAL, Alert, alert_id, canonical_json
from coattail.config import CLASSIC, PRESETS
from coattail.detectors.described import AlertType, Details, Measure
from coattail.detectors.grid import Grid, grid_of
from coattail.detectors.windows import windows_of
from coattail.records import EPOCH
from coattail.tables import BARS, ORDERS, UTC_MICROS, Table

DAY = timedelta(days=1)
_NO_SPANS = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "first_id": pl.Int64(), "last_id": pl.Int64(),
    "first_ts": UTC_MICROS, "last_ts": UTC_MICROS,
})  # fmt: skip


class Lesson(NamedTuple):
    """Something that is learned for a day: from bars and orders between two times, counted from the day's beginning."""

    since: timedelta
    until: timedelta
    far: timedelta
    """From where on trades change it, by way of other lessons too; at or before `since`."""


LessonOf = Callable[["BaseDetector", str, datetime], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What detectors may know.

    `bars` (one row per bar, merged), `orders` (joined), `spans` (stretches of trade ids without a hole: exchange,
    symbol, first_id, last_id, first_ts, last_ts). Verdicts are asked for `since` <= detected_at < `until`; the
    frames reach `lookback` + `window` further back. A verdict with detected_at <= `watermark` is closed.
    `lesson_of` gives what a detector learned for a day; without it, that is learned from these frames.
    """

    bars: pl.DataFrame
    orders: pl.DataFrame
    spans: pl.DataFrame
    since: datetime
    until: datetime
    watermark: datetime
    lesson_of: LessonOf | None = field(default=None, repr=False, compare=False)
    alone: bool = False
    """Of some instruments of which a detector said that they may be judged without the others (`apart`)."""
    _windows: dict[tuple[timedelta, timedelta], pl.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lessons: dict[tuple[str, str, datetime], pl.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def windows(self, every: timedelta, lookback: timedelta) -> pl.DataFrame:
        """`windows_of` length `every` from `lookback` before `since`; summed once, whoever asks."""
        key = (every, lookback)
        if key not in self._windows:
            self._windows[key] = windows_of(self.bars, self.spans, every, self.since - lookback, self.until)
        return self._windows[key]

    def grid(self, since: datetime, until: datetime, instruments: Sequence[tuple[str, str]] | None = None) -> Grid:
        """The bars that meet since…until as matrices: of `instruments`, sorted, or of all."""
        return grid_of(self.bars, self.spans, since, until, instruments)

    def only(self, instruments: pl.DataFrame) -> Facts:
        """The same of some instruments (exchange, symbol), to be judged alone."""
        names = ["exchange", "symbol"]
        bars, orders, spans = (f.join(instruments, on=names, how="semi") for f in (self.bars, self.orders, self.spans))
        return replace(self, bars=bars, orders=orders, spans=spans, alone=True)

    def learned(self, detector: BaseDetector, lesson: str, day: datetime) -> pl.DataFrame:
        """What the detector's `lesson` says of the day that begins at `day` (UTC)."""
        if self.lesson_of is not None:
            return self.lesson_of(detector, lesson, day)
        key = (detector.name, lesson, day)
        if key not in self._lessons:
            first = self._first_bar
            if first is None or day + detector.lessons[lesson].until <= first:
                return nothing_learned(detector, lesson)
            self._lessons[key] = detector.learn(lesson, self.for_lesson(detector, lesson, day), day)
        return self._lessons[key]

    @cached_property
    def _first_bar(self) -> datetime | None:
        first = self.bars["bar_start"].min()
        return first if isinstance(first, datetime) else None

    def for_lesson(self, detector: BaseDetector, lesson: str, day: datetime) -> Facts:
        """The facts that a lesson for a day may know: bars and orders of its time, all closed."""
        since, until, _ = detector.lessons[lesson]
        bars, orders = (
            frame.filter(pl.col(column).is_between(day + since, day + until, closed="left"))
            for frame, column in ((self.bars, "bar_start"), (self.orders, "timestamp"))
        )
        return facts_for(detector, lesson, day, bars=bars, orders=orders, spans=self.spans, lesson_of=self.learned)


def facts_for(
    detector: BaseDetector, lesson: str, day: datetime, *, bars: pl.DataFrame, orders: pl.DataFrame,
    spans: pl.DataFrame, lesson_of: LessonOf,
) -> Facts:  # fmt: skip
    """The facts that a detector learns a lesson from, given bars and orders of its time."""
    since, until, _ = detector.lessons[lesson]
    meets = (pl.col("last_ts") >= day + since) & (pl.col("first_ts") < day + until)
    return Facts(
        bars=bars, orders=orders, spans=spans.filter(meets), since=day + since, until=day + until,
        watermark=day + until, lesson_of=lesson_of,
    )  # fmt: skip


@lru_cache(maxsize=64)
def nothing_learned(detector: BaseDetector, lesson: str) -> pl.DataFrame:
    """What a lesson says of a day before which nothing had traded."""
    nothing = facts_for(
        detector, lesson, EPOCH, bars=BARS.empty(), orders=ORDERS.empty(), spans=_NO_SPANS.to_frame(),
        lesson_of=lambda other, name, _: nothing_learned(other, name),
    )  # fmt: skip
    return detector.learn(lesson, nothing, EPOCH)


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
    rules: ClassVar[int] = 1
    """Version of its rules, in every alert's evidence: one more when equal parameters begin to give other alerts."""
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
    def lessons(self) -> Mapping[str, Lesson]:
        """Name -> what of the past it is learned from; none for a detector that learns nothing."""
        return {}

    @property
    def history(self) -> timedelta:
        """How far before the day of a verdict it learns: whole days; zero for one that learns nothing."""
        return max((-lesson.far for lesson in self.lessons.values()), default=timedelta(0))

    @property
    def episode(self) -> timedelta:
        """How long after `detected_at` an alert still gathers the alarms of its episode."""
        return timedelta(0)

    @property
    def memory(self) -> timedelta:
        """How far before a verdict the scored rows lie that `flag` must see besides; they are not scored again."""
        return timedelta(0)

    def learn(self, lesson: str, past: Facts, day: datetime) -> pl.DataFrame:
        """A lesson for the day that begins at `day`: rows by exchange and symbol."""
        raise NotImplementedError(f"{self.name} has no lesson {lesson!r}")

    def learned_for(self, alert: Alert) -> Sequence[tuple[str, datetime]]:
        """Which lessons (name, day) an alert was computed from."""
        day = (alert.detected_at - self.window).replace(hour=0, minute=0, second=0, microsecond=0)
        return [(name, day) for name in self.lessons]

    def concerns(self, alert: Alert) -> pl.Expr:
        """Of which instruments (exchange, symbol) the bars are that an alert was computed from."""
        return (pl.col("exchange") == alert.exchange) & (pl.col("symbol") == alert.symbol)

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        """What else an alert was computed from: rows of the facts, in an order that depends on nothing else."""
        return ()

    def apart(self, facts: Facts, changed: pl.DataFrame) -> bool:
        """Whether trades of the `changed` instruments (exchange, symbol) alter no verdict on the others, nor others'
        trades one on them: then these are scored alone. Asked of the facts that hold all instruments."""
        return False

    @abstractmethod
    def score(self, facts: Facts) -> pl.DataFrame:
        """Every window or order judged: the module's table, and `detected_at`, `closed`.

        Windows that cannot be judged are there too, with the reason in `state`; none lies later than the newest trade
        by more than a `window`.
        """

    def kept(self, scored: pl.DataFrame) -> pl.DataFrame:
        """The scored rows that belong in the table."""
        return scored

    def marks(self, scored: pl.DataFrame) -> pl.DataFrame:
        """The scored rows that `flag` reads, where the detector has a `memory`."""
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

    def standing(self, row: Mapping[str, Any]) -> str:
        """What a judged row of its table says beside what an alert takes, as the end of a sentence; may be empty."""
        return ""

    @property
    def unseen(self) -> str:
        """What it means that its table has no row about something, as the end of a sentence."""
        return "there is no verdict about it"

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
