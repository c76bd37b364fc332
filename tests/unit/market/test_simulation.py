"""The market itself: determinism, continuity, and that what is planted is there and nothing else is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import NamedTuple

import msgspec
import polars as pl
import pytest

from coattail.errors import ConfigError
from coattail.market import (
    DEFAULT_INSTRUMENTS,
    Frame,
    Market,
    Planted,
    PlantedBurst,
    PlantedSpread,
    PlantedWhale,
)
from coattail.market.fills import LARGEST_ORDER

START = datetime(2025, 3, 4, 12, tzinfo=UTC)


class Row(NamedTuple):
    """A trade as read back from its frame; time in µs."""

    trade_id: int
    time: int
    side: str
    price: Decimal
    quantity: Decimal


def minutes(number: float) -> datetime:
    return START + timedelta(minutes=number)


def make_market(*, planted: tuple[Planted, ...] | None = (), length: float = 20, **fields: object) -> Market:
    return replace(Market(start=START, duration=timedelta(minutes=length), planted=planted), **fields)  # type: ignore[arg-type]


def trades(frames: Iterable[Frame]) -> dict[str, list[Row]]:
    """Trades per `exchange:code` in the order of arrival, without `last_match`; the side is the taker's."""
    found = defaultdict(list)
    for frame in frames:
        message = msgspec.json.decode(frame.data)
        if frame.exchange == "binance":
            t = message["data"]
            side = "sell" if t["m"] else "buy"
            row = Row(t["t"], t["T"] * 1000, side, Decimal(t["p"]), Decimal(t["q"]))
            found[f"binance:{t['s']}"].append(row)
        elif message["type"] == "match":
            side = "sell" if message["side"] == "buy" else "buy"
            when = (datetime.fromisoformat(message["time"]) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
                microseconds=1
            )
            row = Row(message["trade_id"], when, side, Decimal(message["price"]), Decimal(message["size"]))
            found[f"coinbase:{message['product_id']}"].append(row)
    return found


def orders(rows: list[Row]) -> list[list[Row]]:
    """Fills of one order: adjacent, equal time and side."""
    return [list(fills) for _, fills in groupby(rows, key=lambda r: (r.time, r.side))]


def notional(fills: Iterable[Row]) -> Decimal:
    return sum((r.price * r.quantity for r in fills), Decimal(0))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    assert list(Market().frames(START, minutes(6))) == list(Market().frames(START, minutes(6)))
    assert list(Market().frames(START, minutes(6))) != list(Market(seed=8).frames(START, minutes(6)))


@pytest.mark.slow
def test_time_may_be_cut_anywhere_without_changing_a_frame() -> None:
    market = Market(start=START, duration=timedelta(hours=2))
    whole = list(market.frames())
    for cut in (minutes(60), minutes(71) + timedelta(microseconds=123_457), minutes(74.1), minutes(119.99)):
        assert [*Market(start=START).frames(START, cut), *Market(start=START).frames(cut, minutes(120))] == whole
    assert [*market.frames(START, minutes(60)), *market.frames(minutes(60), minutes(120))] == whole


def test_the_market_goes_on_after_its_duration() -> None:
    market = make_market(length=7)
    onward = [*market.frames(), *market.frames(market.end, minutes(13))]
    assert onward == list(make_market(length=13).frames())


@pytest.mark.slow
def test_adding_an_instrument_or_an_event_leaves_the_others_as_they_were() -> None:
    fewer = trades(make_market(instruments=DEFAULT_INSTRUMENTS[1:]).frames())
    whale = PlantedWhale(exchange="binance", symbol="BTC-USDT", start=minutes(3), notional=200_000)
    more = trades(make_market(planted=(whale,)).frames())
    plain = trades(make_market().frames())
    assert more.pop("binance:BTCUSDT") != plain.pop("binance:BTCUSDT")
    assert fewer == plain == more


