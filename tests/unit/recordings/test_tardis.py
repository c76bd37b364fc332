"""Trades as tardis.dev's data sets have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.recordings import Recording
from coattail.records import Row
from tests.harness.rows import TARDIS_HEADER, WALL, frames, lines, rows, written

US = 1_723_075_200_000_000


def line(
    exchange: str = "binance",
    symbol: str = "BTCUSDT",
    trade_id: object = 7,
    *,
    time: int = US,
    local: object = US + 15_001,
    side: str = "buy",
    price: str = "61837.63",
    amount: str = "0.02",
) -> str:
    return f"{exchange},{symbol},{time},{local},{trade_id},{side},{price},{amount}"


def tardis(folder: Path, *rows: str) -> Path:
    return written(folder / "trades.csv.gz", lines(TARDIS_HEADER, *rows))


def test_a_row_is_a_trade_with_both_of_its_times(tmp_path: Path) -> None:
    header, frame = frames(tardis(tmp_path, line()))
    assert header.kind == "aside"
    assert frame.row == Row(US + 15_001, 7, None, "61837.63", "0.02", None, "buy", US)
    assert (frame.symbol, frame.data.decode()) == ("BTC-USDT", line())


@pytest.mark.parametrize(
    ("exchange", "symbol", "name", "canonical"),
    [
        ("binance", "ethbtc", "binance", "ETH-BTC"),
        ("binance-futures", "BTCUSDT", "binance", "BTC-USDT-PERP"),
        ("binance-us", "BTCUSD", "binance_us", "BTC-USD"),
        ("coinbase", "BTC-USD", "coinbase", "BTC-USD"),
    ],
)
def test_exchanges_and_symbols_get_the_names_they_have_here(
    tmp_path: Path, exchange: str, symbol: str, name: str, canonical: str
) -> None:
    recording = Recording(tardis(tmp_path, line(exchange, symbol)))
    assert recording.layout is not None
    assert recording.layout.exchange == name
    assert [frame.symbol for frame in recording.frames()] == [None, canonical]


def test_amounts_of_coin_margined_futures_are_contracts(tmp_path: Path) -> None:
    (row,) = rows(frames(tardis(tmp_path, line("binance-delivery", "BTCUSD_PERP", price="50000", amount="3"))))
    assert (row.quantity, row.quote_volume) == ("0.00600000", "300")


def test_delivery_futures_are_counted_by_name_and_their_neighbours_read(tmp_path: Path) -> None:
    found = frames(
        tardis(tmp_path, line("binance-futures", "BTCUSDT_240927"), line("binance-futures"), line("binance"))
    )
    assert [frame.kind for frame in found] == ["aside", "unsupported", "row", "row"]
    assert found[1].error == "binance delivery futures"


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (line(trade_id="ccc3c1fa-212c"), "id is 'ccc3c1fa-212c'"),
        (line(trade_id="7.0"), "id is '7.0'"),
        (line(local="soon"), "local_timestamp is 'soon'"),
        (line() + ",1", "9 columns"),
        ("rubbish", "1 columns"),
        (line("coinbase", "BTC-USD"), "a trade of 'coinbase' in a file of binance"),
        (line("deribit", "BTC-PERPETUAL"), "a trade of 'deribit'"),
    ],
)
def test_a_row_that_cannot_be_read_is_data_with_its_line(tmp_path: Path, row: str, error: str) -> None:
    found = frames(tardis(tmp_path, line(), row, line(trade_id=8)))
    assert [frame.kind for frame in found] == ["aside", "row", "garbage", "row"]
    assert found[2].error.startswith("line 3: ")
    assert error in found[2].error


def test_an_unknown_side_is_none_and_a_strange_one_is_left_to_the_checks(tmp_path: Path) -> None:
    found = rows(frames(tardis(tmp_path, line(side="unknown"), line(side=""), line(side="BID"))))
    assert [row.side for row in found] == [None, None, "BID"]


def test_a_missing_id_or_price_is_left_to_the_checks(tmp_path: Path) -> None:
    (row,) = rows(frames(tardis(tmp_path, line(trade_id="", price="", local=""))))
    assert (row.trade_id, row.price, row.received) == (None, None, US)


def test_nothing_arrived_after_now(tmp_path: Path) -> None:
    (row,) = rows(frames(tardis(tmp_path, line(time=WALL + 8, local=WALL + 9))))
    assert (row.received, row.timestamp) == (WALL, WALL + 8)


def test_an_exchange_that_is_not_known_is_refused_with_the_way_round(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bitmex.*--columns time=timestamp"):
        Recording(tardis(tmp_path, line("bitmex", "XBTUSD", "aaa")))


def test_only_a_header_is_no_trade_and_no_error(tmp_path: Path) -> None:
    assert [frame.kind for frame in frames(tardis(tmp_path))] == ["aside"]


def test_an_exchange_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds trades of binance, not of coinbase"):
        Recording(tardis(tmp_path, line()), exchange="coinbase")
