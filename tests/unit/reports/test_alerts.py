"""Alerts on the page: a picture of their own window, how rare they are, evidence folded away."""

import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from coattail.reports.alerts import alerts_section, rarity
from coattail.reports.sparks import Sparks
from coattail.reports.why import read
from tests.harness.report_facts import COMMANDS, HOUR, START, make_alert, make_bars, make_facts

WINDOW = {"window_start": "2025-03-04T00:55:00Z", "expected_orders": 50.0}


def picture(**changed: Any) -> str | None:
    alert = make_alert(**changed)
    bars = make_bars().with_columns(pl.lit(3, pl.Int64).alias("orders"))
    return Sparks(make_facts(bars=bars, alerts=[alert])).of(alert, read(alert["details"]))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (38.752, "about once in 39 days"), (0.593, "about once in 14 hours"), (2.04, "about once in 2 days"),
        (669.6, "less than once a year"), (None, ""), ("39", ""), (True, ""), (float("inf"), ""), (0, ""),
    ],
)  # fmt: skip
def test_how_rare_an_alert_is_stands_beside_it_where_its_detector_says(days: object, said: str) -> None:
    assert rarity({} if days is None else {"return_days": days}) == said


def test_a_burst_is_shown_by_its_orders_a_minute_its_window_and_its_usual_level() -> None:
    drawn = picture(details=WINDOW)
    assert drawn is not None
    assert 'aria-label="orders a minute from 00:00 to 01:15 UTC: at most 18, usually 10."' in drawn
    window = re.search(r'<rect x="([\d.]+)" y="0" width="([\d.]+)"', drawn)
    assert window is not None
    assert float(window[1]) == pytest.approx(300 * 55 / 75, abs=0.1)
    assert float(window[2]) == pytest.approx(300 * 5 / 75, abs=0.1)
    assert 'class="baseline"' in drawn


def test_without_an_expectation_the_level_is_the_median_before_the_window() -> None:
    drawn = picture()
    assert drawn is not None
    assert "volume a minute from 00:00 to 01:15 UTC" in drawn
    assert 'class="baseline"' in drawn


def test_an_order_is_shown_on_the_price_around_it() -> None:
    drawn = picture(alert_type="whale_trade", module_id="MOD-002")
    assert drawn is not None
    assert "price from 00:00 to 01:15 UTC" in drawn


def test_an_alert_about_what_has_no_bars_has_no_picture() -> None:
    assert picture(symbol="ETH-USDT") is None
    assert picture(symbol="BTC-USD", exchange=None) is None


def test_a_picture_stays_within_its_frame() -> None:
    drawn = picture(details={"window_start": "2024-01-01T00:00:00Z"}, detected_at=START + timedelta(minutes=2))
    assert drawn is not None
    path = re.search(r'd="M([\d. L-]+?)Z?"', drawn)
    assert path is not None
    numbers = [tuple(map(float, pair.split())) for pair in path[1].split("L") if pair.strip()]
    assert all(0 <= x <= 300 and 0 <= y <= 64 for x, y in numbers)


def test_a_long_message_is_whole_in_the_folded_evidence() -> None:
    message = "A on b: much; until 13:54, at its rarest less than once a year"
    text = alerts_section(make_facts(alerts=[make_alert(message=message, details={"return_days": 3.0})]), COMMANDS)
    assert '<p class="message">A on b: much</p>' in text
    folded = text[text.index("<details>") : text.index("</details>")]
    assert message in folded
    assert '<span class="rare">about once in 3 days</span>' in text
    assert make_alert()["detected_at"] == START + HOUR