@pytest.mark.slow
def test_ids_are_contiguous_and_neither_time_nor_arrival_goes_back() -> None:
    frames = list(make_market(planted=None, length=80).frames())
    assert all(a.received <= b.received for a, b in pairwise(frames))
    for rows in trades(frames).values():
        assert [r.trade_id for r in rows] == list(range(rows[0].trade_id, rows[0].trade_id + len(rows)))
        assert all(a.time <= b.time for a, b in pairwise(rows))


def test_frames_are_received_within_the_asked_time_and_shortly_after_their_event() -> None:
    market = make_market()
    frames = list(market.frames(minutes(3), minutes(9)))
    low, high = (int(minutes(m).timestamp()) * 10**9 for m in (3, 9))
    assert all(low <= f.received < high for f in frames)
    delays = [frame.received // 1000 - rows[0].time for frame in frames for rows in trades([frame]).values()]
    assert min(delays) >= 12_000
    assert max(delays) < 58_000


@pytest.mark.slow
def test_the_default_two_hours_hold_100_to_200_thousand_trades() -> None:
    counts = {key: len(rows) for key, rows in trades(Market().frames()).items()}
    assert len(counts) == 7
    assert 100_000 < sum(counts.values()) < 200_000


@pytest.mark.slow
def test_no_order_of_the_background_comes_near_100_thousand() -> None:
    found = trades(make_market(length=120, heartbeat=None).frames())
    largest = max(notional(fills) for rows in found.values() for fills in orders(rows))
    assert Decimal(20_000) < largest < Decimal(LARGEST_ORDER) * Decimal("1.001")


def test_some_orders_sweep_into_several_fills_at_the_same_or_worse_prices() -> None:
    for rows in trades(make_market().frames()).values():
        sweeps = [fills for fills in orders(rows) if len(fills) > 1]
        assert 0.1 < len(sweeps) / len(orders(rows)) < 0.5
        for fills in sweeps:
            worse = 1 if fills[0].side == "buy" else -1
            assert all((b.price - a.price) * worse >= 0 for a, b in pairwise(fills))


@pytest.mark.parametrize(("exchange", "symbol", "key"), [
    ("binance", "ETH-USDT", "binance:ETHUSDT"),
    ("coinbase", "SOL-USD", "coinbase:SOL-USD"),
])  # fmt: skip
def test_a_planted_whale_is_one_order_of_its_notional_side_and_fills(exchange: str, symbol: str, key: str) -> None:
    when = minutes(7) + timedelta(microseconds=4_321)
    whale = PlantedWhale(exchange=exchange, symbol=symbol, start=when, notional=640_000, side="sell", fills=16)
    market = make_market(planted=(whale,))
    large = [fills for fills in orders(trades(market.frames())[key]) if notional(fills) > 100_000]
    assert len(large) == 1
    assert len(large[0]) == 16
    assert {r.side for r in large[0]} == {"sell"}
    assert abs(notional(large[0]) - 640_000) < 10
    ids = [r.trade_id for r in large[0]]
    assert ids == list(range(ids[0], ids[0] + 16))
    at = market.truth()["start"][0]
    assert {r.time for r in large[0]} == {int(at.timestamp() * 1e6)}
    assert at == minutes(7) + timedelta(milliseconds=4)


def test_a_planted_burst_multiplies_volume_for_its_time_only() -> None:
    burst = PlantedBurst(
        exchange="coinbase", symbol="ETH-USD", start=minutes(4.5), length=timedelta(minutes=2), factor=6.0
    )
    quiet = trades(make_market().frames())["coinbase:ETH-USD"]
    loud = trades(make_market(planted=(burst,)).frames())["coinbase:ETH-USD"]
    low, high = (int(t.timestamp() * 1e6) for t in (burst.start, burst.end))

    def inside(rows: list[Row]) -> list[Row]:
        return [r for r in rows if low <= r.time < high]

    assert 4.5 < len(inside(loud)) / len(inside(quiet)) < 7.5
    assert len(loud) - len(inside(loud)) == len(quiet) - len(inside(quiet))


def test_venues_stay_within_a_few_basis_points_except_in_a_planted_spread() -> None:
    spread = PlantedSpread(exchange="binance", asset="BTC", start=minutes(8), length=timedelta(seconds=60), pct=0.9)
    found = trades(make_market(planted=(spread,)).frames())
    low, high = (int(t.timestamp() * 1e6) for t in (spread.start, spread.end))

    def average(key: str, start: int) -> float:
        rows = [r for r in found[key] if start <= r.time < start + 30_000_000]
        return float(notional(rows) / sum(r.quantity for r in rows))

    for start in range(int(START.timestamp() * 1e6), int(minutes(20).timestamp() * 1e6), 30_000_000):
        gap_pct = (average("binance:BTCUSDT", start) / average("coinbase:BTC-USD", start) - 1) * 100
        expected = 0.9 if low <= start < high else 0.0
        assert abs(gap_pct - expected) < 0.15


def test_the_demo_is_quiet_for_an_hour_then_rich_and_never_ends() -> None:
    market = Market(start=START)
    truth = market.truth()
    assert truth["kind"].value_counts(sort=True).rows() == [("whale", 4), ("burst", 3), ("spread", 2)]
    assert truth["start"].min() >= minutes(65)  # type: ignore[operator]
    soon = market.truth(minutes(120), minutes(120) + timedelta(seconds=400))
    assert set(soon["kind"]) == {"whale", "burst", "spread"}
    later = market.truth(START + timedelta(days=30), START + timedelta(days=30, minutes=10))
    assert later.height >= 5
    assert market.truth(START, START + timedelta(hours=3)).filter(pl.col("start") < minutes(120)).equals(truth)


def test_truth_lists_what_touches_the_asked_time() -> None:
    spread = PlantedSpread(exchange="binance", asset="BTC", start=minutes(8), length=timedelta(seconds=60), pct=0.9)
    whale = PlantedWhale(exchange="binance", symbol="BTC-USDT", start=minutes(9), notional=150_000)
    market = make_market(planted=(whale, spread))
    assert market.truth()["kind"].to_list() == ["spread", "whale"]
    assert market.truth(minutes(8.5), minutes(9))["kind"].to_list() == ["spread"]
    assert market.truth(minutes(9), minutes(10))["kind"].to_list() == ["whale"]
    assert market.truth(minutes(10), minutes(11)).is_empty()


def test_one_exchange_alone_is_a_market_too() -> None:
    market = make_market(exchanges=("binance",), planted=None, length=80)
    assert {f.exchange for f in market.frames(START, minutes(2))} == {"binance"}
    assert set(market.truth()["exchange"]) == {"binance"}


@pytest.mark.parametrize("fields", [
    {"start": datetime(2025, 3, 4, 12)},
    {"start": START + timedelta(microseconds=1)},
    {"exchanges": ("kraken",)},
    {"exchanges": ()},
    {"rate": -1.0},
    {"heartbeat": timedelta()},
    {"planted": (PlantedWhale(exchange="binance", symbol="DOGE-USDT", start=START, notional=1e6),)},
    {"planted": (PlantedWhale(exchange="binance", symbol="BTC-USDT", start=START, notional=1e6, fills=1_001),)},
    {"planted": (PlantedWhale(exchange="binance", symbol="BTC-USDT", start=START, notional=1e6),) * 2},
    {"planted": (PlantedSpread(exchange="binance", asset="BTC", start=START, length=timedelta(), pct=1.0),)},
    {"planted": (PlantedSpread(exchange="binance", asset="BTC", start=START, length=timedelta(1), pct=-100.0),)},
    {"planted": (
        PlantedBurst(exchange="binance", symbol="BTC-USDT", start=START, length=timedelta(1), factor=0.5),
    )},
])  # fmt: skip
def test_an_impossible_market_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        make_market(**fields)  # type: ignore[arg-type]
