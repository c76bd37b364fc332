"""The lively market: what makes it lively is there, within bounds, and it can be cut anywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from coattail.market import CALM, DEFAULT_INSTRUMENTS, LIVELY, Market, PlantedBurst, PlantedStall
from coattail.market.activity import day_wave, intensity, remembered
from coattail.market.clusters import clusters_begun, lively_background
from coattail.market.facts import market_facts, market_trades
from coattail.market.tape import CHUNK_US
from tools.market_statistics import hill, memory, orders, statistics

START = datetime(2025, 3, 3, tzinfo=UTC)
BTC = DEFAULT_INSTRUMENTS[0]
HOURS = 24


def lively(**fields: object) -> Market:
    defaults = {"start": START, "duration": timedelta(hours=HOURS), "character": LIVELY, "planted": ()}
    return Market(**{**defaults, **fields})  # type: ignore[arg-type]


@cache
def day() -> pl.DataFrame:
    """A day of Binance's BTC-USDT."""
    return pl.concat(list(market_trades(lively(instruments=(BTC,)))))


def test_a_lively_market_may_be_cut_anywhere() -> None:
    whole = list(lively().frames(START, START + timedelta(minutes=17)))
    for cut in (timedelta(minutes=5), timedelta(minutes=9, microseconds=123_457)):
        assert [
            *lively().frames(START, START + cut),
            *lively().frames(START + cut, START + timedelta(minutes=17)),
        ] == whole


def test_it_trades_as_much_as_it_should_within_a_fifth() -> None:
    assert day().height / HOURS / 60 == pytest.approx(BTC.trades_per_minute, rel=0.2)


def test_ids_are_contiguous_times_rise_and_two_orders_never_share_a_time() -> None:
    trades = day()
    assert trades["trade_id"].diff().drop_nulls().unique().to_list() == [1]
    taken = orders(trades)
    assert (taken["timestamp"].diff().drop_nulls() > timedelta()).all()


def test_minutes_remember_each_other_and_vary_as_recorded_ones_do() -> None:
    found = statistics(day())
    assert 0.4 < found["minute_memory"] < 0.85  # type: ignore[operator]
    assert 0.45 < found["minute_sigma"] < 0.8  # type: ignore[operator]


def test_the_memory_reaches_across_chunks_and_no_boundary_shows() -> None:
    values = np.concatenate([remembered(7, "activity:all", chunk, 0.8)[:-1] for chunk in range(2_000)])
    assert values.std() == pytest.approx(1.0, abs=0.1)
    assert memory(pl.Series(values)) == pytest.approx(0.8, abs=0.03)
    across = pl.DataFrame({"last": values[4:-1:5], "first": values[5::5]})
    assert across.select(pl.corr("last", "first")).item() == pytest.approx(0.8, abs=0.05)
    edges = [remembered(7, "activity:all", chunk, 0.8) for chunk in range(3)]
    assert edges[0][-1] == edges[1][0]


def test_the_day_has_a_wave_whose_mean_is_one() -> None:
    wave = np.exp(day_wave(LIVELY, np.arange(0, 24, 0.1)))
    assert wave.mean() == pytest.approx(1.0, abs=0.01)
    assert 0.35 < np.log(wave).max() < 0.9
    assert -0.9 < np.log(wave).min() < -0.3
    levels = [intensity(7, LIVELY, BTC, n, int(START.timestamp() * 1e6) + n * 300_000_000).mean() for n in range(2_016)]
    assert np.mean(levels) == pytest.approx(1.0, abs=0.15)


