"""CSV and Parquet of any columns, which the caller names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coattail.cli.replay_options import sides_of
from coattail.errors import DamagedInput, UsageError
from coattail.recordings import RecordedLine, Recording, RowHints
from coattail.recordings.fields import time_of
from coattail.recordings.rows import BadRow
from tests.harness.rows import WALL, errors, lines, rows, written, zip_of

SECOND = 1_723_075_200
US = SECOND * 10**6
HINTS = RowHints(columns={"time": "ts", "price": "px", "quantity": "qty", "id": "n", "side": "side"}, symbol="BTC-USD")
HEADER = "n,ts,px,qty,side,note"


def read(path: Path, hints: RowHints = HINTS, **options: Any) -> list[RecordedLine]:
    return list(Recording(path, exchange="bitstamp", hints=hints, wall=WALL, **options).frames())


def csv(folder: Path, *texts: str, header: str = HEADER) -> Path:
    return written(folder / "trades.csv", lines(header, *texts))


def test_named_columns_become_a_trade_and_the_line_its_payload(tmp_path: Path) -> None:
    header, frame = read(csv(tmp_path, f"7,{SECOND}.25,61837.63,0.02,Buy,hello"))
    assert (header.kind, frame.kind, frame.symbol) == ("aside", "row", "BTC-USD")
    assert frame.data == f"7,{SECOND}.25,61837.63,0.02,Buy,hello".encode()
    (row,) = rows([frame])
    assert (row.trade_id, row.price, row.quantity, row.side) == (7, "61837.63", "0.02", "buy")
    assert (row.timestamp, row.received) == (US + 250_000, US + 250_000)


@pytest.mark.parametrize(
    ("text", "unit", "micros"),
    [
        (f"{SECOND}", None, US),
        (f"{SECOND}.", None, US),
        (f"{SECOND}.1234567", None, US + 123_456),
        (f"{SECOND}123", None, US + 123_000),
        (f"{SECOND}123456", None, US + 123_456),
        (f"{SECOND}123456789", None, US + 123_456),
        ("2024-08-08T00:00:00.25Z", None, US + 250_000),
        ("2024-08-08 02:00:00+02:00", None, US),
        ("2024-08-08 00:00:00", None, US),
        ("86400", "s", 86_400 * 10**6),
        ("86400.5", "ms", 86_400_500),
        ("86400", "us", 86_400),
        ("86400999", "ns", 86_400),
    ],
)
def test_a_time_is_read_in_its_unit_or_by_its_size_or_as_iso(text: str, unit: Any, micros: int) -> None:
    assert time_of(text, unit) == micros


@pytest.mark.parametrize("text", ["yesterday", "", "-5", "1e9", "nan", "9" * 20, "\u0665", "2024-13-01"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(BadRow, match="time is"):
        time_of(text, None)


def test_a_time_beyond_64_bits_is_no_time() -> None:
    with pytest.raises(BadRow, match="too large"):
        time_of("9" * 19, "s")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_header(tmp_path: Path, delimiter: str) -> None:
    texts = [text.replace(",", delimiter) for text in (HEADER, f"7,{SECOND},1,2,sell,x")]
    (row,) = rows(read(written(tmp_path / "t.csv", "\ufeff" + lines(*texts))))
    assert (row.trade_id, row.side) == (7, "sell")


def test_a_cell_in_quotes_may_hold_the_delimiter(tmp_path: Path) -> None:
    (row,) = rows(read(csv(tmp_path, f'7,"{SECOND}",1,"2",buy,"a, ""b"""')))
    assert (row.timestamp, row.quantity) == (US, "2")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("seven,1,1,1,buy,", "id is 'seven'"),
        ("7.5,1,1,1,buy,", "id is '7.5'"),
        ("7,noon,1,1,buy,", "time is 'noon'"),
        ("7,1,1,1", "4 fields under a header of 6"),
        ('7,1,1,1,buy,"open', "not CSV"),
        ("\xff" * 3, "1 fields"),
    ],
)
def test_a_row_that_cannot_be_read_is_data_with_its_line(tmp_path: Path, text: str, error: str) -> None:
    found = read(csv(tmp_path, f"7,{SECOND},1,2,buy,", text, f"8,{SECOND},1,2,buy,"))
    assert [frame.kind for frame in found] == ["aside", "row", "garbage", "row"]
    assert found[2].error.startswith("line 3: ")
    assert error in found[2].error


