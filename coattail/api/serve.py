"""uvicorn around the application: one process, one port, until somebody stops it."""

from __future__ import annotations

import asyncio
import errno
import http.client
import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import msgspec
from fastapi import FastAPI

from coattail.errors import UsageError

PORT = 8484
_TRIED = 50
"""Ports after one that is in use among which a free one is looked for."""
_ANSWERS_WITHIN = 1.0
"""Seconds that whoever holds a port has to say who it is."""
_UNREAD = 30_000
"""Milliseconds after which a client that takes nothing of what was sent to it is given up, where the system can."""
_MOST_CONNECTIONS = 1_000
_LONGEST_HEAD = 32_768
"""Bytes of a request before its body; the guard refuses less in words."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0: a free one.

    Raises: UsageError: If the port is in use, by whom, and which one is free; or the host is none of this machine's.
    """
    try:
        return _bound(host, port)
    except OverflowError:
        raise UsageError(f"--port is {port}", next_step="give a number from 1 to 65535, or 0 for a free one") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = next((near for near in range(port + 1, min(port + _TRIED, 65_535)) if _is_free(host, near)), 0)
            said = f"port {port} of {host} is in use by {_holder(host, port)}"
            raise UsageError(said, next_step=f"--port {free} is free" if free else "give --port 0") from error
        if error.errno == errno.EACCES:
            said = f"port {port} of {host} may not be used: those below 1024 are the system's"
            raise UsageError(said, next_step=f"give --port {PORT}") from error
        raise UsageError(
            f"cannot listen at {host}, port {port} ({error.strerror or error})",
            next_step="give an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them",
        ) from error


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD)  # connections inherit it
        made.bind(address)
        made.listen(socket.SOMAXCONN)
    except BaseException:
        made.close()
        raise
    return made


def _is_free(host: str, port: int) -> bool:
    with suppress(OSError):
        _bound(host, port).close()
        return True
    return False


def _holder(host: str, port: int) -> str:
    """Who answers at a port."""
    connection = http.client.HTTPConnection(_reached(host), port, timeout=_ANSWERS_WITHIN)
    try:
        connection.request("GET", "/health")
        body = connection.getresponse().read(65_536)
    except http.client.HTTPException:
        return "a program that does not speak HTTP"
    except OSError:
        return "a program that says nothing"
    finally:
        connection.close()
    with suppress(msgspec.DecodeError):
        said = msgspec.json.decode(body)
        if isinstance(said, dict) and {"status", "engine", "version"} <= said.keys():
            return f"another coattail {said['version']} that serves, its engine {said['engine'].get('state')}"
    return "another web server"


def _reached(host: str) -> str:
    """An address by which this machine reaches what listens at `host`."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            return "::1" if address.version == 6 else "127.0.0.1"
    return host


def address_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listening.getsockname()[:2]
    reached = _reached(host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def serve(
    app: FastAPI, listening: socket.socket, *, stop: threading.Event, ready: Callable[[], None] = lambda: None
) -> None:
    """Answer until `stop` is set, or SIGINT or SIGTERM comes in the main thread; whoever is being answered gets the
    rest.

    listening: From `listen`; it is closed at the end. ready: Called once the first request can come.
    """
    import uvicorn

    config = uvicorn.Config(
        app, http="h11", loop="asyncio", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, limit_concurrency=_MOST_CONNECTIONS, h11_max_incomplete_event_size=_LONGEST_HEAD,
        timeout_graceful_shutdown=3,
    )  # fmt: skip
    server = uvicorn.Server(config)

    async def watch() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        ready()
        while not (stop.is_set() or server.should_exit):
            await asyncio.sleep(0.05)
        server.should_exit = True
        app.state.hub.close()

    async def both() -> None:
        watching = asyncio.create_task(watch())
        try:
            await server.serve(sockets=[listening])
        finally:
            watching.cancel()

    try:
        asyncio.run(both())
    finally:
        app.state.source.close()
        listening.close()
