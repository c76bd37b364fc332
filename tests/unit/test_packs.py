"""Packs: what goes in comes out, and what is not a pack is refused."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.landing.decode import decode
from coattail.packing import FEW_RECORDS, Packer
from coattail.packs import encode_pack, encode_packs, encode_rows
from coattail.records import Malformed, Record, Row, Shared, Trade, lane_of
from coattail.streams.base import Pack
from coattail.unpacking import PackError, decode_pack, rows_frame, sections_of, unpack

_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
_payload = _text | st.sampled_from(
    ["", "\n", '{"a":"b\\n"}', "a\nb\n", '"', "\r\n", "é币😀", "\u2028", "\0", "{}" * 50]
)
_int64 = st.integers(-(2**63), 2**63 - 1)
_symbol = st.none() | st.sampled_from(["BTC-USDT", "ETH-USDT", "币安-USDT"])

_trades = st.builds(
    Trade, exchange=st.sampled_from(["binance", "coinbase"]), symbol=_symbol, trade_id=st.none() | _int64,
    last_trade_id=st.none() | _int64, price=st.none() | _text, quantity=st.none() | _text,
    quote_volume=st.none() | _text, side=st.sampled_from([None, "buy", "sell"]), timestamp=st.none() | _int64,
    received=_int64, source=st.sampled_from(["live", "replay"]), session=st.sampled_from(["", "a", "b\n"]),
    payload=_payload,
)  # fmt: skip
_malformed = st.builds(
    Malformed, exchange=st.just("binance"), error=_text, payload=_payload, received=_int64, session=st.just("a")
)  # fmt: skip
_records = st.lists(_trades | _malformed, min_size=1, max_size=30)


def make_trade(number: int = 1, **changes: object) -> Trade:
    values: dict[str, object] = {
        "exchange": "binance", "symbol": "BTC-USDT", "trade_id": number, "price": "1.5", "quantity": "2", "side": "buy",
        "timestamp": 1_700_000_000_000_000 + number, "received": 1_700_000_000_000_500, "payload": f'{{"t":{number}}}',
    }  # fmt: skip
    return Trade(**{**values, **changes})  # type: ignore[arg-type]


def packed(*lines: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(b"".join(line + b"\n" for line in lines))


def landed(*packs: bytes) -> list[Pack]:
    return [Pack(3, str(place), data) for place, data in enumerate(packs)]


HEAD = b'{"exchange":"binance","symbol":"BTC-USDT","records":2,"payloads":2}'
ROWS = (b'{"received":5,"trade_id":1}', b'{"received":6,"trade_id":2}')


@pytest.mark.slow
@given(_records)
@settings(max_examples=200, deadline=None)
def test_records_come_back_as_they_were(records: list[Record]) -> None:
    assert [record for pack in encode_packs(records) for record in decode_pack(pack)] == records


@pytest.mark.slow
@given(_records, st.integers(1, 5), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_a_packer_keeps_every_record_and_its_place_in_its_instrument(
    records: list[Record], most: int, size: int
) -> None:
    packer = Packer(pack_records=most, pack_bytes=size)
    for record in records:
        packer.add(record)
    packs = [decode_pack(pack) for _, pack in packer.take()]
    assert all(len(pack) <= most for pack in packs)
    assert all(len(pack) == 1 or sum(len(r.payload.encode()) for r in pack) <= size for pack in packs)

    def by_instrument(some: list[Record]) -> list[Record]:
        return sorted(some, key=lambda r: (r.exchange, getattr(r, "symbol", None) or "", r.session, r.source))

    assert by_instrument([record for pack in packs for record in pack]) == by_instrument(records)


@given(_records)
@settings(max_examples=50, deadline=None)
def test_the_engine_reads_what_people_read(records: list[Record]) -> None:
    frame = decode(landed(*encode_packs(records)))
    assert frame.undecodable == []
    assert frame.records["payload"].to_list() == [record.payload for record in records]
    assert frame.records["received"].to_list() == [record.received for record in records]
    assert frame.records["error"].to_list() == [getattr(record, "error", None) for record in records]


def test_a_payload_that_no_utf8_can_say_is_kept_in_words() -> None:
    (back,) = decode_pack(encode_pack([make_trade(payload="\ud83d\n")]))
    assert back.payload == "\\ud83d\n"


@pytest.mark.parametrize("keep", [0, 1, 10, -1])
def test_a_truncated_pack_is_refused(keep: int) -> None:
    with pytest.raises(PackError):
        sections_of(encode_pack([make_trade(n) for n in range(50)])[:keep])


@given(st.binary(max_size=100))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(PackError):
        decode_pack(data)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"",),
        (b"no json",),
        (b"[]",),
        (b'{"records":0,"payloads":0}',),
        (HEAD, *ROWS, b"a"),
        (HEAD, *ROWS, b"a", b"b", b"c"),
        (HEAD.replace(b'"records":2', b'"records":-2'), *ROWS, b"a", b"b"),
        (HEAD.replace(b'"records":2', b'"records":3').replace(b'"payloads":2', b'"payloads":1'), *ROWS, b"a", b"b"),
        (HEAD.replace(b'"payloads":2', b'"payloads":1'), *ROWS, b"a"),
        (HEAD, *ROWS, b"a", b"\xff"),
        (HEAD, b'{"trade_id":1}', ROWS[1], b"a", b"b"),
    ],
)
def test_a_pack_that_lies_about_itself_is_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(PackError):
        decode_pack(packed(*lines))
    found = decode(landed(packed(*lines)))
    assert len(found.records) + len(found.undecodable) >= 1
    assert found.undecodable


def test_a_pack_without_its_last_newline_is_refused() -> None:
    body = unpack(packed(HEAD, *ROWS, b"a", b"b"))
    assert len(decode_pack(zstandard.ZstdCompressor().compress(body))) == 2
    with pytest.raises(PackError):
        decode_pack(zstandard.ZstdCompressor().compress(body[:-1]))


def test_one_bad_line_is_found_and_costs_no_neighbour() -> None:
    sound = encode_pack([make_trade(n) for n in range(3)])
    found = decode(landed(sound, packed(HEAD, ROWS[0], b'{"received":"x"}', b"a", b"b"), sound))
    assert [(bad.offset, bad.index, bad.data) for bad in found.undecodable] == [("1", 1, b'{"received":"x"}')]
    assert found.records["trade_id"].to_list() == [0, 1, 2, 1, 0, 1, 2]
    assert found.records["payload"].to_list()[3] == "a"
    assert found.records["stream_offset"].to_list() == ["0"] * 3 + ["1"] + ["2"] * 3


def test_no_packs_are_no_records() -> None:
    assert rows_frame([]).height == 0


@pytest.mark.skipif(shutil.which("zstdcat") is None, reason="zstd is not installed")
def test_zstdcat_shows_the_frames_as_received() -> None:
    trades = [make_trade(n, payload=f'{{"e":"trade","t":{n},"note":"é"}}') for n in range(20)]
    shown = subprocess.run(["zstdcat"], input=encode_pack(trades), capture_output=True, check=True).stdout.decode()
    assert shown.splitlines()[-20:] == [trade.payload for trade in trades]
    assert shown.startswith('{"exchange":"binance","records":20,"payloads":20,"symbol":"BTC-USDT"}\n')


def test_packs_that_are_made_in_several_threads_at_once_are_whole() -> None:
    rows = [Row(received=number, trade_id=number, price=f"{number}.5", quantity="1") for number in range(3_000)]
    payloads = [f'{{"t":{number},"p":"{number}.5"}}'.encode() for number in range(3_000)]
    shared = Shared("binance", "BTC-USDT", "live-1", "live")
    alone = encode_rows(shared, rows, payloads)
    with ThreadPoolExecutor(4) as pool:
        packs = list(pool.map(lambda _: encode_rows(shared, rows, payloads), range(80)))
    assert all(pack == alone for pack in packs)


def shared_pack() -> bytes:
    """One pack with the few trades of two instruments of a lane."""
    packer = Packer()
    lanes: dict[int, str] = {}
    first, second = next(
        (lanes[lane_of("binance", symbol)], symbol)
        for symbol in (f"C{number}-USDT" for number in range(1_000))
        if lanes.setdefault(lane_of("binance", symbol), symbol) != symbol
    )
    for number in range(3):
        packer.add(make_trade(number, symbol=first))
        packer.add(make_trade(10 + number, symbol=second))
    [(lane, pack)] = packer.take()
    assert lane == lane_of("binance", first)
    return pack


def test_instruments_of_a_lane_with_few_records_share_a_pack_each_with_its_own_head() -> None:
    pack = shared_pack()
    assert [section.head.records for section in sections_of(pack)] == [3, 3]
    assert [trade.trade_id for trade in decode_pack(pack) if isinstance(trade, Trade)] == [0, 1, 2, 10, 11, 12]
    found = decode(landed(pack, encode_pack([make_trade(20)]), pack)).records
    assert found["stream_index"].to_list() == [*range(6), 0, *range(6)]
    assert found["stream_offset"].to_list() == [*"000000", "1", *"222222"]
    assert found["symbol"].n_unique() == 3


@pytest.mark.parametrize(
    ("broken", "bad", "data"),
    [
        ((b'"trade_id":11', b'"trade_id":"x"'), [4], b'"trade_id":"x"'),
        ((b'{"t":11}', b"\xff"), [3], b"\xff"),  # a payload that is no text costs its own group
    ],
)
def test_what_is_wrong_in_one_group_costs_no_other(broken: tuple[bytes, bytes], bad: list[int], data: bytes) -> None:
    pack = zstandard.ZstdCompressor().compress(unpack(shared_pack()).replace(*broken, 1))
    found = decode(landed(pack))
    assert [each.index for each in found.undecodable] == bad
    assert data in found.undecodable[0].data
    kept = found.records["stream_index"].to_list()
    assert kept == ([0, 1, 2, 3, 5] if bad == [4] else [0, 1, 2])


def test_an_instrument_with_many_records_has_a_pack_of_its_own() -> None:
    packer = Packer()
    for number in range(FEW_RECORDS):
        packer.add(make_trade(number))
        packer.add(make_trade(number, session="another"))
    packer.add(make_trade(1, session="few"))
    packer.add(make_trade(1, session="as few"))
    sizes = [[section.head.records for section in sections_of(pack)] for _, pack in packer.take()]
    assert sorted(sizes) == [[1, 1], [FEW_RECORDS], [FEW_RECORDS]]