def test_missing_cells_and_strange_words_are_left_to_the_checks(tmp_path: Path) -> None:
    (row,) = rows(read(csv(tmp_path, ",,,abc,long,")))
    assert (row.trade_id, row.timestamp, row.price, row.quantity, row.side) == (None, None, None, "abc", "long")
    assert row.received == WALL


def test_a_symbol_column_names_each_rows_instrument(tmp_path: Path) -> None:
    hints = RowHints(columns={**(HINTS.columns or {}), "symbol": "note"})
    found = read(csv(tmp_path, f"7,{SECOND},1,2,buy,btc/usd", f"8,{SECOND},1,2,buy,"), hints)
    assert [frame.symbol for frame in found] == [None, "BTC-USD", None]
    path = csv(tmp_path, f"7,{SECOND},1,2,buy,btcusdt")
    for market, symbol in (("spot", "BTC-USDT"), ("usdm", "BTC-USDT-PERP")):
        frame = list(Recording(path, exchange="binance", market=market, hints=hints).frames())[1]  # type: ignore[arg-type]
        assert frame.symbol == symbol


def test_a_range_of_ids_may_be_named(tmp_path: Path) -> None:
    hints = replace(HINTS, columns={**(HINTS.columns or {}), "last_id": "note"})
    found = read(csv(tmp_path, f"7,{SECOND},1,2,buy,9", f"10,{SECOND},1,2,buy,10", f"12,{SECOND},1,2,buy,11"), hints)
    assert [(row.trade_id, row.last_trade_id) for row in rows(found)] == [(7, 9), (10, None)]
    assert "ends before it begins" in errors(found)[0]


def without(*fields: str, **changes: str) -> RowHints:
    columns = {field: column for field, column in (HINTS.columns or {}).items() if field not in fields} | changes
    return replace(HINTS, columns=columns)


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        (without(price="prise"), ["no column prise", "n, ts, px, qty, side, note"]),
        (without("price", "time"), ["time and price", "n, ts, px"]),
        (without(colour="px"), ["no field colour", "quantity"]),
        (without("id"), ["no trade id", "--make-ids", "n, ts, px"]),
        (replace(HINTS, symbol=None), ["which instrument", "--symbol"]),
        (replace(HINTS, symbol="BTCUSDT"), ["--symbol 'BTCUSDT' does not say what is traded for what", "BTC-USDT"]),
        (replace(HINTS, symbol="BTCUSDT-PERP"), ["--symbol 'BTCUSDT-PERP' does not say", "BTC-USDT-PERP"]),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_mapping_that_does_not_fit_names_the_columns_that_are_there(
    tmp_path: Path, hints: RowHints, words: Sequence[str], kind: str
) -> None:
    path = csv(tmp_path, f"7,{SECOND},1,2,buy,") if kind == "csv" else parquet(tmp_path)
    with pytest.raises(UsageError) as caught:
        read(path, hints)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_table_nobody_explained_names_its_columns_and_the_option(tmp_path: Path) -> None:
    for path in (csv(tmp_path, f"7,{SECOND},1,2,buy,"), parquet(tmp_path)):
        with pytest.raises(UsageError, match="--columns time=") as caught:
            Recording(path)
        assert "n, ts, px, qty, side, note" in str(caught.value)


@pytest.mark.parametrize("exchange", [None, "Kraken!", ""])
def test_a_table_needs_an_exchange_with_a_plain_name(tmp_path: Path, exchange: str | None) -> None:
    with pytest.raises(UsageError, match="--exchange"):
        Recording(csv(tmp_path, f"7,{SECOND},1,2,buy,"), exchange=exchange, hints=HINTS)


def test_options_of_a_table_are_refused_for_other_formats(tmp_path: Path) -> None:
    from tests.harness.rows import SPOT_TRADES

    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.csv", lines(*SPOT_TRADES))
    for hints in (RowHints(make_ids=True), RowHints(time_unit="ms")):
        with pytest.raises(UsageError, match="leave it out"):
            Recording(path, hints=hints)


