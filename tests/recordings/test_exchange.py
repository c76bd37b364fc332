"""Recorded sessions, served by the exchanges on loopback."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from websockets.sync.client import connect

from coattail.market.exchange import recorded_tapes, serving
from coattail.recordings import Recording
from tests.harness.exchange_clients import heard, say


def test_a_recorded_session_of_binance_is_heard_byte_for_byte(recordings: Path) -> None:
    path = recordings / "binance-ws" / "spot_btcusdt_20240808.gz"
    with gzip.open(path) as lines:
        recorded = [line.split(b" ", 1)[1].strip() for line in lines if b'"btcusdt@trade"' in line]
    with serving(recorded_tapes([Recording(path)])) as served:
        url = f"{served.binance.websocket_url}/stream?streams=btcusdt@trade"
        with connect(url, proxy=None, compression=None) as client:
            served.binance.release()
            assert [client.recv(timeout=5, decode=False) for _ in recorded] == recorded
    assert len(recorded) == 9757


def test_aggregates_of_a_recorded_session_add_up_to_it(recordings: Path) -> None:
    path = recordings / "binance-ws" / "spot_btcusdt_20240808.gz"
    told: list[dict[str, Any]] = []
    with (
        serving(recorded_tapes([Recording(path)])) as served,
        connect(f"{served.binance.websocket_url}/ws/btcusdt@aggTrade", proxy=None, compression=None) as client,
    ):
        served.binance.release()
        while not told or told[-1]["l"] < 3735693015:
            told += heard(client, 1)
    assert sum((Decimal(each["q"]) for each in told), Decimal(0)) == Decimal("212.03315000")
    assert told[0]["f"] == 3735683259
    assert all(after["f"] == before["l"] + 1 for before, after in pairwise(told))


def market_trades(path: Path) -> dict[str, dict[str, Any]]:
    """The trades of the Advanced Trade capture, by id."""
    found = {}
    with zstandard.open(path, "rb") as lines:
        for line in lines.read().splitlines():
            record = msgspec.json.decode(line)
            if record["t"] == "recv":
                message = json.loads(record["data"])
                if message.get("channel") == "market_trades":
                    found |= {trade["trade_id"]: trade for event in message["events"] for trade in event["trades"]}
    return found


def test_a_recorded_session_of_advanced_trade_is_told_in_the_same_words(recordings: Path) -> None:
    path = recordings / "cryptofeed-raw" / "COINBASE.jsonl.zst"
    recorded = market_trades(path)
    told: dict[str, dict[str, Any]] = {}
    with (
        serving(recorded_tapes([Recording(path)])) as served,
        connect(served.advanced.websocket_url, proxy=None, compression=None) as client,
    ):
        products = ["BTC-USD", "ETH-USD"]
        say(client, {"type": "subscribe", "product_ids": products, "channel": "market_trades"})
        heard(client, 1)
        served.advanced.release()
        while len(told) < len(recorded):
            told |= {trade["trade_id"]: trade for trade in heard(client, 1)[0]["events"][0]["trades"]}
    assert told == recorded
