"""The figures of alerts on recorded markets, against counts by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from coattail.alerts import canonical_json
from coattail.detectors import ALERT_TYPES, DETECTORS
from coattail.market import TRUTH_SCHEMA
from coattail.scoring.announced import announced
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import ALERTS_SCHEMA
from coattail.scoring.labels import Label
from coattail.scoring.recorded import Recorded, Together
from coattail.scoring.recorded_cards import recorded_card
from coattail.scoring.return_periods import with_periods
from coattail.tables import BARS, ORDERS

FIRST = datetime(2018, 11, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
EVENT = FIRST + 5 * DAY + timedelta(hours=9)
AST, BRD = "AST-BTC", "BRD-BTC"


def together(*symbols: str, exchange: str = "binance") -> Together:
    """Ten days of markets, of which the last eight are judged."""
    until = FIRST + 10 * DAY
    evidence = EvaluationSet(
        name="test", bars=BARS.empty(), orders=ORDERS.empty(), spans=pl.DataFrame(),
        truth=pl.DataFrame(schema=TRUTH_SCHEMA), since=FIRST + 2 * DAY, until=until,
    )  # fmt: skip
    markets = [Recorded(exchange=exchange, symbol=s, first=FIRST, last=until, since=FIRST + 2 * DAY) for s in symbols]
    return Together(evidence=evidence, markets=markets)


def alert(
    at: datetime, symbol: str = BRD, severity: str = "medium", kind: str = "volume_spike", **details: object
) -> tuple[Any, ...]:
    venue = None if kind == "spread_divergence" else "binance"
    return (kind, symbol, venue, severity, at, canonical_json(details))


def card(
    alerts: Sequence[tuple[Any, ...]], *groups: Together, kind: str = "volume_spike", preset: str = "default"
) -> dict[str, Any] | None:
    here = groups or (together(BRD),)
    label = Label(row=1, base="BRD", quote=None, exchange=None, start=EVENT)
    events = announced([label], [market for group in here for market in group.markets])
    detector = next(d for d in DETECTORS[preset].values() if d.raises(kind))(preset=preset)
    frame = with_periods(pl.DataFrame(alerts, schema=ALERTS_SCHEMA, orient="row"), pl.DataFrame())
    return recorded_card(detector, ALERT_TYPES[kind], here, events, frame)


def found(alerts: Sequence[tuple[Any, ...]], *groups: Together, **options: Any) -> dict[str, Any]:
    figures = card(alerts, *groups, **options)
    assert figures is not None
    events: dict[str, Any] = figures["announced"]
    return events


def test_an_event_is_found_by_the_first_alert_after_it() -> None:
    told = [
        alert(EVENT - MINUTE / 2, severity="high"),
        alert(EVENT + MINUTE, severity="medium", return_days=0.7),
        alert(EVENT + 1.5 * MINUTE, severity="high", return_days=9.0),
        alert(EVENT + 2 * MINUTE, severity="critical", return_days=40.0),
        alert(EVENT + 11 * MINUTE, severity="critical", return_days=90.0),
        alert(EVENT + MINUTE / 2, symbol=AST, severity="critical"),
    ]
    events = found(told)
    (one,) = events["each"]
    assert (one["first_s"], one["severity_first"]) == (60.0, "medium")
    assert (one["high_s"], one["critical_s"]) == (90.0, 120.0)
    assert (one["severity_highest"], one["return_days"]) == ("critical", 40.0)
    assert events["found"] == {"value": 1.0, "low": 0.05, "high": 1.0}
    names = ("found", "high", "critical")
    soon = {row["seconds"]: tuple(row[name]["value"] for name in names) for row in events["in_seconds"]}
    assert soon == {60: (1.0, 0.0, 0.0), 90: (1.0, 1.0, 0.0), 300: (1.0, 1.0, 1.0)}
    assert events["severity"] == {
        "first": {"medium": 1, "high": 0, "critical": 0}, "highest": {"medium": 0, "high": 0, "critical": 1},
    }  # fmt: skip
    assert events["delay_s"]["p50"] == {"value": 60.0, "low": 60.0, "high": 60.0}


def test_an_alert_shortly_before_counts_only_where_none_follows() -> None:
    (one,) = found([alert(EVENT - MINUTE / 2, severity="critical")])["each"]
    assert (one["first_s"], one["critical_s"]) == (-30.0, -30.0)
    (missed,) = found([alert(EVENT - MINUTE), alert(EVENT + 10 * MINUTE)])["each"]
    assert (missed["first_s"], missed["severity_first"], missed["return_days"]) == (None, None, None)


def test_quiet_days_are_those_that_no_event_reaches_into() -> None:
    told = [
        alert(FIRST + 3 * DAY),
        alert(FIRST + 3 * DAY + 10 * MINUTE),
        alert(FIRST + 3 * DAY + 40 * MINUTE),
        alert(FIRST + 8 * DAY),
        alert(EVENT + MINUTE),
        alert(FIRST + 5 * DAY),
        alert(FIRST + 8 * DAY, symbol=AST),
    ]
    figures = card(told)
    assert figures is not None
    assert figures["quiet_days"] == 7.0
    assert figures["per_market_day"]["alerts"]["value"] == round(4 / 7, 4)
    assert figures["per_market_day"]["episodes"]["value"] == round(3 / 7, 4)
    assert figures["by_market"] == [
        {"market": "binance BRD-BTC", "quiet_days": 7.0, "alerts_per_day": 0.571, "episodes_per_day": 0.429}
    ]
    both = card(told, together(BRD), together(AST))
    assert both is not None
    assert both["quiet_days"] == 15.0, "the event is not one of the other market"
    assert [one["alerts_per_day"] for one in both["by_market"]] == [0.125, 0.571]


def test_chance_is_the_share_of_quiet_moments_that_an_alert_follows_as_closely() -> None:
    """An alert covers ten minutes before it and one after it; two at once cover no more, and a day has an end."""
    at = FIRST + 3 * DAY + timedelta(hours=1)
    assert found([alert(at)])["by_chance"] == round(11 / (7 * 1440), 4)
    assert found([alert(at), alert(at)])["by_chance"] == round(11 / (7 * 1440), 4)
    assert found([alert(at), alert(at + 5 * MINUTE)])["by_chance"] == round(16 / (7 * 1440), 4)
    assert found([alert(FIRST + 3 * DAY)])["by_chance"] == round(1 / (7 * 1440), 4)


@pytest.mark.parametrize(
    ("kind", "preset", "budget"),
    [
        ("volume_spike", "classic", None),
        ("volume_spike", "default", "budget"),
        ("volume_drop", "default", "drop_budget"),
        ("whale_trade", "default", "budget"),
        ("venue_stall", "default", None),
    ],
)
def test_the_budget_stands_beside_what_came(kind: str, preset: str, budget: str | None) -> None:
    detector = next(d for d in DETECTORS[preset].values() if d.raises(kind))(preset=preset)
    figures = card([], kind=kind, preset=preset)
    assert figures is not None
    assert figures["budget"] == (None if budget is None else getattr(detector, budget))
    assert (figures["announced"] is None) == (kind in ("volume_drop", "venue_stall"))
    assert figures["per_market_day"]["alerts"]["value"] == 0.0


def test_a_spread_is_about_every_venue_of_its_coin() -> None:
    two = Together(
        evidence=together(BRD).evidence, markets=[*together(BRD).markets, *together(BRD, exchange="kucoin").markets]
    )
    told = [
        alert(EVENT + MINUTE, "BRD-USD", kind="spread_divergence"),
        alert(FIRST + 3 * DAY, "BRD-USD", kind="spread_divergence"),
    ]
    figures = card(told, two, kind="spread_divergence")
    assert figures is not None
    assert (figures["markets"], figures["quiet_days"]) == (1, 7.0)
    assert [one["first_s"] for one in figures["announced"]["each"]] == [60.0, 60.0]
    assert figures["per_market_day"]["alerts"]["value"] == round(1 / 7, 4)
    assert card(told, kind="spread_divergence") is None, "one venue alone has no spread"
    assert card([], kind="stablecoin_depeg") is None, "and no stablecoin was recorded"


def test_return_periods_are_counted_on_quiet_days_alone() -> None:
    figures = card([alert(FIRST + 3 * DAY, return_days=8.0), alert(EVENT + MINUTE, return_days=400.0)])
    assert figures is not None
    rows = {row["return_days"]: (row["episodes"], row["expected"]) for row in figures["return_periods"]}
    assert rows[7.0] == (1, 1.0)
    assert rows[30.0][0] == 0


def test_a_recording_without_a_quiet_day_has_no_rate() -> None:
    day = Recorded(exchange="binance", symbol=BRD, first=EVENT - DAY, last=EVENT + MINUTE, since=EVENT - MINUTE)
    figures = card([alert(EVENT + MINUTE)], Together(evidence=together(BRD).evidence, markets=[day]))
    assert figures is not None
    assert figures["per_market_day"]["alerts"] == {"value": None, "low": None, "high": None}
    assert (figures["quiet_days"], figures["announced"]["by_chance"]) == (0, None)
    assert figures["announced"]["found"]["value"] == 1.0
