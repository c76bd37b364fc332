"""The emulation from its start to its end: ministack and the front in this process, on one port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from coattail.aws.emulate import KEY, REGION
from coattail.aws.emulate.front import WHO
from coattail.errors import ConfigError, UsageError

_GRACE_SECONDS = 1.0
"""For connections that are open at the end."""
_KEPT_SECONDS = 75
"""A connection may rest: longer than clients keep theirs."""


def serve(port: int, data: Path | None, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; main thread only.

    port: 0: any that is free. data: Folder in which state is kept over an end; None: it is gone. ready: Called in a
    thread of its own with the address, once everything answers; what it raises ends the emulation and is raised here.

    Raises: ConfigError: If the extra `emulate` is not installed. UsageError: If the port is taken.
    """
    if any(find_spec(name) is None for name in ("ministack", "hypercorn", "boto3", "pyathena")):
        raise ConfigError(
            "the emulation of AWS is not installed", next_step="install the extra: pip install 'coattail[emulate]'"
        )
    with _listening(port) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        _environment(endpoint, data)
        asyncio.run(_serving(listener, endpoint, ready))


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(100)
    except OSError as error:
        listener.close()
        there = f"http://127.0.0.1:{port}"
        if _is_ours(there):
            raise UsageError(
                f"an emulation runs at {there} already", next_step="use that one, or give another --port"
            ) from error
        step = "give another one: --port 4567, or 0 for any"
        raise UsageError(f"port {port} cannot be used ({error.strerror})", next_step=step) from error
    return listener


def _is_ours(endpoint: str) -> bool:
    with suppress(OSError, ValueError), urllib.request.urlopen(endpoint + WHO, timeout=2) as answer:
        return "coattail" in json.loads(answer.read())
    return False


def _environment(endpoint: str, data: Path | None) -> None:
    """What ministack reads when it is imported, and what jobs find."""
    port = endpoint.rpartition(":")[2]
    kept = {} if data is None else _kept_in(data.absolute())
    os.environ.update(
        BIND_HOST="127.0.0.1", GATEWAY_PORT=port, MINISTACK_REGION=REGION, IOT_MTLS_ENABLED="0", SFTP_ENABLED="0",
        LOG_LEVEL="ERROR", AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=KEY, AWS_DEFAULT_REGION=REGION,
        AWS_ENDPOINT_URL=endpoint, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull, **kept,
    )  # fmt: skip
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)


def _kept_in(folder: Path) -> dict[str, str]:
    try:
        (folder / "s3").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--data {folder} cannot be used ({error.strerror})", next_step="give a folder that may be written"
        ) from error
    return {
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
    }


async def _serving(listener: socket.socket, endpoint: str, ready: Callable[[str], None]) -> None:
    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config
    from ministack.app import app as ministack

    from coattail.aws.emulate.athena import EmulatedAthena
    from coattail.aws.emulate.emr import EmulatedJobs
    from coattail.aws.emulate.front import EmulationFront
    from coattail.aws.emulate.steps import let_steps_run_jobs

    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    listener.close()  # so that at the end whoever asks is refused, and does not wait
    config.loglevel, config.graceful_timeout, config.keep_alive_timeout = "ERROR", _GRACE_SECONDS, _KEPT_SECONDS
    config.shutdown_timeout = 10
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            ready(endpoint)
        except BaseException as error:
            failed.append(error)
            loop.call_soon_threadsafe(ended.set)

    athena, jobs = EmulatedAthena(endpoint), EmulatedJobs(endpoint)
    let_steps_run_jobs(jobs.model)
    beginning = threading.Thread(target=begin, name="emulation's place", daemon=True)
    beginning.start()
    try:
        await hypercorn(EmulationFront(ministack, athena, jobs.model), config, shutdown_trigger=ended.wait)  # type: ignore[arg-type]
    finally:
        jobs.close()
        athena.close()
    if failed:
        raise failed[0]