MADE = replace(without("id"), make_ids=True)


def made(path: Path, hints: RowHints = MADE) -> list[int | None]:
    return [row.trade_id for row in rows(read(path, hints))]


def test_made_ids_rise_by_one_and_are_the_same_every_time(tmp_path: Path) -> None:
    texts = [f",{SECOND + n},1,2,buy," for n in range(3)]
    first, *others = made(csv(tmp_path, *texts))
    assert first is not None
    assert others == [first + 1, first + 2]
    assert made(csv(tmp_path, *texts)) == [first, *others]
    assert made(csv(tmp_path, *texts, texts[0])) == [first, *others, first + 3], "a file that grew keeps its ids"


def test_made_ids_of_two_days_never_meet_and_rise_with_time(tmp_path: Path) -> None:
    one, other = (made(csv(tmp_path, f",{SECOND + day * 86_400},1,2,buy,"))[0] or 0 for day in (0, 1))
    assert other - one == 86_400 << 32
    assert other < 2**63


def test_made_ids_count_every_instrument_by_itself_and_no_bad_row(tmp_path: Path) -> None:
    hints = replace(MADE, symbol=None, columns={**(MADE.columns or {}), "symbol": "note"})
    texts = [f",{SECOND},1,2,buy,A-USD", f",{SECOND},1,2,buy,B-USD", "bad,row", f",{SECOND},1,2,buy,A-USD"]
    a, b, after = made(csv(tmp_path, *texts), hints)
    assert a is not None
    assert (b, after) == (a, a + 1)


@pytest.mark.parametrize("time", ["", "5", "99999999999"])
def test_a_row_whose_time_is_none_gets_no_made_id(tmp_path: Path, time: str) -> None:
    assert made(csv(tmp_path, f",{time},1,2,buy,"))[0] is None


def parquet(folder: Path, **columns: Any) -> Path:
    table = {
        "n": [7, 8],
        "ts": pa.array([US, US + 1], pa.timestamp("us", "UTC")),
        "px": [61837.63, 1e-05],
        "qty": [Decimal("0.02000000"), Decimal("123456789.12345678")],
        "side": ["buy", "sell"],
        "note": ["x", None],
    } | columns
    pq.write_table(pa.table(table), folder / "trades.parquet")
    return folder / "trades.parquet"


def test_a_parquet_row_is_a_trade_and_its_payload_the_row_as_json(tmp_path: Path) -> None:
    import json

    found = read(parquet(tmp_path))
    one, two = rows(found)
    assert (one.trade_id, one.price, one.quantity, one.side, one.timestamp) == (7, "61837.63", "0.02000000", "buy", US)
    assert (float(two.price or "nan"), two.quantity, two.timestamp) == (1e-05, "123456789.12345678", US + 1)
    assert json.loads(found[0].data)["px"] == 61837.63
    assert json.loads(found[1].data)["note"] is None


@pytest.mark.parametrize(
    ("times", "micros"),
    [
        (pa.array([US * 1000 + 999, US * 1000], pa.timestamp("ns")), US),
        (pa.array([US // 1000] * 2, pa.timestamp("ms", "Europe/Berlin")), US),
        (pa.array([SECOND] * 2, pa.timestamp("s")), US),
        ([SECOND * 1000] * 2, US),
        ([SECOND + 0.25] * 2, US + 250_000),
        ([datetime(2024, 8, 8, 2, tzinfo=timezone(timedelta(hours=2))).isoformat()] * 2, US),
        ([datetime(2024, 8, 8, tzinfo=UTC)] * 2, US),
    ],
)
def test_a_time_in_parquet_may_have_any_type(tmp_path: Path, times: Any, micros: int) -> None:
    assert rows(read(parquet(tmp_path, ts=times)))[0].timestamp == micros


def test_a_parquet_row_that_cannot_be_read_is_data_with_its_number(tmp_path: Path) -> None:
    found = read(parquet(tmp_path, n=["7", "eight"]))
    assert [frame.kind for frame in found] == ["row", "garbage"]
    assert errors(found)[0].startswith("row 2: id is 'eight'")


@pytest.mark.parametrize("column", [[[1], [2]], [b"1", b"2"], [{"a": 1}, {"a": 2}]])
def test_a_column_of_another_kind_is_refused_and_one_beside_is_kept(tmp_path: Path, column: Any) -> None:
    with pytest.raises(UsageError, match="column px holds neither"):
        read(parquet(tmp_path, px=column))
    assert len(rows(read(parquet(tmp_path, note=column)))) == 2


def test_a_parquet_file_is_read_in_pieces_and_says_how_far_it_is(tmp_path: Path) -> None:
    count = 20_000
    path = tmp_path / "t.parquet"
    columns = {"n": range(count), "ts": [US] * count, "px": [1.5] * count, "qty": [1] * count, "side": ["buy"] * count}
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), path, row_group_size=1000)
    recording = Recording(path, exchange="bitstamp", hints=HINTS)
    some = recording.frames()
    next(some)
    assert 0 < recording.read_bytes < recording.total_bytes
    assert 1 + len(list(some)) == count
    assert recording.read_bytes == recording.total_bytes


@pytest.mark.parametrize("end", [4, 100, -1, -20])
def test_a_cut_parquet_file_is_damaged(tmp_path: Path, end: int) -> None:
    path = parquet(tmp_path)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DamagedInput, match="fetch the file again"):
        read(path)


