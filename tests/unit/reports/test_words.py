"""What the page says in words."""

from datetime import timedelta

from coattail.reports.facts import Span
from coattail.reports.words import headline, listed, range_of
from tests.harness.report_facts import START, make_alert, make_bars, make_facts, make_range


def test_lists_end_with_and() -> None:
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_a_whole_day_is_named_by_its_date() -> None:
    assert range_of(Span(since=START, until=START + timedelta(days=1))) == "2025-03-04, 00:00 to 24:00 UTC"
    assert range_of(Span(since=START, until=START + timedelta(hours=2))) == "2025-03-04 00:00 to 02:00 UTC"


def test_the_headline_counts_what_was_unusual_by_kind_and_names_the_worst() -> None:
    alerts = [make_alert(1), make_alert(2, severity="critical"), make_alert(3, alert_type="whale_trade")]
    said = headline(make_facts(bars=make_bars(minutes=1), alerts=alerts))
    assert said == "3 alerts, 1 of them critical: 2 bursts of volume and 1 large order, in 60 trades."


def test_alerts_of_one_kind_are_named_once() -> None:
    said = headline(make_facts(alerts=[make_alert(1), make_alert(2, severity="critical")]))
    assert said.startswith("2 bursts of volume, 1 of them critical, in ")


def test_of_many_kinds_the_most_frequent_are_named() -> None:
    kinds = ["whale_trade"] * 3 + ["volume_spike"] * 2 + ["volume_drop", "wash_trading"]
    said = headline(make_facts(alerts=[make_alert(n, alert_type=kind) for n, kind in enumerate(kinds)]))
    assert "7 alerts, all of them high: 3 large orders, 2 bursts of volume and 2 others, in " in said


def test_a_kind_of_alert_without_words_keeps_its_name() -> None:
    said = headline(make_facts(alerts=[make_alert(alert_type="wash_trading")]))
    assert said.startswith("1 wash trading, high, in ")


def test_a_day_without_trades_says_so_and_one_that_is_all_gap_names_the_missing() -> None:
    nothing = make_bars(minutes=0)
    assert headline(make_facts(bars=nothing)) == "Nothing landed of this time."
    gap = make_facts(bars=nothing, coverage=[make_range("gap", 5, 9)])
    assert headline(gap) == "No trade has landed of this time. 5 trades are missing in gaps."


def test_calm_is_only_claimed_where_something_was_judged() -> None:
    assert "too short a time to say" in headline(make_facts())
