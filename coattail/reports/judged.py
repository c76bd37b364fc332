"""Spreads between venues and large orders as charts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from coattail.amounts import count, number, short
from coattail.charts import windows
from coattail.charts.chart import Chart, Line, Mark, ms
from coattail.charts.said import value_at
from coattail.detectors.spread import PAIR
from coattail.reports.facts import ReportFacts
from coattail.reports.why import about

MOST_PAIRS = 12


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two venues of one asset, and their spreads."""

    name: str
    rows: pl.DataFrame
    split: bool
    """Whether basis and net are known."""
    largest: float
    """|net| of the widest window, %; |raw| where net is not known."""


def pairs_of(facts: ReportFacts) -> list[Pair]:
    """Every pair with a spread, the widest first; a stablecoin against its own dollar is one too."""
    pairs = []
    for (exchange_a, symbol_a, exchange_b, symbol_b), rows in facts.spreads.group_by(PAIR, maintain_order=True):
        peg = exchange_b == "par"
        other = "a dollar" if peg else f"{exchange_b} {symbol_b}"
        split = rows["net_pct"].is_not_null().any() and not peg
        sizes = rows["net_pct" if split else "spread_pct"].abs().drop_nulls()
        if sizes.is_empty():
            continue
        name = f"{exchange_a} {symbol_a} against {other}"
        pairs.append(Pair(name=name, rows=rows, split=bool(split), largest=float(sizes.max())))  # type: ignore[arg-type]
    return sorted(pairs, key=lambda pair: -pair.largest)


def spread_chart(facts: ReportFacts, pair: Pair) -> Chart:
    """The spread per half minute: raw, and where they are known its basis, what is left, and fees."""
    ends = pair.rows.select(PAIR).row(0, named=True)
    rows = pair.rows if pair.split else pair.rows.with_columns(pl.lit(None, pl.Float64).alias("net_pct"))
    mine = [about(row) == ends for row in facts.alerts.iter_rows(named=True)]
    alerts = facts.alerts.filter(pl.Series(mine, dtype=pl.Boolean))
    drawn = windows.spread_chart(rows, name=pair.name, alerts=alerts)
    return replace(drawn, since=ms(facts.drawn.since), until=ms(facts.drawn.until), height=140)


def marks_about(facts: ReportFacts, series: dict[str, Any], line: Line, window_ms: int) -> list[Mark]:
    """The alerts about a series of a module's table, on its line; a window ends when its alert is known."""
    found = []
    for row in facts.alerts.iter_rows(named=True):
        x = ms(row["detected_at"]) - window_ms
        if about(row) == series and (y := value_at(line, x)) is not None:
            found.append(Mark(x=x, y=y, kind=row["severity"], label=row["message"]))
    return found


def largest_orders(facts: ReportFacts, most: int) -> list[dict[str, Any]]:
    """The largest orders: exchange, symbol, timestamp, side, fills, dollars, converted, impact_bps, share_pct.

    Dollars as the module converted them; else the quote units, which it took for dollars (`converted` False).
    """
    if facts.orders.is_empty():
        return []
    sign = pl.when(pl.col("side") == "sell").then(-1.0).otherwise(1.0)
    moved = (pl.col("last_price") / pl.col("first_price")).log() * 10_000 * sign + 0.0
    return (
        facts.orders.select(
            "exchange", "symbol", "timestamp", "side", "fills", "trade_id", "last_trade_id", "share_pct",
            pl.col("notional_usd").fill_null(pl.col("notional").cast(pl.Float64)).alias("dollars"),
            pl.col("notional_usd").is_not_null().alias("converted"),
            pl.coalesce("impact_bps", moved).alias("impact_bps"),
        )
        .sort("dollars", "timestamp", descending=[True, False])
        .head(most)
        .to_dicts()
    )  # fmt: skip


def orders_chart(facts: ReportFacts) -> Chart:
    """Large orders by time and dollars."""
    rows = largest_orders(facts, facts.orders.height)
    marks = [
        Mark(
            x=ms(row["timestamp"]),
            y=round(row["dollars"]),
            kind=row["side"] if row["side"] in ("buy", "sell") else "traded",
            label=f"{row['exchange']} {row['symbol']}: {short(row['dollars'])} dollars, "
            f"{row['side'] or 'side unknown'}, {count(row['fills'] or 1, 'fill')}",
        )
        for row in rows
    ]
    bought = sum(row["side"] == "buy" for row in rows)
    alt = f"Large orders by time and size: {bought:,} bought, {len(rows) - bought:,} did not."
    if rows:
        alt += f" The largest: {number(rows[0]['dollars'])} dollars of {rows[0]['symbol']} on {rows[0]['exchange']}."
    return Chart(
        title="Large orders", alt=alt, unit="dollars", since=ms(facts.drawn.since), until=ms(facts.drawn.until),
        marks=marks, first_marks="largest", from_zero=True, height=150,
    )  # fmt: skip
