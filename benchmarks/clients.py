"""Clients of the exchange on loopback as processes: how they are started, told what to count, and measured."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = Path(__file__).parent / "strangers"


def environment(trust: Path, counts: Sequence[int]) -> dict[str, str]:
    """Variables of a client that trusts the exchange and says when it has heard a number of trades."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return inherited | {
        "SSL_CERT_FILE": str(trust),
        "REQUESTS_CA_BUNDLE": str(trust),
        "COATTAIL_COUNTS": ",".join(map(str, counts)),
        "PYTHONPATH": str(SCRIPTS.parents[1]),
    }


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """User and system time of a process so far, all its threads together; Linux's clock of another process."""
    return time.clock_gettime((~process.pid << 3) | 2)


def wait_for(client: subprocess.Popen[bytes], count: int, folder: Path) -> None:
    """Wait until a client has heard that many trades.

    Raises: AssertionError: If it ends before, or has not after two minutes.
    """
    assert client.stdout is not None
    patience = threading.Timer(120.0, client.kill)
    patience.start()
    try:
        for line in client.stdout:
            if line.strip() == b"heard %d" % count:
                return
    finally:
        patience.cancel()
    raise AssertionError(f"it ended before it heard {count}: {(folder / 'stderr').read_text()[-2000:]}")
