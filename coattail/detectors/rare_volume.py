"""MOD-001, preset `default`: orders and notional against what is usual, judged by how rare such a thing is here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl

from coattail.alerts import Alert
from coattail.config import DEFAULT
from coattail.detectors.base import DAY, BaseDetector, Facts, Lesson, iso
from coattail.detectors.counts import BLOCK, FALLS, GAP, ORDERS_1, ORDERS_5, RISES, ended, peaks
from coattail.detectors.described import EVERY_MARKET, AlertType, Details, Measure
from coattail.detectors.grid import BAR, BAR_US, BARS_A_DAY, FlagArray, Grid, bar_of, names_of, window_of
from coattail.detectors.judged_volume import PeriodLimits, Side, judged
from coattail.detectors.market_days import Past, counts_of, of_its_own
from coattail.detectors.measured import CLOCK, REACH, Measured, day_start, days_of, never_still
from coattail.detectors.rare_episodes import Opened, episodes
from coattail.detectors.rare_fit import PEAKS, SIDES, fitted, gathered
from coattail.detectors.rare_rows import ROWS, marks_of, minute_before, minutes_of, stall_marks
from coattail.detectors.rare_words import drought, lasted, often, rise, span, stall, why
from coattail.detectors.rarity import BLOCKS_A_DAY
from coattail.detectors.volume import VENUE_STALL, VOLUME, VOLUME_AGGREGATES, VOLUME_DROP, VOLUME_SPIKE
from coattail.records import micros
from coattail.tables import Table
from coattail.values import Positive

_DAYS_BACK = 14
"""Days before a day among which its whole days are looked for: so a gap of days in a home leaves most of a week."""
_SURE_DAYS = 3.0
"""Days learned from without which nothing is critical: the interval would be a factor of four and more."""
_AGES = 36_500.0
"""Days: a hundred years, and what is rarer is no more certain."""
_CHANNELS = tuple(channel.name for channel in (*RISES, *FALLS))


@dataclass(frozen=True, kw_only=True)
class RareVolumeDetector(BaseDetector):
    """How rare a market's last minute is, and its last five: too many orders, too much notional, or too few orders.

    Usual is the time of day over up to 7 whole days, times the level of the last four minutes and hours
    (`detectors/usual.py`); the score of a count is its signed root deviance under a negative binomial
    (`detectors/counts.py`); the highest scores of the quarter hours of 7 days say how rare a score is
    (`detectors/rarity.py`). An alarm is what comes less than `budget` times a day; its class follows from its return
    period. Judged at every 10-second bar. A market with fewer days borrows quarter hours from like ones
    (`detectors/rare_fit.py`). A venue of which no market trades at all has stalled: then nothing is judged there.
    """

    module_id: ClassVar[str] = "MOD-001"
    name: ClassVar[str] = "volume-anomaly"
    table: ClassVar[Table] = VOLUME_AGGREGATES
    alert_types: ClassVar[tuple[AlertType, ...]] = (VOLUME_SPIKE, VOLUME_DROP, VENUE_STALL)
    presets: ClassVar[tuple[str, ...]] = (DEFAULT,)
    measures: ClassVar[Measure | None] = VOLUME
    rules: ClassVar[int] = 4
    against: ClassVar[tuple[tuple[str, str], ...]] = (("return_days", "budget_days"),)

    preset: str = DEFAULT
    """Name of the set of thresholds, for people; part of every alert's identity, so that one home can hold both."""
    budget: Positive[float] = 2.0
    """Alarms per day and market about too much: what is rarer than that is an alarm of medium severity. Two a day are
    few enough to look at; docs/EVIDENCE.md has what other budgets find."""
    drop_budget: Positive[float] = 0.15
    """Alarms per day and market about too little; one a week, because a slump is rarely what a person looks for."""
    high_days: Positive[float] = 7.0
    """Return period in days from which a rise is of high severity: what comes about once a week."""
    critical_days: Positive[float] = 30.0
    """The same for critical severity: about once a month, the rarest that a week of learning can tell to a factor of
    five. A slump is never critical."""
    fit_days: Positive[int] = 7
    """Whole days before a day that it is judged by: a week, so that each day of it counts once."""
    likeness: Positive[float] = 2.5
    """Factor in orders a day within which markets are like enough to lend a young one their quarter hours; a few such
    differ less among themselves than a market's own weeks do."""
    least_orders: Positive[int] = 5
    """Orders in the minute without which nothing is too much; two orders in a minute may be rare, and mean nothing."""
    least_sustained: Positive[int] = 10
    """The same in the five minutes, either of which is enough: twice as many, for five times the time."""
    least_history: Positive[int] = 50
    """Orders in the days learned from without which a market is idle, and not judged."""

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=5)

    @property
    def lookback(self) -> timedelta:
        return REACH

    @property
    def memory(self) -> timedelta:
        return DAY + 2 * BLOCK * BAR

    @property
    def episode(self) -> timedelta:
        return timedelta(hours=1)

    # -- what is learned of the days before ------------------------------------------------------------------------

    @property
    def lessons(self) -> Mapping[str, Lesson]:
        nothing, back = timedelta(0), DAY * _DAYS_BACK
        return {
            "counts": Lesson(nothing, DAY, nothing),
            "clock": Lesson(nothing, nothing, -back),
            "peaks": Lesson(-REACH, DAY, -back - DAY),
            "rarity": Lesson(nothing, nothing, -2 * back - DAY),
        }

    def learn(self, lesson: str, past: Facts, day: datetime) -> pl.DataFrame:
        """`counts` and `peaks` of a day; `clock` and `rarity` for a day, from those of the days before."""
        if lesson == "counts":
            return counts_of(past.grid(day, day + DAY))
        if lesson == "peaks":
            return self._peaks(past, day)
        before = [day - DAY * n for n in range(_DAYS_BACK, 0, -1)]
        counts = [past.learned(self, "counts", earlier) for earlier in before]
        names = sorted({name for frame in counts for name in frame.select("exchange", "symbol").iter_rows()})
        days = Past.of({name: row for row, name in enumerate(names)}, counts, most=self.fit_days)
        if lesson == "clock":
            return pl.DataFrame(
                {**names_of(names), "days": days.days, "season": days.season(), "size": days.size()}, schema=CLOCK
            ).filter(pl.col("days") > 0)
        known = gathered(names, days, [past.learned(self, "peaks", d) for d in before], most=self.fit_days)
        return fitted(known, days=self.fit_days, likeness=self.likeness)

    def _peaks(self, past: Facts, day: datetime) -> pl.DataFrame:
        """The highest scores of a day's quarter hours, where the days before say what is usual."""
        grid = past.grid(day - REACH, day + DAY)
        measured = self._measured(past, grid)
        start = bar_of(day) - grid.first
        counts = of_its_own(grid)[:, start:] & (measured.days[:, start:] > 0)
        at = np.arange(start, grid.bars)
        scores = {
            name: np.where(counts, score, np.nan)
            for name, score in (*measured.rises(at).items(), *measured.falls(at).items())
        }
        scores[GAP.name] = ended(scores[GAP.name], grid.orders[:, start:])
        highest = np.stack([peaks(scores[name]) for name in _CHANNELS], axis=1).astype(np.float32)
        kept: FlagArray = np.asarray(np.isfinite(highest).any((1, 2)))
        names = [name for name, keep in zip(grid.instruments, kept, strict=True) if keep]
        flat = highest[kept].reshape(len(names), len(_CHANNELS) * BLOCKS_A_DAY)
        return pl.DataFrame({**names_of(names), "peaks": flat}, schema=PEAKS)

    def learned_for(self, alert: Alert) -> Sequence[tuple[str, datetime]]:
        """What is usual on the days that the level reaches back to, and what is rare on the alert's own."""
        first, last = (bar_of(t) // BARS_A_DAY for t in (alert.detected_at - self.window - REACH, alert.detected_at))
        day = bar_of(alert.detected_at - BAR) // BARS_A_DAY
        return [*(("clock", day_start(n)) for n in range(first, last + 1)), ("rarity", day_start(day))]

    def _measured(self, facts: Facts, grid: Grid) -> Measured:
        clocks = [(n, self._learned(facts, "clock", n)) for n in days_of(grid)]
        return Measured.of(grid, clocks, moving=facts.alone)

    def _learned(self, facts: Facts, lesson: str, day: int) -> pl.DataFrame:
        """A lesson for a day (its number); as long as the day before may still change, that day's own stands in.

        Until then nothing of the new day is closed, and each late trade would have the day before summed up again.
        """
        return facts.learned(self, lesson, day_start(min(day, bar_of(facts.watermark) // BARS_A_DAY)))

    # -- scores ----------------------------------------------------------------------------------------------------

    def apart(self, facts: Facts, changed: pl.DataFrame) -> bool:
        """Unless a venue may have stood still: that is read from all its markets."""
        return never_still(facts.bars, changed, facts.since - self.window - REACH - BAR, facts.until)

    def score(self, facts: Facts) -> pl.DataFrame:
        """Whole minutes (`kept`), and every bar that is rarer than the budgets: of these the alerts are made."""
        if -(-micros(facts.since) // BAR_US) == -(-micros(facts.until) // BAR_US):  # no bar ends here
            return ROWS.to_frame().with_columns(pl.lit(self.preset).alias("preset"))
        grid = facts.grid(facts.since - self.window - REACH, facts.until)
        asked = window_of(grid, facts.since, facts.until)
        columns = slice(minute_before(grid, asked.start), asked.stop)
        measured = self._measured(facts, grid)
        first = grid.first + columns.start
        days = range(first // BARS_A_DAY, (first + columns.stop - columns.start - 1) // BARS_A_DAY + 1)
        tables = [(n, self._learned(facts, "rarity", n)) for n in days]
        sides = [
            judged(name, measured, columns, self._limits(name), tables, least=self.least_history) for name in SIDES
        ]
        marks = [marks_of(facts, measured, columns, side, self._countable(measured, columns, side)) for side in sides]
        ended = pl.concat(marks).filter(pl.col("window_end") >= facts.since)
        rows = [minutes_of(facts, measured, columns, sides), ended, stall_marks(facts, measured, asked)]
        return pl.concat(rows).with_columns(pl.lit(self.preset).alias("preset"))

    def _limits(self, side: str) -> PeriodLimits:
        if side == "rise":
            return PeriodLimits(
                medium=1 / self.budget, high=self.high_days, critical=self.critical_days, least_days=_SURE_DAYS
            )
        return PeriodLimits(medium=1 / self.drop_budget, high=self.critical_days, critical=np.inf)

    def _countable(self, measured: Measured, columns: slice, side: Side) -> FlagArray:
        """Where there are orders enough to mean something; too few always do."""
        if side.name == "fall":
            return np.ones(side.classes.shape, bool)
        at = np.arange(columns.start, columns.stop)
        minute, sustained = (measured.orders_in(channel.bars, at) for channel in (ORDERS_1, ORDERS_5))
        enough: FlagArray = (minute >= self.least_orders) | (sustained >= self.least_sustained)
        return enough

    def kept(self, scored: pl.DataFrame) -> pl.DataFrame:
        return scored.filter("kept")

    def marks(self, scored: pl.DataFrame) -> pl.DataFrame:
        return scored.filter(~pl.col("kept"))

    # -- alerts ----------------------------------------------------------------------------------------------------

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        """Of the rows of a stretch and of the `memory` before it."""
        found = []
        for (name, *_), rows in self.marks(scored).group_by("side", "exchange", "symbol"):
            marks = rows.sort("window_end")
            opened = episodes(
                marks["window_end"].dt.epoch("us").to_numpy() // BAR_US,
                marks["return_days"].to_numpy(),
                marks["level"].to_numpy(),
                marks["countable"].to_numpy(),
                most=self._most(str(name)),
                counted=self.episode // BAR,
            )
            for alarm in opened:
                found.append(self._alert(str(name), marks.row(alarm.place, named=True), alarm))
        return found

    def _most(self, side: str) -> int:
        """How many quarter hours of a day may be as rare: one more does not alarm; a stall always does."""
        budgets = {"rise": self.budget, "fall": self.drop_budget, "stall": math.inf}
        return int(max(3, min(3 * budgets[side], BLOCKS_A_DAY + 1)))

    def _alert(self, side: str, row: dict[str, Any], episode: Opened) -> Alert:
        last = row["window_end"] + timedelta(minutes=episode.minutes)
        rarer = {} if side == "stall" else {"peak_days": min(max(episode.longest, row["return_days"]), _AGES)}
        said = {"rise": rise, "fall": drought, "stall": stall}[side](row, self)
        return self.alert(
            alert_type={"rise": VOLUME_SPIKE, "fall": VOLUME_DROP, "stall": VENUE_STALL}[side],
            key={"window_end": iso(row["window_end"])},
            symbol=row["symbol"],
            exchange=row["exchange"],
            severity=said.severity,
            detected_at=row["window_end"],
            closed=row["closed"],
            message=said.message + lasted(row, last, rarer.get("peak_days", 0.0)),
            details={
                "window_start": iso(row["window_start"]),
                "window_end": iso(row["window_end"]),
                "fired": episode.minutes + 1,
                "last_window_end": iso(last),
                **rarer,
                **said.details,
            },
        )

    def concerns(self, alert: Alert) -> pl.Expr:
        """The market; of a stall all markets of the venue."""
        return pl.col("exchange") == alert.exchange if alert.symbol == EVERY_MARKET else super().concerns(alert)

    @classmethod
    def about(cls, alert: Alert) -> dict[str, Any]:
        return {"exchange": alert.exchange} if alert.symbol == EVERY_MARKET else super().about(alert)

    def standing(self, row: Mapping[str, Any]) -> str:
        days, enough = row["return_days"], min(1 / self.budget, 1 / self.drop_budget)
        if days < enough:
            much, little = span(1 / self.budget), span(1 / self.drop_budget)
            here = f"comes about {often(days)}" if days > 0 else "is nothing rare"
            return f"it {here}, and an alert takes once in {much} (too little: in {little})"
        return (
            f"it comes {often(days)}, which is rare enough: but too few orders, of an episode that was "
            "said already, or after many quarter hours of the day that were as rare"
        )

    @classmethod
    def why(cls, details: Details) -> list[str]:
        return why(details)
