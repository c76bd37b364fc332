"""`coattail run` and `produce` as people use them: watched, stopped, killed, and started without a network."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from coattail.home import Home
from coattail.market import Market
from coattail.market.exchange import Served, serving
from tests.harness.commands import Child, Done, until
from tests.harness.documented import SCHEMAS, keys
from tests.harness.live import assert_exact

SYMBOLS = {"binance": ("BTC-USDT",), "coinbase": ("BTC-USD", "USDT-USD")}
ARGUMENTS = [f"{exchange}:{symbol}" for exchange, own in SYMBOLS.items() for symbol in own]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(Market(seed=7, duration=timedelta(hours=2))) as exchanges:
        yield exchanges


@pytest.fixture
def pointed(tmp_path: Path, served: Served) -> Path:
    """Settings that lead to the exchanges on loopback."""
    hosts = {
        name: {"websocket_host": served.venues[name].websocket_url, "rest_host": served.venues[name].rest_url}
        for name in SYMBOLS
    }
    path = tmp_path / "loopback.yaml"
    path.write_text(yaml.safe_dump({"exchanges": hosts, "live": {"least_free": 0}}))
    return path


def lines(child: Child) -> Iterator[dict[str, Any]]:
    assert child.process.stdout is not None
    for text in child.process.stdout:
        yield json.loads(text)


def missing(state: dict[str, Any]) -> int:
    return sum(i["missing"] for e in state["exchanges"] for i in e["instruments"])


def test_both_processes_are_killed_and_every_trade_lands_once(
    spawn: Callable[..., Child], tmp_path: Path, served: Served, pointed: Path
) -> None:
    running = spawn("run", *ARGUMENTS, "--home", "home", "--config", pointed, "--json")
    said = lines(running)
    pids: dict[str, int] = {}
    killed = set[str]()
    for line in said:
        if line.get("event") != "state":
            continue
        pids["producer"] = line["pid"] if line["part"] == "producer" else pids.get("producer", 0)
        if line["part"] == "producer" and all(x["state"] == "listening" for e in line["exchanges"] for x in e["lines"]):
            for name in SYMBOLS:
                served.venues[name].release(200)
            if line["sent"] > 300 and "producer" not in killed:
                os.kill(line["pid"], signal.SIGKILL)
                killed.add("producer")
        if line["part"] == "engine" and "producer" in killed and line["landed"] > 500:
            engine = Home.open(tmp_path / "home").running_engine()
            if engine is not None and "engine" not in killed:
                os.kill(engine.pid, signal.SIGKILL)
                killed.add("engine")
            elif "engine" in killed and line["landed"] > 1500:
                break
    running.process.send_signal(signal.SIGTERM)
    rest = list(said)
    assert running.end().code == 0
    assert rest[-1] == {"event": "ended"}
    stopped = next(line for line in rest if line.get("event") == "stopped")
    assert missing(stopped) == 0
    assert_exact(Home.open(tmp_path / "home"), served, SYMBOLS, to_the_end=False)


def test_a_producer_says_what_the_page_says(spawn: Callable[..., Child], served: Served, pointed: Path) -> None:
    producing = spawn("produce", *ARGUMENTS, "--home", "home", "--config", pointed, "--seconds", "2", "--json")
    said = list(lines(producing))
    assert producing.end().code == 0
    assert {line["event"] for line in said[:-1]} == {"state"}
    assert set(keys(said[0])) == set(keys(SCHEMAS["produce"]))
    assert set(keys(said[-1])) == {*keys(SCHEMAS["produce"]), "why"}
    assert said[-1]["why"] == ""


def test_without_a_network_it_says_so_goes_on_and_can_be_stopped(spawn: Callable[..., Child], tmp_path: Path) -> None:
    config = tmp_path / "nowhere.yaml"
    nowhere = {"websocket_host": "ws://127.0.0.1:9", "rest_host": "http://127.0.0.1:9"}
    config.write_text(
        yaml.safe_dump({"exchanges": {"binance": {"symbols": ["BTC-USDT"], **nowhere}, "coinbase": {"symbols": []}}})
    )
    running = spawn("run", "--home", "home", "--config", config, "--json")
    for line in lines(running):
        if line["part"] == "producer" and line["event"] == "state" and line["exchanges"][0]["lines"][0]["problem"]:
            assert "refused" in line["exchanges"][0]["lines"][0]["problem"].lower()
            break
    running.process.send_signal(signal.SIGINT)
    rest = list(lines(running))
    assert rest[-1] == {"event": "ended"}
    assert running.end().code == 0


def test_the_page_is_there_and_all_end_with_their_parent_however_it_ends(
    spawn: Callable[..., Child], tmp_path: Path, served: Served, pointed: Path
) -> None:
    running = spawn("run", *ARGUMENTS, "--home", "home", "--config", pointed, "--json", "--live", "--port", "0")
    said = lines(running)
    address = next(line["address"] for line in said if line["part"] == "page")
    pid = next(line["pid"] for line in said if line["event"] == "state" and line["part"] == "producer")
    until(lambda: Home.open(tmp_path / "home").running_engine() is not None)
    with urlopen(address, timeout=20) as page, urlopen(f"{address}health", timeout=20) as health:
        assert b"<title>coattail live</title>" in page.read()
        assert json.load(health)["engine"]["state"] == "running"
    running.end(signal.SIGKILL)
    home = Home.open(tmp_path / "home")
    until(lambda: home.running_engine() is None and not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["kraken_futures:BTC-USD"], "there is no exchange 'kraken_futures'"),
        (["DOGE-EUR"], "say which: binance:DOGE-EUR"),
        (["binance:"], "'binance:' names no symbol"),
        (["--engine", "flink"], "flink"),
        (["--open"], "add --live"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    run: Callable[..., Done], pointed: Path, arguments: list[str], words: str
) -> None:
    began = time.monotonic()
    done = run("run", "--home", "home", "--config", pointed, *arguments)
    assert done.code != 0
    assert words in done.err
    assert time.monotonic() - began < 30
