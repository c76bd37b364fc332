"""MOD-001: one minute's quote volume against the hour before it, per exchange and symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import count, number, short
from coattail.config import CLASSIC
from coattail.detectors.base import BaseDetector, Facts, iso, severity_of
from coattail.detectors.described import AlertType, Answer, Details, Measure
from coattail.exact import as_units, half_even
from coattail.symbols import quote_of
from coattail.tables import BARS, COVERAGE, Column, Table

_MICRO = 10**2
"""Volumes are scored in 10^-6 quote units, so that n x sum of squares fits 128 bits."""
_CLIP = 150_000_000_000 * 10**6
_KEY = ("exchange", "symbol")

VOLUME_AGGREGATES = Table(
    name="volume_aggregates",
    doc="MOD-001: volume per 60-second window, judged against what is usual.",
    columns=(
        Column("exchange", "string", "exchange name", required=True, repeats=True),
        Column("symbol", "string", "canonical symbol", required=True, repeats=True),
        Column("window_start", "timestamptz", "start of the window", required=True),
        Column("window_end", "timestamptz", "end of the window, not included", required=True),
        Column("trades", "long", "trades in it"),
        Column("volume", "decimal(38,8)", "quote volume, quote units"),
        Column("first_trade_id", "long", "first trade id in it"),
        Column("last_trade_id", "long", "last trade id in it"),
        Column("baseline_windows", "long", "covered windows of the baseline before it"),
        Column("baseline_mean", "double", "their mean volume, quote units"),
        Column("baseline_deviation", "double", "their population standard deviation, quote units"),
        Column("z_score", "double", "(volume - mean) / deviation, 6 decimals; null where not judged"),
        Column(
            "state",
            "string",
            "judged, partial (ids missing), short_history, flat_history, idle, stalled",
            required=True,
            repeats=True,
        ),
        Column("preset", "string", "preset of the detector", required=True, repeats=True),
        Column("revision", "long", "sequence of the raw_trades commit it was computed from", required=True),
        Column("baseline_median", "double", "default until 0.1: median activity, less season, in the hours before"),
        Column("baseline_scale", "double", "default until 0.1: their quartile distance / 1.349"),
        Column("usual_volume", "double", "default until 0.1: median volume of the hours before, quote units"),
        Column("season", "double", "default until 0.1: what is usual for the time of day"),
        Column("sustained_score", "double", "default until 0.1: EWMA of the scores, in standard deviations"),
        Column("spike_threshold", "double", "default until 0.1: z_score above which it is an alarm"),
        Column("sustained_threshold", "double", "default until 0.1: sustained_score above which it is an alarm"),
        Column("drop_threshold", "double", "default until 0.1: -sustained_score above which it is an alarm"),
        Column("fitted_days", "double", "default until 0.1: days the thresholds were fitted on"),
        Column("alarm", "string", "default until 0.1: spike, sustained, drop, stall, or null"),
        Column("opens", "boolean", "default until 0.1: whether the alarm opens an episode"),
        Column("orders", "long", "default: taker orders in it"),
        Column("expected_orders", "double", "default: how many are usual, by the time of day and the hours before"),
        Column(
            "score", "double", "default: how rare too much is, in e-foldings above a twentieth of the quarter hours"
        ),
        Column("return_days", "double", "default: once in how many days its rarest 10 seconds' end comes, either way"),
        Column("learned_days", "double", "default: days of quarter hours that says; from this market, and borrowed"),
        Column("usual_days", "long", "default: whole days that say what is usual; 0: the last four hours do"),
        Column("borrowed_days", "double", "default: how many of these days were borrowed from markets like it"),
    ),
    day_of="window_start",
    sorted_by=("exchange", "symbol", "window_start"),
    latest_by=("exchange", "symbol", "window_start", "preset"),
    view=("volume_windows", "Volume per minute and its verdict: the newest row of each window."),
    derived_from=(BARS.name, COVERAGE.name),
)


_MINUTES = (("1 min", 0.0), ("2 min", 90.0), ("5 min", 180.0), ("10 min", 450.0))
_MINUTE = timedelta(seconds=60)
_BURST = Answer(
    kind="burst",
    place="market",
    before=_MINUTE,
    every=_MINUTE,
    sizes=(("2 x", 0.0), ("3 x", 2.5), ("5 x", 4.0), ("8 x", 6.5)),
    lengths=_MINUTES,
    size_name="volume",
    length_name="for",
    never_by=("depeg", "runaway"),
)

VOLUME_SPIKE = AlertType(
    name="volume_spike",
    one="burst of volume",
    many="bursts of volume",
    marks="volume",
    answer=_BURST,
    also=(
        replace(
            _BURST, kind="pump", sizes=(("50 x", 0.0), ("150 x", 100.0), ("300 x", 225.0)), lengths=(("hours", 0.0),)
        ),
        replace(
            _BURST, kind="crash", sizes=(("10 x", 0.0), ("30 x", 20.0), ("100 x", 60.0)), lengths=(("an hour", 0.0),)
        ),
    ),
)
VOLUME_DROP = AlertType(
    name="volume_drop",
    one="slump of volume",
    many="slumps of volume",
    marks="volume",
    answer=Answer(
        kind="drought",
        place="market",
        before=_MINUTE,
        every=_MINUTE,
        sizes=(("none", 0.0), ("a fifth", 0.1), ("half", 0.35)),
        lengths=_MINUTES[1:],
        size_name="volume left",
        length_name="for",
        never_by=("depeg", "runaway"),
    ),
)
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
VOLUME = Measure(column="volume", title="volume per minute")


@dataclass(frozen=True, kw_only=True)
class VolumeAnomalyDetector(BaseDetector):
    """|z| of a minute's quote volume against the preceding `baseline_windows` minutes.

    z = (n X - S) / sqrt(n Q - S^2), the population z-score, from exact integer sums over the covered windows
    before this one (a window never belongs to its own baseline). Minutes without a trade count as zero.
    """

    module_id: ClassVar[str] = "MOD-001"
    name: ClassVar[str] = "volume-anomaly"
    table: ClassVar[Table] = VOLUME_AGGREGATES
    alert_types: ClassVar[tuple[AlertType, ...]] = (VOLUME_SPIKE, VOLUME_DROP)
    presets: ClassVar[tuple[str, ...]] = (CLASSIC,)
    measures: ClassVar[Measure | None] = VOLUME
    against: ClassVar[tuple[tuple[str, str], ...]] = (("z_score", "z_threshold"),)

    z_threshold: float = 2.5
    """Population standard deviations of a minute's volume from the mean before it, either way, above which it is an
    alert of medium severity; 2.5 is the source documents'."""
    z_high: float = 4.0
    """The same for high severity; a step of our own, for the source documents have one threshold alone."""
    z_critical: float = 6.0
    """The same for critical severity; a step of our own too."""
    baseline_windows: int = 60
    """Minutes before a minute that it is compared with, covered or not; an hour, as in the source documents."""
    minimum_windows: int = 30
    """Covered minutes among those without which nothing is judged; half of them, so that a gap silences it for half
    an hour at most."""

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=60)

    @property
    def lookback(self) -> timedelta:
        return self.window * self.baseline_windows

    def score(self, facts: Facts) -> pl.DataFrame:
        windows = facts.windows(self.window, self.lookback).with_columns(
            half_even(pl.col("notional_units"), _MICRO).clip(upper_bound=_CLIP).alias("x")
        )
        history = (
            windows.filter("covered")
            .select(
                *_KEY,
                "window_start",
                pl.int_range(1, pl.len() + 1, dtype=pl.Int128).over(_KEY).alias("n"),
                pl.col("x").cum_sum().over(_KEY).alias("s"),
                (pl.col("x") * pl.col("x")).cum_sum().over(_KEY).alias("q"),
            )
            .sort("window_start")
        )
        judged = (
            windows.filter((pl.col("window_end") >= facts.since) & (pl.col("window_end") < facts.until))
            .with_columns((pl.col("window_start") - self.lookback).alias("from"))
            .sort("window_start")
        )
        for suffix, on in (("", "window_start"), ("_0", "from")):
            judged = judged.join_asof(
                history.rename(
                    {"window_start": f"at{suffix}", "n": f"n{suffix}", "s": f"s{suffix}", "q": f"q{suffix}"}
                ),
                left_on=on,
                right_on=f"at{suffix}",
                by=list(_KEY),
                strategy="backward",
                allow_exact_matches=False,
                check_sortedness=False,
            )
        n, s, q = (pl.col(c).fill_null(0) - pl.col(f"{c}_0").fill_null(0) for c in ("n", "s", "q"))
        judged = judged.with_columns(n.alias("n"), s.alias("s"), q.alias("q"))
        spread = (pl.col("n") * pl.col("q") - pl.col("s") * pl.col("s")).cast(pl.Float64).sqrt()
        closed = pl.col("window_end") <= facts.watermark
        known = pl.col("covered") | (~closed & pl.col("begun"))
        state = (
            pl.when(~known)
            .then(pl.lit("partial"))
            .when(pl.col("n") < self.minimum_windows)
            .then(pl.lit("short_history"))
            .when(spread == 0)
            .then(pl.lit("flat_history"))
            .otherwise(pl.lit("judged"))
        )
        z = (pl.col("n") * pl.col("x") - pl.col("s")).cast(pl.Float64) / spread
        count = pl.col("n").cast(pl.Float64)
        some = pl.col("n") > 0
        return judged.with_columns(state.alias("state")).select(
            *_KEY,
            "window_start",
            "window_end",
            "trades",
            as_units("notional_units").alias("volume"),
            "first_trade_id",
            "last_trade_id",
            pl.col("n").cast(pl.Int64).alias("baseline_windows"),
            pl.when(some).then(pl.col("s").cast(pl.Float64) / count / 1e6).round(6).alias("baseline_mean"),
            pl.when(some).then(spread / count / 1e6).round(6).alias("baseline_deviation"),
            pl.when(pl.col("state") == "judged").then(z.round(6)).alias("z_score"),
            "state",
            pl.lit(self.preset).alias("preset"),
            pl.col("window_end").alias("detected_at"),
            closed.alias("closed"),
        )

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        high = pl.col("z_score") > self.z_threshold
        low = (pl.col("z_score") < -self.z_threshold) & pl.col("closed")
        return [self._alert(row) for row in scored.filter(high | low).iter_rows(named=True)]

    def standing(self, row: Mapping[str, Any]) -> str:
        return f"z = {row['z_score']:.2f}, and beyond {self.z_threshold:g} either way is an alert"

    @classmethod
    def why(cls, details: Details) -> list[str]:
        mean, deviation = details.get("baseline_mean"), details.get("baseline_deviation")
        windows, z, limit = (details.get(key) for key in ("baseline_windows", "z_score", "z_threshold"))
        found = traded(details)
        if mean is not None and deviation is not None:
            over = f" over {windows:,.0f} minutes" if windows is not None else ""
            found.append(f"Before it, {number(mean)} ± {number(deviation)} a minute was usual{over}.")
        if z is not None and limit is not None:
            way = "above" if z > 0 else "below"
            found.append(f"That is {abs(z):.1f} standard deviations {way}; {limit:g} are enough.")
        return found

    def _alert(self, row: dict[str, Any]) -> Alert:
        exchange, symbol, start, end = row["exchange"], row["symbol"], row["window_start"], row["window_end"]
        z, volume, mean = row["z_score"], row["volume"], row["baseline_mean"]
        steps = ((self.z_threshold, "medium"), (self.z_high, "high"), (self.z_critical, "critical"))
        times = f"{short(float(volume) / mean)} times" if mean > 0 else "far above"
        return self.alert(
            alert_type=VOLUME_SPIKE if z > 0 else VOLUME_DROP,
            key={"window_start": iso(start)},
            symbol=symbol,
            exchange=exchange,
            severity=severity_of(abs(z), steps) or "medium",
            detected_at=end,
            closed=row["closed"],
            message=(
                f"{symbol} on {exchange}: {short(float(volume))} {quote_of(symbol)} traded in the minute to "
                f"{end:%H:%M} UTC, {times} the mean of the hour before (z = {short(z)})"
            ),
            details={
                "window_start": iso(start),
                "window_end": iso(end),
                "volume": f"{volume:f}",
                "trades": row["trades"],
                "first_trade_id": row["first_trade_id"],
                "last_trade_id": row["last_trade_id"],
                "baseline_windows": row["baseline_windows"],
                "baseline_mean": mean,
                "baseline_deviation": row["baseline_deviation"],
                "z_score": z,
                "z_threshold": self.z_threshold,
            },
        )


def traded(details: Details) -> list[str]:
    """What an alert about a minute says of it."""
    details.pass_over("first_trade_id", "last_trade_id")
    volume, trades = details.get("volume"), details.get("trades")
    if volume is None or trades is None:
        return []
    return [f"The minute had a volume of {number(volume)} in {count(int(trades), 'trade')}."]
