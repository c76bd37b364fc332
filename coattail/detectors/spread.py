"""MOD-003: the same asset at two venues: how far apart were its average prices in one half minute?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import price, short
from coattail.config import CLASSIC
from coattail.detectors.base import BaseDetector, Facts, iso, severity_of
from coattail.detectors.described import AlertType, Answer, Details, Measure
from coattail.symbols import USD_QUOTES, base_of, is_perpetual, quote_of
from coattail.tables import BARS, COVERAGE, Column, Table

EXCHANGE_SPREADS = Table(
    name="exchange_spreads",
    doc="MOD-003: prices of two venues in half a minute: averages (classic), medians of three bars (default).",
    columns=(
        Column("symbol", "string", "BASE-USD: the pair of legs", required=True, repeats=True),
        Column("exchange_a", "string", "first venue in alphabetical order", required=True, repeats=True),
        Column("symbol_a", "string", "its symbol", required=True, repeats=True),
        Column("exchange_b", "string", "second venue", required=True, repeats=True),
        Column("symbol_b", "string", "its symbol", required=True, repeats=True),
        Column("window_start", "timestamptz", "start of the window", required=True),
        Column("window_end", "timestamptz", "end of the window, not included", required=True),
        Column("vwap_a", "double", "sum of notional / sum of quantity, quote units of a"),
        Column("vwap_b", "double", "the same of b"),
        Column("trades_a", "long", "trades of a"),
        Column("trades_b", "long", "trades of b"),
        Column("spread_pct", "double", "(a - b) / b x 100, 6 decimals; null where not judged"),
        Column(
            "state",
            "string",
            "judged, partial (ids missing); default: short_history (what is usual is not known yet), thin (a "
            "stablecoin's average of one print)",
            required=True,
            repeats=True,
        ),
        Column("preset", "string", "preset of the detector", required=True, repeats=True),
        Column("revision", "long", "sequence of the raw_trades commit it was computed from", required=True),
        Column("rate_a", "double", "default: dollars for one unit of the quote of a"),
        Column("rate_b", "double", "default: the same of b"),
        Column("basis_pct", "double", "default: what is taken out of the spread, ln x 100; `basis` says who says so"),
        Column("net_pct", "double", "default: ln(a / b) x 100 less the basis"),
        Column("fees_pct", "double", "default: taker fees of both venues"),
        Column("error_pct", "double", "default: four standard errors of a stablecoin's average"),
        Column("baseline_median", "double", "default: median of net_pct in the hours before, where it was needed"),
        Column("baseline_scale", "double", "default: their quartile distance / 1.349"),
        Column("net_z", "double", "default: (net - median) / scale"),
        Column("alarm", "boolean", "default: too far apart, for the second time running"),
        Column("opens", "boolean", "default: whether the alarm opens an episode"),
        Column("price_a", "double", "default: median of the last prices of three 10-second bars"),
        Column("price_b", "double", "default: the same of b"),
        Column("basis", "string", "default: implied (by other coins), market (of the stablecoin), own", repeats=True),
    ),
    day_of="window_start",
    sorted_by=("symbol", "exchange_a", "exchange_b", "window_start"),
    latest_by=("symbol_a", "exchange_a", "symbol_b", "exchange_b", "window_start", "preset"),
    view=("spread_windows", "Spread per half minute and pair of venues: the newest row of each."),
    derived_from=(BARS.name, COVERAGE.name),
)


SPREAD_DIVERGENCE = AlertType(
    name="spread_divergence",
    one="gap between venues' prices",
    many="gaps between venues' prices",
    answer=Answer(
        kind="spread",
        place="asset",
        before=timedelta(seconds=30),
        every=timedelta(seconds=30),
        sizes=(("0.2 %", 0.0), ("0.35 %", 0.35), ("0.5 %", 0.5), ("1 %", 1.0)),
        lengths=(("under 1 min", 0.0), ("1 to 3 min", 60.0), ("3 to 10 min", 180.0)),
        size_name="from",
        length_name="for",
    ),
)
SPREAD = Measure(column="spread_pct", title="spread in percent", unit="%")
PAIR = ("exchange_a", "symbol_a", "exchange_b", "symbol_b")


@dataclass(frozen=True, kw_only=True)
class SpreadDetector(BaseDetector):
    """|spread| of 30-second VWAPs between two venues' spot markets of one base asset, quoted in dollars.

    VWAP = sum of notional / sum of quantity, both exact; no currency conversion (`classic`).
    """

    module_id: ClassVar[str] = "MOD-003"
    name: ClassVar[str] = "spread-calculator"
    table: ClassVar[Table] = EXCHANGE_SPREADS
    alert_types: ClassVar[tuple[AlertType, ...]] = (SPREAD_DIVERGENCE,)
    presets: ClassVar[tuple[str, ...]] = (CLASSIC,)
    measures: ClassVar[Measure | None] = SPREAD
    series: ClassVar[tuple[str, ...]] = PAIR
    against: ClassVar[tuple[tuple[str, str], ...]] = (("spread_pct", "threshold_pct"),)

    threshold_pct: float = 0.5
    """Percent that two venues' average prices must be apart to be an alert of medium severity; the source
    documents'."""
    high_pct: float = 1.0
    """The same for high severity; a step of our own, twice as much."""
    critical_pct: float = 2.0
    """The same for critical severity; a step of our own, four times as much."""

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=30)

    @property
    def lookback(self) -> timedelta:
        return timedelta(0)

    def score(self, facts: Facts) -> pl.DataFrame:
        windows = facts.windows(self.window, timedelta(0)).filter(
            (pl.col("window_end") < facts.until) & (pl.col("quantity_units") > 0)
        )
        legs = self._legs(windows)
        a = legs.rename(lambda name: name if name in ("base", "window_start", "window_end") else f"{name}_a")
        b = legs.rename(lambda name: name if name in ("base", "window_start", "window_end") else f"{name}_b")
        pairs = a.join(b, on=("base", "window_start", "window_end")).filter(pl.col("exchange_a") < pl.col("exchange_b"))
        closed = pl.col("window_end") <= facts.watermark
        whole = pl.col("covered_a") & pl.col("covered_b")
        begun = pl.col("begun_a") & pl.col("begun_b")
        judged = whole | (~closed & begun)
        spread = (pl.col("vwap_a") - pl.col("vwap_b")) / pl.col("vwap_b") * 100
        return pairs.select(
            pl.format("{}-USD", "base").alias("symbol"),
            "exchange_a",
            "symbol_a",
            "exchange_b",
            "symbol_b",
            "window_start",
            "window_end",
            "vwap_a",
            "vwap_b",
            "trades_a",
            "trades_b",
            pl.when(judged).then(spread.round(6)).alias("spread_pct"),
            pl.when(judged).then(pl.lit("judged")).otherwise(pl.lit("partial")).alias("state"),
            pl.lit(self.preset).alias("preset"),
            pl.col("window_end").alias("detected_at"),
            closed.alias("closed"),
        ).sort("symbol", "exchange_a", "symbol_a", "exchange_b", "symbol_b", "window_start")

    @staticmethod
    def _legs(windows: pl.DataFrame) -> pl.DataFrame:
        symbols = windows["symbol"].unique().sort().to_list()
        spot = {s: base_of(s) for s in symbols if not is_perpetual(s) and quote_of(s) in USD_QUOTES}
        return windows.filter(pl.col("symbol").is_in(list(spot))).select(
            "exchange",
            "symbol",
            pl.col("symbol").replace_strict(spot, return_dtype=pl.String).alias("base"),
            "window_start",
            "window_end",
            "trades",
            "covered",
            "begun",
            (pl.col("notional_units").cast(pl.Float64) / pl.col("quantity_units").cast(pl.Float64)).alias("vwap"),
        )

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        wide = scored.filter(pl.col("spread_pct").abs() > self.threshold_pct)
        return [self._alert(row) for row in wide.iter_rows(named=True)]

    def concerns(self, alert: Alert) -> pl.Expr:
        return legs_of(alert)

    @classmethod
    def about(cls, alert: Alert) -> dict[str, Any]:
        return pair_of(alert)

    def standing(self, row: Mapping[str, Any]) -> str:
        return f"{row['spread_pct']:+.2f} % apart, and more than {self.threshold_pct:g} % is an alert"

    @classmethod
    def why(cls, details: Details) -> list[str]:
        raw, threshold = details.get("spread_pct"), details.get("threshold_pct")
        found = averages(details)
        if raw is not None and threshold is not None:
            found.append(f"The gap was {raw:+.2f} %, without converting stablecoins; {threshold:g} % are enough.")
        return found

    def _alert(self, row: dict[str, Any]) -> Alert:
        spread = row["spread_pct"]
        steps = ((self.threshold_pct, "medium"), (self.high_pct, "high"), (self.critical_pct, "critical"))
        start, end = row["window_start"], row["window_end"]
        leg_a, leg_b = f"{row['exchange_a']}:{row['symbol_a']}", f"{row['exchange_b']}:{row['symbol_b']}"
        prices = ((leg_a, row["vwap_a"]), (leg_b, row["vwap_b"]))
        (dearer, high), (cheaper, low) = prices if spread > 0 else reversed(prices)
        return self.alert(
            alert_type=SPREAD_DIVERGENCE,
            key={"leg_a": leg_a, "leg_b": leg_b, "window_start": iso(start)},
            symbol=row["symbol"],
            exchange=None,
            severity=severity_of(abs(spread), steps) or "medium",
            detected_at=end,
            closed=row["closed"],
            message=(
                f"{row['symbol']}: {dearer} was {short(abs(spread))} % above {cheaper} in the "
                f"{self.window.seconds} seconds to {end:%H:%M:%S} UTC ({price(high)} against {price(low)})"
            ),
            details={
                "window_start": iso(start),
                "window_end": iso(end),
                "leg_a": leg_a,
                "leg_b": leg_b,
                "vwap_a": row["vwap_a"],
                "vwap_b": row["vwap_b"],
                "trades_a": row["trades_a"],
                "trades_b": row["trades_b"],
                "spread_pct": spread,
                "threshold_pct": self.threshold_pct,
            },
        )


def averages(details: Details) -> list[str]:
    """What an alert about two venues says of their prices."""
    details.pass_over("leg_a", "leg_b")
    a, b, *trades = (details.get(key) for key in ("vwap_a", "vwap_b", "trades_a", "trades_b"))
    if a is None or b is None:
        return []
    seen = f", from {trades[0]:,.0f} and {trades[1]:,.0f} trades" if None not in trades else ""
    return [f"Average prices were {price(a)} and {price(b)}{seen}."]


def pair_of(alert: Alert) -> dict[str, Any]:
    """The two venues and their symbols that the alert's details name."""
    details = Details(alert.details).all
    legs = [str(details.get(f"leg_{end}")).partition(":") for end in "ab"]
    return dict(zip(PAIR, (part for exchange, _, symbol in legs for part in (exchange, symbol)), strict=True))


def legs_of(alert: Alert) -> pl.Expr:
    """The two instruments that the alert's details name."""
    details = json.loads(alert.details)
    return pl.format("{}:{}", "exchange", "symbol").is_in([details["leg_a"], details["leg_b"]])