def test_what_orders_cause_goes_on_in_the_next_chunk() -> None:
    place = 7, LIVELY, BTC, 1.0
    start = int(START.timestamp() * 1e6)
    for chunk in range(1, 20):
        background = lively_background(*place, chunk, start + chunk * CHUNK_US)
        caused, _ = clusters_begun(*place, chunk - 1, start + (chunk - 1) * CHUNK_US)
        beyond = caused[caused >= CHUNK_US] - CHUNK_US
        assert len(beyond)
        assert set(beyond // 1000 * 1000) <= set(background.time.tolist())


def test_orders_cause_orders_so_seconds_are_uneven() -> None:
    assert statistics(day())["dispersion"] > 3.0  # type: ignore[operator]


def test_sizes_have_a_heavy_tail_and_few_orders_make_much_of_the_volume() -> None:
    found = statistics(day())
    assert hill(orders(day())["notional"].sort(descending=True), 300) == pytest.approx(LIVELY.tail_alpha, abs=0.35)
    assert found["top_1_pct"] > 20  # type: ignore[operator]
    assert found["fills_p99"] >= 6  # type: ignore[operator]
    assert orders(day())["fills"].max() > 20  # type: ignore[operator]


def test_every_order_above_100_thousand_is_in_the_truth_as_natural_and_nothing_else_is() -> None:
    truth = lively(instruments=(BTC,)).truth()
    whales = orders(day()).filter(pl.col("notional") > 100_000)
    assert set(truth["kind"]) == {"whale"}
    assert truth["detail"].str.json_path_match("$.natural").to_list() == ["true"] * truth.height
    assert truth["start"].to_list() == whales["timestamp"].to_list()
    assert truth["detail"].str.json_path_match("$.side").to_list() == whales["side"].to_list()
    assert np.allclose(truth["size"], whales["notional"], rtol=1e-3)
    documented = LIVELY.tail_above(BTC.order_size, 100_000) * orders(day()).height
    assert truth.height == pytest.approx(documented, rel=0.35)


@pytest.mark.slow
def test_truth_of_a_part_is_that_part_of_the_truth_and_nothing_trades_in_a_stall() -> None:
    whole = lively().truth()
    low, high = START + timedelta(hours=2, seconds=7), START + timedelta(hours=9)
    assert lively().truth(low, high).equals(whole.filter((pl.col("start") >= low) & (pl.col("start") < high)))
    stall = PlantedStall(exchange="binance", start=START + timedelta(hours=1), length=timedelta(hours=12))
    left = lively(planted=(stall,)).truth().filter(kind="whale", exchange="binance")
    assert 0 < left.height < whole.filter(exchange="binance").height
    assert left.filter(pl.col("start").is_between(stall.start, stall.end, closed="left")).is_empty()


@pytest.mark.slow
def test_venues_follow_each_other_and_the_rate_of_usdt_moves() -> None:
    bars = market_facts(lively(duration=timedelta(hours=6))).bars.select(
        "exchange", "symbol", "bar_start", "last_price"
    )
    one, other = (
        bars.filter(exchange=e, symbol=s).drop("exchange", "symbol")
        for e, s in (("binance", "BTC-USDT"), ("coinbase", "BTC-USD"))
    )
    ratio = one.join(other, on="bar_start").select((pl.col("last_price") / pl.col("last_price_right")).log() * 1e4)
    spread = ratio.to_series()
    assert 2 < spread.std() < 20  # type: ignore[operator]
    assert spread.abs().max() < 50  # type: ignore[operator]
    rate = bars.filter(symbol="USDT-USD")["last_price"]
    assert 2e-4 < rate.std() < 2e-3  # type: ignore[operator]


def test_coinbase_learns_of_prices_later_than_binance() -> None:
    trades = pl.concat(list(market_trades(lively(duration=timedelta(hours=3), rate=10.0, instruments=PAIR))))
    steps = {
        exchange: part.group_by_dynamic("timestamp", every="1s")
        .agg(pl.col("price").last())
        .upsample("timestamp", every="1s")
        .select("timestamp", pl.col("price").forward_fill().log().diff().alias("step"))
        for (exchange,), part in trades.filter(pl.col("timestamp") >= START).group_by("exchange")
    }
    both = steps["binance"].join(steps["coinbase"], on="timestamp", suffix="_coinbase").drop_nulls()
    after, before = both.select(
        pl.corr(pl.col("step"), pl.col("step_coinbase").shift(-1)).alias("after"),
        pl.corr(pl.col("step"), pl.col("step_coinbase").shift(1)).alias("before"),
    ).row(0)
    assert after > before + 0.2


PAIR = tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name == "BTC")


@pytest.mark.slow
def test_a_burst_multiplies_what_there_would_have_been() -> None:
    place = {"exchange": BTC.exchange, "symbol": BTC.symbol}
    length = timedelta(minutes=30)
    starts = [START + timedelta(hours=n) for n in range(1, 7)]
    events = tuple(PlantedBurst(start=start, length=length, factor=5.0, **place) for start in starts)
    short = timedelta(hours=8)
    plain, burst = (
        pl.concat(list(market_trades(lively(duration=short, instruments=(BTC,), planted=planted))))
        for planted in ((), events)
    )
    inside = pl.any_horizontal(pl.col("timestamp").is_between(e.start, e.end, closed="left") for e in events)
    assert burst.filter(inside).height / plain.filter(inside).height == pytest.approx(5.0, rel=0.15)
    assert burst.filter(~inside).height == plain.filter(~inside).height


def test_calm_is_what_a_market_is_when_not_told() -> None:
    assert Market().character is CALM
