"""MOD-002: taker orders above a dollar threshold, however many fills they swept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.config import CLASSIC
from coattail.detectors.base import BaseDetector, Facts, iso, severity_of
from coattail.symbols import USD_QUOTES, quote_of
from coattail.tables import Column, Table

WHALE_TRADES = Table(
    name="whale_trades",
    doc="MOD-002: taker orders above the lowest threshold, as far as their fills have landed.",
    columns=(
        Column("exchange", "string", "exchange name", required=True, repeats=True),
        Column("symbol", "string", "canonical symbol", required=True, repeats=True),
        Column("trade_id", "long", "first trade id of the order", required=True),
        Column("last_trade_id", "long", "last trade id", required=True),
        Column("timestamp", "timestamptz", "when it was filled", required=True),
        Column("side", "string", "buy or sell: the taker's", repeats=True),
        Column("fills", "long", "trades it swept"),
        Column("quantity", "decimal(38,8)", "base units"),
        Column("notional", "decimal(38,8)", "quote units; a USD stablecoin counts as a dollar"),
        Column("first_price", "double", "price of the first fill"),
        Column("last_price", "double", "price of the last fill"),
        Column("preset", "string", "preset of the detector", required=True, repeats=True),
        Column("revision", "long", "sequence of the raw_trades commit it was computed from", required=True),
        Column("notional_usd", "double", "default: notional in dollars"),
        Column("rate_usd", "double", "default: dollars for one unit of the quote"),
        Column("threshold_usd", "double", "default: dollars from which an order is large in this market"),
        Column("share_pct", "double", "default: share of a usual day's volume"),
        Column("impact_bps", "double", "default: how far the sweep moved the price, in its direction"),
        Column("fitted_days", "double", "default: days the threshold was fitted on; null: the floor alone"),
    ),
    day_of="timestamp",
    sorted_by=("exchange", "symbol", "trade_id"),
    latest_by=("exchange", "symbol", "trade_id", "preset"),
    view=("whale_orders", "Large orders: the newest row of each, pieces of a larger one left out."),
)


@dataclass(frozen=True, kw_only=True)
class WhaleDetector(BaseDetector):
    """Orders whose notional exceeds `medium`, `high` or `critical` dollars.

    Fills adjacent in id with equal side and exchange time are one order. Quotes that are no USD stablecoin have
    no rate here: such orders are not judged.
    """

    module_id: ClassVar[str] = "MOD-002"
    name: ClassVar[str] = "whale-detector"
    table: ClassVar[Table] = WHALE_TRADES
    alert_types: ClassVar[tuple[str, ...]] = ("whale_trade",)
    presets: ClassVar[tuple[str, ...]] = (CLASSIC,)

    medium: float = 100_000
    high: float = 500_000
    critical: float = 1_000_000

    @property
    def window(self) -> timedelta:
        return timedelta(0)

    @property
    def lookback(self) -> timedelta:
        return timedelta(0)

    def score(self, facts: Facts) -> pl.DataFrame:
        dollars = [s for s in facts.orders["symbol"].unique().sort() if quote_of(s) in USD_QUOTES]
        when = pl.col("timestamp")
        return facts.orders.filter(
            pl.col("symbol").is_in(dollars)
            & (pl.col("notional").cast(pl.Float64) > self.medium)
            & (when >= facts.since)
            & (when < facts.until)
        ).select(
            "exchange",
            "symbol",
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
            when.alias("detected_at"),
            (when <= facts.watermark).alias("closed"),
        )

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        return [self._alert(row) for row in scored.iter_rows(named=True)]

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        return [orders_at(alert, facts, self.concerns(alert))]

    def _alert(self, row: dict[str, Any]) -> Alert:
        notional = row["notional"]
        steps = ((self.medium, "medium"), (self.high, "high"), (self.critical, "critical"))
        exchange, symbol, when = row["exchange"], row["symbol"], row["timestamp"]
        did, fills = told(row)
        return self.alert(
            alert_type="whale_trade",
            key={"trade_id": row["trade_id"]},
            symbol=symbol,
            exchange=exchange,
            severity=severity_of(float(notional), steps) or "medium",
            detected_at=when,
            closed=row["closed"],
            message=(
                f"{symbol} on {exchange}: one order {did} {float(notional):,.0f} {quote_of(symbol)} "
                f"at {row['last_price']:,g} in {fills}"
            ),
            details={
                "first_trade_id": row["trade_id"],
                "last_trade_id": row["last_trade_id"],
                "timestamp": iso(when),
                "side": row["side"],
                "fills": row["fills"],
                "quantity": f"{row['quantity']:f}",
                "notional": f"{notional:f}",
                "first_price": row["first_price"],
                "last_price": row["last_price"],
                "threshold": self.medium,
                "dollar_parity": "assumed" if quote_of(symbol) != "USD" else "exact",
            },
        )


def orders_at(alert: Alert, facts: Facts, concerned: pl.Expr) -> pl.DataFrame:
    """The orders of the alert's moment, among those concerned: what they were, by market and id."""
    orders = facts.orders.filter((pl.col("timestamp") == alert.detected_at) & concerned)
    return orders.sort("exchange", "symbol", "trade_id").select(
        "trade_id", "last_trade_id", "timestamp", "fills", "notional"
    )


def told(order: Mapping[str, Any]) -> tuple[str, str]:
    """What an order's taker did, and in how many fills, as words of a message."""
    did = {"buy": "bought", "sell": "sold"}.get(order["side"], "traded")
    return did, "1 fill" if order["fills"] == 1 else f"{order['fills']} fills"
