"""MOD-002, preset `default`: taker orders that are large in dollars and rare in their market."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import number, price, short
from coattail.config import DEFAULT
from coattail.detectors.base import DAY, BaseDetector, Facts, Lesson, iso
from coattail.detectors.described import AlertType, Details
from coattail.detectors.episodes import learned
from coattail.detectors.rates import dollars_per_quote
from coattail.detectors.whale import WHALE_TRADE, WHALE_TRADES, deed, orders_at, parity, swept
from coattail.symbols import USD_QUOTES, base_of, quote_of
from coattail.tables import Table
from coattail.values import Positive

_KEY = ("exchange", "symbol")


@dataclass(frozen=True, kw_only=True)
class RankedOrderDetector(BaseDetector):
    """Orders of at least `floor` dollars that fewer than `budget` orders a day exceeded in the 7 days before the day.

    The notional is converted by the rate that traded in the `rate_age` before the order (QUOTE-USD of any venue);
    without one a dollar's stablecoin counts as a dollar, and any other quote is not judged. Severity by the share of
    the market's usual daily volume, by the price impact 10^4 ln(last / first) of the sweep, and by dollars.
    """

    module_id: ClassVar[str] = "MOD-002"
    name: ClassVar[str] = "whale-detector"
    table: ClassVar[Table] = WHALE_TRADES
    alert_types: ClassVar[tuple[AlertType, ...]] = (WHALE_TRADE,)
    presets: ClassVar[tuple[str, ...]] = (DEFAULT,)
    rules: ClassVar[int] = 2
    against: ClassVar[tuple[tuple[str, str], ...]] = (("notional_usd", "threshold_usd"),)

    preset: str = DEFAULT
    """Name of the set of thresholds, for people; part of every alert's identity, so that one home can hold both."""
    floor: Positive[float] = 100_000.0
    """Dollars below which no order is large, however quiet its market; the source documents' lowest threshold."""
    budget: Positive[float] = 96.0
    """Orders per day and market above the threshold that is learned; 96 are four an hour. Where fewer reach the
    floor, the floor alone decides."""
    rate_age: Positive[timedelta] = timedelta(minutes=10)
    """How old the price of a quote in dollars may be that an order is converted by; ten minutes, in which a rate
    moves far less than orders differ. Without one, a stablecoin counts as a dollar and other quotes are not
    judged."""
    high_share_pct: Positive[float] = 0.2
    """Percent of the market's usual daily volume from which an order is of high severity; 0.2 is what usually
    trades in three minutes."""
    critical_share_pct: Positive[float] = 1.0
    """The same for critical severity; 1 is what usually trades in a quarter of an hour."""
    high_impact_bps: Positive[float] = 5.0
    """Basis points by which an order moved the price, in its direction, from which it is of high severity; half a
    tenth of a percent, half of a usual taker fee."""
    critical_impact_bps: Positive[float] = 20.0
    """The same for critical severity: as much as taking and giving back costs in fees."""
    high: Positive[float] = 500_000.0
    """Dollars from which an order is of high severity, whatever its share; the source documents'."""
    critical: Positive[float] = 1_000_000.0
    """The same for critical severity; the source documents'."""
    fit_days: Positive[int] = 7
    """Whole days before a day that usual sizes and volumes are learned from: a week, so that each day of it counts
    once."""

    @property
    def window(self) -> timedelta:
        return timedelta(0)

    @property
    def lookback(self) -> timedelta:
        return self.rate_age

    @property
    def lessons(self) -> Mapping[str, Lesson]:
        since = -DAY * self.fit_days
        return {"sizes": Lesson(since, timedelta(0), since)}

    def learn(self, lesson: str, past: Facts, day: datetime) -> pl.DataFrame:
        """One row per instrument that traded for a day or longer.

        Columns: exchange, symbol, fitted_days, ranked (the notional, quote units, that `budget` orders a day reach; 0
        where there were fewer), daily_volume (quote units a day).
        """
        traded = past.bars.group_by(_KEY).agg(
            pl.col("bar_start").min().alias("first"),
            pl.col("bar_start").max().alias("last"),
            (pl.col("notional").to_physical().sum().cast(pl.Float64) / 1e8).alias("volume"),
        )
        days = (pl.col("last") - pl.col("first")).dt.total_seconds() / 86_400
        seen = traded.with_columns(days.alias("fitted_days")).filter(pl.col("fitted_days") >= 0.95)
        size = pl.col("notional").cast(pl.Float64).alias("size")
        sizes = past.orders.select(*_KEY, size).sort(*_KEY, "size", descending=[False, False, True])
        ranked = (
            sizes.join(seen.select(*_KEY, "fitted_days"), on=_KEY)
            .filter(pl.int_range(pl.len()).over(_KEY) == (pl.col("fitted_days") * self.budget).floor().cast(pl.Int64))
            .select(*_KEY, pl.col("size").alias("ranked"))
        )
        return seen.join(ranked, on=_KEY, how="left").select(
            *_KEY,
            pl.col("fitted_days").round(2),
            pl.col("ranked").fill_null(0.0).round(2),
            (pl.col("volume") / pl.col("fitted_days")).round(2).alias("daily_volume"),
        )

    def score(self, facts: Facts) -> pl.DataFrame:
        when = pl.col("timestamp")
        orders = facts.orders.filter((when >= facts.since) & (when < facts.until))
        priced = dollars_per_quote(orders, facts.bars, within=self.rate_age)
        stable = [s for s in priced["symbol"].unique() if quote_of(s) in USD_QUOTES]
        assumed = pl.col("rate").is_null() & pl.col("symbol").is_in(stable)
        rate = pl.when(assumed).then(1.0).otherwise(pl.col("rate"))
        usd = (pl.col("notional").cast(pl.Float64) * rate).round(2)
        large = priced.with_columns(
            rate.alias("rate_usd"),
            usd.alias("notional_usd"),
            assumed.alias("parity"),
            when.dt.truncate("1d").alias("day"),
        ).filter(pl.col("notional_usd") >= self.floor)
        days = large["day"].unique().sort()
        fits = [facts.learned(self, "sizes", day).with_columns(pl.lit(day).alias("day")) for day in days]
        empty = pl.DataFrame(schema={**_FIT, "day": priced.schema["timestamp"]})
        known = large.join(pl.concat(fits) if fits else empty, on=[*_KEY, "day"], how="left")
        limit = pl.max_horizontal(pl.lit(self.floor), (pl.col("ranked") * pl.col("rate_usd")).fill_null(0.0)).round(2)
        move = (pl.col("last_price") / pl.col("first_price")).log() * 10_000
        sign = pl.when(pl.col("side") == "sell").then(-1.0).otherwise(1.0)
        known = _at_edges(known, facts.spans)
        return (
            known.with_columns(limit.alias("threshold_usd"))
            .filter(pl.col("notional_usd") >= pl.col("threshold_usd"))
            .select(
                *_KEY,
                "trade_id",
                "last_trade_id",
                "timestamp",
                "side",
                "fills",
                "quantity",
                "notional",
                "first_price",
                "last_price",
                pl.lit(self.preset).alias("preset"),
                pl.col("notional_usd"),
                pl.col("rate_usd").round(8),
                "threshold_usd",
                (pl.col("notional").cast(pl.Float64) / pl.col("daily_volume") * 100).round(6).alias("share_pct"),
                (move * sign).round(4).alias("impact_bps"),
                "fitted_days",
                when.alias("detected_at"),
                (when <= facts.watermark).alias("closed"),
                "parity",
                "incomplete",
            )
            .sort(*_KEY, "trade_id")
        )

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        return [self._alert(row) for row in scored.iter_rows(named=True)]

    def concerns(self, alert: Alert) -> pl.Expr:
        """The market, and what its quote is worth."""
        return super().concerns(alert) | (pl.col("symbol") == f"{quote_of(alert.symbol)}-USD")

    @property
    def unseen(self) -> str:
        return f"it is below {number(self.floor)} dollars or what is large there, or its quote has no rate"

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        return [orders_at(alert, facts, self.concerns(alert))]

    @classmethod
    def why(cls, details: Details) -> list[str]:
        dollars, limit = details.get("notional_usd"), details.get("threshold_usd")
        share, rate = details.get("share_pct"), details.get("rate_usd")
        found, budget = swept(details), learned(details)
        if dollars is not None and limit is not None:
            found.append(f"Here {number(limit)} dollars are large{budget}.")
        if share is not None:
            found.append(f"That is {short(share)} % of a usual day here.")
        if rate is not None and rate != 1:
            found.append(f"One unit of the quote was worth {rate:.4f} dollars.")
        return found + parity(details)

    def _severity(self, row: dict[str, Any]) -> str:
        steps = (
            (row["notional_usd"], self.high, self.critical),
            (row["share_pct"] or 0.0, self.high_share_pct, self.critical_share_pct),
            (row["impact_bps"] or 0.0, self.high_impact_bps, self.critical_impact_bps),
        )
        if any(value >= critical for value, _, critical in steps):
            return "critical"
        return "high" if any(value >= high for value, high, _ in steps) else "medium"

    def _alert(self, row: dict[str, Any]) -> Alert:
        exchange, symbol, when = row["exchange"], row["symbol"], row["timestamp"]
        did, fills = deed(row)
        share, impact = row["share_pct"], row["impact_bps"]
        base = base_of(symbol)
        vwap = float(row["notional"]) / float(row["quantity"]) if row["quantity"] else math.nan
        much = f", {short(share)} % of a usual day" if share is not None else ""
        moved = f", moving the price {short(impact)} bp" if impact >= 0.05 else ""
        quote = quote_of(symbol)
        money = "" if quote in USD_QUOTES else f" {quote}"  # dollars are said to be what it came to
        return self.alert(
            alert_type=WHALE_TRADE,
            key={"trade_id": row["trade_id"]},
            symbol=symbol,
            exchange=exchange,
            severity=self._severity(row),
            detected_at=when,
            closed=row["closed"],
            message=(
                f"{symbol} on {exchange}: one order {did} {short(row['notional_usd'])} dollars of {base} "
                f"at {price(vwap)}{money} in {fills}{much}{moved}"
            ),
            details={
                "first_trade_id": row["trade_id"],
                "last_trade_id": row["last_trade_id"],
                "timestamp": iso(when),
                "side": row["side"],
                "fills": row["fills"],
                "quantity": f"{row['quantity']:f}",
                "notional": f"{row['notional']:f}",
                "notional_usd": row["notional_usd"],
                "rate_usd": row["rate_usd"],
                "dollar_parity": "assumed" if row["parity"] else "converted" if quote != "USD" else "exact",
                "first_price": row["first_price"],
                "last_price": row["last_price"],
                "vwap": round(vwap, 8),
                "impact_bps": impact,
                "share_pct": share,
                "threshold_usd": row["threshold_usd"],
                "budget_per_day": self.budget,
                "fitted_days": row["fitted_days"],
                "incomplete": row["incomplete"],
            },
        )


def _at_edges(orders: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The orders with `incomplete`: the trade id before or after has not landed, and may belong to the order."""
    inside = orders.sort("trade_id").join_asof(
        spans.select(*_KEY, "first_id", "last_id").sort("first_id"),
        left_on="trade_id",
        right_on="first_id",
        by=list(_KEY),
        strategy="backward",
        check_sortedness=False,
    )
    whole = (pl.col("first_id") < pl.col("trade_id")) & (pl.col("last_id") > pl.col("last_trade_id"))
    return inside.with_columns((~whole).fill_null(value=True).alias("incomplete")).drop("first_id", "last_id")


_FIT = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "fitted_days": pl.Float64(), "ranked": pl.Float64(),
    "daily_volume": pl.Float64(),
})  # fmt: skip
