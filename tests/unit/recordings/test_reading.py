"""Recordings of every format and packing, in short hand-written files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from coattail.errors import CoattailError, DamagedInput, UsageError
from coattail.recordings import RecordedLine, Recording
from coattail.recordings.base import receive_micros
from coattail.recordings.lines import MAX_LINE, LineSource

SPOT = '{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":%d,"p":"1","q":"2","T":3,"m":true,"M":true}}'
FUTURE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"2","T":3,"X":"MARKET","m":true}}'
)
FUTURE_AGGREGATE = '{"e":"aggTrade","s":"BTCUSDT","a":1,"p":"1","q":"2","f":1,"l":1,"T":3,"m":true}'
BOOK = '{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}}'
MATCH = (
    '{"type":"match","trade_id":1,"side":"sell","size":"1","price":"2","product_id":"BTC-USD",'
    '"time":"2021-04-17T16:43:37Z"}'
)
URL = "wss://stream.binance.com:9443/stream?streams=btcusdt@aggTrade"


def written(folder: Path, *lines: str, name: str = "recording.txt") -> Path:
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return path


def frames(path: Path, **options: str) -> list[RecordedLine]:
    return list(Recording(path, **options).frames())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        (b"1617566591", 1_617_566_591_000_000),
        (b"1617566591.326123", 1_617_566_591_326_123),
        (b"1617566592.1065369", 1_617_566_592_106_536),
        (b"1617643092.13643", 1_617_643_092_136_430),
        (b"1723161255088", 1_723_161_255_088_000),
        (b"1723161255088.5", 1_723_161_255_088_500),
        (b"1680652800004107", 1_680_652_800_004_107),
        (b"1723161253937085768", 1_723_161_253_937_085),
        (b"9" * 19, 9_999_999_999_999_999),
    ],
)
def test_a_receive_time_is_s_ms_us_or_ns_by_its_size(text: bytes, micros: int) -> None:
    assert receive_micros(text) == micros


@pytest.mark.parametrize("text", [b"", b"x", b"-5", b"1_0", b"1e9", b"1.", b".5", b"nan", b"9" * 20, "\u0665".encode()])
def test_anything_else_is_no_receive_time(text: bytes) -> None:
    assert receive_micros(text) is None


@pytest.mark.parametrize("between", [" ", ": "])
def test_a_frame_is_what_follows_the_time(tmp_path: Path, between: str) -> None:
    path = written(tmp_path, f"1617566591.326123{between}{SPOT % 1}")
    assert frames(path) == [RecordedLine(1_617_566_591_326_123, (SPOT % 1).encode())]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_packing_is_told_by_the_content_not_by_the_name(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "recording.dat"
    path.write_bytes(pack("".join(f"{10**15 + n} {SPOT % n}\r\n" for n in range(5000)).encode()))  # type: ignore[operator]
    recording = Recording(path)
    assert [frame.received for frame in recording.frames()] == [10**15 + n for n in range(5000)]
    assert recording.read_bytes == recording.total_bytes == path.stat().st_size


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_files_packed_one_after_the_other_are_one_recording(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "recording"
    path.write_bytes(b"".join(pack(f"{10**15 + n} {SPOT % n}\n".encode()) for n in range(3)))  # type: ignore[operator]
    assert len(frames(path)) == 3


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_truncated_file_hands_over_its_readable_part_first(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "recording"
    lines = [f"{10**15 + n} {SPOT % (n * n * 7919 % 10**9)}\n" for n in range(50_000)]
    whole = pack("".join(lines).encode())  # type: ignore[operator]
    path.write_bytes(whole[: len(whole) * 2 // 3])
    seen: list[RecordedLine] = []
    with pytest.raises(DamagedInput, match="ends before"):
        seen.extend(Recording(path).frames())
    # `extend` keeps what came before the error
    assert len(seen) > 10_000
    assert [frame.received for frame in seen] == [10**15 + n for n in range(len(seen))]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_flipped_bytes_end_the_reading_with_the_file_and_the_remedy_named(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "recording"
    lines = [f"{10**15 + n} {SPOT % (n * n * 7919 % 10**9)}\n" for n in range(50_000)]
    whole = bytearray(pack("".join(lines).encode()))  # type: ignore[operator]
    middle = len(whole) // 2
    whole[middle : middle + 200] = bytes(255 - byte for byte in whole[middle : middle + 200])
    path.write_bytes(whole)
    seen: list[RecordedLine] = []
    with pytest.raises(DamagedInput, match="fetch the file again"):
        seen.extend(Recording(path).frames())
    assert len(seen) > 1000


def test_a_file_of_which_nothing_can_be_read_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "recording.gz"
    path.write_bytes(gzip.compress(SPOT.encode())[:12])
    with pytest.raises(DamagedInput):
        Recording(path)


def test_garbage_in_the_middle_is_a_frame_not_a_loss(tmp_path: Path) -> None:
    path = written(tmp_path, f"{10**15} {SPOT % 1}", "@@@ garbage", "", "1000000000000009", f"{10**15 + 1} {SPOT % 2}")
    kinds = [(frame.kind, frame.received - 10**15) for frame in frames(path)]
    assert kinds == [("message", 0), ("garbage", 0), ("garbage", 9), ("message", 1)]


@pytest.mark.slow
def test_an_endless_line_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(b"x" * (MAX_LINE + 300_000) + b"\nnext\n")
    first, second = LineSource(path)
    assert len(first) <= MAX_LINE + 100_000
    assert second == b"next"


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_a_recording_without_frames(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    recording = Recording(path)
    assert recording.layout is None
    assert list(recording.frames()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html></html>",
        bytes(range(256)) * 10,
        b"PK\x03\x04zip",
        b"a,b,c\n1,2,3\n",
        b'{"some":"json"}\n',
        b'"' * 999,
    ],
)
def test_a_file_that_is_no_recording_is_an_error_with_a_next_step(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    with pytest.raises(CoattailError) as caught:
        Recording(path)
    assert str(path) in caught.value.message
    assert caught.value.next_step


def test_a_missing_file_or_a_folder_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError) as caught:
            Recording(path)
        assert caught.value.next_step


def test_messages_of_an_unknown_exchange_ask_for_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, '1737849600000000 {"channel":"trades","data":[]}')
    with pytest.raises(UsageError, match="whose recording"):
        Recording(path)
    assert Recording(path, exchange="coinbase").layout is not None


@pytest.mark.parametrize(
    ("message", "exchange", "market"),
    [
        (SPOT % 1, "binance", "spot"),
        (FUTURE, "binance", "usdm"),
        (FUTURE_AGGREGATE, "binance", "usdm"),
        (BOOK, "binance", "spot"),
        ('{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"pu":1}', "binance", "usdm"),
        ('{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2}', "binance", "spot"),
        (MATCH, "coinbase", "spot"),
        ('{"type":"subscriptions","channels":[]}', "coinbase", "spot"),
    ],
)
def test_exchange_and_market_are_told_by_the_first_telling_message(
    tmp_path: Path, message: str, exchange: str, market: str
) -> None:
    layout = Recording(written(tmp_path, '1723161255000 {"id":1,"result":null}', f"1723161255001 {message}")).layout
    assert layout is not None
    assert (layout.format, layout.exchange, layout.market) == ("frames", exchange, market)


def test_what_the_caller_says_goes_before_what_the_file_says(tmp_path: Path) -> None:
    path = written(tmp_path, f"1723161255000 {FUTURE_AGGREGATE}")
    layout = Recording(path, exchange="binance_us", market="spot").layout
    assert layout is not None
    assert (layout.exchange, layout.market) == ("binance_us", "spot")


def test_the_session_is_the_content_wherever_the_file_lies(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    line = f"1723161255000 {SPOT % 1}"
    one, same = Recording(written(here, line)).session, Recording(written(there, line)).session
    other = Recording(written(there, line, line)).session
    assert one == same != other
    assert one.startswith("replay:recording.txt:")


def test_a_line_capture_tells_messages_from_what_the_recorder_noted(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'configuration: {"trades":["BTC-USDT"]}',
        f"{URL} <-> 1617566590.378895",
        f'{URL} <- 1617566590.4: {{"method":"SUBSCRIBE"}}',
        'https://api.binance.com/api/v1/depth?symbol=BTCUSDT -> 1617566592.1: {"lastUpdateId":1}',
        f"1617566591.326123: {SPOT % 1}",
        "torn",
    )
    assert [frame.kind for frame in frames(path)] == ["aside"] * 4 + ["message", "garbage"]


@pytest.mark.parametrize(
    ("url", "exchange", "market"),
    [
        (URL, "binance", "spot"),
        ("wss://stream.binance.us:9443/stream?streams=btcusd@aggTrade", "binance_us", "spot"),
        ("wss://fstream.binance.com/stream?streams=btcusdt@aggTrade", "binance", "usdm"),
        ("wss://ws-feed.pro.coinbase.com", "coinbase", "spot"),
    ],
)
def test_the_url_of_a_capture_tells_its_exchange(tmp_path: Path, url: str, exchange: str, market: str) -> None:
    layout = Recording(written(tmp_path, f"{url} <-> 1617566590.378895")).layout
    assert layout is not None
    assert (layout.format, layout.exchange, layout.market) == ("cryptofeed", exchange, market)


@pytest.mark.parametrize(
    ("noted", "name"),
    [
        ("wss://ws.bitstamp.net <-> 1618678132.368463", "ws.bitstamp.net"),
        ('{"t":"header","format":2,"exchange":"BITSTAMP"}', "BITSTAMP"),
        ("wss://binance.community/stream <-> 1618678132.368463", "binance.community"),
    ],
)
def test_a_capture_of_an_exchange_that_nobody_speaks_for_says_whose_it_is(
    tmp_path: Path, noted: str, name: str
) -> None:
    path = written(tmp_path, noted, f"1618678133.1: {SPOT % 1}")
    with pytest.raises(UsageError, match=f"a capture of {name}, whose messages are not read"):
        Recording(path)


def test_an_exchange_that_is_said_and_not_known_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown exchange 'krakn'"):
        Recording(written(tmp_path, f"1723161255000 {SPOT % 1}"), exchange="krakn")


def test_a_json_capture_gives_the_received_text_as_it_was(tmp_path: Path) -> None:
    entries = [
        {"t": "header", "format": 2, "exchange": "BINANCE", "config": {}},
        {"t": "http", "conn": "x", "ts": 1633998511.132921, "url": "https://x", "data": "{}"},
        {"t": "connect", "conn": "x", "ts": 1633998511.2, "addr": URL},
        {"t": "send", "conn": "x", "ts": 1633998511.3, "data": "{}"},
        {"t": "recv", "conn": "x", "ts": 1633998523.957215, "data": SPOT % 1},
        {"t": "recv", "conn": "x", "ts": None, "data": "x"},
        {"t": "recv", "conn": "x", "ts": 1},
        {"no": "entry"},
    ]
    path = written(tmp_path, *(json.dumps(entry) for entry in entries), "torn {")
    seen = frames(path)
    assert [frame.kind for frame in seen] == ["aside"] * 4 + ["message"] + ["garbage"] * 4
    assert seen[4] == RecordedLine(1_633_998_523_957_215, (SPOT % 1).encode())


HEADER = "_id,changes,maker_order_id,price,product_id,sequence,side,size,taker_order_id,time,trade_id,type"


def test_a_flattened_match_becomes_the_message_it_was(tmp_path: Path) -> None:
    row = "5ad5,,m,8042.90000000,BTC-USD,5693130267.0,buy,0.15520000,t,2018-04-17T00:55:11.045000Z,41766821.0,match"
    (frame,) = frames(written(tmp_path, HEADER, row))
    assert frame.received == 1_523_926_511_045_000
    assert frame.data.decode() == (
        '{"type":"match","trade_id":41766821,"maker_order_id":"m","taker_order_id":"t","side":"buy","size":"0.15520000",'
        '"price":"8042.90000000","product_id":"BTC-USD","sequence":5693130267,"time":"2018-04-17T00:55:11.045000Z"}'
    )


def test_other_rows_of_a_flattened_feed_are_asides_and_torn_rows_are_garbage(tmp_path: Path) -> None:
    book = "5ad5,\"[['buy', '8041.3', '0']]\",,,BTC-USD,,,,,2018-04-17T00:55:04.358Z,,l2update"
    assert [frame.kind for frame in frames(written(tmp_path, HEADER, book, "torn,row"))] == ["aside", "garbage"]


def test_a_book_snapshot_larger_than_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    snapshot = f'5ad5,"{"[1, 2], " * 40_000}",,,BTC-USD,,,,,,,snapshot'
    assert [frame.kind for frame in frames(written(tmp_path, HEADER, snapshot))] == ["aside"]
