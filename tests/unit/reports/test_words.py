"""What the page says in words."""

from datetime import timedelta

import pytest

from coattail.reports.facts import Span
from coattail.reports.words import headline, listed, number, price, range_of, short
from tests.harness.report_facts import START, make_alert, make_bars, make_facts, make_range


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"), (float("nan"), "-"), (0, "0"), (62016.25, "62,016.2"), (1234567.8, "1,234,568"),
        (0.98765432, "0.98765"), (30.0, "30"), (-2.5, "-2.5"), (1e-7, "0.0000001"),
    ],
)  # fmt: skip
def test_numbers_have_five_digits(value: float | None, said: str) -> None:
    assert number(value) == said


def test_prices_in_a_column_have_equally_many_digits() -> None:
    assert [price(value) for value in (150.0, 149.18, 1.0, 0.99978, 62025.2)] == [
        "150.00", "149.18", "1.0000", "0.99978", "62,025.2"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"), [(999.0, "999"), (1530000, "1.53 M"), (999_600, "1,000 k"), (12.34, "12.3")]
)
def test_amounts_are_short(value: float, said: str) -> None:
    assert short(value) == said


def test_lists_end_with_and() -> None:
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_a_whole_day_is_named_by_its_date() -> None:
    assert range_of(Span(since=START, until=START + timedelta(days=1))) == "2025-03-04, 00:00 to 24:00 UTC"
    assert range_of(Span(since=START, until=START + timedelta(hours=2))) == "2025-03-04 00:00 to 02:00 UTC"


def test_the_headline_counts_what_was_unusual_by_kind_and_names_the_worst() -> None:
    alerts = [make_alert(1), make_alert(2, severity="critical"), make_alert(3, alert_type="whale_trade")]
    said = headline(make_facts(bars=make_bars(minutes=1), alerts=alerts))
    assert said == "3 alerts, 1 of them critical: 2 bursts of volume and 1 large order, in 60 trades."


def test_a_kind_of_alert_without_words_keeps_its_name() -> None:
    said = headline(make_facts(alerts=[make_alert(alert_type="wash_trading")]))
    assert said.startswith("1 alert, high: 1 wash trading, in ")


def test_a_day_without_trades_says_so_and_one_that_is_all_gap_names_the_missing() -> None:
    nothing = make_bars(minutes=0)
    assert headline(make_facts(bars=nothing)) == "Nothing landed of this time."
    gap = make_facts(bars=nothing, coverage=[make_range("gap", 5, 9)])
    assert headline(gap) == "No trade has landed of this time. 5 trades are missing in gaps."


def test_calm_is_only_claimed_where_something_was_judged() -> None:
    assert "too short a time to say" in headline(make_facts())
