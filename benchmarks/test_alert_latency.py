"""From an event to its alert: `coattail run` on exchanges on loopback whose time is ours, at 2,000 trades a second.

What can be judged for good once trades `time.lateness` younger have come counts from then on.
Times are those at which `coattail run --json` printed the alert, which is after it was stored.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.clients import environment
from benchmarks.conftest import Size
from benchmarks.loopback import Loopback, exchange
from benchmarks.report import row
from coattail.config import load_settings

SYMBOLS = {
    "binance": ["BTC-USDT", "ETH-USDT", "SOL-USDT"],
    "coinbase": ["BTC-USD", "ETH-USD", "SOL-USD", "USDT-USD"],
}
TRIGGER = 2.0


def settings(loopback: Loopback, folder: Path) -> Path:
    """Settings that lead to the exchanges on loopback."""
    exchanges = {
        name: {
            "symbols": own,
            "websocket_host": loopback.venues[name]["feed"],
            "rest_host": loopback.venues[name]["rest"],
        }
        for name, own in SYMBOLS.items()
    }
    path = folder / "loopback.yaml"
    path.write_text(yaml.safe_dump({"exchanges": exchanges, "live": {"least_free": 0}}))
    return path


def test_alerts_follow_their_event_soon(size: Size, tmp_path: Path) -> None:
    seconds = 120 if size.rounds > 1 else 45
    lateness = load_settings(None).time.lateness.total_seconds()
    said: list[tuple[float, dict[str, Any]]] = []
    with exchange("whales", tmp_path, by_clock=True) as (loopback, trust), (tmp_path / "stderr").open("w") as errors:
        command = [sys.executable, "-m", "coattail", "run", "--home", str(tmp_path / "home"), "--preset", "classic"]
        command += ["--config", str(settings(loopback, tmp_path)), "--json"]
        running = subprocess.Popen(command, env=environment(trust, []), stdout=subprocess.PIPE, stderr=errors)
        assert running.stdout is not None
        lines = running.stdout

        def read() -> None:
            for line in lines:
                said.append((time.time(), json.loads(line)))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for name, own in SYMBOLS.items():
                loopback.subscribed(name, len(own))
            ahead = loopback.ask("start")
            time.sleep(seconds)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)
            reader.join()
            running.stdout.close()
    ended = time.time()
    first, final = shown(said, "provisional", ahead), shown(said, "final", ahead)
    early = [first[name] for name in first]
    done = [delay - lateness for name, delay in final.items()]
    engine = [line for _, line in said if line.get("part") == "engine" and line.get("event") == "state"]
    sent = max(line["landed"] for line in engine)
    assert len(done) >= seconds // 4, f"{len(done)} alerts, {(tmp_path / 'stderr').read_text()[-1000:]}"
    p50, p99 = np.percentile(done, [50, 99])
    note = (
        f"{len(done)} alerts of orders above 100,000 dollars, trigger {TRIGGER:.0f} s, {sent / seconds:,.0f} trades/s "
        f"landed for {seconds} s, run to the end in {ended - said[0][0]:.0f} s"
    )
    what = "after it could be judged for good"
    row(
        "event to final alert, p50", p50, None, "s", None, TRIGGER / 2 + 1.5, TRIGGER / 2 + 1.0, f"{what}; {note}",
        judged="ours", less_is_better=True,
    )  # fmt: skip
    row(
        "event to final alert, p99", p99, None, "s", None, TRIGGER + 3, TRIGGER + 1.5, f"{what}; {note}",
        judged="ours", less_is_better=True,
    )  # fmt: skip
    early50, early99 = np.percentile(early, [50, 99])
    row(
        "event to provisional alert, p99", early99, None, "s", None, 3.0, 2.5,
        f"after the order; p50 {early50:.2f} s, the longest {max(early):.2f} s; {note}",
        judged="ours", less_is_better=True,
    )  # fmt: skip


def shown(said: list[tuple[float, dict[str, Any]]], status: str, ahead: float) -> dict[str, float]:
    """Whale alert -> seconds between its event and the first time it was shown with this status.

    ahead: Seconds by which the wall clock is ahead of the market's.
    """
    found: dict[str, float] = {}
    for at, line in said:
        if line.get("event") == "alert" and line["alert_type"] == "whale_trade" and line["status"] == status:
            event = datetime.fromisoformat(line["detected_at"]).timestamp() + ahead
            found.setdefault(line["alert_id"], at - event)
    return found
