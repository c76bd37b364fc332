"""Alerts about volume as a trader reads them: whose orders, whose money, how rare."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coattail.detectors.described import Details
from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.detectors.rare_words import drought, lasted, rise, span, stall, why

END = datetime(2025, 3, 5, 17, 40, 10, tzinfo=UTC)
RULES = RareVolumeDetector()


def row(**changed: Any) -> dict[str, Any]:
    return {
        "exchange": "coinbase", "symbol": "BTC-EUR", "window_end": END, "orders": 3, "trades": 3, "volume": 221_744.6,
        "expected_orders": 7.515, "channel": "notional_1", "level": 2, "return_days": 8.26, "learned_days": 7.0,
        "borrowed_days": 0.0, "source": "own", "distance": 2.0, "tail_count": 33, "side": "rise", "score": 5.4,
        "first_trade_id": 1, "last_trade_id": 3, "usual_days": 7, "baseline_windows": 255, "silent_s": 1_620.0,
        **changed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "BTC-EUR on coinbase: 222 k EUR in 3 orders in the minute to 17:40:10 UTC, usually 7.5 orders: such a"),
        ({"channel": "orders_1", "symbol": "ETH-BTC", "orders": 49, "volume": 0.1042},
         "ETH-BTC on coinbase: 49 orders (0.104 BTC) in the minute to 17:40:10 UTC, usually 7.5: such a minute"),
        ({"borrowed_days": 6.0, "source": "like"},
         "(3.1 to 22 days; from 1 day of its own and 6 days borrowed from markets like it, extrapolated)"),
    ],
)  # fmt: skip
def test_a_rise_names_orders_and_money_apart(changed: dict[str, Any], words: str) -> None:
    assert words in rise(row(**changed), RULES).message


def test_a_slump_says_what_was_expected_of_late_and_not_that_it_is_usual() -> None:
    """After an hour of twenty times the trades, 281 orders in five minutes are few, and still more than usual."""
    slump = row(side="fall", channel="low_5", orders=281, expected_orders=1_095.2)
    assert "281 orders in the five minutes to 17:40:10 UTC, where 1,095 were expected: that" in drought(
        slump, RULES
    ).message  # fmt: skip
    silent = row(side="fall", channel="gap", orders=0, trades=0, expected_orders=124.6)
    assert "no trade for 27 minutes to 17:40:10 UTC, where 125 were expected: that" in drought(silent, RULES).message


def test_a_stall_has_no_period_and_says_how_it_is_known() -> None:
    """It once said `at its rarest once in 1 minutes`."""
    still = row(return_days=0.0)
    assert lasted(still, END + timedelta(minutes=3), 0.0) == "; until 17:43:10"
    assert lasted(still, END, 0.0) == ""
    assert "nothing traded in any market" in stall(still, RULES).message
    times = {"window_start": "-", "window_end": "-", "last_window_end": "-", "fired": 4}
    assert why(Details(json.dumps(times))) == [
        "Some market of it traded in nine of ten bars before, and ids show that no trade was missed."
    ]


def test_an_episode_that_became_rarer_says_how_rare() -> None:
    assert lasted(row(return_days=1.0), END, 4.5) == "; at its rarest once in 4.5 days"
    assert lasted(row(return_days=1.0), END, 1.5) == ""
    assert lasted(row(return_days=1.0), END + timedelta(minutes=1), 36_500.0).endswith(
        "at its rarest less than once a year"
    )


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (40.0, "40 days"),
        (2.25, "2.2 days"),
        (1.5, "36 hours"),
        (1 / 24, "60 minutes"),
        (1 / 1440, "1 minute"),
        (0.0, "1 minute"),
    ],
)
def test_a_period_is_said_in_the_unit_that_suits_it(days: float, words: str) -> None:
    assert span(days) == words
