"""`coattail run kraken:BTC-USD okx:BTC-USDT`, as people use it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from tests.harness.asked import OkxAnswering, past
from tests.harness.commands import Child, Done, trades
from tests.harness.said import answering, kraken_message, kraken_trade, okx_trade, saying

BEGAN = datetime.now(UTC) - timedelta(minutes=2)
MARKET = past(501, 540, every_ms=100, begin_ms=int(BEGAN.timestamp() * 1000))


def kraken_says(text: str) -> Sequence[str]:
    """To a subscription: the newest trades. Of another pair than BTC/USD: that there is none."""
    asked = json.loads(text)["params"]["symbol"]
    times = [(BEGAN + timedelta(seconds=n)).isoformat(timespec="microseconds")[:-6] + "Z" for n in range(3)]
    newest = [kraken_trade(1000 + 7 * n, time) for n, time in enumerate(times)]
    refused = [
        {"method": "subscribe", "success": False, "error": f"Currency pair not supported {symbol}", "symbol": symbol}
        for symbol in asked
        if symbol != "BTC/USD"
    ]
    return [*map(json.dumps, refused), kraken_message(*newest, kind="snapshot"), '{"channel":"heartbeat"}']


def okx_says(text: str) -> Sequence[str]:
    """To a subscription: ten trades, and after a hole ten more."""
    if text == "ping":
        return ["pong"]
    return [okx_trade(t.id, t.ms, price=t.price, size=t.size) for t in (*MARKET[:10], *MARKET[-10:])]


def test_both_are_heard_landed_and_told_apart(
    spawn: Callable[..., Child], run: Callable[..., Done], tmp_path: Path
) -> None:
    config = tmp_path / "loopback.yaml"
    with saying(kraken_says) as kraken, saying(okx_says) as okx, answering(OkxAnswering(MARKET)) as rest:
        hosts = {"kraken": {"websocket_host": kraken.url}, "okx": {"websocket_host": okx.url, "rest_host": rest}}
        config.write_text(yaml.safe_dump({"exchanges": hosts, "live": {"least_free": 0}}))
        wanted = ("kraken:BTC-USD", "kraken:NO-USD", "okx:BTC-USDT")
        running = spawn("run", *wanted, "--home", "home", "--config", config, "--json")
        assert running.process.stdout is not None
        refused = ""
        for line in map(json.loads, running.process.stdout):
            if line.get("part") == "producer" and line["event"] == "state":
                refused = refused or next((x["refused"] for e in line["exchanges"] for x in e["lines"]), "")
            if line.get("part") == "engine" and line.get("landed", 0) >= 43:
                break
        done = running.end(signal.SIGTERM)
    assert done.code == 0, done.err
    assert refused == "Currency pair not supported NO/USD"
    landed = trades(tmp_path / "home").sort("exchange", "trade_id").select("exchange", "symbol", "trade_id").rows()
    assert landed == [
        *(("kraken", "BTC-USD", 1000 + 7 * n) for n in range(3)),
        *(("okx", "BTC-USDT", t.id) for t in MARKET),  # those of the hole came from its REST service
    ]
    told = {(i["exchange"], i["symbol"]): i for i in run("coverage", "--home", "home", "--json").json["instruments"]}
    assert told["kraken", "BTC-USD"]["ids"] == "unique"
    assert told["okx", "BTC-USDT"]["coverage_pct"] == 100
