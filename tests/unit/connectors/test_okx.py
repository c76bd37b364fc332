"""OKX's feeds and its past trades as its documentation shows them: no recording of them is at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coattail.connectors.base import UnsupportedMessage
from coattail.connectors.history import AskFailed, UnknownSymbol, WrongAnswer
from coattail.connectors.okx import OkxConnector
from coattail.connectors.okx_rest import OkxHistory
from coattail.errors import MalformedMessage
from coattail.records import Trade

RECEIVED = 1_630_048_898_000_000
OKX = OkxConnector()
TRADE = {"instId": "BTC-USDT", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306", "side": "buy",
         "ts": "1630048897897"}  # fmt: skip


def written(drop: str | None = None, **changes: Any) -> str:
    trade = TRADE | changes
    if drop:
        del trade[drop]
    return json.dumps(trade, separators=(",", ":"))


def read(*trades: str, channel: str = "trades-all") -> list[Trade]:
    message = f'{{"arg":{{"channel":"{channel}","instId":"BTC-USDT"}},"data":[{",".join(trades)}]}}'
    return OKX.normalize(message.encode(), RECEIVED)


def test_a_trade_keeps_the_numbers_of_the_wire_and_its_slice() -> None:
    assert read(written()) == [
        Trade(
            exchange="okx",
            symbol="BTC-USDT",
            trade_id=130639474,
            price="42219.9",
            quantity="0.12060306",
            side="buy",
            timestamp=1_630_048_897_897_000,
            received=RECEIVED,
            source="replay",
            payload=written(),
        )
    ]


@pytest.mark.parametrize(
    ("count", "ids"), [("1", (123, None)), ("3", (121, 123)), (3, (121, 123)), ("124", (0, 123)), (None, (123, None))]
)
def test_an_aggregate_covers_the_ids_that_end_with_its_own(
    count: str | int | None, ids: tuple[int, int | None]
) -> None:
    (trade,) = read(written(tradeId="123", count=count), channel="trades")
    assert (trade.trade_id, trade.last_trade_id) == ids


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (written(tradeId=130639474, ts=1630048897897), ("42219.9", 130639474, 1_630_048_897_897_000, "buy")),
        (written(px=42219.9), ("42219.9", 130639474, 1_630_048_897_897_000, "buy")),
        (written(px=None, side=""), (None, 130639474, 1_630_048_897_897_000, None)),
        (written(drop="ts"), ("42219.9", 130639474, None, "buy")),
        (written(drop="tradeId"), ("42219.9", None, 1_630_048_897_897_000, "buy")),
    ],
)
def test_other_types_are_read_leniently(changed: str, expected: tuple[Any, ...]) -> None:
    (trade,) = read(changed)
    assert (trade.price, trade.trade_id, trade.timestamp, trade.side) == expected


@pytest.mark.parametrize(
    "changed",
    [
        written(tradeId="x"),
        written(tradeId="1.5"),
        written(tradeId=True),
        written(count=""),
        written(ts=1.5),
        written(ts="yesterday"),
        written(ts="9" * 16),
        written(count="0"),
        written(count="130639476"),
        written(px=True),
        "7",
    ],
)
def test_what_is_no_trade_is_malformed(changed: str) -> None:
    with pytest.raises(MalformedMessage):
        read(changed)


@pytest.mark.parametrize(
    ("instrument", "kind"),
    [
        ("BTC-USDT-SWAP", "swaps of OKX, whose sizes are in contracts"),
        ("BTC-USD-220624", "futures and options of OKX, whose sizes are in contracts"),
        ("ETH-USD-220624-1300-C", "futures and options of OKX, whose sizes are in contracts"),
    ],
)
def test_sizes_in_contracts_are_unsupported_and_counted(instrument: str, kind: str) -> None:
    with pytest.raises(UnsupportedMessage):
        read(written(instId=instrument))
    message = f'{{"arg":{{"channel":"trades","instId":"{instrument}"}},"data":[{written(instId=instrument)}]}}'
    assert OKX.batch([message.encode()], [0]).unsupported == {kind: 1}
    assert OkxConnector.is_own(message.encode())


HISTORY = OkxHistory()


def test_a_page_of_the_past_is_read_by_rising_id() -> None:
    rows = [written(tradeId="242720720", source="0"), written(tradeId="242720719", source="0", side="sell")]
    page = HISTORY.read(f'{{"code":"0","msg":"","data":[{",".join(rows)}]}}'.encode(), 7, "history-trades")
    assert page.keys == [242720719, 242720720]
    assert [row.side for row in page.rows] == ["sell", "buy"]
    assert [row.received for row in page.rows] == [7, 7]
    assert page.payloads == [rows[1].encode(), rows[0].encode()]


def test_what_is_asked_is_below_an_id() -> None:
    ask = HISTORY.page("BTC-USDT", 5, 9, "history-trades")
    assert ask.path == "/api/v5/market/history-trades?instId=BTC-USDT&after=10&limit=5"
    assert HISTORY.page("BTC-USDT", 5, 9999, "history-trades").path.endswith("after=10000&limit=100")


def test_a_code_that_is_not_0_is_an_error_though_the_status_is_200() -> None:
    unknown = b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}'
    with pytest.raises(UnknownSymbol, match="51001 Instrument ID does not exist"):
        HISTORY.read(unknown, 0, "history-trades")
    with pytest.raises(WrongAnswer, match="50011 Too Many Requests"):
        HISTORY.read(b'{"code":"50011","msg":"Too Many Requests","data":[]}', 0, "history-trades")
    assert isinstance(HISTORY.refusal(400, unknown), UnknownSymbol)
    assert type(HISTORY.refusal(400, b'{"code":"50014","msg":"Parameter instId can not be empty"}')) is AskFailed
    assert HISTORY.refusal(404, b"<html>") is None


def test_the_instruments_that_are_live_are_listed() -> None:
    body = b'{"code":"0","msg":"","data":[{"instId":"BTC-USDT","state":"live"},{"instId":"X-USDT","state":"suspend"}]}'
    assert HISTORY.read_listed(body) == {"BTC-USDT": True, "X-USDT": False}
