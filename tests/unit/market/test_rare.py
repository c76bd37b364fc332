"""Pumps, crashes, venues that are late, markets that become another: what is planted happens, and the truth says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from coattail.errors import ConfigError
from coattail.market import (
    CALM,
    DEFAULT_INSTRUMENTS,
    MIDDLE,
    PLANS,
    QUIET,
    Character,
    Market,
    Planted,
    PlantedCrash,
    PlantedLag,
    PlantedPump,
    PlantedRegime,
    market_facts,
    planted_crashes,
    planted_pumps,
    planted_regimes,
)
from coattail.market.facts import market_trades
from coattail.records import micros

pytestmark = pytest.mark.slow

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
SOL, SOL_USD = (DEFAULT_INSTRUMENTS[n] for n in (2, 5))
PLACE = {"exchange": "binance", "symbol": "SOL-USDT"}
PUMP = PlantedPump(start=START + timedelta(minutes=30), **PLACE)
CRASH = PlantedCrash(start=START + timedelta(minutes=20, seconds=7), seed=3)
LATE = PlantedLag(exchange="coinbase", start=CRASH.start, length=CRASH.length, lag=timedelta(seconds=5))


def market(*planted: Planted, hours: float = 2, character: Character = QUIET, **fields: Any) -> Market:
    return Market(start=START, duration=timedelta(hours=hours), character=character, planted=planted, **fields)


def trades(*planted: Planted, **fields: Any) -> pl.DataFrame:
    found = pl.concat(list(market_trades(market(*planted, **fields))))
    return found.filter(pl.col("timestamp") >= START).with_columns(volume=pl.col("price") * pl.col("quantity"))


def between(since: datetime, first: float, last: float) -> pl.Expr:
    seconds = (pl.col("timestamp") - since).dt.total_microseconds() / 1e6
    return (seconds >= first) & (seconds < last)


@pytest.fixture(scope="module")
def pumped() -> pl.DataFrame:
    return trades(PUMP, instruments=(SOL,), hours=3.5)


@pytest.mark.parametrize("character", [QUIET, CALM], ids=lambda c: c.name)
def test_a_pump_has_so_many_times_the_trades_in_its_first_minute(character: Character) -> None:
    pace = character.of(SOL).trades_per_minute
    planted = PlantedPump(start=PUMP.start, factor=300 if character is QUIET else 50, **PLACE)
    found = trades(planted, instruments=(SOL,), hours=1.1, character=character)
    assert found.filter(between(PUMP.announced, 0, 60)).height / pace == pytest.approx(planted.factor, rel=0.3)


def test_a_crowd_comes_after_a_reaction_is_largest_at_once_and_fades_over_tens_of_minutes(
    pumped: pl.DataFrame,
) -> None:
    edges = [0, 3, 13, 60, 300, 1_800, 7_200]
    rate = [pumped.filter(between(PUMP.announced, a, b)).height / (b - a) for a, b in pairwise(edges)]
    assert rate[0] < rate[-1] * 60
    assert rate[1] > rate[2] > rate[3] > rate[4] > rate[5]
    size = [pumped.filter(between(PUMP.announced, a, b))["volume"].median() for a, b in ((3, 60), (600, 7_200))]
    assert size[0] > 1.5 * size[1]  # type: ignore[operator]


def test_a_few_buy_before_it_the_price_jumps_within_a_second_and_comes_back(pumped: pl.DataFrame) -> None:
    def price(first: float, last: float) -> float:
        found = pumped.filter(between(PUMP.announced, first, last))["price"].median()
        assert isinstance(found, float)
        return found

    before = price(-3_600, -1_800)
    assert 0 < price(-60, 0) / before - 1 < 0.03
    assert price(3, 5) / before - 1 > 0.12
    assert price(60, 70) / before - 1 == pytest.approx(0.30, abs=0.06)
    assert 0.05 < price(1_200, 1_800) / before - 1 < 0.25
    assert abs(price(7_200, 9_000) / before - 1) < 0.05
    early = pumped.filter(between(PUMP.announced, -1_800, 0)).height
    assert early > 1.5 * pumped.filter(between(PUMP.announced, -1_800 * 2, -1_800)).height


def test_the_truth_of_a_pump_begins_at_its_announcement_and_a_market_without_it_is_the_same_elsewhere() -> None:
    (row,) = market(PUMP, instruments=(SOL,), hours=4).truth().iter_rows(named=True)
    assert (row["kind"], row["exchange"], row["symbol"]) == ("pump", "binance", "SOL-USDT")
    assert (row["start"], row["end"], row["size"]) == (START + timedelta(hours=1), PUMP.end, PUMP.factor)
    assert msgspec.json.decode(row["detail"]) == {"pct": 30.0, "lead_s": 1800.0}
    with_it, without = (trades(*planted, instruments=(SOL,), hours=3.5) for planted in ((PUMP,), ()))
    outside = (pl.col("timestamp") < PUMP.start) | (pl.col("timestamp") >= PUMP.end)
    columns = ("timestamp", "price", "quantity", "side")
    assert with_it.filter(outside).select(columns).equals(without.filter(outside).select(columns))


def test_a_crash_falls_at_every_venue_at_once_in_minutes_of_several_percent_and_comes_back() -> None:
    bars = market_facts(market(CRASH, character=MIDDLE)).bars
    for exchange, symbol in (("binance", "BTC-USDT"), ("coinbase", "ETH-USD")):
        here = bars.filter(exchange=exchange, symbol=symbol)
        lowest = here.filter(between_bars(CRASH.start, CRASH.end))["low"].min()
        assert 0.65 < lowest / here["first_price"][0] < 0.82  # type: ignore[operator]
        assert here["last_price"][-1] / here["first_price"][0] == pytest.approx(1.0, abs=0.03)
        falling = here.filter(between_bars(CRASH.start, CRASH.start + CRASH.fall))
        spans = falling.group_by(pl.col("bar_start").dt.truncate("1m")).agg(pl.col("high").max() / pl.col("low").min())
        assert 1.02 < spans["high"].median() < 1.09  # type: ignore[operator]
        quiet = here.filter(pl.col("bar_start") < CRASH.start)["trades"].sum() / 20
        height = falling["trades"].sum() / (CRASH.fall / timedelta(minutes=1))
        assert 10 < height / quiet < 90


def between_bars(since: datetime, until: datetime) -> pl.Expr:
    return (pl.col("bar_start") >= since) & (pl.col("bar_start") < until)


def test_the_venues_are_apart_when_the_truth_says_so_and_usdt_gives_way() -> None:
    here = market(CRASH, character=MIDDLE)
    truth, bars = here.truth(), market_facts(here).bars
    spreads = truth.filter(kind="spread")
    assert set(spreads["symbol"]) <= {"BTC-USD", "ETH-USD", "SOL-USD"}
    crashed = truth.filter(kind="crash")
    assert crashed.height == len(here.traded)
    apart_from = {s: msgspec.json.decode(d)["apart_from"] for s, d in crashed.select("symbol", "detail").iter_rows()}
    assert apart_from["USDT-USD"] is None
    for asset in ("BTC", "ETH", "SOL"):
        (row,) = spreads.filter(symbol=f"{asset}-USD").iter_rows(named=True)
        assert (
            CRASH.start <= row["start"] < datetime.fromisoformat(apart_from[f"{asset}-USD"]) < row["end"] <= CRASH.end
        )
        assert abs(row["size"]) > 1
    usdt = bars.filter(symbol="USDT-USD").filter(between_bars(CRASH.start, CRASH.end))["low"].min()
    assert usdt == pytest.approx(0.9998 * 0.992, abs=0.003)
    (depeg,) = truth.filter(kind="depeg").iter_rows(named=True)
    assert depeg["size"] == CRASH.depeg_pct
    assert CRASH.start < depeg["start"] < CRASH.start + timedelta(minutes=2)
    last = bars.select("exchange", "symbol", "bar_start", "last_price")
    one, other = (last.filter(symbol=s) for s in ("BTC-USDT", "BTC-USD"))
    rate = last.filter(symbol="USDT-USD").select("bar_start", rate="last_price")
    both = one.join(other, on="bar_start", suffix="_usd").sort("bar_start").join_asof(rate, on="bar_start")
    pct = both.with_columns(pct=(pl.col("last_price_usd") / pl.col("last_price") / pl.col("rate") - 1).abs() * 100)
    calm = pct.filter(pl.col("bar_start") < CRASH.start)["pct"].max()
    wild = pct.filter(between_bars(CRASH.start, CRASH.start + CRASH.fall))
    assert calm < 0.3 < 1 < wild["pct"].max()  # type: ignore[operator]
    far = wild.filter(pl.col("pct") > 1.2)["bar_start"]
    begun = datetime.fromisoformat(apart_from["BTC-USD"]) - timedelta(seconds=10)
    assert far.min() >= begun  # type: ignore[operator]


def test_a_venue_that_is_late_loses_nothing_overtakes_nothing_and_says_the_right_times() -> None:
    late, usual = (list(market(*events, hours=1.5).frames()) for events in ((LATE,), ()))
    assert sorted(f.data for f in late) == sorted(f.data for f in usual)
    assert [f.received for f in late] == sorted(f.received for f in late)
    for exchange in ("binance", "coinbase"):
        one, other = ([f for f in frames if f.exchange == exchange] for frames in (late, usual))
        assert [f.data for f in one] == [f.data for f in other]
        delay = np.array([a.received - b.received for a, b in zip(one, other, strict=True)]) / 1e9
        assert delay.max() == (pytest.approx(5.0) if exchange == "coinbase" else 0.0)
        assert delay.min() >= 0
    assert market(LATE).truth()["kind"].to_list() == ["lag"]


@pytest.mark.parametrize("character", [MIDDLE, CALM], ids=lambda c: c.name)
def test_another_regime_is_drawn_at_another_rate_and_goes_on_until_it_is_changed_back(character: Character) -> None:
    up = PlantedRegime(start=START + timedelta(hours=2, seconds=77), factor=3.0, **PLACE)
    back = PlantedRegime(start=START + timedelta(hours=4), factor=1 / 3, **PLACE)
    edges = [START, up.start, back.start, START + timedelta(hours=6)]
    found, plain = (
        trades(*events, instruments=(SOL,), hours=6, character=character)["timestamp"] for events in ((up, back), ())
    )
    counts = [[((t >= low) & (t < high)).sum() for t in (found, plain)] for low, high in pairwise(edges)]
    ratios = [one / other for one, other in counts]
    assert ratios == pytest.approx([1.0, 3.0, 1.0], rel=0.25)
    assert found.filter(found < up.start - timedelta(minutes=10)).equals(
        plain.filter(plain < up.start - timedelta(minutes=10))
    )
    truth = market(up, back, hours=6).truth().filter(kind="regime")
    assert truth["size"].to_list() == [3.0, 1 / 3]
    assert truth["start"].to_list() == truth["end"].to_list()


def test_rare_events_may_be_cut_anywhere_and_facts_are_those_of_the_frames(landing: Any) -> None:
    pump = PlantedPump(start=START + timedelta(minutes=3), lead=timedelta(minutes=2), **PLACE)
    regime = PlantedRegime(exchange="coinbase", symbol="SOL-USD", start=START + timedelta(minutes=6), factor=20.0)
    crash = PlantedCrash(start=START + timedelta(minutes=8), length=timedelta(minutes=6), fall=timedelta(minutes=2))
    late = PlantedLag(exchange="coinbase", start=crash.start, length=crash.length, lag=timedelta(seconds=9))
    events = (pump, regime, crash, late)
    whole = market(*events, hours=0.25)
    frames = list(whole.frames())
    for minutes in (4.1, 10.01):
        cut = START + timedelta(minutes=minutes)
        again = market(*events, hours=0.25)
        assert [*again.frames(cut, again.end)] == [f for f in frames if f.received >= micros(cut) * 1000]
    facts, landed = market_facts(whole), landing(whole)
    assert facts.trades == landed.trades.height > 1_000
    assert facts.spans.equals(landed.coverage.spans())
    assert facts.bars["trades"].sum() == landed.bars["trades"].sum()


def test_no_crowd_makes_a_whale_that_the_truth_does_not_name() -> None:
    crash = PlantedCrash(start=START, factor=30.0)
    here = market(crash, hours=0.15, character=CALM, instruments=(SOL, SOL_USD))
    largest = market_facts(here).orders["notional"].max()
    assert 20_000 < largest < 100_000  # type: ignore[operator]


@pytest.mark.parametrize(
    "event",
    [
        PlantedPump(start=START, lead=timedelta(hours=3), **PLACE),
        PlantedPump(start=START, factor=0.5, **PLACE),
        PlantedCrash(start=START, pct=100.0),
        PlantedCrash(start=START, fall=timedelta(hours=1)),
        PlantedLag(exchange="coinbase", start=START, length=timedelta(seconds=30), lag=timedelta(seconds=4)),
        PlantedRegime(start=START, factor=0.0, **PLACE),
    ],
)
def test_what_cannot_happen_is_refused(event: Planted) -> None:
    with pytest.raises(ConfigError, match="is impossible"):
        market(event)


def test_plans_depend_on_the_seed_alone_keep_the_warm_up_and_a_longer_one_begins_alike() -> None:
    warm_up = timedelta(days=2)
    for name, plan in PLANS.items():
        planned = plan(5, START, 4, warm_up)
        assert planned == plan(5, START, 4, warm_up)
        assert all(START + warm_up <= e.start and e.end <= START + timedelta(days=4) for e in planned)
        assert (planned == plan(6, START, 4, warm_up)) == (name == "none")
        Market(start=START, duration=timedelta(days=4), planted=planned)
    assert planted_crashes(5, START, 3) == planted_crashes(5, START, 4)[: len(planted_crashes(5, START, 3))]
    pumps = planted_pumps(5, START, 3, warm_up=timedelta())
    assert len(pumps) == 6
    assert len(planted_pumps(5, START, 9, warm_up=timedelta())) == 12
    assert {p.announced.second for p in pumps} == {0}
    assert min(p.factor for p in pumps) >= 150
    assert max(p.factor for p in pumps) <= 600
    assert {round(r.factor, 3) for r in planted_regimes(5, START, 3)} == {3.0, 0.333}
