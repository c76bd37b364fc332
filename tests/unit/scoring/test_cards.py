"""What is counted, on made-up alarms and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from coattail.market import (
    Planted,
    PlantedBurst,
    PlantedDepeg,
    PlantedGap,
    PlantedSideFlip,
    PlantedSkew,
    PlantedStall,
    PlantedWhale,
)
from coattail.market.truth import truth_frame
from coattail.scoring.cards import card, matched_days
from coattail.scoring.chance import by_chance
from coattail.scoring.curves import at_level
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import ALERTS_SCHEMA
from coattail.scoring.kinds import KINDS
from coattail.tables import BARS, ORDERS

START = datetime(2025, 3, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at(hours: float) -> datetime:
    return START + hours * HOUR


def evidence(*planted: Planted, days: int = 2) -> EvaluationSet:
    bars = pl.DataFrame({"exchange": ["binance"], "symbol": ["BTC-USDT"]})
    return EvaluationSet(
        name="m", bars=BARS.conform(bars), orders=ORDERS.empty(), spans=pl.DataFrame(), truth=truth_frame(planted),
        since=START, until=START + days * DAY,
    )  # fmt: skip


def alerts(
    *given: tuple[str, datetime], exchange: str = "binance", symbol: str = "BTC-USDT", details: str = "{}"
) -> Any:
    rows = [(kind, symbol, exchange, "medium", when, details) for kind, when in given]
    return pl.DataFrame(rows, schema=ALERTS_SCHEMA, orient="row")


def burst(hours: float, *, factor: float = 8.0, minutes: int = 5) -> PlantedBurst:
    length = timedelta(minutes=minutes)
    return PlantedBurst(exchange="binance", symbol="BTC-USDT", start=at(hours), length=length, factor=factor)


def scored(kind: str, here: EvaluationSet, raised: pl.DataFrame) -> dict[str, Any]:
    return card(KINDS[kind], matched_days([here], [raised]), markets=1)


def test_an_event_counts_once_however_many_alarms_it_raises() -> None:
    here = evidence(burst(5), burst(9))
    one = scored("burst", here, alerts(*(("volume_spike", at(5) + n * MINUTE) for n in (1, 2, 3))))
    assert one["recall"]["value"] == 0.5
    assert one["precision"]["value"] == 1.0
    assert one["delay_s"]["p50"]["value"] == 60.0
    assert one["alerts_per_day"] == 1.5


def test_false_alarms_within_a_quarter_of_an_hour_are_one_and_told_again_after_an_hour() -> None:
    minutes = (0, 10, 25, 60, *range(120, 260, 10))
    one = scored("burst", evidence(burst(30)), alerts(*(("volume_spike", at(2) + n * MINUTE) for n in minutes)))
    assert one["false_alerts_per_day"]["value"] == len(minutes) / 2
    assert one["false_per_day"]["value"] == 2.5  # from 0 to 25, at 60, and of 120 to 250 one each hour


def test_recall_is_told_by_size_and_duration() -> None:
    here = evidence(burst(5), burst(9, factor=2.0, minutes=1), burst(13, factor=2.0, minutes=10))
    one = scored("burst", here, alerts(("volume_spike", at(5) + MINUTE)))
    found = {(b["size"], b["length"]): (b["value"], b["events"]) for b in one["by_size"]}
    assert found == {("2 x", "1 min"): (0.0, 1), ("2 x", "10 min"): (0.0, 1), ("8 x", "5 min"): (1.0, 1)}


def test_alarms_about_faults_of_the_feed_are_false_and_told_apart() -> None:
    skew = PlantedSkew(exchange="binance", start=at(3), length=HOUR, offset=timedelta(seconds=2))
    whale = PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(20), notional=2e5)
    one = scored("burst", evidence(skew, whale), alerts(("volume_spike", at(3.5)), ("volume_spike", at(20) + MINUTE)))
    assert (one["faults"], one["explained"]) == ({"skew": 1}, {"whale": 1})
    assert one["false_per_day"]["value"] == one["fault_alerts_per_day"]["value"] == 0.5


def test_a_whale_that_never_arrived_is_neither_found_nor_missed() -> None:
    gap = PlantedGap(exchange="binance", symbol="BTC-USDT", start=at(3), length=MINUTE)
    whales = [
        PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(h), notional=2e5) for h in (3 + 0.5 / 60, 5.0)
    ]
    assert scored("whale", evidence(gap, *whales), alerts())["events"] == 1


def test_whales_that_nobody_planted_are_told_apart_and_not_false() -> None:
    own = PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(7), notional=2e5, natural=True)
    one = scored("whale", evidence(own), alerts(("whale_trade", at(7))))
    assert one["events"] == 0
    assert one["natural"]["recall"]["value"] == 1.0
    assert one["false_per_day"]["value"] == 0.0
    assert one["precision"]["value"] == 1.0


@pytest.mark.parametrize(("notional", "found"), [("200000", 1.0), ("207000", 1.0), ("230000", 0.0)])
def test_a_whale_is_found_by_an_alarm_of_its_size(notional: str, found: float) -> None:
    whale = PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(7), notional=2e5)
    raised = alerts(("whale_trade", at(7)), details=f'{{"notional": "{notional}"}}')
    assert scored("whale", evidence(whale), raised)["recall"]["value"] == found


def test_depegs_and_stalls_are_found_by_alarms_of_their_own() -> None:
    depeg = PlantedDepeg(start=at(3), length=10 * MINUTE, pct=-1.0)
    stall = PlantedStall(exchange="binance", start=at(6), length=4 * MINUTE)
    here = evidence(depeg, stall)
    peg = alerts(("stablecoin_depeg", at(3) + MINUTE), exchange="coinbase", symbol="USDT-USD")
    still = alerts(("venue_stall", at(6) + 3 * MINUTE), symbol="ALL")
    elsewhere = still.with_columns(pl.lit("coinbase").alias("exchange"))
    assert scored("depeg", here, peg)["recall"]["value"] == 1.0
    assert scored("stall", here, still)["recall"]["value"] == 1.0
    assert scored("stall", here, elsewhere)["recall"]["value"] == 0.0


def test_a_depeg_explains_no_alarm_about_volume() -> None:
    depeg = PlantedDepeg(start=at(3), length=HOUR, pct=-1.0)
    one = scored("burst", evidence(depeg), alerts(("volume_spike", at(3.5))))
    assert (one["explained"], one["false_per_day"]["value"]) == ({}, 0.5)


def test_nothing_raised_and_nothing_planted_have_no_precision_and_no_recall() -> None:
    one = scored("burst", evidence(), alerts())
    assert one["recall"]["value"] is one["precision"]["value"] is one["delay_s"]["p95"]["value"] is None
    assert one["false_per_day"]["value"] == 0.0
    assert one["false_per_day"]["high"] > 0


def test_chance_finds_about_what_its_share_of_the_time_is() -> None:
    here = evidence(*(burst(h) for h in range(2, 47, 5)))
    few, many = (by_chance(KINDS["burst"], [here], [count])["recall"] for count in (20, 480))
    assert few == pytest.approx(1 - (1 - 6 / 2880) ** 20, abs=0.08)
    assert many == pytest.approx(1 - (1 - 6 / 2880) ** 480, abs=0.15)


def test_a_day_in_part_counts_for_what_it_is() -> None:
    here = replace(evidence(), until=START + 12 * HOUR)
    assert scored("burst", here, alerts(("volume_spike", at(5))))["false_per_day"]["value"] == 2.0


def test_recall_at_a_level_lies_between_the_points_beside_it() -> None:
    points = [{"false_per_market_day": x, "recall": y} for x, y in ((0.1, 0.2), (1.1, 0.4), (4.1, 0.4))]
    assert at_level(points, 0.6) == pytest.approx(0.3)
    assert at_level(points, 2.0) == 0.4
    assert at_level(points, 0.05) is at_level(points, 5.0) is None


def test_while_a_venue_misnames_sides_a_whale_of_either_is_the_one_found() -> None:
    flip = PlantedSideFlip(exchange="binance", start=at(3), length=HOUR)
    whales = [
        PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(h), notional=2e5, side="buy") for h in (3.5, 6.0)
    ]
    sold = alerts(("whale_trade", at(3.5)), ("whale_trade", at(6)), details='{"side": "sell"}')
    assert scored("whale", evidence(flip, *whales), sold)["recall"]["value"] == 0.5
