"""The pinned AWS emulator in a process of its own on loopback: a second witness beside our own models of services."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec

INSTALLED = all(find_spec(name) is not None for name in ("ministack", "hypercorn", "boto3"))

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Environment in which boto3 signs with a made-up key, and asks nobody else for one."""


@contextlib.contextmanager
def emulator(*, calls_back: bool = False, **more: str) -> Iterator[str]:
    """The address of an emulator that ends with the block; every service of it begins empty.

    calls_back: Whether functions that it runs ask it things, so that it has to know its port before it begins.
    more: Its own settings; `AUTH="true"`: it holds permissions, and the key of CREDENTIALS is that of its root.
    """
    port = _free_port() if calls_back else 0
    command = [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", f"127.0.0.1:{port}"]
    settings = {"BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "GATEWAY_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    settings |= more
    with subprocess.Popen(
        command,
        env={**os.environ, **CREDENTIALS, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise RuntimeError("the emulator has not started: " + "".join(said))
            rest = threading.Thread(target=process.stdout.read)
            rest.start()
            yield found[1]
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # a polite end waits for connections; there is nothing to save
            process.wait(timeout=20)
        rest.join()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
