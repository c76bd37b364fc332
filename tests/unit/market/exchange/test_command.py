"""`coattail exchange serve`, and the page about it."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import httpx
import pytest
import yaml

from coattail.cli import main
from coattail.errors import UsageError
from coattail.market import Market, write
from coattail.market.exchange.faults import AnyFault, read_faults
from coattail.workspace.exchange import exchanges

PAGE = (Path(__file__).parents[4] / "docs" / "EXCHANGE.md").read_text()


def test_it_says_where_it_listens_and_ends_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exchange", "serve", "--seconds", "0.1", "--history", "5m", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["exchanges"]) == ["binance", "coinbase", "advanced"]
    assert printed["exchanges"]["binance"]["instruments"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert abs(datetime.fromisoformat(printed["opened"]) - datetime.now(UTC)) < timedelta(seconds=30)


def test_it_says_what_strikes_and_what_was_served(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("- {at_trade: 0, do: reset, exchange: coinbase}\n")
    options = ["--seconds", "0.6", "--history", "5m", "--speed", "600x", "--faults", str(script)]
    assert main(["exchange", "serve", *options]) == 0
    printed = capsys.readouterr().out
    assert "coinbase: reset after 0 trades\n" in printed
    assert re.search(r"^binance: [1-9][\d,]* trades since the opening; 0 subscriptions", printed, re.MULTILINE)


def test_what_it_prints_are_settings_of_coattail(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["exchange", "serve", "--seconds", "0.1", "--history", "5m"]) == 0
    printed = capsys.readouterr().out
    settings = tmp_path / "coattail.yaml"
    settings.write_text(printed[printed.index("exchanges:") : printed.index("other clients")])
    assert set(yaml.safe_load(settings.read_text())["exchanges"]) == {"binance", "coinbase"}
    assert main(["config", "show", "--config", str(settings), "--home", str(tmp_path), "--json"]) == 0
    assert "ws://127.0.0.1" in capsys.readouterr().out


def test_a_market_of_now_has_history_and_goes_on() -> None:
    with exchanges(history=timedelta(minutes=6)) as served:
        url = f"{served.binance.rest_url}/api/v3/trades"
        trades = httpx.get(url, params={"symbol": "BTCUSDT", "limit": 1000}, trust_env=False).json()
    assert len(trades) > 900
    assert trades[-1]["time"] / 1000 > served.opened.timestamp() - 30


def test_recordings_are_served_on_the_ports_asked_for(tmp_path: Path) -> None:
    write(Market(seed=3, duration=timedelta(minutes=1), planted=()), tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with exchanges([tmp_path], port=port, loop=True) as served:
        assert served.binance.websocket_url == f"ws://127.0.0.1:{port}"
        assert served.advanced.rest_url == f"http://127.0.0.1:{port + 2}"
        with (
            pytest.raises(UsageError, match=rf"a port from {port} on cannot be used \(Address already in use\)"),
            exchanges(port=port),
        ):
            pass


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--speed", "max"], "--speed max is for replay"),
        (["--history", "long"], "--history 'long' is not a duration"),
        (["--character", "wild"], "unknown character 'wild'"),
        (["--loop"], "--loop is for recordings"),
        (["--certificate", "x.pem"], "needs its key"),
        (["--faults", "nowhere.yaml"], "nowhere.yaml cannot be read (No such file or directory)"),
        (["--recording", "nowhere.zst"], "nowhere.zst"),
        (["--port", "70000"], "--port is 70000"),
    ],
)
def test_wrong_options_are_usage_errors(capsys: pytest.CaptureFixture[str], options: list[str], problem: str) -> None:
    assert main(["exchange", "serve", "--seconds", "0", *options]) == 2
    assert problem in capsys.readouterr().err


def test_the_page_has_every_fault_and_its_fields(tmp_path: Path) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \|(.*)\|$", PAGE, re.MULTILINE))
    shared = {"at_trade", "at_second", "exchange"}
    fields = {kind.__struct_config__.tag: set(kind.__struct_encode_fields__) - shared for kind in get_args(AnyFault)}
    assert {name: set(re.findall(r"`(\w+)`", row)) for name, row in rows.items()} == fields
    script = tmp_path / "faults.yaml"
    script.write_text(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    assert len(read_faults(script)) == 6


def test_the_python_of_the_page_runs() -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1
    exec(code[0], {})
