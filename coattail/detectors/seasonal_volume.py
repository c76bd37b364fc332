"""MOD-001, preset `default`: log volume against a robust, seasonal baseline, thresholds set by an alert budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import number, short
from coattail.config import DEFAULT
from coattail.detectors.base import DAY, BaseDetector, Facts, iso
from coattail.detectors.described import EVERY_MARKET, AlertType, Answer, Details, Measure
from coattail.detectors.episodes import fired, gathered, learned, opening, window_and_times
from coattail.detectors.seasonal_fit import LEARNED, learned_of
from coattail.detectors.seasonal_measure import (
    CHANNELS,
    KEY,
    STALL_LOOKBACK,
    activity,
    known,
    measured,
    scores,
    seasons,
)
from coattail.detectors.volume import VOLUME, VOLUME_AGGREGATES, VOLUME_DROP, VOLUME_SPIKE, traded
from coattail.exact import as_units
from coattail.symbols import quote_of
from coattail.tables import Table
from coattail.values import Fraction, Positive

VENUE_STALL = AlertType(
    name="venue_stall",
    one="stalled venue",
    many="stalled venues",
    marks="volume",
    answer=Answer(
        kind="stall",
        place="venue",
        before=timedelta(seconds=120),
        every=timedelta(seconds=60),
        sizes=(("all", 0.0),),
        lengths=(("under 1 min", 0.0), ("1 to 2 min", 60.0), ("2 min and more", 120.0)),
        size_name="of a venue",
        length_name="for",
    ),
)


@dataclass(frozen=True, kw_only=True)
class SeasonalVolumeDetector(BaseDetector):
    """How unusual a minute's volume is, and the last quarter of an hour's, for this market at this time of day.

    x = (1 - w) ln(1 + V) + w ln(1 + N), volume V and trades N: a minute's volume alone is mostly its largest order,
    which is the whale detector's business. r = x - season, the median of the same time of day +-10 minutes over up to 7
    days, once there are 3; d = r - m and s are distance from the median and quartile distance / 1.349 of the `baseline`
    before (Iglewicz & Hoaglin 1993 with another robust scale). Spike channel: (d - p) / s, where p = `persistence` x
    the EWMA of d over the minutes before, for activity clusters. Sustained channel: EWMA of d / s clipped to -3…6, in
    its own standard deviations (Roberts 1959); its low side is the drop channel. Each threshold is what the market
    itself exceeded `budget` times a day over the 7 days before the day; before there is one whole day, a starting
    threshold. A venue of which no market trades at all has stalled.
    """

    module_id: ClassVar[str] = "MOD-001"
    name: ClassVar[str] = "volume-anomaly"
    table: ClassVar[Table] = VOLUME_AGGREGATES
    alert_types: ClassVar[tuple[AlertType, ...]] = (VOLUME_SPIKE, VOLUME_DROP, VENUE_STALL)
    presets: ClassVar[tuple[str, ...]] = (DEFAULT,)
    measures: ClassVar[Measure | None] = VOLUME
    against: ClassVar[tuple[tuple[str, str], ...]] = (("score", "threshold"),)

    preset: str = DEFAULT
    """Name of the set of thresholds, for people; part of every alert's identity, so that one home can hold both."""
    budget: Positive[float] = 4.0
    """Alarms per day and market about high volume, half for spikes and half for sustained rises; docs/EVIDENCE.md
    has what other budgets find."""
    drop_budget: Positive[float] = 1.0
    """Alarms per day and market about low volume; fewer, because a slump is rarely what a person looks for."""
    baseline: Positive[timedelta] = timedelta(hours=4)
    """How far before a minute the minutes lie that it is compared with: four hours, long against a burst and short
    against the day."""
    minimum_windows: Positive[int] = 45
    """Covered minutes of the baseline without which nothing is judged; three quarters of an hour, so that a new
    market is judged soon."""
    trades_weight: Fraction = 0.75
    """Share of the number of trades, against that of the quote volume, in a minute's activity (both as logarithms).
    A minute's volume alone is mostly its largest order; 0.75 finds nearly twice as many bursts (ADR 0023)."""
    persistence: Fraction = 0.6
    """Share of the last minutes' distance from usual that is expected to go on, because activity clusters; chosen
    on six simulated days by the bursts found (ADR 0023)."""
    persistence_weight: Positive[float] = 0.5
    """Weight of the newest minute in those last minutes' average (an EWMA); chosen on six simulated days by the
    bursts found (ADR 0023)."""
    scale_floor: Positive[float] = 0.1
    """Smallest scale of a minute's log activity: steadier markets are not judged more sharply than by steps of 10 %."""
    sustained_weight: Positive[float] = 0.4
    """Weight of the newest minute in the sustained channel (an EWMA); at 0.4 its minutes are one and a half minutes
    old on average, so that a shift of a few minutes shows."""
    sustained_windows: Positive[int] = 15
    """Minutes of either average; older ones have less than a thousandth of the weight."""
    cooldown: Positive[timedelta] = timedelta(minutes=15)
    """An alarm closer than this to the one before is of the same episode; also the length of the stretches that the
    budget is counted in."""
    spike_start: Positive[float] = 3.0
    """Threshold of the spike channel, in scales, for a market without a whole day of history, at a budget of 4;
    chosen on simulated days, and keeps the budget only roughly."""
    sustained_start: Positive[float] = 3.8
    """The same of the sustained channel, in standard deviations of its average."""
    drop_start: Positive[float] = 5.5
    """The same of its low side, at a drop budget of 1; higher, because that is a smaller budget and empty minutes
    come in runs."""
    start_tail: Positive[float] = 0.4
    """By how much a starting threshold rises for e times fewer alarms, in the units of the score; chosen with them."""
    fit_days: Positive[int] = 7
    """Whole days before a day that thresholds and season are learned from: a week, so that each day of it counts
    once."""

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=60)

    @property
    def lookback(self) -> timedelta:
        return self.cooldown + self.baseline + self.window * self.sustained_windows + STALL_LOOKBACK

    @property
    def history(self) -> timedelta:
        return DAY * self.fit_days

    @property
    def episode(self) -> timedelta:
        return timedelta(hours=1)

    # -- what is learned from the days before ----------------------------------------------------------------------

    def fit(self, past: Facts) -> pl.DataFrame:
        return learned_of(past, self)

    def budget_of(self, channel: str) -> float:
        """Alarms a day; spikes and sustained rises share theirs."""
        return self.drop_budget if channel == "drop" else self.budget / 2

    def _start(self, channel: str) -> float:
        """The threshold of a market that has no whole day of history, at this budget."""
        start = {"spike": self.spike_start, "sustained": self.sustained_start, "drop": self.drop_start}[channel]
        usual = 1.0 if channel == "drop" else 2.0
        return round(start + self.start_tail * math.log(usual / self.budget_of(channel)), 6)

    # -- scores ----------------------------------------------------------------------------------------------------

    def score(self, facts: Facts) -> pl.DataFrame:
        windows = facts.windows(self.window, self.lookback).with_columns(
            (pl.col("window_end") <= facts.watermark).alias("closed")
        )
        windows = activity(windows, self)
        asked = (pl.col("window_end") >= facts.since) & (pl.col("window_end") < facts.until)
        judged = windows.filter(
            (pl.col("window_end") >= facts.since - self.cooldown) & (pl.col("window_end") < facts.until)
        )
        days = judged["window_start"].dt.truncate("1d").unique().sort()
        parts = [self._day(windows, facts.fit(self, day), day) for day in days]
        if not parts:
            return self._rows(self._day(windows, pl.DataFrame(schema=LEARNED), facts.since), facts).clear()
        minutes = parts[0] if len(parts) == 1 else pl.concat(parts).sort(*KEY, "window_start")
        return self._rows(minutes, facts).filter(asked)

    def _day(self, windows: pl.DataFrame, fit: pl.DataFrame, day: Any) -> pl.DataFrame:
        """The windows that begin on a day, measured with what was learned for that day."""
        near = windows.filter((pl.col("window_start") >= day - self.lookback) & (pl.col("window_start") < day + DAY))
        minutes = measured(near, seasons(fit.select(*KEY, "season").rows()), self).filter(pl.col("window_start") >= day)
        limits = minutes.join(fit.drop("season"), on=KEY, how="left", maintain_order="left")
        starts = [
            pl.col(f"{c}_{part}").fill_null(value)
            for c in CHANNELS
            for part, value in (("threshold", self._start(c)), ("tail", self.start_tail))
        ]
        return limits.with_columns(starts).with_columns(self._alarm().alias("alarm"))

    def _alarm(self) -> pl.Expr:
        alarm: pl.Expr = pl.lit(None, pl.String)
        for channel in reversed(CHANNELS):
            over = scores()[channel] > pl.col(f"{channel}_threshold")
            alarm = pl.when(over).then(pl.lit(channel)).otherwise(alarm)
        return alarm

    def _rows(self, measured: pl.DataFrame, facts: Facts) -> pl.DataFrame:
        """The columns of the module's table, and what `flag` needs besides."""
        before = pl.col("stalled").shift(1).over(KEY).fill_null(value=False)
        named = pl.when(pl.col("stalled") & before).then(pl.lit("stall")).otherwise(pl.col("alarm"))
        rows = measured.with_columns(named.alias("alarm"))
        up = pl.col("alarm").is_in(["spike", "sustained"])
        opens = pl.any_horizontal(
            *(
                opening(kind.fill_null(value=False), over=KEY, cooldown=self.cooldown)
                for kind in (up, pl.col("alarm") == "drop", pl.col("alarm") == "stall")
            )
        )
        judged = pl.col("z").is_not_null()
        state = (
            pl.when(~known())
            .then(pl.lit("partial"))
            .when("stalled")
            .then(pl.lit("stalled"))
            .when(~judged)
            .then(pl.lit("short_history"))
            .otherwise(pl.lit("judged"))
        )
        fitted = pl.col("fitted_days").is_not_null()
        return rows.with_columns(opens.alias("opens")).select(
            *KEY,
            "window_start",
            "window_end",
            "trades",
            as_units("notional_units").alias("volume"),
            "first_trade_id",
            "last_trade_id",
            "baseline_windows",
            pl.lit(None, pl.Float64).alias("baseline_mean"),
            pl.lit(None, pl.Float64).alias("baseline_deviation"),
            pl.col("z").alias("z_score"),
            state.alias("state"),
            pl.lit(self.preset).alias("preset"),
            pl.col("baseline_median").round(6),
            pl.col("baseline_scale").round(6),
            pl.col("usual").round(2).alias("usual_volume"),
            "season",
            pl.col("sustained").alias("sustained_score"),
            "spike_threshold",
            "sustained_threshold",
            "drop_threshold",
            pl.when(fitted).then(pl.col("fitted_days")).alias("fitted_days"),
            "alarm",
            "opens",
            pl.col("window_end").alias("detected_at"),
            "closed",
            "spike_tail",
            "sustained_tail",
            "drop_tail",
        )

    # -- alerts ----------------------------------------------------------------------------------------------------

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        alarms = scored.filter(pl.col("alarm").is_not_null()).with_columns(self._rarity().alias("rarity"))
        up = alarms.filter(pl.col("alarm").is_in(["spike", "sustained"]))
        down, stalls = (alarms.filter(pl.col("alarm") == kind) for kind in ("drop", "stall"))
        found = [self._alert(row) for row in self._episodes(up, KEY)]
        found += [self._alert(row) for row in self._episodes(down, KEY)]
        venues = stalls.sort("exchange", "window_start", "symbol").unique(
            ["exchange", "window_start"], keep="first", maintain_order=True
        )
        return found + [self._stall(row) for row in self._episodes(venues, ("exchange",))]

    def concerns(self, alert: Alert) -> pl.Expr:
        """The market; of a stall all markets of the venue."""
        return pl.col("exchange") == alert.exchange if alert.symbol == EVERY_MARKET else super().concerns(alert)

    @classmethod
    def about(cls, alert: Alert) -> dict[str, Any]:
        return {"exchange": alert.exchange} if alert.symbol == EVERY_MARKET else super().about(alert)

    @classmethod
    def why(cls, details: Details) -> list[str]:
        usual, windows = details.get("usual_volume"), details.get("baseline_windows")
        score, threshold = details.get("score"), details.get("threshold")
        details.pass_over("channel", "baseline_median", "baseline_scale", "season")
        found, budget = traded(details), learned(details)
        if usual is not None:
            over = f", by the {windows:,.0f} minutes before" if windows is not None else ""
            found.append(f"{number(usual)} would have been usual{over}.")
        if score is not None and threshold is not None:
            found.append(f"Its score is {score:.1f}, and above {threshold:.1f} it is an alarm{budget}.")
        return found

    def _episodes(self, alarms: pl.DataFrame, over: tuple[str, ...]) -> list[dict[str, Any]]:
        rows = gathered(alarms, over=over, within=self.episode, score="rarity")
        return rows.rows(named=True)

    @staticmethod
    def _rarity() -> pl.Expr:
        """By how many e-foldings the alarm is rarer than its budget."""
        z, lasting = pl.col("z_score"), pl.col("sustained_score")
        spike = (z - pl.col("spike_threshold")) / pl.col("spike_tail")
        rise = (lasting - pl.col("sustained_threshold")) / pl.col("sustained_tail")
        fall = (-lasting - pl.col("drop_threshold")) / pl.col("drop_tail")
        return pl.when(pl.col("alarm") == "drop").then(fall).otherwise(pl.max_horizontal(spike, rise)).round(6)

    def _alert(self, row: dict[str, Any]) -> Alert:
        exchange, symbol, end = row["exchange"], row["symbol"], row["window_end"]
        channel, volume = row["alarm"], float(row["volume"])
        usual = row["usual_volume"] or 0.0
        score = row["z_score"] if channel == "spike" else row["sustained_score"]
        times = f"{short(volume / usual)} times the usual" if usual >= 1 else "far above the usual"
        at = f"{symbol} on {exchange}: {short(volume)} {quote_of(symbol)} traded in the minute to {end:%H:%M} UTC"
        what = {
            "spike": f"{at}, {times} (score {short(score)})",
            "sustained": f"{at}, {times}, and volume has been high for a while (score {short(score)})",
            "drop": f"{at}: volume has been low for a while (score {short(-score)})",
        }[channel]
        return self.alert(
            alert_type=VOLUME_DROP if channel == "drop" else VOLUME_SPIKE,
            key={"window_start": iso(row["window_start"])},
            symbol=symbol,
            exchange=exchange,
            severity=_severity(row["peak"]),
            detected_at=end,
            closed=row["closed"],
            message=what + fired(row["fired"]),
            details={
                **window_and_times(row),
                "channel": channel,
                "volume": f"{row['volume']:f}",
                "usual_volume": usual,
                "trades": row["trades"],
                "first_trade_id": row["first_trade_id"],
                "last_trade_id": row["last_trade_id"],
                "baseline_windows": row["baseline_windows"],
                "baseline_median": row["baseline_median"],
                "baseline_scale": row["baseline_scale"],
                "season": row["season"],
                "score": score,
                "threshold": row[f"{channel}_threshold"],
                "budget_per_day": self.budget_of(channel),
                "fitted_days": row["fitted_days"],
            },
        )

    def _stall(self, row: dict[str, Any]) -> Alert:
        exchange, end = row["exchange"], row["window_end"]
        return self.alert(
            alert_type=VENUE_STALL,
            key={"window_start": iso(row["window_start"])},
            symbol=EVERY_MARKET,
            exchange=exchange,
            severity="high",
            detected_at=end,
            closed=row["closed"],
            message=f"{exchange}: nothing traded in any market for two minutes to {end:%H:%M} UTC"
            + fired(row["fired"]),
            details=window_and_times(row),
        )


def _severity(rarity: float) -> str:
    """Medium within the budget, high from ten times rarer, critical from a hundred times rarer."""
    tenfold = math.log(10)
    return "critical" if rarity >= 2 * tenfold else "high" if rarity >= tenfold else "medium"
