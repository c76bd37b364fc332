"""What is read for a report: the newest verdicts, whole orders, and what is missing of exactly this time."""

from datetime import timedelta
from decimal import Decimal

import polars as pl

from coattail.reports.facts import _concerning, _whole, covered_in
from coattail.tables import ALERTS, COVERAGE
from tests.harness.report_facts import HOUR, SPAN, START, make_alert, make_bars, make_range

BEFORE, AFTER = START - HOUR, SPAN.until + HOUR


def covered(*ranges: dict[str, object], minutes: int = 360) -> list[tuple[str, int]]:
    """(state, ids inside) of the ranges that meet the span; its bars have the ids 0 to 60 a minute."""
    rows = pl.DataFrame([{n: r[n] for n in COVERAGE.schema} for r in ranges], schema=COVERAGE.schema)
    return covered_in(rows, make_bars(minutes=minutes), SPAN).select("state", "inside").rows()


def test_of_a_landed_range_only_the_ids_of_this_time_count() -> None:
    assert covered(make_range("live", -500, 99_999), minutes=1) == [("live", 60)]


def test_a_gap_counts_whole_if_its_time_meets_the_span() -> None:
    across = make_range("gap", 1, 5, first_ts=BEFORE, last_ts=START + timedelta(seconds=1))
    assert covered(across) == [("gap", 5)]
    assert covered(make_range("gap", 1, 5, first_ts=BEFORE, last_ts=BEFORE + timedelta(seconds=1))) == []
    assert covered(make_range("gap", 1, 5, first_ts=AFTER, last_ts=AFTER)) == []


def test_a_gap_of_a_time_without_any_trade_counts_too() -> None:
    assert covered(make_range("gap", 1, 5, first_ts=BEFORE, last_ts=AFTER), minutes=0) == [("gap", 5)]


def test_what_has_no_times_is_placed_by_its_ids() -> None:
    assert covered(make_range("rejected", 7, 7, first_ts=None, last_ts=None)) == [("rejected", 1)]
    assert covered(make_range("rejected", 10**9, 10**9, first_ts=None, last_ts=None)) == []


def test_pieces_of_a_larger_order_are_left_out() -> None:
    orders = pl.DataFrame(
        [("a", "X", 5, 9), ("a", "X", 5, 6), ("a", "X", 7, 9), ("a", "X", 10, 10), ("b", "X", 6, 6)],
        schema=["exchange", "symbol", "trade_id", "last_trade_id"],
        orient="row",
    ).with_columns(timestamp=pl.lit(START), notional=pl.lit(Decimal(1)))
    kept = _whole(orders).select("exchange", "trade_id", "last_trade_id").sort("exchange", "trade_id").rows()
    assert kept == [("a", 5, 9), ("a", 10, 10), ("b", 6, 6)]


def test_alerts_about_a_symbol_are_its_own_those_of_its_pairs_and_those_of_its_venues() -> None:
    legs = {"leg_a": "binance:BTC-USDT", "leg_b": "coinbase:BTC-USD"}
    spread = {"module_id": "MOD-003", "symbol": "BTC-USD", "exchange": None}
    rows = [
        make_alert(1),
        make_alert(2, symbol="ETH-USDT"),
        make_alert(3, **spread, details=legs),
        make_alert(4, **spread, details={"leg_a": "x:BTC-EUR", "leg_b": "y:BTC-USD"}),
        make_alert(5, details="no object"),
        make_alert(6, alert_type="venue_stall", symbol="ALL"),
        make_alert(7, alert_type="venue_stall", symbol="ALL", exchange="coinbase"),
    ]
    alerts = pl.DataFrame(rows, schema=ALERTS.schema)
    numbers = [int(identity, 16) for identity in _concerning(alerts, ("BTC-USDT",), make_bars(minutes=1))["alert_id"]]
    assert numbers == [1, 3, 5, 6]
    assert _concerning(alerts, (), make_bars(minutes=1)).height == 7
