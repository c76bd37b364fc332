"""Which alarms find, are explained by, or have nothing to do with what was planted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from coattail.market import (
    DEFAULT_INSTRUMENTS,
    Matched,
    Planted,
    PlantedBurst,
    PlantedCrash,
    PlantedDepeg,
    PlantedDrought,
    PlantedPump,
    PlantedSpread,
    PlantedStall,
    PlantedWhale,
    match,
)
from coattail.market.truth import truth_frame

START = datetime(2025, 3, 4, 13, tzinfo=UTC)
ALERTS = pl.Schema(
    {
        "alert_type": pl.String(),
        "symbol": pl.String(),
        "exchange": pl.String(),
        "severity": pl.String(),
        "detected_at": pl.Datetime("us", "UTC"),
        "details": pl.String(),
    }
)
BURST = PlantedBurst(exchange="binance", symbol="BTC-USDT", start=START, length=timedelta(seconds=120), factor=8.0)
WHALE = PlantedWhale(exchange="binance", symbol="BTC-USDT", start=START, notional=200_000.0, side="sell")
SPREAD = PlantedSpread(exchange="coinbase", asset="BTC", start=START, length=timedelta(seconds=60), pct=0.9)


def alert(
    kind: str,
    seconds: float,
    *,
    symbol: str = "BTC-USDT",
    exchange: str | None = "binance",
    details: str | None = "{}",
) -> dict[str, Any]:
    return {
        "alert_type": kind,
        "symbol": symbol,
        "exchange": exchange,
        "severity": "medium",
        "detected_at": START + timedelta(seconds=seconds),
        "details": details,
    }


def matched(planted: list[Planted], *alerts: dict[str, Any]) -> Matched:
    return match(truth_frame(planted), pl.DataFrame(alerts, schema=ALERTS, orient="row"))


def verdict(event: Planted, one: dict[str, Any]) -> str:
    return str(matched([event], one).alarms["verdict"][0])


@pytest.mark.parametrize(("seconds", "expected"), [
    (-61, "false"), (-59, "explained"), (0, "explained"), (1, "found"), (60, "found"), (179, "found"),
    (180, "explained"), (239, "explained"), (241, "false"),
])  # fmt: skip
def test_a_volume_spike_finds_a_burst_that_its_minute_overlaps(seconds: float, expected: str) -> None:
    assert verdict(BURST, alert("volume_spike", seconds)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-3.1, "false"), (-1.1, "explained"), (-1, "found"), (1, "found"), (3, "explained"), (3.1, "false")],
)
def test_a_whale_alarm_finds_a_whale_within_a_second(seconds: float, expected: str) -> None:
    assert verdict(WHALE, alert("whale_trade", seconds)) == expected


def test_a_whale_of_the_other_side_is_not_the_one_found() -> None:
    assert matched([WHALE], alert("whale_trade", 0, details='{"side": "sell"}')).found == 1
    assert matched([WHALE], alert("whale_trade", 0, details='{"side": "buy"}')).found == 0
    assert matched([WHALE], alert("whale_trade", 0, details=None)).found == 1


def test_details_may_be_a_struct() -> None:
    alerts = pl.DataFrame([alert("whale_trade", 0)], schema=ALERTS, orient="row")
    for side, found in (("sell", 1), ("buy", 0)):
        struct = alerts.with_columns(details=pl.struct(side=pl.lit(side)))
        assert match(truth_frame([WHALE]), struct).found == found
    assert match(truth_frame([WHALE]), alerts.with_columns(details=pl.struct(z=pl.lit(1)))).found == 1


@pytest.mark.parametrize(("seconds", "expected"), [(0, "explained"), (30, "found"), (89, "found"), (90, "explained"),
                                                   (121, "false")])  # fmt: skip
def test_a_spread_alarm_finds_a_spread_of_its_asset_that_its_half_minute_overlaps(
    seconds: float, expected: str
) -> None:
    assert verdict(SPREAD, alert("spread_divergence", seconds, symbol="BTC-USD", exchange=None)) == expected


def test_another_venue_or_asset_is_not_found() -> None:
    assert verdict(BURST, alert("volume_spike", 60, exchange="coinbase", symbol="BTC-USD")) == "false"
    assert verdict(WHALE, alert("whale_trade", 0, symbol="ETH-USDT")) == "false"
    assert verdict(SPREAD, alert("spread_divergence", 30, symbol="ETH-USD", exchange=None)) == "false"


def test_a_whale_explains_a_volume_spike_of_its_instrument_and_a_spread_of_its_asset() -> None:
    assert verdict(WHALE, alert("volume_spike", 30)) == "explained"
    assert verdict(WHALE, alert("spread_divergence", 15, symbol="BTC-USD", exchange=None)) == "explained"
    assert verdict(WHALE, alert("volume_spike", 30, exchange="coinbase", symbol="BTC-USD")) == "false"


def test_a_spread_explains_a_volume_spike_on_every_instrument_of_its_asset() -> None:
    assert verdict(SPREAD, alert("volume_spike", 60)) == "explained"
    assert verdict(SPREAD, alert("volume_spike", 60, exchange="coinbase", symbol="BTC-USD")) == "explained"
    assert verdict(SPREAD, alert("volume_spike", 60, symbol="ETH-USDT")) == "false"


def test_nothing_but_a_whale_explains_a_whale_alarm() -> None:
    assert verdict(BURST, alert("whale_trade", 30)) == "false"


def test_the_delay_counts_from_the_start_of_the_event_to_its_first_alarm() -> None:
    result = matched([BURST, WHALE], alert("volume_spike", 120), alert("volume_spike", 60))
    rows = {row["kind"]: row for row in result.planted.iter_rows(named=True)}
    assert rows["burst"]["delay_s"] == 60.0
    assert rows["burst"]["detected_at"] == START + timedelta(seconds=60)
    assert not rows["whale"]["found"]
    assert rows["whale"]["delay_s"] is None
    assert (result.found, result.missed) == (1, 1)


def test_false_alarms_within_two_minutes_of_each_other_are_one_group() -> None:
    alarms = [alert("volume_spike", s) for s in (6000, 6120, 6240, 6361)]
    others = [
        alert("volume_spike", 6000, symbol="ETH-USDT"),
        alert("volume_drop", 6060),
        alert("spread_divergence", 6000, symbol="BTC-USD", exchange=None),
        alert("spread_divergence", 6030, symbol="BTC-USD", exchange=None),
    ]
    result = matched([BURST], *alarms, *others)
    assert result.false_alarms == 8
    assert result.false_groups == 5


def test_nothing_planted_and_nothing_raised_are_fine() -> None:
    silent = matched([BURST])
    assert (silent.found, silent.missed, silent.false_alarms, silent.false_groups) == (0, 1, 0, 0)
    noisy = matched([], alert("volume_spike", 0))
    assert (noisy.found, noisy.missed, noisy.false_alarms, noisy.false_groups) == (0, 0, 1, 1)


def test_a_volume_drop_finds_a_drought() -> None:
    drought = PlantedDrought(
        exchange="binance", symbol="BTC-USDT", start=START, length=timedelta(seconds=120), factor=0.1
    )
    assert verdict(drought, alert("volume_drop", 60)) == "found"
    assert verdict(drought, alert("volume_spike", 60)) == "explained"


def test_what_happens_to_a_line_explains_every_alarm_of_its_venue_but_whales() -> None:
    stall = PlantedStall(exchange="binance", start=START, length=timedelta(seconds=60))
    assert verdict(stall, alert("volume_drop", 60)) == "explained"
    assert verdict(stall, alert("volume_drop", 60, symbol="ETH-USDT")) == "explained"
    assert verdict(stall, alert("spread_divergence", 30, symbol="ETH-USD", exchange=None)) == "explained"
    assert verdict(stall, alert("volume_drop", 60, exchange="coinbase", symbol="BTC-USD")) == "false"
    assert verdict(stall, alert("whale_trade", 30)) == "false"
    assert matched([stall], alert("volume_drop", 60)).found == 0


def test_a_depeg_explains_alarms_about_any_asset() -> None:
    depeg = PlantedDepeg(start=START, length=timedelta(seconds=60), pct=-1.0)
    assert verdict(depeg, alert("spread_divergence", 30, symbol="ETH-USD", exchange=None)) == "explained"
    assert verdict(depeg, alert("spread_divergence", 300, symbol="ETH-USD", exchange=None)) == "false"


def test_a_spike_finds_a_pump_from_its_announcement_and_one_about_the_first_buyers_is_explained() -> None:
    lead = timedelta(minutes=25)
    pump = PlantedPump(exchange="binance", symbol="BTC-USDT", start=START - lead, lead=lead)
    found = matched([pump], alert("volume_spike", -1_200), alert("volume_spike", 20), alert("volume_spike", 600))
    assert found.planted["delay_s"].to_list() == [20.0]
    assert found.alarms["verdict"].to_list() == ["explained", "found", "found"]
    assert found.alarms["cause"].to_list() == ["pump"] * 3
    others = matched(
        [pump],
        alert("volume_spike", -3_000),
        alert("volume_spike", 20, exchange="coinbase", symbol="BTC-USD"),
        alert("volume_drop", 30),
    )
    assert others.found == 0
    assert others.alarms["verdict"].to_list() == ["false", "false", "explained"]


def test_a_spike_in_each_market_finds_its_crash_and_a_spread_the_venues_that_are_apart() -> None:
    crash = PlantedCrash(start=START, seed=3)
    truth = truth_frame(crash.told(DEFAULT_INSTRUMENTS))
    apart = truth.filter(kind="spread", symbol="BTC-USD")["start"].min()
    assert isinstance(apart, datetime)
    late = (apart - START).total_seconds() + 15
    alerts = [
        alert("volume_spike", 40),
        alert("volume_spike", 50, exchange="coinbase", symbol="ETH-USD"),
        alert("spread_divergence", late, exchange=None, symbol="BTC-USD"),
    ]
    found = match(truth, pl.DataFrame(alerts, schema=ALERTS, orient="row"))
    rows = found.planted.filter("found").sort("kind", "exchange").select("kind", "exchange", "symbol", "delay_s").rows()
    assert rows == [
        ("crash", "binance", "BTC-USDT", 40.0),
        ("crash", "coinbase", "ETH-USD", 50.0),
        ("spread", None, "BTC-USD", 15.0),
    ]
    assert found.false_alarms == 0
