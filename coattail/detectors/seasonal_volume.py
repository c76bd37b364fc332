"""MOD-001, preset `default`: log volume against a robust, seasonal baseline, thresholds set by an alert budget."""

from __future__ import annotations

import math
from collections.abc import Iterable
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
from coattail.detectors.robust import ewma, rolling_baseline, threshold_for
from coattail.detectors.volume import VOLUME, VOLUME_AGGREGATES, VOLUME_DROP, VOLUME_SPIKE, traded
from coattail.exact import as_units
from coattail.symbols import quote_of
from coattail.tables import Table
from coattail.values import Fraction, Positive

_KEY = ("exchange", "symbol")
_CHANNELS = ("spike", "sustained", "drop")
_LOWEST, _HIGHEST = -3.0, 6.0
"""A score counts at most so much in the sustained channel: one wild minute is no sustained shift, and in a market that
trades a few times a minute an empty one says little."""
_NEAR_MINUTES = 10
_MINUTES = 1440
_WHOLE_DAY = 0.95
"""Share of a day's minutes that must be covered for it to count as one."""
_SEASON_DAYS = 3
"""The time of day is judged only by instruments that were seen on so many days."""
_STALL_LOOKBACK, _USUALLY = timedelta(hours=1), 0.9
"""A venue stands still only if some market of it traded in this share of the minutes before."""

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
    """How unusual is a minute's volume, and the last quarter of an hour's, for this market at this time of day?

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
    budget: Positive[float] = 4.0
    drop_budget: Positive[float] = 1.0
    baseline: Positive[timedelta] = timedelta(hours=4)
    minimum_windows: Positive[int] = 45
    trades_weight: Fraction = 0.75
    persistence: Fraction = 0.6
    persistence_weight: Positive[float] = 0.5
    scale_floor: Positive[float] = 0.1
    sustained_weight: Positive[float] = 0.4
    sustained_windows: Positive[int] = 15
    cooldown: Positive[timedelta] = timedelta(minutes=15)
    spike_start: Positive[float] = 3.0
    sustained_start: Positive[float] = 3.8
    drop_start: Positive[float] = 5.5
    start_tail: Positive[float] = 0.4
    fit_days: Positive[int] = 7

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=60)

    @property
    def lookback(self) -> timedelta:
        return self.cooldown + self.baseline + self.window * self.sustained_windows + _STALL_LOOKBACK

    @property
    def history(self) -> timedelta:
        return DAY * self.fit_days

    @property
    def episode(self) -> timedelta:
        return timedelta(hours=1)

    # -- what is learned from the days before ----------------------------------------------------------------------

    def fit(self, past: Facts) -> pl.DataFrame:
        """One row per instrument that was seen for a day: thresholds, tails, and the season.

        Columns: exchange, symbol, fitted_days, `<channel>_threshold`, `<channel>_tail` of spike, sustained and drop,
        season (list of 1440, by minute of the day UTC; null where there are fewer than 3 days).
        """
        windows = past.windows(self.window, timedelta(0)).filter("covered")
        seen = self._activity(windows).with_columns(pl.lit(value=True).alias("closed"))
        a_day = DAY // self.window
        enough = seen.filter(pl.len().over(_KEY) >= _WHOLE_DAY * a_day)
        seasons = {
            key: self._season(minutes) if minutes.height >= _SEASON_DAYS * a_day * 0.8 else None
            for key, minutes in enough.group_by(_KEY, maintain_order=True)
        }
        measured = self._measured(enough, _seasons([(*key, season) for key, season in seasons.items()]))
        rows = []
        for (exchange, symbol), scored in measured.group_by(_KEY, maintain_order=True):
            days, season = scored.height / a_day, seasons[exchange, symbol]
            row: dict[str, Any] = {"exchange": exchange, "symbol": symbol, "fitted_days": round(days, 2)}
            block = pl.col("window_start").dt.truncate(self.cooldown)
            for channel, score in self._scores().items():
                peaks = scored.group_by(block).agg(score.max().alias("peak"))["peak"].drop_nulls().to_list()
                if len(peaks) < 2:
                    break
                limit, tail = threshold_for(peaks, self._budget(channel) * days)
                row |= {f"{channel}_threshold": round(limit, 6), f"{channel}_tail": round(tail, 6)}
            else:
                rows.append({**row, "season": season})
        return pl.DataFrame(rows, schema=_FIT)

    @staticmethod
    def _season(minutes: pl.DataFrame) -> list[float]:
        """Median log volume around each minute of the day, less their own median."""
        at = pl.col("window_start").dt.hour().cast(pl.Int64) * 60 + pl.col("window_start").dt.minute()
        points = minutes.select(at.alias("minute"), "x")
        around = pl.concat([
            points.with_columns(pl.col("minute") + shift) for shift in (-_MINUTES, 0, _MINUTES)
        ]).filter(pl.col("minute").is_between(-_NEAR_MINUTES, _MINUTES - 1 + _NEAR_MINUTES)).sort("minute")  # fmt: skip
        smooth = around.select(
            (pl.col("minute") - _NEAR_MINUTES).alias("minute"),
            pl.col("x").rolling_median_by("minute", window_size=f"{2 * _NEAR_MINUTES + 1}i").alias("season"),
        ).unique("minute", keep="last")
        whole = pl.DataFrame({"minute": range(_MINUTES)}, schema={"minute": pl.Int64})
        curve = whole.join(smooth, on="minute", how="left", maintain_order="left")["season"].interpolate()
        return (curve.fill_null(strategy="forward").fill_null(strategy="backward") - curve.median()).round(6).to_list()

    def _budget(self, channel: str) -> float:
        """Alarms a day; spikes and sustained rises share theirs."""
        return self.drop_budget if channel == "drop" else self.budget / 2

    def _start(self, channel: str) -> float:
        """The threshold of a market that has no whole day of history, at this budget."""
        start = {"spike": self.spike_start, "sustained": self.sustained_start, "drop": self.drop_start}[channel]
        usual = 1.0 if channel == "drop" else 2.0
        return round(start + self.start_tail * math.log(usual / self._budget(channel)), 6)

    # -- scores ----------------------------------------------------------------------------------------------------

    def score(self, facts: Facts) -> pl.DataFrame:
        windows = facts.windows(self.window, self.lookback).with_columns(
            (pl.col("window_end") <= facts.watermark).alias("closed")
        )
        windows = self._activity(windows)
        asked = (pl.col("window_end") >= facts.since) & (pl.col("window_end") < facts.until)
        judged = windows.filter(
            (pl.col("window_end") >= facts.since - self.cooldown) & (pl.col("window_end") < facts.until)
        )
        days = judged["window_start"].dt.truncate("1d").unique().sort()
        parts = [self._day(windows, facts.fit(self, day), day) for day in days]
        if not parts:
            return self._rows(self._day(windows, pl.DataFrame(schema=_FIT), facts.since), facts).clear()
        return self._rows(pl.concat(parts).sort(*_KEY, "window_start"), facts).filter(asked).sort(*_KEY, "window_start")

    def _activity(self, windows: pl.DataFrame) -> pl.DataFrame:
        """The windows with `volume` and `x`, null where ids are missing."""
        known = pl.col("covered") if "closed" not in windows.columns else _known()
        volume = pl.col("notional_units").cast(pl.Float64) / 1e8
        share = self.trades_weight
        activity = (1 - share) * volume.log1p() + share * pl.col("trades").cast(pl.Float64).log1p()
        return windows.with_columns(
            pl.when(known).then(volume).alias("volume"), pl.when(known).then(activity).alias("x")
        )

    def _day(self, windows: pl.DataFrame, fit: pl.DataFrame, day: Any) -> pl.DataFrame:
        """The windows that begin on a day, measured with what was learned for that day."""
        near = windows.filter((pl.col("window_start") >= day - self.lookback) & (pl.col("window_start") < day + DAY))
        measured = self._measured(near, _seasons(fit.select(*_KEY, "season").rows())).filter(
            pl.col("window_start") >= day
        )
        limits = measured.join(fit.drop("season"), on=_KEY, how="left", maintain_order="left")
        starts = [
            pl.col(f"{c}_{part}").fill_null(value)
            for c in _CHANNELS
            for part, value in (("threshold", self._start(c)), ("tail", self.start_tail))
        ]
        return limits.with_columns(starts).with_columns(self._alarm().alias("alarm"))

    def _measured(self, windows: pl.DataFrame, season: pl.DataFrame) -> pl.DataFrame:
        """The windows on a grid without holes, with `season`, the baseline before each, `z` and `sustained`."""
        minute = pl.col("window_start").dt.hour().cast(pl.Int64) * 60 + pl.col("window_start").dt.minute()
        grid = (
            windows.group_by(_KEY)
            .agg(pl.col("window_start").min().alias("low"), pl.col("window_start").max().alias("high"))
            .with_columns(pl.datetime_ranges("low", "high", interval=self.window).alias("window_start"))
            .drop("low", "high")
            .explode("window_start")
        )
        rows = (
            grid.join(windows, on=[*_KEY, "window_start"], how="left")
            .with_columns(minute.alias("minute"))
            .join(season, on=[*_KEY, "minute"], how="left")
            .drop("minute")
            .sort(*_KEY, "window_start")
        )
        traded = (pl.col("trades") > 0).cast(pl.Float64)
        often = traded.rolling_mean_by("window_start", window_size=_STALL_LOOKBACK, closed="left").over(_KEY)
        rows = (
            rows.with_columns(often.alias("often"))
            .with_columns(_stalled().alias("stalled"))
            .with_columns(pl.when(~pl.col("stalled")).then(pl.col("x") - pl.col("season").fill_null(0.0)).alias("r"))
        )
        based = rolling_baseline(
            rows, "r", over=_KEY, span=self.baseline, least=self.minimum_windows, floor=self.scale_floor
        )
        usual = pl.col("volume").rolling_median_by("window_start", window_size=self.baseline, closed="left").over(_KEY)
        away = (pl.col("r") - pl.col("baseline_median")).alias("away")
        level = (pl.col("away") / pl.col("baseline_scale")).clip(_LOWEST, _HIGHEST)
        scored = based.with_columns(usual.alias("usual"), away).with_columns(
            pl.when(pl.col("closed")).then(level).alias("level")
        )
        expected = self.persistence * ewma(
            "away", over=_KEY, weight=self.persistence_weight, terms=self.sustained_windows, before=1
        ).fill_null(0.0)
        z = (pl.col("away") - expected) / pl.col("baseline_scale")
        deviation = math.sqrt(self.sustained_weight / (2 - self.sustained_weight))
        lasting = ewma("level", over=_KEY, weight=self.sustained_weight, terms=self.sustained_windows) / deviation
        return (
            scored.with_columns(
                z.round(6).alias("z"),
                pl.when(pl.col("level").is_not_null()).then(lasting).round(6).alias("sustained"),
            )
            .drop("level", "away")
            .filter(pl.col("window_end").is_not_null())
        )

    @staticmethod
    def _scores() -> dict[str, pl.Expr]:
        return {"spike": pl.col("z"), "sustained": pl.col("sustained"), "drop": -pl.col("sustained")}

    def _alarm(self) -> pl.Expr:
        alarm: pl.Expr = pl.lit(None, pl.String)
        for channel in reversed(_CHANNELS):
            over = self._scores()[channel] > pl.col(f"{channel}_threshold")
            alarm = pl.when(over).then(pl.lit(channel)).otherwise(alarm)
        return alarm

    def _rows(self, measured: pl.DataFrame, facts: Facts) -> pl.DataFrame:
        """The columns of the module's table, and what `flag` needs besides."""
        before = pl.col("stalled").shift(1).over(_KEY).fill_null(value=False)
        named = pl.when(pl.col("stalled") & before).then(pl.lit("stall")).otherwise(pl.col("alarm"))
        rows = measured.with_columns(named.alias("alarm"))
        up = pl.col("alarm").is_in(["spike", "sustained"])
        opens = pl.any_horizontal(
            *(
                opening(kind.fill_null(value=False), over=_KEY, cooldown=self.cooldown)
                for kind in (up, pl.col("alarm") == "drop", pl.col("alarm") == "stall")
            )
        )
        judged = pl.col("z").is_not_null()
        state = (
            pl.when(~_known())
            .then(pl.lit("partial"))
            .when("stalled")
            .then(pl.lit("stalled"))
            .when(~judged)
            .then(pl.lit("short_history"))
            .otherwise(pl.lit("judged"))
        )
        fitted = pl.col("fitted_days").is_not_null()
        return rows.with_columns(opens.alias("opens")).select(
            *_KEY,
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
        found = [self._alert(row) for row in self._episodes(up, _KEY)]
        found += [self._alert(row) for row in self._episodes(down, _KEY)]
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
                "budget_per_day": self._budget(channel),
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


_FIT = pl.Schema(
    {"exchange": pl.String(), "symbol": pl.String(), "fitted_days": pl.Float64()}
    | {f"{c}_{part}": pl.Float64() for c in _CHANNELS for part in ("threshold", "tail")}
    | {"season": pl.List(pl.Float64)}
)


def _known() -> pl.Expr:
    return pl.col("covered") | (~pl.col("closed") & pl.col("begun"))


def _stalled() -> pl.Expr:
    """Whether no market of the venue traded, though one of them does in most minutes: the venue stands still."""
    silent = (pl.col("covered") & pl.col("closed") & (pl.col("trades") == 0)).fill_null(value=False)
    venue = ["exchange", "window_start"]
    usually = (pl.col("often").max() >= _USUALLY).fill_null(value=False)
    return (silent.all() & (pl.len() > 1) & usually).over(venue)


def _seasons(curves: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """(exchange, symbol, season or None) as rows: exchange, symbol, minute, season."""
    empty = pl.DataFrame(schema={"exchange": pl.String, "symbol": pl.String, "minute": pl.Int64, "season": pl.Float64})
    return pl.concat([
        empty,
        *(
            pl.DataFrame({"exchange": exchange, "symbol": symbol, "minute": range(_MINUTES), "season": season})
            for exchange, symbol, season in curves
            if season is not None
        ),
    ])  # fmt: skip


def _severity(rarity: float) -> str:
    """Medium within the budget, high from ten times rarer, critical from a hundred times rarer."""
    tenfold = math.log(10)
    return "critical" if rarity >= 2 * tenfold else "high" if rarity >= tenfold else "medium"