def test_an_empty_parquet_file_is_no_trade_and_no_error(tmp_path: Path) -> None:
    path = parquet(tmp_path)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert read(path) == []


def test_a_member_of_a_zip_is_read_by_its_own_header(tmp_path: Path) -> None:
    archive = zip_of(
        ("a.csv", [HEADER, f"7,{SECOND},1.5,2,buy,x"]),
        ("b.csv", ["n,ts,qty,px,side,rpi,note", f"8,{SECOND},3,2.5,sell,0,x"]),
        ("c.csv", [f"9,{SECOND},4,3.5,buy,1,x"]),
        ("d.csv", ["n,ts,qty,side", f"10,{SECOND},4,buy", f"11,{SECOND},4,buy"]),
        ("e.csv", [HEADER, f"12,{SECOND},4.5,5,buy,x"]),
    )
    found = read(written(tmp_path / "t.zip", archive))
    assert [(row.trade_id, row.price, row.quantity) for row in rows(found)] == [
        (7, "1.5", "2"), (8, "2.5", "3"), (9, "3.5", "4"), (12, "4.5", "5"),
    ]  # fmt: skip
    assert len(errors(found)) == 2
    assert all("the header of d.csv lacks px" in error for error in errors(found))


@pytest.mark.parametrize(
    ("word", "field", "sides", "side"),
    [
        ("BID", "side", None, "buy"), ("ask", "side", None, "sell"), (" S ", "side", None, "sell"),
        ("na", "side", None, None), ("NaN", "side", None, None), ("Unknown", "side", None, None),
        ("", "side", None, None), ("True", "side", None, "True"), ("0", "side", None, "0"),
        ("0", "side", {"0": "buy", "1": "sell"}, "buy"), ("1", "side", {"0": "buy", "1": "sell"}, "sell"),
        ("none", "side", {"0": "buy"}, None),
        ("True", "buyer_maker", None, "sell"), ("false", "buyer_maker", None, "buy"),
        ("1", "buyer_maker", None, "sell"), ("0", "buyer_maker", None, "buy"), ("none", "buyer_maker", None, None),
    ],
)  # fmt: skip
def test_a_side_is_said_in_many_words(
    word: str, field: str, sides: dict[str, str] | None, side: str | None, tmp_path: Path
) -> None:
    columns = {name: column for name, column in (HINTS.columns or {}).items() if name != "side"}
    hints = RowHints(columns={**columns, field: "side"}, symbol="BTC-USD", sides=sides)
    frames = read(csv(tmp_path, f"7,{SECOND},61837.63,0.02,{word},hello"), hints)
    assert [row.side for row in rows(frames[1:])] == [side]


