"""The producer's event loop waits a moment where much comes, and not where nothing does."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from coattail.producer import gathering
from coattail.producer.gathering import GATHER_SECONDS, gathering_loop


class _Reads(asyncio.Protocol):
    """What was read, by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)


def test_what_comes_often_is_read_in_few_pieces_and_whole() -> None:
    ours, theirs = socket.socketpair()
    sent = [b"%04d" % number for number in range(300)]

    def send() -> None:
        for piece in sent:
            theirs.sendall(piece)
            time.sleep(GATHER_SECONDS / 20)
        theirs.close()

    async def read() -> tuple[list[bytes], float]:
        transport, reads = await asyncio.get_running_loop().create_connection(_Reads, sock=ours)
        began = time.monotonic()
        await asyncio.to_thread(send)
        while b"".join(reads.pieces) != b"".join(sent):
            await asyncio.sleep(0)
        transport.close()
        return reads.pieces, time.monotonic() - began

    with asyncio.Runner(loop_factory=gathering_loop) as runner:
        pieces, seconds = runner.run(read())
    assert 1 < len(pieces) <= seconds / GATHER_SECONDS + 3


def test_what_is_due_or_was_quiet_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(gathering.time, "sleep", waited.append)

    async def go_on() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        await asyncio.sleep(2 * GATHER_SECONDS)
        waited.clear()
        await asyncio.sleep(2 * GATHER_SECONDS)

    with asyncio.Runner(loop_factory=gathering_loop) as runner:
        runner.run(go_on())
        assert sum(waited) <= GATHER_SECONDS
