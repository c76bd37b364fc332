"""MOD-002: taker orders above a dollar threshold, however many fills they swept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import number, price, short
from coattail.config import CLASSIC
from coattail.detectors.base import BaseDetector, Facts, iso, severity_of
from coattail.detectors.described import AlertType, Answer, Details
from coattail.symbols import USD_QUOTES, quote_of
from coattail.tables import BARS, COVERAGE, ORDERS, Column, Table

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
    derived_from=(BARS.name, ORDERS.name, COVERAGE.name),
)


WHALE_TRADE = AlertType(
    name="whale_trade",
    one="large order",
    many="large orders",
    marks="price",
    answer=Answer(
        kind="whale",
        place="order",
        before=timedelta(seconds=1),
        after=timedelta(seconds=1),
        every=timedelta(seconds=1),
        sizes=(("100 K", 0.0), ("200 K", 2e5), ("500 K", 5e5), ("1 M and more", 1e6)),
        lengths=(("one fill", 0.0), ("many fills", 2.0)),
        size_name="from",
        length_name="in",
    ),
)


@dataclass(frozen=True, kw_only=True)
class WhaleDetector(BaseDetector):
    """Orders whose notional exceeds `medium`, `high` or `critical` dollars.

    Fills adjacent in id with equal side and exchange time are one order. Quotes that are not a USD stablecoin have
    no rate here: such orders are not judged.
    """

    module_id: ClassVar[str] = "MOD-002"
    name: ClassVar[str] = "whale-detector"
    table: ClassVar[Table] = WHALE_TRADES
    alert_types: ClassVar[tuple[AlertType, ...]] = (WHALE_TRADE,)
    presets: ClassVar[tuple[str, ...]] = (CLASSIC,)
    against: ClassVar[tuple[tuple[str, str], ...]] = (("notional", "threshold"),)

    medium: float = 100_000
    """Dollars (a stablecoin counts as one) that an order's notional must exceed to be an alert of medium severity;
    the source documents'."""
    high: float = 500_000
    """The same for high severity, the source documents' too."""
    critical: float = 1_000_000
    """The same for critical severity, the source documents' too."""

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

    @property
    def unseen(self) -> str:
        return f"it is not above {number(self.medium)} dollars, or its quote is not a dollar"

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        return [orders_at(alert, facts, self.concerns(alert))]

    @classmethod
    def why(cls, details: Details) -> list[str]:
        found, floor = swept(details), details.get("threshold")
        if floor is not None:
            found.append(f"An order above {number(floor)} is large.")
        return found + parity(details)

    def _alert(self, row: dict[str, Any]) -> Alert:
        notional = row["notional"]
        steps = ((self.medium, "medium"), (self.high, "high"), (self.critical, "critical"))
        exchange, symbol, when = row["exchange"], row["symbol"], row["timestamp"]
        did, fills = deed(row)
        return self.alert(
            alert_type=WHALE_TRADE,
            key={"trade_id": row["trade_id"]},
            symbol=symbol,
            exchange=exchange,
            severity=severity_of(float(notional), steps) or "medium",
            detected_at=when,
            closed=row["closed"],
            message=(
                f"{symbol} on {exchange}: one order {did} {short(float(notional))} {quote_of(symbol)} "
                f"at {price(row['last_price'])} in {fills}"
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


def whole_orders(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table without pieces of larger orders: those whose ids another one of the instrument contains.

    Sorted by exchange, symbol and id.
    """
    market = ["exchange", "symbol"]
    ordered = rows.sort(*market, "trade_id", "last_trade_id", descending=[False, False, False, True])
    reached = pl.col("last_trade_id").cum_max().shift().over(market)
    return ordered.filter((pl.col("last_trade_id") > reached).fill_null(value=True))


def with_impact(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table with `impact_bps`: as the detector measured it, else from the first to the last price, in the
    taker's direction."""
    if "impact_bps" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.Float64).alias("impact_bps"))
    sign = pl.when(pl.col("side") == "sell").then(-1.0).otherwise(1.0)
    moved = (pl.col("last_price") / pl.col("first_price")).log() * 10_000 * sign + 0.0
    return rows.with_columns(pl.coalesce("impact_bps", moved).alias("impact_bps"))


def orders_at(alert: Alert, facts: Facts, concerned: pl.Expr) -> pl.DataFrame:
    """The orders of the alert's moment, among those concerned: what they were, by market and id."""
    # One filter after the other: names are compared only for the few orders of the moment.
    orders = facts.orders.filter(pl.col("timestamp") == alert.detected_at).filter(concerned)
    return orders.sort("exchange", "symbol", "trade_id").select(
        "trade_id", "last_trade_id", "timestamp", "fills", "notional"
    )


def swept(details: Details) -> list[str]:
    """What an alert about an order says of it."""
    details.pass_over("first_trade_id", "last_trade_id", "side", "fills", "vwap", "incomplete")
    first, last, impact = details.get("first_price"), details.get("last_price"), details.get("impact_bps")
    quantity, notional = details.get("quantity"), details.get("notional")
    found = []
    if quantity is not None and notional is not None:
        found.append(f"It took {number(quantity)} for {number(notional)}.")
    if first is not None and last is not None and first > 0 and details.all.get("fills") != 1:
        moved = impact if impact is not None else 10_000 * abs(math.log(last / first)) if last > 0 else 0.0
        way = f"moved from {price(first)} to {price(last)} ({moved:.1f} bp)" if abs(moved) >= 0.05 else "hardly moved"
        found.append(f"The price {way} between its first and last fill.")
    return found


def parity(details: Details) -> list[str]:
    """Whether a stablecoin was taken for a dollar."""
    assumed = details.text("dollar_parity") == "assumed"
    return ["A dollar stablecoin was taken for a dollar, for lack of a rate."] if assumed else []


def deed(order: Mapping[str, Any]) -> tuple[str, str]:
    """What an order's taker did, and in how many fills, as words of a message."""
    did = {"buy": "bought", "sell": "sold"}.get(order["side"], "traded")
    return did, "1 fill" if order["fills"] == 1 else f"{order['fills']} fills"
