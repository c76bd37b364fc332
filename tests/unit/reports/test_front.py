"""What stands first says the same as the rest of the report."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from coattail.reports.front import Front, first_clause, front_of
from coattail.reports.words import headline
from tests.harness.report_facts import HOUR, START, make_alert, make_bars, make_facts, make_order, make_range


def said(front: Front) -> dict[str, tuple[str, str]]:
    return {tile.name: (tile.value, tile.note) for tile in front.tiles}


def test_a_day_with_alerts_a_gap_and_an_order() -> None:
    facts = make_facts(
        bars=pl.concat([make_bars(), make_bars("BTC-USD", "coinbase")]),
        alerts=[make_alert(1), make_alert(2, severity="critical", message="much; more"), make_alert(3)],
        coverage=[make_range("live", 0, 969), make_range("gap", 970, 999)],
        orders=make_order(notional_usd=1_400_000.0, side="buy"),
    )
    front = front_of(facts)
    assert said(front) == {
        "Trades": ("43,200", "2 instruments, 2 venues"),
        "Alerts": ("3", "1 critical, 2 high"),
        "Coverage": ("97 %", "30 trades missing in 1 gap"),
        "Largest order": ("1.4 M dollars", "BTC-USDT on binance, bought"),
    }
    assert (front.headline, front.lead) == (headline(facts), "much")
    assert front.when == "2025-03-04 00:00 to 06:00 UTC"


def test_nothing_known_is_not_said_to_be_nothing_unusual() -> None:
    front = front_of(make_facts(bars=make_bars(minutes=0), coverage=[]))
    assert said(front) == {
        "Trades": ("0", "none of this time"),
        "Alerts": ("0", "no minute could be judged"),
        "Coverage": ("-", "nothing is known"),
        "Largest order": ("-", "none large enough to be judged"),
    }
    assert (front.hero, front.lead) == (None, "")


def test_judged_and_quiet_is_nothing_unusual() -> None:
    facts = make_facts()
    quiet = replace(facts, windows=pl.DataFrame({"preset": ["default"], "state": ["judged"]}))
    assert said(front_of(quiet))["Alerts"] == ("0", "nothing unusual")


@pytest.mark.parametrize(
    ("missing", "share"), [(1, "99.999 %"), (0, "100 %"), (100_000, "50 %")], ids=["one", "none", "half"]
)
def test_a_hundred_percent_is_all_of_it(missing: int, share: str) -> None:
    coverage = [make_range("live", 1, 100_000)] + [make_range("gap", 100_001, 100_000 + missing)] * bool(missing)
    assert said(front_of(make_facts(coverage=coverage)))["Coverage"][0] == share


def test_the_picture_is_of_what_stands_out_most_with_all_its_alerts() -> None:
    small = make_bars("SOL-USDT", price=100)
    alerts = [
        make_alert(1, symbol="SOL-USDT"),
        make_alert(2, symbol="SOL-USDT", severity="critical", alert_type="whale_trade", detected_at=START + 2 * HOUR),
        make_alert(3),
    ]
    hero = front_of(make_facts(bars=pl.concat([make_bars(), small]), alerts=alerts)).hero
    assert hero is not None
    assert hero.title == "SOL: price"
    assert [mark.kind for mark in hero.marks] == ["critical", "high"]
    assert hero.alt.endswith(" 2 alerts marked.")
    calm = front_of(make_facts(bars=pl.concat([small, make_bars()]))).hero
    assert calm is not None
    assert calm.title == "BTC: price"


def test_an_alert_between_venues_chooses_its_asset() -> None:
    alert = make_alert(exchange=None, symbol="SOL-USD", alert_type="spread_divergence", module_id="MOD-003")
    hero = front_of(make_facts(bars=pl.concat([make_bars(), make_bars("SOL-USDT", price=100)]), alerts=[alert])).hero
    assert hero is not None
    assert hero.title == "SOL: price"


def test_the_picture_shades_what_is_missing() -> None:
    gap = make_range("gap", 1000, 1029, first_ts=START + HOUR, last_ts=START + HOUR + timedelta(minutes=9))
    hero = front_of(make_facts(coverage=[gap])).hero
    assert hero is not None
    assert [shade.kind for shade in hero.shades] == ["gap"]


@pytest.mark.parametrize(
    ("message", "clause"),
    [("a (b; c) d; e", "a (b; c) d"), ("a", "a"), (") ; b", ") "), ("(a; b", "(a; b"), ("", "")],
)
def test_a_clause_ends_where_no_parenthesis_is_open(message: str, clause: str) -> None:
    assert first_clause(message) == clause