@pytest.mark.parametrize(
    ("field", "sides", "said"),
    [
        ("buyer_maker", None, "buyer_maker is 'buy', and known are true, t, 1, false, f, 0"),
        ("side", {"0": "buy", "1": "sell"}, "side is 'buy', and known are 0, 1"),
    ],
)
def test_a_word_that_was_not_said_to_be_a_side_is_none(
    field: str, sides: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    columns = {name: column for name, column in (HINTS.columns or {}).items() if name != "side"}
    hints = RowHints(columns={**columns, field: "side"}, symbol="BTC-USD", sides=sides)
    (bad,) = errors(read(csv(tmp_path, f"7,{SECOND},61837.63,0.02,buy,hello"), hints))
    assert said in bad


def test_what_is_said_of_sides_must_fit_together(tmp_path: Path) -> None:
    path = csv(tmp_path, f"7,{SECOND},61837.63,0.02,Buy,hello")
    columns = dict(HINTS.columns or {})
    with pytest.raises(UsageError, match="names both side and buyer_maker"):
        read(path, RowHints(columns={**columns, "buyer_maker": "note"}, symbol="BTC-USD"))
    del columns["side"]
    with pytest.raises(UsageError, match="does not say which column they are in; name it: side=COLUMN"):
        read(path, RowHints(columns=columns, symbol="BTC-USD", sides={"0": "buy"}))
    assert sides_of("buy=0,sell=1, buy=B") == {"0": "buy", "1": "sell", "b": "buy"}
    for text in ("0=buy", "buy=0,sell=0", "buy", "buy=", ""):
        with pytest.raises(UsageError, match="write it like buy=0,sell=1"):
            sides_of(text)


def test_columns_are_named_by_number_and_no_header_costs_no_trade(tmp_path: Path) -> None:
    columns = {"time": "1", "price": "2", "quantity": "3"}
    hints = RowHints(columns=columns, symbol="BTC-USD", make_ids=True)
    bare = [f"{SECOND},61837.63,0.02", f"{SECOND + 1},61837.64,0.03"]
    frames = read(written(tmp_path / "bare.csv", lines(*bare)), hints)
    assert [(row.price, row.quantity) for row in rows(frames)] == [("61837.63", "0.02"), ("61837.64", "0.03")]
    headed = read(written(tmp_path / "headed.csv", lines("t,p,q", *bare)), hints)
    assert [frame.kind for frame in headed] == ["aside", "row", "row"]
    packed = zip_of(("a.csv", bare), ("b.csv", ["t,p,q", f"{SECOND + 2},61837.65,0.04"]))
    frames = read(written(tmp_path / "days.zip", packed), hints)
    assert [row.price for row in rows(frames)] == ["61837.63", "61837.64", "61837.65"]
    counted = written(tmp_path / "counted.csv", lines("0,1,2", *bare))
    by_name = RowHints(columns={"time": "0", "price": "1", "quantity": "2"}, symbol="BTC-USD", make_ids=True)
    assert [row.price for row in rows(read(counted, by_name))] == ["61837.63", "61837.64"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            "time=t,price=p,quantity=q",
            "no column p, q, t; it has no header: name columns by number, as in --columns time=1",
        ),
        ("time=1,price=2,quantity=9", "has no column 9; the columns there are: 1, 2, 3"),
        (f"time={SECOND},price=61837.63,quantity=0.02", "are values of the first row; it has no header"),
    ],
)
def test_a_table_without_a_header_says_so(columns: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "bare.csv", lines(f"{SECOND},61837.63,0.02"))
    hints = RowHints(columns=dict(pair.split("=") for pair in columns.split(",")), symbol="BTC-USD", make_ids=True)
    with pytest.raises(UsageError, match=said):
        read(path, hints)
    with pytest.raises(UsageError, match=r"perhaps a table without a header .* by number: --columns time=1"):
        Recording(path)


def test_an_id_may_be_written_as_a_float_while_that_is_exact(tmp_path: Path) -> None:
    exact = [f"{n},{SECOND},61837.63,0.02,buy,x" for n in ("1234.0", "1235.000", f"{2**53}.0")]
    assert [row.trade_id for row in rows(read(csv(tmp_path, *exact)))] == [1234, 1235, 2**53]
    wrong = [f"{n},{SECOND},61837.63,0.02,buy,x" for n in (f"{2**53 + 2}.0", "1234.5")]
    said = errors(read(csv(tmp_path, *wrong)))
    assert ["cannot tell it from its neighbours" in said[0], "not a whole number" in said[1]] == [True, True]
