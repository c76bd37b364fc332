"""How often prices were as far apart on the days before: what is counted, of which trades, and how it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from coattail.alerts import Alert
from coattail.detectors import Facts
from coattail.detectors.described import Details
from coattail.detectors.gap_history import WIDEST, as_wide, wide_of, widest_of
from coattail.detectors.net_spread import NetSpreadDetector
from coattail.detectors.net_spread_words import depeg_message, reasons, spread_message
from coattail.detectors.rarity import BLOCKS_A_DAY
from coattail.tables import BARS, ORDERS, UTC_MICROS

DAY, HOUR, BAR = timedelta(days=1), timedelta(hours=1), timedelta(seconds=10)
START = datetime(2025, 3, 3, tzinfo=UTC)
DETECTOR = NetSpreadDetector()
VENUES = ("coinbase", "kraken")
PAIR = {"exchange_a": "coinbase", "symbol_a": "BTC-USD", "exchange_b": "kraken", "symbol_b": "BTC-USD"}


def facts_of(hours: float, gaps: dict[float, float], *, seen: float | None = None) -> Facts:
    """Bitcoin at two venues, two trades a bar: kraken is off by some percent for a minute at some hours.

    `seen`: until which hour the ids are known to be whole; None: to the end.
    """
    bars = round(hours * 360)
    number = np.arange(bars)
    frames = []
    for seed, exchange in enumerate(VENUES):
        price = 100 * np.exp(1e-5 * np.random.Generator(np.random.PCG64(seed)).standard_normal(bars))
        for hour, percent in gaps.items() if exchange == "kraken" else ():
            inside = (number >= round(hour * 360)) & (number < round(hour * 360) + 6)
            price = np.where(inside, price * (1 + percent / 100), price)
        starts = pl.Series(number * 10_000_000 + int(START.timestamp()) * 1_000_000).cast(UTC_MICROS)
        frames.append(pl.DataFrame({
            "exchange": pl.repeat(exchange, bars, eager=True), "symbol": pl.repeat("BTC-USD", bars, eager=True),
            "bar_start": starts, "trades": pl.repeat(2, bars, eager=True), "last_price": price, "high": price,
            "low": price, "first_trade_id": 2 * number, "last_trade_id": 2 * number + 1,
            "first_timestamp": starts + timedelta(seconds=1), "last_timestamp": starts + timedelta(seconds=8),
            "quantity": pl.repeat(2, bars, eager=True), "notional": 2 * price, "notional_squared": 2 * price * price,
        }))  # fmt: skip
    end = START + HOUR * (hours if seen is None else seen)
    spans = pl.DataFrame(
        [(exchange, "BTC-USD", 0, 2 * bars, START, end) for exchange in VENUES],
        schema={
            "exchange": pl.String, "symbol": pl.String, "first_id": pl.Int64, "last_id": pl.Int64,
            "first_ts": UTC_MICROS, "last_ts": UTC_MICROS,
        },
        orient="row",
    )  # fmt: skip
    return Facts(
        bars=pl.concat([BARS.conform(frame) for frame in frames]), orders=ORDERS.empty(), spans=spans,
        since=START, until=end, watermark=end,
    )  # fmt: skip


@cache
def three_days() -> Facts:
    """Gaps of 1 % on two days before, one of them over midnight, and of 0.6, 1 and 1.4 % on the third."""
    return facts_of(80, {5: 1.0, 10: 0.5, 47.99: 1.2, 56: 0.6, 62: 1.0, 70: 1.4})


def alerts(facts: Facts) -> dict[float, tuple[Alert, dict[str, Any]]]:
    """Hour -> the alert about a gap that opened in it, and its details."""
    found = DETECTOR.flag(DETECTOR.score(facts))
    return {round((a.detected_at - START) / HOUR, 1): (a, json.loads(a.details)) for a in found}


def test_an_alert_says_how_many_gaps_were_as_wide_in_the_whole_days_before() -> None:
    """The day's own gaps do not count yet, and one over midnight counts once."""
    found = alerts(three_days())
    assert {hour: details.get("as_wide") for hour, (_, details) in found.items()} == {
        5.0: None, 10.0: None, 48.0: 0, 56.0: 2, 62.0: 2, 70.0: 0,
    }  # fmt: skip
    assert {details["learned_days"] for hour, (_, details) in found.items() if hour > 48} == {2.0}
    assert "too early to say how rare" in found[10.0][0].message
    assert found[56.0][0].message.endswith("2 gaps as wide in the 2 days before (about one in 24 hours); fired 2 times")
    assert "no gap as wide in the 2 days before" in found[70.0][0].message


def test_the_count_is_the_same_however_the_time_is_cut() -> None:
    facts = three_days()
    whole = DETECTOR.score(facts)
    middle = START + 61 * HOUR
    parts = [DETECTOR.score(replace(facts, until=middle)), DETECTOR.score(replace(facts, since=middle))]
    names = whole.columns[:7]
    assert whole["as_wide"].drop_nulls().len() > 3
    assert pl.concat(parts).sort(names).equals(whole.sort(names))


@pytest.mark.parametrize("later", [24.1, 30.0, 79.0])
def test_a_day_depends_on_its_own_trades_alone(later: float) -> None:
    """Neither on what traded after it, nor on what later ids prove."""
    learned = [
        widest_of(facts.for_lesson(DETECTOR, WIDEST, START), DETECTOR, START)
        for facts in (facts_of(24.0, {5: 1.0}), facts_of(later, {5: 1.0, 24.05: 2.0}))
    ]
    assert np.isfinite(learned[0]["widest"].to_numpy()).sum() == BLOCKS_A_DAY
    assert learned[0].equals(learned[1])


