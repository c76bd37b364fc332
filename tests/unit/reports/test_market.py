"""The marks on the charts of a market."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from coattail.charts.chart import Chart
from coattail.reports.facts import ReportFacts
from coattail.reports.market import assets_of, flow_charts, price_chart, shades_of, steps_of, volume_chart
from tests.harness.report_facts import HOUR, SPAN, START, make_alert, make_bars, make_facts, make_range


def charts(facts: ReportFacts) -> dict[str, tuple[Chart, Chart]]:
    """Asset -> its charts of price and volume."""
    steps = steps_of(facts)
    return {
        asset.name: (
            price_chart(facts, asset, steps, shades_of(facts, asset)),
            volume_chart(facts, asset, steps, shades_of(facts, asset)),
        )
        for asset in assets_of(facts)
    }


def two_venues() -> pl.DataFrame:
    return pl.concat([make_bars(), make_bars("ETH-USDT", price=3_000), make_bars("BTC-USD", "coinbase")])


def test_a_stalled_venue_is_marked_on_the_volume_of_each_of_its_markets() -> None:
    stall = make_alert(alert_type="venue_stall", symbol="ALL", message="binance: nothing traded")
    found = charts(make_facts(bars=two_venues(), alerts=[stall]))
    marked = {name: [len(chart.marks) for chart in pair] for name, pair in found.items()}
    assert marked == {"BTC": [0, 1], "ETH": [0, 1]}
    assert found["BTC"][1].marks[0].label == "binance: nothing traded"


def test_alerts_are_marked_where_their_type_says_and_unknown_ones_on_the_price() -> None:
    alerts = [make_alert(n, alert_type=kind) for n, kind in enumerate(("volume_drop", "whale_trade", "wash_trading"))]
    price, volume = charts(make_facts(bars=two_venues(), alerts=alerts))["BTC"]
    assert (len(price.marks), len(volume.marks)) == (2, 1)


def test_a_gap_interrupts_the_line_of_its_own_instrument_alone() -> None:
    """Even where another one's name begins as its does."""
    bars = pl.concat([make_bars("BTC-USD"), make_bars("BTC-USD,X")])
    gap = make_range("gap", 1, 5, symbol="BTC-USD,X")
    price, _ = charts(make_facts(bars=bars, coverage=[gap]))["BTC"]
    assert {line.name: None in line.y for line in price.lines} == {"binance BTC-USD": False}


def drawn(facts: ReportFacts) -> tuple[timedelta, timedelta]:
    """From when to when the charts go, after the start of the span."""
    price, volume = charts(facts)["BTC"]
    assert (price.since, price.until) == (volume.since, volume.until)
    start = START.timestamp() * 1000
    return timedelta(milliseconds=price.since - start), timedelta(milliseconds=price.until - start)


def test_charts_of_minutes_in_a_day_show_these_minutes() -> None:
    few = make_bars(minutes=5)
    assert drawn(make_facts(bars=few)) == (timedelta(0), timedelta(minutes=5))
    assert drawn(make_facts(bars=few, alerts=[make_alert(detected_at=START + HOUR)])) == (
        timedelta(0),
        timedelta(minutes=61),
    )


def test_less_than_half_an_hour_is_drawn_in_steps_of_ten_seconds() -> None:
    facts = make_facts(bars=make_bars(minutes=5))
    price, volume = charts(facts)["BTC"]
    assert len(price.lines[0].x) == 30
    assert (volume.title, "every 10 seconds" in price.alt) == ("BTC: volume per 10 seconds", True)
    assert len(charts(make_facts(bars=make_bars(minutes=40)))["BTC"][0].lines[0].x) == 40


def test_the_price_of_a_thin_market_stands_between_its_trades_and_that_of_another_is_not_known() -> None:
    every = make_bars(minutes=240).with_row_index("n")
    thin = every.filter(pl.col("n") % 120 == 0).drop("n")
    halted = every.filter(~pl.col("n").is_between(300, 600)).drop("n")
    assert None not in charts(make_facts(bars=thin))["BTC"][0].lines[0].y
    assert None in charts(make_facts(bars=halted))["BTC"][0].lines[0].y
    gap = make_range("gap", 1, 90, first_ts=START + HOUR, last_ts=START + 2 * HOUR)
    assert None in charts(make_facts(bars=thin, coverage=[gap]))["BTC"][0].lines[0].y


def test_charts_show_the_whole_time_where_most_of_it_has_something_or_is_a_gap() -> None:
    whole = (timedelta(0), SPAN.length)
    assert drawn(make_facts()) == whole
    assert drawn(make_facts(bars=make_bars(minutes=330))) == whole
    assert drawn(make_facts(bars=make_bars(minutes=180))) == (timedelta(0), timedelta(minutes=180))
    gap = make_range("gap", 1, 5, last_ts=None)
    assert drawn(make_facts(bars=make_bars(minutes=5), coverage=[gap])) == whole


def test_what_is_unknown_beside_the_drawn_time_is_not_drawn() -> None:
    later = make_range("unobserved", 1, 5)
    price, _ = charts(make_facts(bars=make_bars(minutes=5), coverage=[later]))["BTC"]
    assert price.shades == []


def test_the_hours_of_the_order_flow_are_whole() -> None:
    facts = make_facts(bars=make_bars(minutes=5))
    (flow,) = flow_charts(facts, assets_of(facts), steps_of(facts))
    assert flow.until - flow.since == flow.bar_ms == HOUR.total_seconds() * 1000
