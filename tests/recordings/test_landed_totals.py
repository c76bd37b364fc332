"""Recordings all the way into the tables: counts, ids, sums and gaps as their README states."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.producer.replay import replay
from coattail.streams.local import LocalStream
from tests.harness.running import queried

BINANCE = [
    ("spot_btcusdt_20240808.gz", "BTC-USDT", 9757, 3735683259, 3735693015, "212.03315000", "13084074.1123886"),
    ("spot_btcusdt_20230405.dat.gz", "BTC-USDT", 3144, 3071245454, 3071248597, "103.85966000", "2924624.20784990"),
    ("spot_ethusdt_20240808.gz", "ETH-USDT", 6106, 1520538925, 1520545030, "2261.31490000", "6066483.27618"),
    ("usdm_btcusdt_20230404.dat.gz", "BTC-USDT-PERP", 2197, 3535186032, 3535188228, "201.588", "5674519.92460"),
    ("usdm_btcusdt_20240808.gz", "BTC-USDT-PERP", 21313, 5266583935, 5266605247, "2429.366", "149845680.88980"),
]
OTHERS = [
    ("cryptofeed-raw/BINANCE-ee25be.0.gz", 1910),
    ("cryptofeed-raw/BINANCE_US-63b290.0.gz", 188),
    ("cryptofeed-raw/BINANCE.jsonl.zst", 2),
    ("cryptofeed-raw/COINBASE.ws.28.0.gz", 107),
    ("coinbase-ws-2018/gdax_raw_all_types_20180417.csv.gz", 257),
]


def landed(home: Home, paths: Sequence[Path]) -> tuple[int, int]:
    """(trades landed, duplicates) of replaying the files, one after the other."""
    replay(paths, LocalStream(home.stream))
    with LocalEngine(home, load_settings(home)) as engine:
        before = engine.totals
        after = engine.drain()
    assert after.received == after.landed + after.rejected + after.duplicates
    return after.landed - before.landed, after.duplicates - before.duplicates


@pytest.fixture(scope="module")
def everything(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with every recording of Binance and Coinbase Exchange that this version reads."""
    home = Home.open(tmp_path_factory.mktemp("recorded") / ".coattail", create=True)
    files = [recordings / "binance-ws" / name for name, *_ in BINANCE] + [recordings / name for name, _ in OTHERS]
    expected = sum(count for _, _, count, *_ in BINANCE) + sum(count for _, count in OTHERS)
    assert landed(home, files) == (expected, 0)
    return home


@pytest.mark.parametrize(("name", "symbol", "count", "first", "last", "quantity", "notional"), BINANCE)
def test_the_table_holds_a_recording_exactly(
    everything: Home, name: str, symbol: str, count: int, first: int, last: int, quantity: str, notional: str
) -> None:
    (row,) = queried(
        everything,
        "SELECT count(*), min(trade_id), max(last_trade_id), count(DISTINCT trade_id), sum(quantity::DECIMAL(38,8)), "
        "sum(price::DECIMAL(20,8) * quantity::DECIMAL(18,8)) FROM {raw_trades} "
        f"WHERE exchange = 'binance' AND symbol = '{symbol}' AND trade_id BETWEEN {first} AND {last}",
    )
    assert row == (count, first, last, count, Decimal(quantity), Decimal(notional))


def test_no_recording_has_a_gap(everything: Home) -> None:
    states = dict(queried(everything, "SELECT state, count(*) FROM {coverage} GROUP BY 1"))  # type: ignore[arg-type]
    assert set(states) == {"live", "unobserved"}


def test_replaying_everything_again_lands_nothing_more(everything: Home, recordings: Path) -> None:
    paths = [recordings / "binance-ws" / name for name, *_ in BINANCE]
    assert landed(everything, paths) == (0, sum(count for _, _, count, *_ in BINANCE))


@pytest.fixture(scope="module")
def lines(recordings: Path) -> list[bytes]:
    """The lines of the recording of spot ETH-USDT of 2024 that hold trades: ids 1520538925 to 1520545030."""
    with gzip.open(recordings / "binance-ws" / "spot_ethusdt_20240808.gz") as file:
        return [line for line in file if b"@trade" in line]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / ".coattail", create=True)


def test_a_slice_that_was_cut_out_is_listed_as_exactly_that_gap(lines: list[bytes], home: Home, tmp_path: Path) -> None:
    holed = tmp_path / "holed"
    holed.write_bytes(b"".join(lines[:2000] + lines[2500:]))
    landed(home, [holed])
    gaps = queried(home, "SELECT symbol, first_id, last_id FROM {coverage} WHERE state <> 'live'")
    assert gaps == [("ETH-USDT", 1520538925 + 2000, 1520538925 + 2499)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_halves_of_a_file_join_in_either_order(
    lines: list[bytes], home: Home, tmp_path: Path, order: tuple[int, int]
) -> None:
    halves = [tmp_path / "one", tmp_path / "two"]
    halves[0].write_bytes(b"".join(lines[:3000]))
    halves[1].write_bytes(b"".join(lines[3000:]))
    for place in order:
        landed(home, [halves[place]])
    assert queried(home, "SELECT state, first_id, last_id FROM {coverage}") == [("live", 1520538925, 1520545030)]


def test_the_whales_of_the_spot_recording_are_orders_not_fills(recordings: Path, home: Home) -> None:
    landed(home, [recordings / "binance-ws" / "spot_btcusdt_20240808.gz"])
    assert queried(home, "SELECT count(*) FROM {raw_trades} WHERE quote_volume > 100000") == [(0,)]
    assert queried(home, "SELECT alert_type, count(*) FROM {anomaly_alerts} GROUP BY 1") == [("whale_trade", 16)]


def test_contracts_land_as_coins_with_dollars_to_the_hundredth_and_none_is_inexact(
    recordings: Path, home: Home
) -> None:
    path = recordings / "binance-ws" / "cm_btcusd_perp_20240808.gz"
    assert landed(home, [path]) == (2286, 0)
    assert landed(home, [path]) == (0, 2286)
    ((symbol, quantity, dollars, inexact, odd),) = queried(
        home,
        "SELECT any_value(symbol), sum(quantity::DECIMAL(38,8)), sum(quote_volume), count_if(inexact), "
        "count_if(abs(quote_volume - round(quote_volume, -2)) > 0.0005) FROM {raw_trades}",
    )
    assert (symbol, quantity, inexact, odd) == ("BTC-USD-PERP", Decimal("134.94402601"), 0, 0)
    assert dollars == pytest.approx(100 * 83241, abs=0.5)


def test_the_advanced_trade_capture_lands_without_a_gap(recordings: Path, home: Home) -> None:
    path = recordings / "cryptofeed-raw" / "COINBASE.jsonl.zst"
    assert landed(home, [path]) == (279, 0)
    assert landed(home, [path]) == (0, 279)
    assert queried(home, "SELECT symbol, state, first_id, last_id FROM {coverage}") == [
        ("BTC-USD", "live", 1068571991, 1068572137),
        ("ETH-USD", "live", 833140679, 833140810),
    ]
