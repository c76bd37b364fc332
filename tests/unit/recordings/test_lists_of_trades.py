"""Recordings of Kraken and OKX, as every layout keeps them, land the trades that their messages hold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from coattail.connectors.kraken import KrakenConnector
from coattail.connectors.okx import OkxConnector
from coattail.producer.replay import replay
from coattail.recordings.base import RowHints
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import COVERAGE
from tests.harness.commands import letters, trades
from tests.harness.running import drained, new_home
from tests.harness.said import kraken_message, kraken_trade, okx_trade

SECOND = 1_695_628_177
TIMES = [f"2023-09-25T07:49:{37 + n}.708706Z" for n in range(4)]
KRAKEN = [
    *(message.decode() for message in KrakenConnector.samples.silent),
    kraken_message(kraken_trade(40, TIMES[0]), kraken_trade(43, TIMES[1]), kind="snapshot"),
    '{"channel":"heartbeat"}',
    kraken_message(kraken_trade(43, TIMES[1])),
    kraken_message(kraken_trade(57, TIMES[2]), kraken_trade(9, TIMES[2], symbol="ETH/USD")),
]
OKX = [
    *(message.decode() for message in OkxConnector.samples.silent[1:]),
    okx_trade(5, SECOND * 1000 + 1),
    "pong",
    okx_trade(6, SECOND * 1000 + 2),
    okx_trade(6, SECOND * 1000 + 2),
    okx_trade(7, SECOND * 1000 + 3, symbol="BTC-USDT-SWAP"),
]


def frames(exchange: str, messages: Sequence[str]) -> list[str]:
    return [f"{SECOND + n}000000000 {message}" for n, message in enumerate(messages)]


def capture(exchange: str, messages: Sequence[str]) -> list[str]:
    host = {"kraken": "wss://ws.kraken.com/v2", "okx": "wss://ws.okx.com:8443/ws/v5/business"}[exchange]
    return [f"{host} <-> {SECOND}.5", *(f"{SECOND + n}.25: {message}" for n, message in enumerate(messages))]


def json_capture(exchange: str, messages: Sequence[str]) -> list[str]:
    header = json.dumps({"t": "header", "format": 2, "exchange": exchange.upper()})
    return [header, *(json.dumps({"t": "recv", "ts": SECOND + n, "data": m}) for n, m in enumerate(messages))]


@pytest.mark.parametrize(
    ("exchange", "messages", "expected", "unsupported"),
    [
        ("kraken", KRAKEN, [("BTC-USD", 40), ("BTC-USD", 43), ("BTC-USD", 57), ("ETH-USD", 9)], {}),
        ("okx", OKX, [("BTC-USDT", 5), ("BTC-USDT", 6)], {"swaps of OKX, whose sizes are in contracts": 3}),
    ],
)
def test_every_layout_says_the_same(
    tmp_path: Path, exchange: str, messages: Sequence[str], expected: list[tuple[str, int]], unsupported: dict[str, int]
) -> None:
    home, paths = new_home(tmp_path), []
    for layout in (frames, capture, json_capture):
        paths.append(tmp_path / layout.__name__)
        paths[-1].write_text("\n".join(layout(exchange, messages)) + "\n")
    done = replay(paths, LocalStream(home.stream))
    drained(home)
    landed = trades(home.path)
    assert sorted(landed.select("symbol", "trade_id").rows()) == expected
    assert set(landed["exchange"]) == {exchange}
    assert done.trades == 3 * (len(expected) + 1)  # one of them is said twice
    assert dict(done.unsupported) == unsupported
    assert letters(home.path) == []


FORMATS = (Path(__file__).parents[3] / "docs" / "FORMATS.md").read_text()


def test_daily_files_of_okx_are_tables_and_contracts_are_not_taken_for_coins(tmp_path: Path) -> None:
    home, path = new_home(tmp_path), tmp_path / "BTC-USDT-trades-2026-09-01.csv"
    rows = [f"BTC-USDT,{n},sell,104503.0,0.3,{SECOND * 1000 + n},0" for n in (5, 6, 9)]
    rows.append(f"BTC-USDT-SWAP,7,sell,104503.0,30.14,{SECOND * 1000},0")
    path.write_text("\n".join(["instrument_name,trade_id,side,price,size,created_time,source", *rows]) + "\n")
    (documented,) = re.findall(r"--exchange okx --columns \\\n\s+(\S+)", FORMATS)
    hints = RowHints(columns=dict(part.split("=") for part in documented.split(",")))
    done = replay([path], LocalStream(home.stream), exchange="okx", hints=hints)
    drained(home)
    assert sorted(trades(home.path).select("symbol", "trade_id", "side").rows()) == [
        ("BTC-USDT", n, "sell") for n in (5, 6, 9)
    ]
    assert done.trades == 4
    assert [letter["reason"] for letter in letters(home.path)] == ["invalid"]


@pytest.mark.parametrize(("exchange", "missing"), [("kraken", 0), ("okx", 2)])
def test_whether_a_table_has_holes_is_said_by_the_exchanges_connector(
    tmp_path: Path, exchange: str, missing: int
) -> None:
    home, path = new_home(tmp_path), tmp_path / "trades.csv"
    rows = [f"{SECOND + n},61000.5,0.1,{n}" for n in (5, 6, 9)]
    path.write_text("\n".join(["ts,px,qty,n", *rows]) + "\n")
    columns = {"time": "ts", "price": "px", "quantity": "qty", "id": "n"}
    replay([path], LocalStream(home.stream), exchange=exchange, hints=RowHints(symbol="BTC-USD", columns=columns))
    drained(home)
    with closing(Lake(embedded(home.path), writable=False)) as lake:
        gaps = lake.scan(COVERAGE).filter(pl.col("state") == "gap")
    assert len(trades(home.path)) == 3
    assert sum(last - first + 1 for first, last in gaps.select("first_id", "last_id").rows()) == missing
