"""Files of data.binance.vision, of every market, with and without a header."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.recordings import Recording
from coattail.records import Row
from tests.harness.rows import (
    MS,
    SPOT_AGGREGATES,
    SPOT_TRADES,
    WALL,
    errors,
    frames,
    lines,
    rows,
    written,
    zip_of,
)

US = MS * 1000


def test_a_row_of_trades_is_a_trade_and_its_payload_is_the_line(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.zip", zip_of(("BTCUSDT-trades-2024-08-08.csv", SPOT_TRADES)))
    recording = Recording(path, wall=WALL)
    assert recording.layout is not None
    assert (recording.layout.format, recording.layout.exchange, recording.layout.market) == (
        "binance-bulk", "binance", "spot")  # fmt: skip
    first, second = recording.frames()
    assert first.row == Row(US, 3735683259, None, "61837.63000000", "0.02000000", "1236.75260000", "sell", US)
    assert (first.symbol, first.data) == ("BTC-USDT", SPOT_TRADES[0].encode())
    assert second.row is not None
    assert second.row.side == "buy"
    assert recording.read_bytes == recording.total_bytes


def test_a_row_of_aggtrades_covers_its_ids_not_its_own_number(tmp_path: Path) -> None:
    one, many = rows(frames(written(tmp_path / "BTCUSDT-aggTrades-2024-08-08.csv", lines(*SPOT_AGGREGATES))))
    assert (one.trade_id, one.last_trade_id) == (3735683259, None)
    assert (many.trade_id, many.last_trade_id, many.quote_volume) == (3735683260, 3735683269, None)


HEADERS = {
    "um trades": ("id,price,qty,quote_qty,time,is_buyer_maker", f"7,2000.5,0.5,1000.25,{MS},true"),
    "um aggTrades": (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        f"5,2000.5,0.5,7,7,{MS},true",
    ),
    "spot trades": ("id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch", f"7,2000.5,0.5,1000.25,{MS},True,True"),
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("with_header", [True, False])
def test_a_header_may_be_there_or_not(tmp_path: Path, kind: str, with_header: bool) -> None:
    market, _, name = kind.partition(" ")
    header, row = HEADERS[kind]
    path = tmp_path / market / f"ETHUSDT-{name}-2024-08.csv.gz"
    found = frames(written(path, lines(*([header] if with_header else []), row)))
    assert [frame.kind for frame in found] == (["aside", "row"] if with_header else ["row"])
    (only,) = rows(found)
    assert (only.trade_id, only.price, only.side, only.timestamp) == (7, "2000.5", "sell", US)
    assert found[-1].symbol == ("ETH-USDT" if market == "spot" else "ETH-USDT-PERP")


def test_contracts_of_a_coin_margined_file_become_coins(tmp_path: Path) -> None:
    path = tmp_path / "data" / "futures" / "cm" / "daily" / "BTCUSD_PERP-trades-2024-08-08.csv"
    header = "id,price,qty,base_qty,time,is_buyer_maker"
    (frame,) = frames(written(path, lines(header, f"1151022504,78526.1,83.0,0.10569734,{MS},true")))[1:]
    assert frame.row is not None
    assert (frame.symbol, frame.row.quantity, frame.row.quote_volume) == ("BTC-USD-PERP", "0.10569734", "8300.0")


def test_ms_and_us_may_stand_in_one_file(tmp_path: Path) -> None:
    mixed = [SPOT_TRADES[0], SPOT_TRADES[1].replace(str(MS + 7), str(US + 7_001))]
    found = rows(frames(written(tmp_path / "BTCUSDT-trades-2025-01.csv", lines(*mixed))))
    assert [row.timestamp for row in found] == [US, US + 7_001]


def test_a_trade_arrived_when_it_happened_but_none_after_now(tmp_path: Path) -> None:
    future = SPOT_TRADES[1].replace(str(MS + 7), str(WALL + 5))
    found = rows(frames(written(tmp_path / "BTCUSDT-trades-2025-01.csv", lines(SPOT_TRADES[0], future))))
    assert [(row.received, row.timestamp) for row in found] == [(US, US), (WALL, WALL + 5)]


@pytest.mark.parametrize(
    ("path", "market", "symbol"),
    [
        ("spot/daily/BTCUSDT-aggTrades-2024-08-08.csv", None, "BTC-USDT"),
        ("futures/um/daily/BTCUSDT-aggTrades-2024-08-08.csv", None, "BTC-USDT-PERP"),
        ("futures/um/BTCUSDT-aggTrades-2024-08-08.csv", "spot", "BTC-USDT"),
        ("BTCUSDT-aggTrades-2024-08-08.csv", "usdm", "BTC-USDT-PERP"),
        ("BTCUSD_PERP-aggTrades-2024-08-08.csv", None, "BTC-USD-PERP"),
    ],
)
def test_the_market_is_told_by_an_option_or_the_path(
    tmp_path: Path, path: str, market: str | None, symbol: str
) -> None:
    file = written(tmp_path / path, lines(f"900,61837.6,2,7,9,{MS},true"))
    assert [frame.symbol for frame in frames(file, market=market)] == [symbol]


def test_a_market_that_nothing_tells_is_asked_for_and_never_guessed(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-aggTrades-2024-08-08.csv", lines(f"900,61837.6,2,7,9,{MS},true"))
    with pytest.raises(UsageError, match="--market spot") as caught:
        Recording(path)
    assert str(path) in caught.value.message


def test_a_file_whose_name_says_no_symbol_asks_for_it(tmp_path: Path) -> None:
    from coattail.recordings import RowHints

    path = written(tmp_path / "yesterday.csv", lines(*SPOT_TRADES))
    with pytest.raises(UsageError, match="--symbol BTCUSDT"):
        Recording(path)
    assert {frame.symbol for frame in frames(path, hints=RowHints(symbol="ETHUSDT"))} == {"ETH-USDT"}


def test_a_file_of_delivery_futures_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT_240927-trades-2024-08-08.csv", lines(f"7,1,1,1,{MS},true"))
    with pytest.raises(UsageError, match="delivery"):
        Recording(path)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("x,1,1,1,5,true,true", "id is 'x'"),
        ("7,1,1,1,yesterday,true,true", "time is 'yesterday'"),
        ("7,1,1,1,99999999999999999999,true,true", "time is '9999"),
        ("7,1,1,1,5,perhaps,true", "time is 'perhaps'"),
        ("7,1,1,1,5,true,true,true", "time is 'true'"),
        ("7,1,1,1,5,6,perhaps", "buyer is the maker"),
        ("7,1,1", "3 columns"),
        ("\u0663,1,1,1,5,true,true", "id is"),
        ("1,1,1,9,3,5,true,true", "ends before it begins"),
        ("\x00\x01\x02", "1 columns"),
    ],
)
def test_a_row_that_cannot_be_read_is_data_with_its_line(tmp_path: Path, row: str, error: str) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.csv", lines(SPOT_TRADES[0], "", row, SPOT_TRADES[1]))
    found = frames(path)
    assert [frame.kind for frame in found] == ["row", "garbage", "row"]
    assert found[1].error.startswith("line 3: ")
    assert error in found[1].error
    assert found[1].data == row.encode()


@pytest.mark.parametrize("data", [b"\xff\xfe", b"7," + b"1" * 300_000])
def test_bytes_that_are_no_text_and_endless_rows_are_data_too(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.csv", lines(SPOT_TRADES[0]).encode() + data + b"\n")
    assert [frame.kind for frame in frames(path)] == ["row", "garbage"]


def test_missing_fields_are_left_to_the_checks(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.csv", lines(SPOT_TRADES[0], ",,,,,True,True"))
    _, empty = rows(frames(path))
    assert empty == Row(WALL, None, None, None, None, None, "sell", None)


def test_an_aggregate_of_no_trades_has_no_id(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-aggTrades-2017-08.csv", lines(f"9,0.0,0.0,-1,-1,{MS},True,True"))
    (only,) = rows(frames(path))
    assert (only.trade_id, only.last_trade_id) == (None, None)


@pytest.mark.parametrize("content", ["", "\n", "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n"])
def test_an_empty_file_or_only_a_header_is_no_trade_and_no_error(tmp_path: Path, content: str) -> None:
    for name, data in (("csv", content), ("zip", zip_of(("BTCUSDT-trades-2024-08-08.csv", content)))):
        found = frames(written(tmp_path / f"BTCUSDT-trades-2024-08-08.{name}", data))
        assert rows(found) == errors(found) == []


def test_a_header_and_bad_rows_stand_at_the_times_around_them_so_that_a_pace_can_be_kept(tmp_path: Path) -> None:
    header = "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch"
    future = f"9,1,1,1,{WALL},True,True"
    path = written(
        tmp_path / "BTCUSDT-trades-2024-08-08.csv",
        lines(header, "rubbish", SPOT_TRADES[0], future, SPOT_TRADES[1], "more"),
    )
    found = frames(path)
    assert [frame.received - US for frame in found] == [0, 0, 0, 0, 7000, 7000]
    assert [row.received for row in rows(found)] == [US, WALL, US + 7000]
    only_bad = frames(written(path, lines(header, *["rubbish"] * 1500)))
    assert {frame.received for frame in only_bad} == {WALL}
    assert len(only_bad) == 1501


@pytest.mark.parametrize("exchange", ["coinbase", "bitstamp"])
def test_a_bulk_file_is_of_binance_whatever_was_said(tmp_path: Path, exchange: str) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.csv", lines(*SPOT_TRADES))
    with pytest.raises(UsageError, match="leave out --exchange"):
        Recording(path, exchange=exchange)
