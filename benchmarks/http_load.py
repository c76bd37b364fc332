"""Requests over HTTP at a steady rate, whether answers come or not; a wait is counted from when a request was due."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 64


@dataclass(frozen=True)
class Waits:
    """How long each request took, in ms, and how many failed."""

    ms: Sequence[float]
    failed: int
    seconds: float

    def percentile(self, share: float) -> float:
        """So many percent took no longer."""
        return sorted(self.ms)[min(len(self.ms) - 1, int(len(self.ms) * share / 100))]

    def words(self) -> str:
        """In a line."""
        middle = statistics.median(self.ms)
        return f"p50 {middle:.2f}, p99 {self.percentile(99):.2f}, worst {max(self.ms):.1f} ms of {len(self.ms):,}"


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def load(port: int, path: str, rate: float, seconds: float) -> Waits:
    """Ask for `path` `rate` times a second, over at most `CONNECTIONS` that stay open."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()  # none is idle for long
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
    waits: list[float] = []
    failed = 0

    async def one(due: float) -> None:
        nonlocal failed
        connection = await free.get()
        status = await _get(*connection, request)
        waits.append((time.perf_counter() - due) * 1e3)
        failed += status != 200
        free.put_nowait(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            tasks.create_task(one(due))
    took = time.perf_counter() - began
    while not free.empty():
        free.get_nowait()[1].close()
    return Waits(waits, failed, took)
