"""MOD-003, preset `default`: how far apart two venues are once the stablecoin's rate, fees and chance are taken out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import short
from coattail.config import DEFAULT
from coattail.detectors.base import BaseDetector, Facts, iso, severity_of
from coattail.detectors.described import AlertType, Answer, Details, Measure
from coattail.detectors.episodes import fired, gathered, opening, window_and_times
from coattail.detectors.net_spread_measure import PAR, legs_in_dollars, pairs_of, pegs_of
from coattail.detectors.robust import rolling_baseline
from coattail.detectors.spread import EXCHANGE_SPREADS, PAIR, SPREAD, SPREAD_DIVERGENCE, averages, legs_of, pair_of
from coattail.symbols import USD_QUOTES, base_of
from coattail.tables import Table
from coattail.values import NotNegative, Positive

STABLECOIN_DEPEG = AlertType(
    name="stablecoin_depeg",
    one="stablecoin off its dollar",
    many="stablecoins off their dollar",
    marks="price",
    answer=Answer(
        kind="depeg",
        place="stablecoin",
        before=timedelta(seconds=30),
        every=timedelta(seconds=30),
        sizes=(("0.3 %", 0.0), ("0.5 %", 0.5), ("1 %", 1.0)),
        lengths=(("5 to 15 min", 0.0), ("15 to 60 min", 900.0)),
        size_name="from",
        length_name="for",
    ),
)


@dataclass(frozen=True, kw_only=True)
class NetSpreadDetector(BaseDetector):
    """The spread of two venues' spot markets of one asset, split: net + basis = ln(a / b), in percent.

    basis = ln u_a - ln u_b reversed, u the dollars a venue's quote is worth (average price of QUOTE-USD in the last
    minute; without one the window is not judged), net = what is left. Alarm where |net| exceeds both venues' fees and
    `margin_pct`, and 4 standard errors of the averages, and lies more than `z_threshold` robust deviations from its
    median of the `baseline` before, in two windows running, or in one if |net| exceeds `at_once_pct` and the rate is of
    that window and steady. The standard error is sigma / sqrt(n), n = (sum w)^2 / sum w^2 of the notionals, sigma from
    the bars' ranges (Parkinson 1980). A stablecoin off its peg is an alert of its own, not a spread.
    """

    module_id: ClassVar[str] = "MOD-003"
    name: ClassVar[str] = "spread-calculator"
    table: ClassVar[Table] = EXCHANGE_SPREADS
    alert_types: ClassVar[tuple[AlertType, ...]] = (SPREAD_DIVERGENCE, STABLECOIN_DEPEG)
    presets: ClassVar[tuple[str, ...]] = (DEFAULT,)
    measures: ClassVar[Measure | None] = SPREAD
    series: ClassVar[tuple[str, ...]] = PAIR
    against: ClassVar[tuple[tuple[str, str], ...]] = (("net_z", "z_threshold"), ("off_pct", "threshold_pct"))

    preset: str = DEFAULT
    """Name of the set of thresholds, for people; part of every alert's identity, so that one home can hold both."""
    fee_pct: NotNegative[float] = 0.1
    """Taker fee of one venue, percent; both are taken off. A round figure: put in what your own account pays."""
    margin_pct: NotNegative[float] = 0.05
    """Percent that must be left after both fees; a quarter of them, so that a spread that just pays its fees is
    left out."""
    errors: Positive[float] = 4.0
    """Standard errors of the two averages that a spread must exceed, else it is noise; four, since a pair has 2,880
    windows a day."""
    z_threshold: Positive[float] = 4.0
    """Robust deviations from the pair's usual spread that it must exceed, because some pairs always stand apart;
    four, for the same reason."""
    scale_floor_pct: Positive[float] = 0.01
    """Smallest such deviation, percent: a pair that hardly moves is not judged more sharply than by a hundredth of
    a percent."""
    at_once_pct: Positive[float] = 1.0
    """Net percent above which one window is enough, if the stablecoin's rate is of that window and steady; below it
    two in a row must agree. As large as high severity."""
    baseline: Positive[timedelta] = timedelta(hours=4)
    """How far before a window the windows lie that it is compared with: four hours, as for volumes."""
    minimum_windows: Positive[int] = 60
    """Judged windows of the baseline without which nothing is said: half an hour's."""
    minimum_trades: Positive[int] = 5
    """Trades of either venue in a window below which it is thin, and not judged: an average of fewer is a print."""
    rate_age: Positive[timedelta] = timedelta(seconds=60)
    """How old a stablecoin's price in dollars may be; two windows, because a depeg moves within minutes. Without
    one a pair against it is not judged."""
    outlier_pct: Positive[float] = 1.0
    """Percent by which a print may lie off its window's average; beyond it the window is not judged, because one
    wrong print would be the whole spread."""
    high_pct: Positive[float] = 1.0
    """Net percent above which an alert is of high severity, as under `classic`."""
    critical_pct: Positive[float] = 2.0
    """The same for critical severity, as under `classic`."""
    depeg_pct: Positive[float] = 0.5
    """Percent that a stablecoin must be off its dollar, two windows in a row, to be an alert of medium severity: as
    much as a spread of `classic`."""
    depeg_high_pct: Positive[float] = 1.0
    """The same for high severity: twice as much."""
    depeg_critical_pct: Positive[float] = 3.0
    """The same for critical severity: six times as much."""
    cooldown: Positive[timedelta] = timedelta(minutes=5)
    """An alarm closer than this to the one before is of the same episode; ten windows, since venues that part come
    together soon."""

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=30)

    @property
    def lookback(self) -> timedelta:
        return self.baseline + self.cooldown + self.rate_age + self.window

    @property
    def episode(self) -> timedelta:
        return timedelta(hours=1)

    def score(self, facts: Facts) -> pl.DataFrame:
        windows = facts.windows(self.window, self.lookback).filter(
            (pl.col("window_end") < facts.until) & (pl.col("quantity_units") > 0)
        )
        legs = legs_in_dollars(windows, facts, self)
        rates = legs.filter((pl.col("quote") == "USD") & pl.col("base").is_in(list(USD_QUOTES)))
        coins = legs.filter(~pl.col("base").is_in(list(USD_QUOTES)))
        rows = pl.concat([pairs_of(coins, rates, self), pegs_of(rates, self)]).sort(*PAIR, "window_start")
        rows = rolling_baseline(
            rows, "usable", over=PAIR, span=self.baseline, least=self.minimum_windows, floor=self.scale_floor_pct
        )
        z = ((pl.col("net_pct") - pl.col("baseline_median")) / pl.col("baseline_scale")).round(6)
        judged = rows.with_columns(
            z.alias("net_z"), (pl.col("window_end") <= facts.watermark).alias("closed")
        ).with_columns(self._far().alias("far"))
        before = pl.col("far").shift(1).over(PAIR)
        adjacent = pl.col("window_start").shift(1).over(PAIR) == pl.col("window_start") - self.window
        again = (pl.col("far") == before) & adjacent
        steady = (pl.col("basis_pct") - pl.col("basis_pct").shift(1).over(PAIR)).abs() < self.limit_pct()
        huge = pl.col("fresh") & adjacent & steady & (pl.col("net_pct").abs() > self.at_once_pct)
        alarm = (pl.col("far").is_not_null() & (again | huge)).fill_null(value=False)
        alarms = judged.with_columns(alarm.alias("alarm"))
        rises, falls = (pl.col("alarm") & (pl.col("far") == way) for way in (1, -1))
        opens = pl.any_horizontal(
            *(opening(way.fill_null(value=False), over=PAIR, cooldown=self.cooldown) for way in (rises, falls))
        )
        asked = (pl.col("window_end") >= facts.since) & (pl.col("window_end") < facts.until)
        return (
            alarms.with_columns(opens.alias("opens"))
            .filter(asked)
            .select(
                pl.format("{}-USD", "base").alias("symbol"),
                *PAIR,
                "window_start",
                "window_end",
                "vwap_a",
                "vwap_b",
                "trades_a",
                "trades_b",
                pl.col("spread_pct").round(6),
                "state",
                pl.lit(self.preset).alias("preset"),
                pl.col("rate_a").round(8),
                pl.col("rate_b").round(8),
                "basis_pct",
                "net_pct",
                pl.col("fees_pct").round(6),
                "error_pct",
                pl.col("baseline_median").round(6),
                pl.col("baseline_scale").round(6),
                "net_z",
                "alarm",
                "opens",
                pl.col("window_end").alias("detected_at"),
                "closed",
                "baseline_windows",
                "far",
            )
        )

    def limit_pct(self) -> float:
        """Percent that a net spread must exceed: both venues' fees, and the margin."""
        return 2 * self.fee_pct + self.margin_pct

    def _far(self) -> pl.Expr:
        """1 or -1 where a judged window is too far above or below, else null."""
        peg = pl.col("exchange_b") == PAR
        spread = (pl.col("net_pct").abs() > self.limit_pct()) & (pl.col("net_z").abs() > self.z_threshold)
        depeg = pl.col("basis_pct").abs() > pl.max_horizontal(pl.lit(self.depeg_pct), "error_pct")
        way = pl.when(peg).then(pl.col("basis_pct")).otherwise(pl.col("net_pct")).sign().cast(pl.Int8)
        return pl.when((pl.col("state") == "judged") & pl.when(peg).then(depeg).otherwise(spread)).then(way)

    # -- alerts ----------------------------------------------------------------------------------------------------

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        size = pl.when(pl.col("exchange_b") == PAR).then("basis_pct").otherwise("net_pct").abs()
        alarms = scored.filter("alarm").with_columns(size.alias("size"))
        found = [
            row
            for way in (1, -1)
            for row in gathered(alarms.filter(pl.col("far") == way), over=PAIR, within=self.episode, score="size").rows(
                named=True
            )
        ]
        return [self._depeg(row) if row["exchange_b"] == PAR else self._spread(row) for row in found]

    def concerns(self, alert: Alert) -> pl.Expr:
        """Both legs, and the stablecoins against the dollar that their rates came from."""
        if alert.alert_type == STABLECOIN_DEPEG.name:
            return super().concerns(alert)
        return legs_of(alert) | pl.col("symbol").is_in([f"{quote}-USD" for quote in USD_QUOTES - {"USD"}])

    @classmethod
    def about(cls, alert: Alert) -> dict[str, Any]:
        if alert.alert_type == STABLECOIN_DEPEG.name:
            return dict(zip(PAIR, (alert.exchange, alert.symbol, PAR, "USD"), strict=True))
        return pair_of(alert)

    @classmethod
    def why(cls, details: Details) -> list[str]:
        raw, basis, net, z = (details.get(key) for key in ("spread_pct", "basis_pct", "net_pct", "net_z"))
        off, threshold, limit = (details.get(key) for key in ("off_pct", "threshold_pct", "limit_pct"))
        error, found = details.get("error_pct"), averages(details)
        details.pass_over("rate_a", "rate_b", "fees_pct", "baseline_windows", "baseline_median", "baseline_scale",
                          "z_threshold")  # fmt: skip
        if net is not None and basis is not None and raw is not None:
            found.append(f"Of {raw:+.2f} %, the stablecoin's rate explains {basis:+.2f} % and {net:+.2f} % are left.")
        if off is not None and threshold is not None:
            found.append(f"{off:+.2f} % off; {threshold:g} % are enough.")
        if limit is not None:
            found.append(f"Fees and margin take {limit:g} %.")
        if z is not None:
            found.append(f"It lay {abs(z):.0f} robust deviations from what is usual between the two.")
        if error is not None:
            found.append(f"Chance explains at most {error:.2f} % (four standard errors).")
        return found

    def _spread(self, row: dict[str, Any]) -> Alert:
        net, end = row["net_pct"], row["window_end"]
        leg_a, leg_b = f"{row['exchange_a']}:{row['symbol_a']}", f"{row['exchange_b']}:{row['symbol_b']}"
        dearer, cheaper = (leg_a, leg_b) if net > 0 else (leg_b, leg_a)
        steps = ((0.0, "medium"), (self.high_pct, "high"), (self.critical_pct, "critical"))
        return self.alert(
            alert_type=SPREAD_DIVERGENCE,
            key={"leg_a": leg_a, "leg_b": leg_b, "window_start": iso(row["window_start"])},
            symbol=row["symbol"],
            exchange=None,
            severity=severity_of(row["peak"], steps) or "medium",
            detected_at=end,
            closed=row["closed"],
            message=(
                f"{row['symbol']}: {dearer} was {short(abs(net))} % above {cheaper} in the "
                f"{self.window.seconds} seconds to {end:%H:%M:%S} UTC, the stablecoin's {_signed(row['basis_pct'])} % "
                "taken out" + fired(row["fired"])
            ),
            details={
                **window_and_times(row),
                "leg_a": leg_a,
                "leg_b": leg_b,
                **{name: row[name] for name in (
                    "vwap_a", "vwap_b", "trades_a", "trades_b", "rate_a", "rate_b", "spread_pct", "basis_pct",
                    "net_pct", "fees_pct", "error_pct", "baseline_windows", "baseline_median", "baseline_scale",
                    "net_z",
                )},
                "limit_pct": round(self.limit_pct(), 6),
                "z_threshold": self.z_threshold,
            },
        )  # fmt: skip

    def _depeg(self, row: dict[str, Any]) -> Alert:
        off, end, symbol = row["basis_pct"], row["window_end"], row["symbol_a"]
        steps = ((0.0, "medium"), (self.depeg_high_pct, "high"), (self.depeg_critical_pct, "critical"))
        return self.alert(
            alert_type=STABLECOIN_DEPEG,
            key={"window_start": iso(row["window_start"])},
            symbol=symbol,
            exchange=row["exchange_a"],
            severity=severity_of(row["peak"], steps) or "medium",
            detected_at=end,
            closed=row["closed"],
            message=(
                f"{base_of(symbol)} was {short(abs(off))} % {'above' if off > 0 else 'below'} a dollar on "
                f"{row['exchange_a']} in the {self.window.seconds} seconds to {end:%H:%M:%S} UTC" + fired(row["fired"])
            ),
            details={
                **window_and_times(row),
                "rate": row["rate_a"],
                "off_pct": off,
                "trades": row["trades_a"],
                "error_pct": row["error_pct"],
                "threshold_pct": self.depeg_pct,
            },
        )


def _signed(percent: float) -> str:
    return f"{'-' if percent < 0 else '+'}{short(abs(percent))}"
