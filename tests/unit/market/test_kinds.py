"""Every kind of event does what it says, and its row of the truth says what it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from coattail.errors import ConfigError
from coattail.market import (
    CALM,
    LIVELY,
    TRUTH_SCHEMA,
    Character,
    Frame,
    Market,
    Planted,
    PlantedBacklog,
    PlantedDepeg,
    PlantedDrought,
    PlantedDuplicates,
    PlantedGap,
    PlantedOutlier,
    PlantedRefilledGap,
    PlantedRunaway,
    PlantedSideFlip,
    PlantedSkew,
    PlantedStall,
    PlantedWash,
    PlantedWhale,
)
from coattail.market.facts import market_trades

pytestmark = pytest.mark.slow

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
LENGTH = timedelta(minutes=20)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def during(minutes: float, length: float) -> dict[str, Any]:
    return {"start": at(minutes), "length": timedelta(minutes=length)}


def market(*planted: Planted, character: Character = CALM) -> Market:
    return Market(start=START, duration=LENGTH, planted=planted, character=character)


def trades(*planted: Planted, character: Character = CALM) -> pl.DataFrame:
    return pl.concat(list(market_trades(market(*planted, character=character)))).filter(pl.col("timestamp") >= START)


def inside(event: Planted) -> pl.Expr:
    return pl.col("timestamp").is_between(event.start, event.end, closed="left")


def of(frames: list[Frame], exchange: str) -> list[Frame]:
    return [frame for frame in frames if frame.exchange == exchange]


def ns(when: datetime) -> int:
    return round(when.timestamp()) * 10**9


@pytest.mark.parametrize("character", [CALM, LIVELY])
def test_a_drought_leaves_its_share_of_the_orders(character: Character) -> None:
    event = PlantedDrought(exchange="binance", symbol="BTC-USDT", factor=0.2, **during(4, 10))
    quiet = trades(character=character).filter(symbol="BTC-USDT")
    dry = trades(event, character=character).filter(symbol="BTC-USDT")
    assert dry.filter(inside(event)).height / quiet.filter(inside(event)).height == pytest.approx(0.2, abs=0.06)
    assert dry.filter(~inside(event)).height == quiet.filter(~inside(event)).height


def test_a_whale_may_have_hundreds_of_fills_that_arrive_before_the_next_order() -> None:
    event = PlantedWhale(exchange="coinbase", symbol="BTC-USD", start=at(3), notional=2e6, fills=400)
    fills = trades(event).filter(timestamp=at(3), symbol="BTC-USD")
    assert fills.height == 400
    assert (fills["price"] * fills["quantity"]).sum() == pytest.approx(2e6, abs=10)
    arrived = [msgspec.json.decode(f.data).get("trade_id") for f in market(event).frames() if b"BTC-USD" in f.data]
    ids = [i for i in arrived if i is not None]
    assert ids == sorted(ids)


def test_a_depeg_moves_usdt_and_every_price_in_it_the_other_way() -> None:
    event = PlantedDepeg(pct=-2.0, **during(5, 10))
    before, after = trades(), trades(event)
    assert before["trade_id"].to_list() == after["trade_id"].to_list()
    ratio = after.with_columns(ratio=after["price"] / before["price"]).filter(inside(event))
    means = dict(ratio.group_by("symbol").agg(pl.col("ratio").mean()).iter_rows())
    assert means["USDT-USD"] == pytest.approx(0.98, abs=1e-4)
    assert means["BTC-USDT"] == pytest.approx(1 / 0.98, abs=1e-4)
    assert means["BTC-USD"] == 1.0


def test_a_venue_that_runs_away_takes_all_its_coins_along_and_no_stablecoin() -> None:
    event = PlantedRunaway(exchange="coinbase", pct=1.5, **during(5, 10))
    before, after = trades(), trades(event)
    ratio = after.with_columns(ratio=after["price"] / before["price"]).filter(inside(event))
    means = dict(ratio.group_by("symbol").agg(pl.col("ratio").mean()).iter_rows())
    assert means["BTC-USD"] == pytest.approx(1.015, abs=1e-4)
    assert means["SOL-USD"] == pytest.approx(1.015, abs=1e-4)
    assert means["BTC-USDT"] == means["USDT-USD"] == 1.0
    assert market(event).truth().select("kind", "exchange", "symbol", "size").rows() == [("runaway", None, "ALL", 1.5)]


def test_an_outlier_is_one_print_off_the_market() -> None:
    event = PlantedOutlier(exchange="coinbase", symbol="ETH-USD", start=at(6), pct=-7.0)
    prices = trades(event).filter(symbol="ETH-USD", exchange="coinbase")
    off = prices.filter((pl.col("price") / pl.col("price").median() - 1).abs() > 0.05)
    assert off["timestamp"].to_list() == [at(6)]
    assert off["price"][0] / prices["price"].median() - 1 == pytest.approx(-0.07, abs=0.01)


def test_washing_is_pairs_of_a_buy_and_a_sell_of_one_size_and_price() -> None:
    event = PlantedWash(exchange="binance", symbol="SOL-USDT", pairs=30, notional=4_000, **during(5, 3))
    found = trades(event).filter(inside(event), symbol="SOL-USDT")
    pairs = found.group_by("timestamp").agg(
        pl.col("side").n_unique().alias("sides"), pl.len(), pl.col("price", "quantity").n_unique()
    )
    washed = pairs.filter(pl.col("sides") == 2)
    assert 28 <= washed.height <= 30  # two pairs drawn at one moment are one
    assert washed.select("len", "price", "quantity").unique().rows() == [(2, 1, 1)]


def test_a_side_flip_inverts_the_sides_of_one_venue_and_nothing_else() -> None:
    event = PlantedSideFlip(exchange="coinbase", **during(5, 3))
    before, after = trades(), trades(event)
    assert before.drop("side").equals(after.drop("side"))
    differs = before["side"] != after["side"]
    assert after.filter(differs).equals(after.filter(inside(event), exchange="coinbase"))


def test_a_stalled_venue_trades_and_says_nothing_and_misses_no_id() -> None:
    event = PlantedStall(exchange="coinbase", **during(5, 2))
    found = trades(event).filter(exchange="coinbase")
    assert found.filter(inside(event)).is_empty()
    steps = found.select(pl.col("trade_id").diff().over("symbol")).to_series().drop_nulls()
    assert steps.unique().to_list() == [1]
    times = [msgspec.json.decode(f.data)["time"] for f in market(event).frames() if b'"heartbeat","last' in f.data]
    assert not any("2025-03-04T12:05:00" <= time < "2025-03-04T12:07:00" for time in times)
    assert any(time > "2025-03-04T12:07:00" for time in times)


def test_a_gap_never_arrives_and_a_refilled_one_comes_later_by_another_connection() -> None:
    place = {"exchange": "binance", "symbol": "ETH-USDT", **during(5, 1)}
    whole = [f.data for f in market().frames() if b"ethusdt" in f.data]
    gap = [f.data for f in market(PlantedGap(**place)).frames() if b"ethusdt" in f.data]
    event = PlantedRefilledGap(after=timedelta(minutes=3), **place)
    refilled = [f for f in market(event).frames() if b"ethusdt" in f.data]
    lost = set(whole) - set(gap)
    assert len(lost) > 100
    assert all(at(5) <= datetime.fromtimestamp(msgspec.json.decode(d)["data"]["T"] / 1000, UTC) < at(6) for d in lost)
    late = [f for f in refilled if f.connection == 1]
    assert {f.data for f in late} == lost
    assert all(ns(at(9)) <= f.received < ns(at(9)) + 10**9 for f in late)
    assert [f.data for f in refilled if f.connection == 0] == gap


def test_duplicates_repeat_their_share_and_a_repeat_comes_after() -> None:
    event = PlantedDuplicates(exchange="binance", rate=0.3, **during(5, 4))
    plain, worse = of(list(market().frames()), "binance"), of(list(market(event).frames()), "binance")
    assert list(dict.fromkeys(f.data for f in worse)) == [f.data for f in plain]
    counts = Counter(f.data for f in worse)
    sent = sum(ns(event.start) <= f.received < ns(event.end) for f in plain)
    assert sum(n == 2 for n in counts.values()) / sent == pytest.approx(0.3, abs=0.05)
    assert max(counts.values()) == 2


def test_a_backlog_comes_at_once_when_it_is_over_in_order_and_complete() -> None:
    event = PlantedBacklog(exchange="coinbase", **during(5, 7))
    plain, worse = list(market().frames()), list(market(event).frames())
    assert [f.data for f in of(worse, "coinbase")] == [f.data for f in of(plain, "coinbase")]
    assert of(worse, "binance") == of(plain, "binance")
    held = [f for f in of(worse, "coinbase") if ns(event.start) <= f.received < ns(event.end) + 420_000_000]
    assert held
    assert min(f.received for f in held) >= ns(event.end)


def test_a_skewed_clock_changes_receive_times_and_not_the_order() -> None:
    event = PlantedSkew(exchange="binance", offset=timedelta(seconds=-3), **during(5, 2))
    plain, worse = list(market().frames()), list(market(event).frames())
    assert [f.data for f in worse] == [f.data for f in plain]
    off = [(a, b.received - a.received) for a, b in zip(plain, worse, strict=True) if a != b]
    assert {d for _, d in off} == {-3 * 10**9}
    assert {f.exchange for f, _ in off} == {"binance"}
    assert all(ns(event.start) <= f.received < ns(event.end) for f, _ in off)


EVENTS: tuple[Planted, ...] = (
    PlantedDrought(exchange="binance", symbol="BTC-USDT", factor=0.2, **during(1, 1)),
    PlantedDepeg(pct=-2.0, **during(2, 1)),
    PlantedOutlier(exchange="coinbase", symbol="ETH-USD", start=at(3), pct=-7.0),
    PlantedWash(exchange="binance", symbol="SOL-USDT", pairs=30, notional=4_000, **during(4, 1)),
    PlantedSideFlip(exchange="coinbase", **during(5, 1)),
    PlantedStall(exchange="coinbase", **during(6, 1)),
    PlantedGap(exchange="binance", symbol="ETH-USDT", **during(7, 1)),
    PlantedRefilledGap(exchange="binance", symbol="ETH-USDT", after=timedelta(minutes=3), **during(8.5, 1)),
    PlantedDuplicates(exchange="binance", rate=0.3, **during(10, 1)),
    PlantedBacklog(exchange="coinbase", **during(11, 1)),
    PlantedSkew(exchange="binance", offset=timedelta(seconds=-3), **during(12, 1)),
)


def test_the_truth_names_kind_place_and_size_of_each() -> None:
    truth = market(*EVENTS).truth()
    assert truth.schema == TRUTH_SCHEMA
    assert truth.select("kind", "exchange", "symbol", "size").rows() == [
        ("drought", "binance", "BTC-USDT", 0.2),
        ("depeg", None, "USDT-USD", -2.0),
        ("outlier", "coinbase", "ETH-USD", -7.0),
        ("wash", "binance", "SOL-USDT", 4_000.0),
        ("side_flip", "coinbase", None, 60.0),
        ("stall", "coinbase", None, 60.0),
        ("gap", "binance", "ETH-USDT", 60.0),
        ("refilled_gap", "binance", "ETH-USDT", 60.0),
        ("duplicates", "binance", None, 0.3),
        ("backlog", "coinbase", None, 60.0),
        ("skew", "binance", None, -3.0),
    ]
    assert truth["detail"][7] == '{"refilled_at": "2025-03-04T12:12:30Z"}'


@pytest.mark.parametrize("character", [CALM, LIVELY])
def test_a_market_full_of_events_may_be_cut_anywhere(character: Character) -> None:
    long_ago = PlantedRefilledGap(
        exchange="coinbase", symbol="ETH-USD", after=timedelta(minutes=16), **during(0.5, 0.5)
    )
    events = (long_ago, *EVENTS)
    whole = list(market(*events, character=character).frames())
    assert any(f.connection == 1 and f.received > ns(at(17)) for f in whole)
    for cut in (at(8.9), at(11.5), at(12.1), at(12.6), at(16.5)):
        again = market(*events, character=character)
        assert [*again.frames(cut, at(20))] == whole[len(list(again.frames(START, cut))) :]


def changed(event: Planted, **fields: object) -> Planted:
    return replace(event, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", [
    changed(EVENTS[0], factor=1.5),
    changed(EVENTS[1], pct=-100.0),
    changed(EVENTS[2], notional=0.0),
    changed(EVENTS[3], pairs=0),
    changed(EVENTS[5], exchange="kraken"),
    changed(EVENTS[5], length=timedelta()),
    changed(EVENTS[7], after=timedelta(seconds=-1)),
    changed(EVENTS[8], rate=1.1),
    PlantedWhale(exchange="binance", symbol="BTC-USDT", start=at(1), notional=2e5, natural=True),
])  # fmt: skip
def test_what_cannot_be_is_refused(event: Planted) -> None:
    with pytest.raises(ConfigError):
        market(event)
