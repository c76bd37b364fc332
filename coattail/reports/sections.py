"""What the page says about the market, in the reader's order: prices, spreads, orders."""

from __future__ import annotations

import polars as pl

from coattail.amounts import count, price, short
from coattail.markup import Content, Markup, tag
from coattail.reports.blocks import Figures, paragraph, section, table
from coattail.reports.facts import ReportFacts
from coattail.reports.judged import MOST_PAIRS, largest_orders, orders_chart, pairs_of, spread_chart
from coattail.reports.market import (
    MOST_ASSETS,
    assets_of,
    each,
    flow_charts,
    price_chart,
    shades_of,
    steps_of,
    volume_chart,
)
from coattail.reports.words import range_of

_MOST_ORDERS = 15
_MOST_INSTRUMENTS = 40


def market_section(facts: ReportFacts, figures: Figures) -> Markup:
    """Price and volume of each asset, and what is missing of them."""
    assets = assets_of(facts)
    steps = steps_of(facts)
    charts: list[Content] = []
    for asset in assets[:MOST_ASSETS]:
        shades = shades_of(facts, asset)
        pair = [figures.add(chart(facts, asset, steps, shades)) for chart in (price_chart, volume_chart)]
        charts.append(tag("div", pair))
    left = [asset.name for asset in assets[MOST_ASSETS:]]
    return section(
        "prices",
        "Prices and volumes",
        paragraph(
            f"Average price and volume of {each(facts)}, venues on top of each other. Marks are alerts: a diamond is "
            "critical, a triangle high, a circle below that. Red bands are gaps, grey ones unobserved, amber rejected.",
            f" Charts show {range_of(facts.drawn)}: the rest has no trades." if facts.drawn != facts.span else None,
            note=True,
        ),
        tag("div", charts, class_="charts"),
        paragraph(
            f"Not drawn, smaller: {', '.join(left[:40])}{' …' if len(left) > 40 else ''}. --symbol draws them."
        ) if left else None,
        _instruments(facts),
    )  # fmt: skip


def _instruments(facts: ReportFacts) -> Content:
    bars = facts.bars
    if bars.is_empty():
        return paragraph("No trade of this time has landed.")
    rows = bars.group_by("exchange", "symbol").agg(
        pl.col("trades").sum(),
        pl.col("notional").sum().cast(pl.Float64).alias("volume"),
        pl.col("first_price").sort_by("bar_start").first().alias("first"),
        pl.col("last_price").sort_by("bar_start").last().alias("last"),
        pl.col("high").max(),
        pl.col("low").min(),
    ).sort("volume", "exchange", "symbol", descending=[True, False, False])  # fmt: skip
    columns = ["exchange", "symbol", "trades", "volume", "first", "last", "change", "low", "high"]
    cells = [
        (
            r["exchange"], r["symbol"], f"{r['trades']:,}", short(r["volume"]), price(r["first"]), price(r["last"]),
            f"{(r['last'] / r['first'] - 1) * 100:+.2f} %" if r["first"] else "-", price(r["low"]), price(r["high"]),
        )
        for r in rows.head(_MOST_INSTRUMENTS).iter_rows(named=True)
    ]  # fmt: skip
    left = rows.height - len(cells)
    return [
        table("Instruments, by volume (quote units)", columns, cells, right=columns[2:]),
        paragraph(f"And {count(left, 'instrument')} more.") if left > 0 else None,
    ]


def spreads_section(facts: ReportFacts, figures: Figures) -> Markup:
    """How far apart the venues were."""
    pairs = pairs_of(facts)
    if not pairs:
        said = "No two venues traded the same asset, or nothing has been judged."
        return section("spreads", "Spreads between venues", paragraph(said))
    split = any(pair.split for pair in pairs)
    said = (
        "Each spread is split: what other coins, the stablecoin or the past explain (basis), and what is left (net)."
        if split
        else "The preset in use does not convert stablecoins: spreads are raw, partly the stablecoin's own rate."
    )
    left = len(pairs) - MOST_PAIRS
    return section(
        "spreads",
        "Spreads between venues",
        paragraph(said, " In percent, per half minute; marks are alerts.", note=True),
        tag("div", [figures.add(spread_chart(facts, pair)) for pair in pairs[:MOST_PAIRS]], class_="charts"),
        paragraph(f"And {count(left, 'pair')} more, none of them wider.") if left > 0 else None,
    )


def orders_section(facts: ReportFacts, figures: Figures) -> Markup:
    """The largest orders, and which side took more."""
    orders = largest_orders(facts, _MOST_ORDERS)
    flows = flow_charts(facts, assets_of(facts)[:MOST_ASSETS], steps_of(facts))
    content: list[Content] = []
    if orders:
        columns = ["time (UTC)", "exchange", "symbol", "side", "dollars", "fills", "price impact", "of a usual day"]
        rows = [
            (
                f"{o['timestamp']:%m-%d %H:%M:%S}", o["exchange"], o["symbol"], _side(o["side"]),
                f"{o['dollars']:,.0f}", f"{o['fills'] or 1:,}",
                f"{round(o['impact_bps'], 1) + 0.0:.1f} bp" if o["impact_bps"] is not None else "-",
                f"{o['share_pct']:.2g} %" if o["share_pct"] is not None else "-",
            )
            for o in orders
        ]  # fmt: skip
        parity = "" if all(o["converted"] for o in orders) else " A dollar stablecoin is taken for a dollar."
        content += [
            paragraph(f"{count(facts.orders.height, 'order')} large enough to be judged.{parity}"),
            figures.add(orders_chart(facts)),
            table("The largest orders", columns, rows, right=columns[4:]),
        ]
    else:
        content.append(paragraph("No order was large enough to be judged."))
    if flows:
        content += [
            paragraph("Share of the volume that takers bought; above half they bought more than they sold.", note=True),
            tag("div", [figures.add(flow) for flow in flows], class_="charts"),
        ]
    return section("orders", "Large orders and order flow", *content)


def _side(side: str | None) -> Markup:
    words = {"buy": "▲ bought", "sell": "▼ sold"}
    return tag("span", words.get(side or "", "unknown"), class_=side if side in words else None)
