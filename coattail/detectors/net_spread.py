"""MOD-003, preset `default`: how far apart two prices of an asset are, less their basis and fees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.config import DEFAULT
from coattail.detectors.base import DAY, BaseDetector, Facts, Lesson, iso, severity_of
from coattail.detectors.described import EVERY_MARKET, AlertType, Answer, Details, Measure
from coattail.detectors.episodes import gathered, window_and_times
from coattail.detectors.gap_history import DAYS, WIDE, WIDEST, as_wide, day_before, lessons_of, wide_of, widest_of
from coattail.detectors.grid import BAR
from coattail.detectors.lines import PERPETUAL, WHOLE
from coattail.detectors.net_spread_measure import rows_of
from coattail.detectors.net_spread_words import depeg_message, reasons, spread_message, venue_message
from coattail.detectors.pegs import PAR, pegs_of
from coattail.detectors.spread import EXCHANGE_SPREADS, PAIR, SPREAD, SPREAD_DIVERGENCE, legs_of, pair_of
from coattail.symbols import USD_QUOTES, base_of, is_perpetual, quote_of
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
VENUE_DIVERGENCE = AlertType(
    name="venue_divergence",
    one="gap between whole venues",
    many="gaps between whole venues",
    answer=Answer(
        kind="runaway",
        place="every asset",
        before=timedelta(seconds=30),
        every=timedelta(seconds=30),
        sizes=(("0.3 %", 0.0), ("0.5 %", 0.5), ("1 %", 1.0)),
        lengths=(("1 to 3 min", 0.0), ("3 to 10 min", 180.0)),
        size_name="from",
        length_name="for",
    ),
)


@dataclass(frozen=True, kw_only=True)
class NetSpreadDetector(BaseDetector):
    """How far two prices of one asset are apart beyond what they usually are: net = 100 ln(a / b) - basis, in percent.

    A price is the median of the last prices of three 10-second bars, so one print cannot move it. The basis is
    *implied* by the other coins of the two venues and quotes (their median, from `least_coins` on), else the
    stablecoins' *market* rate, else the line's *own* median over the `baseline` before; a perpetual's against its spot
    market is always its own, because of the funding premium. Alarm where |net| exceeds both venues' fees and the margin
    and lies more than `z_threshold` robust deviations from its own median, the same way at two bars running, or at one
    that is `at_once_pct` off. What is implied would hide a venue that runs away with all its coins, so it is judged as
    well: against the stablecoins' market, else against its own past. An alert says how many times in the week before it
    was as wide (`detectors/gap_history.py`). A stablecoin off its peg is an alert of its own.
    """

    module_id: ClassVar[str] = "MOD-003"
    name: ClassVar[str] = "spread-calculator"
    table: ClassVar[Table] = EXCHANGE_SPREADS
    alert_types: ClassVar[tuple[AlertType, ...]] = (SPREAD_DIVERGENCE, VENUE_DIVERGENCE, STABLECOIN_DEPEG)
    presets: ClassVar[tuple[str, ...]] = (DEFAULT,)
    measures: ClassVar[Measure | None] = SPREAD
    series: ClassVar[tuple[str, ...]] = PAIR
    rules: ClassVar[int] = 3
    against: ClassVar[tuple[tuple[str, str], ...]] = (("net_z", "z_threshold"), ("off_pct", "threshold_pct"))

    preset: str = DEFAULT
    """Name of the set of thresholds, for people; part of every alert's identity, so that one home can hold both."""
    fee_pct: NotNegative[float] = 0.1
    """Taker fee of one venue, percent; both are taken off. A round figure: put in what your own account pays."""
    margin_pct: NotNegative[float] = 0.03
    """Percent that must be left after both fees; a little, so that a spread that just pays its fees is left out. That
    two bars must agree keeps the noise away, so it need not (ADR 0037)."""
    perpetual_margin_pct: NotNegative[float] = 0.15
    """The same between a perpetual and its spot market; more, because its premium moves by itself when many want to
    be long, or short."""
    z_threshold: Positive[float] = 4.0
    """Robust deviations from its usual spread that it must exceed, because some pairs always stand apart; four, since
    a pair has 8,640 bars a day."""
    scale_floor_pct: Positive[float] = 0.01
    """Smallest such deviation, percent: a pair that hardly moves is not judged more sharply than by a hundredth of
    a percent."""
    at_once_pct: Positive[float] = 1.0
    """Net percent above which one bar is enough where no other coins say what is shared, since they do not all print at
    one moment; else two running must agree. As large as high severity."""
    least_coins: Positive[int] = 3
    """Coins of two venues from which on their median says what all have in common; with two, either may be the one
    that is off."""
    baseline: Positive[timedelta] = timedelta(hours=4)
    """How long the past is that it is compared with: four hours, as for volumes."""
    away: Positive[timedelta] = timedelta(minutes=5)
    """How long before a bar that past ends, once to twice (it is looked at anew every so often): five minutes, so that
    a spread does not become usual while it opens."""
    minimum_windows: Positive[int] = 30
    """Half minutes of the past with a price without which nothing is said: a quarter of an hour's."""
    rate_age: Positive[timedelta] = timedelta(seconds=60)
    """How old a stablecoin's price in dollars may be; two windows, because a depeg moves within minutes."""
    high_pct: Positive[float] = 1.0
    """Net percent above which an alert is of high severity, as under `classic`."""
    critical_pct: Positive[float] = 2.0
    """The same for critical severity, as under `classic`."""
    errors: Positive[float] = 4.0
    """Standard errors of its average price by which a stablecoin must be off its dollar, else it is noise; four, since
    it has 2,880 windows a day."""
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
    def past_windows(self) -> int:
        """Half minutes of the past that a bar is compared with."""
        return max(self.baseline // self.window, 1)

    @property
    def lookback(self) -> timedelta:
        past = self.window * self.past_windows + 2 * -(-self.away // self.window) * self.window
        return past + self.cooldown + self.rate_age + self.window + BAR

    @property
    def memory(self) -> timedelta:
        return self.cooldown

    @property
    def episode(self) -> timedelta:
        return timedelta(hours=1)

    # -- what is learned of the days before ------------------------------------------------------------------------

    @property
    def lessons(self) -> Mapping[str, Lesson]:
        return lessons_of(self)

    def learn(self, lesson: str, past: Facts, day: datetime) -> pl.DataFrame:
        """How far apart every line was in the quarter hours of a day; for a day, those of the week before it."""
        if lesson == WIDEST:
            return widest_of(past, self, day)
        return wide_of([past.learned(self, WIDEST, day - DAY * n) for n in range(DAYS, 0, -1)], self)

    def learned_for(self, alert: Alert) -> Sequence[tuple[str, datetime]]:
        """Nothing of all instruments; of its own line `beside`."""
        return ()

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        """How wide its line was in the week before."""
        if alert.alert_type == STABLECOIN_DEPEG.name:
            return ()
        mine = [pl.col(name) == value for name, value in pair_of(alert).items()]
        week = facts.learned(self, WIDE, day_before(alert.detected_at, facts.watermark)).filter(*mine)
        return [week.select("learned_days"), week.select("above", "reached").explode("above", "reached")]

    # -- scores ----------------------------------------------------------------------------------------------------

    def score(self, facts: Facts) -> pl.DataFrame:
        asked = (pl.col("window_end") >= facts.since) & (pl.col("window_end") < facts.until)
        rows = pl.concat([rows_of(facts, self), pegs_of(facts, self)], how="diagonal").filter(asked)
        known = pl.col("state") != "partial"
        rows = as_wide(rows, lambda day: facts.learned(self, WIDE, day), facts.watermark)
        return rows.select(
            pl.when(pl.col("kind") == WHOLE)
            .then(pl.lit(EVERY_MARKET))
            .otherwise(pl.format("{}-USD", "base"))
            .alias("symbol"),
            *PAIR,
            "window_start",
            "window_end",
            "vwap_a",
            "vwap_b",
            "trades_a",
            "trades_b",
            "spread_pct",
            "state",
            pl.lit(self.preset).alias("preset"),
            "rate_a",
            "rate_b",
            "basis_pct",
            pl.when(known).then("net_pct").alias("net_pct"),
            pl.when(pl.col("exchange_b") == PAR).then(0.0).otherwise(2 * self.fee_pct).round(6).alias("fees_pct"),
            "error_pct",
            "baseline_median",
            "baseline_scale",
            "net_z",
            "alarm",
            "opens",
            "price_a",
            "price_b",
            "basis",
            pl.col("window_end").alias("detected_at"),
            (pl.col("window_end") <= facts.watermark).alias("closed"),
            pl.col("baseline_windows").fill_null(0),
            "far",
            "kind",
            "coins",
            "widest_pct",
            "as_wide",
            pl.col("learned_days").fill_null(0.0),
            pl.col("on_grid").fill_null(value=True),
        ).sort(*PAIR, "window_start")

    def kept(self, scored: pl.DataFrame) -> pl.DataFrame:
        """The rows of whole half minutes; an episode may open between them."""
        return scored.filter("on_grid")

    def marks(self, scored: pl.DataFrame) -> pl.DataFrame:
        return scored.filter("alarm")

    def limit_pct(self, kind: str) -> float:
        """Percent that the net spread of a line of this kind must exceed: both venues' fees, and the margin."""
        return 2 * self.fee_pct + (self.perpetual_margin_pct if kind == PERPETUAL else self.margin_pct)

    # -- alerts ----------------------------------------------------------------------------------------------------

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        size = pl.when(pl.col("exchange_b") == PAR).then("basis_pct").otherwise("net_pct").abs()
        alarms = self.marks(scored).with_columns(size.alias("size"))
        found = [
            row
            for way in (1, -1)
            for row in gathered(alarms.filter(pl.col("far") == way), over=PAIR, within=self.episode, score="size").rows(
                named=True
            )
        ]
        kinds = {PAR: self._depeg, WHOLE: self._venue}
        return [kinds.get(PAR if row["exchange_b"] == PAR else row["kind"], self._spread)(row) for row in found]

    def concerns(self, alert: Alert) -> pl.Expr:
        """Every coin of the two venues in the two quotes, and the stablecoins against the dollar; of a perpetual only
        its two markets, of a stablecoin only its own."""
        if alert.alert_type == STABLECOIN_DEPEG.name:
            return super().concerns(alert)
        pair = pair_of(alert)
        if is_perpetual(pair["symbol_a"]):
            return legs_of(alert)
        venues = pl.any_horizontal(
            (pl.col("exchange") == pair[f"exchange_{end}"])
            & pl.col("symbol").str.ends_with(f"-{quote_of(pair[f'symbol_{end}'])}")
            for end in "ab"
        )
        return venues | pl.col("symbol").is_in([f"{quote}-USD" for quote in sorted(USD_QUOTES - {"USD"})])

    @classmethod
    def about(cls, alert: Alert) -> dict[str, Any]:
        if alert.alert_type == STABLECOIN_DEPEG.name:
            return dict(zip(PAIR, (alert.exchange, alert.symbol, PAR, "USD"), strict=True))
        return pair_of(alert)

    def standing(self, row: Mapping[str, Any]) -> str:
        if row["exchange_b"] == PAR:
            return f"{row['basis_pct']:+.2f} % off its dollar, and {self.depeg_pct:g} % two windows running is an alert"
        net, z, limit = row["net_pct"], row["net_z"], self.limit_pct(row["kind"])
        usual = f", {abs(z):.1f} deviations from what is usual there" if z is not None else ""
        return (
            f"net {net:+.2f} %{usual}; an alert takes more than {limit:g} % and {self.z_threshold:g} deviations, two "
            "bars running, and none of its episode before"
        )

    @classmethod
    def why(cls, details: Details) -> list[str]:
        return reasons(details)

    def _severity(self, size: float) -> str:
        steps = ((0.0, "medium"), (self.high_pct, "high"), (self.critical_pct, "critical"))
        return severity_of(size, steps) or "medium"

    def _parted(self, row: dict[str, Any], alert_type: AlertType, message: str) -> Alert:
        leg_a, leg_b = f"{row['exchange_a']}:{row['symbol_a']}", f"{row['exchange_b']}:{row['symbol_b']}"
        return self.alert(
            alert_type=alert_type,
            key={"leg_a": leg_a, "leg_b": leg_b, "window_start": iso(row["window_start"])},
            symbol=row["symbol"],
            exchange=None,
            severity=self._severity(row["peak"]),
            detected_at=row["window_end"],
            closed=row["closed"],
            message=message,
            details={
                **window_and_times(row),
                "leg_a": leg_a,
                "leg_b": leg_b,
                **{name: row[name] for name in (
                    "kind", "price_a", "price_b", "trades_a", "trades_b", "rate_a", "rate_b", "spread_pct", "basis",
                    "coins", "basis_pct", "net_pct", "fees_pct", "baseline_windows", "baseline_median",
                    "baseline_scale", "net_z", "widest_pct", "as_wide", "learned_days",
                ) if row[name] is not None},
                "limit_pct": round(self.limit_pct(row["kind"]), 6),
                "z_threshold": self.z_threshold,
            },
        )  # fmt: skip

    def _spread(self, row: dict[str, Any]) -> Alert:
        return self._parted(row, SPREAD_DIVERGENCE, spread_message(row))

    def _venue(self, row: dict[str, Any]) -> Alert:
        return self._parted(row, VENUE_DIVERGENCE, venue_message(row))

    def _depeg(self, row: dict[str, Any]) -> Alert:
        steps = ((0.0, "medium"), (self.depeg_high_pct, "high"), (self.depeg_critical_pct, "critical"))
        return self.alert(
            alert_type=STABLECOIN_DEPEG,
            key={"window_start": iso(row["window_start"])},
            symbol=row["symbol_a"],
            exchange=row["exchange_a"],
            severity=severity_of(row["peak"], steps) or "medium",
            detected_at=row["window_end"],
            closed=row["closed"],
            message=depeg_message({**row, "base": base_of(row["symbol_a"])}),
            details={
                **window_and_times(row),
                "rate": row["rate_a"],
                "off_pct": row["basis_pct"],
                "trades": row["trades_a"],
                "error_pct": row["error_pct"],
                "threshold_pct": self.depeg_pct,
            },
        )