def test_quarter_hours_in_which_trades_are_missing_are_not_known() -> None:
    facts = facts_of(24.0, {5: 1.0, 20: 2.0}, seen=12.0)
    (day,) = widest_of(facts.for_lesson(DETECTOR, WIDEST, START), DETECTOR, START)["widest"].to_numpy()
    assert np.isfinite(day).nonzero()[0].tolist() == list(range(48))
    assert wide_of([day_of(day)], DETECTOR)["learned_days"].to_list() == [0.5]


def day_of(widest: Any) -> pl.DataFrame:
    """A day of one pair."""
    names = {"exchange": "coinbase", "symbol": "BTC-USD", **PAIR, "kind": "venues"}
    column = pl.Series("widest", [list(widest)], dtype=pl.Array(pl.Float64, BLOCKS_A_DAY))
    return pl.DataFrame(names).with_columns(column)


def test_a_pair_that_always_stands_apart_has_no_gap_until_it_parts_further() -> None:
    """0.5 % all day, 0.8 % for two hours: three are as wide as 0.4 % only if it ever was less."""
    day = np.full(BLOCKS_A_DAY, 0.5)
    day[40:48] = 0.8
    week = wide_of([day_of(day), day_of(day)], DETECTOR)
    ends = START + 2 * DAY + HOUR
    rows = pl.DataFrame([{**PAIR, "window_end": ends, "opens": True, "sure_pct": size} for size in (0.4, 0.7, 0.9)])
    counted = as_wide(rows, lambda day: week, ends)
    assert counted["as_wide"].to_list() == [1, 2, 0]


def row(**changed: Any) -> dict[str, Any]:
    return {
        **PAIR, "symbol": "BTC-USD", "kind": "venues", "net_pct": 0.6, "price_a": 101.0, "price_b": 100.0,
        "basis_pct": 0.4, "basis": "implied", "coins": 5, "widest_pct": 0.1, "as_wide": 3, "learned_days": 7.0,
        "window_end": START, "fired": 1, **changed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("times", "days", "message", "reason"),
    [
        (0, 7.0, "no gap as wide in the 7 days before",
         "there was none as wide: that comes less than about once in 2.3 days (19 cases of 20)."),
        (1, 4.0, "1 gap as wide in the 4 days before",
         "there was 1 as wide: about one in 4 days (20 hours to 101 days, 9 cases of 10)."),
        (3, 7.0, "3 gaps as wide in the 7 days before (about one in 2.3 days)",
         "there were 3 as wide: about one in 2.3 days (22 hours to 8.6 days, 9 cases of 10)."),
        (2, 1.0, "2 gaps as wide in the day before (about one in 12 hours)", "In the day before (UTC) there were 2"),
        (0, 0.99, "no gap as wide in the day before", "In the day before (UTC) there was none as wide"),
        (None, 0.4, "too early to say how rare", "Less than a day before it was known"),
    ],
)  # fmt: skip
def test_how_rare_a_gap_is_reads_as_one_would_say_it(times: int | None, days: float, message: str, reason: str) -> None:
    assert spread_message(row(as_wide=times, learned_days=days)).endswith(
        f"; at most 0.1 % in the hours before, {message}"
    )
    details = {"learned_days": days} if times is None else {"learned_days": days, "as_wide": times}
    assert reason in " ".join(reasons(Details(json.dumps(details))))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "(101.00 against 100.00, beyond the 0.4 % that all 5 coins share)"),
        ({"basis_pct": -0.4}, "(101.00 against 100.00, where all 5 coins share 0.4 % the other way)"),
        ({"net_pct": -0.6}, "(100.00 against 101.00, where all 5 coins share 0.4 % the other way)"),
        ({"basis": "market", "basis_pct": -0.4}, "where the stablecoin's market explains 0.4 % the other way)"),
        ({"basis": "own"}, "beyond the 0.4 % that is usual)"),
        ({"basis": "own", "net_pct": -0.6}, "where 0.4 % the other way is usual)"),
        ({"basis_pct": 0.0189}, "(101.00 against 100.00)"),
        ({"basis_pct": -0.9}, "kraken:BTC-USD, measured by the other coins, in the 30"),
        ({"basis_pct": -0.9, "basis": "market"}, "kraken:BTC-USD, measured by the stablecoin's market, in"),
        ({"basis_pct": 0.9, "basis": "own", "net_pct": -0.6}, "coinbase:BTC-USD, measured by what is usual, in the 30"),
    ],
)
def test_what_is_not_counted_is_said_from_the_dearer_side_and_never_as_less_than_nothing(
    changed: dict[str, Any], words: str
) -> None:
    assert words in spread_message(row(**changed))


def test_a_depeg_is_said_in_plain_percent_with_its_price() -> None:
    """1.5 % below, not 1.51 as its logarithm says."""
    peg = {"base": "USDT", "exchange_a": "coinbase", "spread_pct": -1.5034, "rate_a": 0.984966, "basis_pct": -1.514783}
    assert depeg_message({**peg, "window_end": START, "fired": 1}) == (
        "USDT was 1.5 % below a dollar on coinbase in the 30 seconds to 00:00:00 UTC (at 0.98497)"
    )
    details = {"rate": 0.984966, "off_pct": -1.514783, "threshold_pct": 0.5, "trades": 6, "error_pct": 0.0147}
    assert " ".join(reasons(Details(json.dumps(details)))) == (
        "Its average price was 0.98497 dollars, in 6 trades. -1.50 % off; 0.5 % are enough. "
        "Chance explains at most 0.01 % (four standard errors)."
    )
