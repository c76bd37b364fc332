"""Frames that are cut out here say the same as those that `websockets` parses, wherever the bytes are cut."""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple, cast

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from coattail.connectors.frames import FeedConnection

LONGEST = 200_000


class Heard(NamedTuple):
    """What came of some bytes."""

    messages: list[bytes]
    answers: bytes
    """What the connection sent."""
    closed: int | None
    """With which code it ended, if it did."""


class _Line:
    """As much of a transport as a connection uses."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int, low: int | None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    resume_reading = close = pause_reading

    def can_write_eof(self) -> bool:
        return False


def text(payload: bytes, fin: bool = True, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=False)


async def heard(kind: type[ClientConnection], parts: list[bytes], cuts: random.Random, *, deflate: bool) -> Heard:
    """Shake hands, then hear the parts, which come in pieces."""
    factories = [ClientPerMessageDeflateFactory()] if deflate else None
    client = ClientProtocol(parse_uri("ws://loopback/"), max_size=LONGEST, extensions=factories)
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
    line = _Line()
    connection = kind(client, max_queue=None)
    connection.connection_made(cast(asyncio.Transport, line))
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    [request] = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    hello = b"".join(server.data_to_send())
    assert bool(server.extensions) == deflate
    if deflate:
        for part in parts:
            server.send_text(part)
        parts = server.data_to_send()
    data = hello + b"".join(parts)
    messages: list[bytes] = []
    if isinstance(connection, FeedConnection):
        connection.take = messages.extend
    while data:
        size = cuts.choice((1, 2, 3, 7, 100, 5_000, 300_000))
        connection.data_received(data[:size])
        data = data[size:]
        try:
            while True:
                messages.append(await asyncio.wait_for(connection.recv(decode=False), 0.001))
        except TimeoutError:
            continue
        except ConnectionClosed:
            break
    await asyncio.sleep(0)
    closed = client.close_sent.code if client.close_sent else None
    return Heard(messages, line.sent[:2], closed)


def both(parts: list[bytes], seed: int = 0, *, deflate: bool = False) -> tuple[Heard, Heard]:
    """(what is heard here, what the library hears)"""
    ours, library = (
        asyncio.run(heard(kind, parts, random.Random(seed), deflate=deflate))
        for kind in (FeedConnection, ClientConnection)
    )
    return ours, library


FRAMES = [
    text(b""), text(b"a" * 125), text(b"b" * 126), text(b"c" * 65_535), text(b"d" * 65_536), text(b'{"e":"trade"}'),
    text(b"x" * 170), text(b"half", fin=False) + text(b"", opcode=Opcode.PONG) + text(b"s", opcode=Opcode.CONT),
    text(b"bytes", opcode=Opcode.BINARY), text(b"", opcode=Opcode.PONG),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_every_message_is_heard_once_wherever_the_bytes_are_cut(seed: int) -> None:
    chosen = random.Random(seed)
    ours, library = both([chosen.choice(FRAMES) for _ in range(60)], seed)
    assert sorted(ours.messages) == sorted(library.messages) != []
    assert ours.closed is library.closed is None


def test_plain_messages_keep_their_order() -> None:
    ours, library = both([text(b"%d" % number) for number in range(1_000)])
    assert ours.messages == library.messages == [b"%d" % number for number in range(1_000)]


def test_a_ping_amid_messages_is_answered() -> None:
    ours, library = both([text(b"1"), text(b"now", opcode=Opcode.PING), text(b"2")])
    assert ours.messages == library.messages == [b"1", b"2"]
    assert ours.answers == library.answers == b"\x8a\x83"


@pytest.mark.parametrize("seed", range(3))
def test_where_compression_was_agreed_on_the_library_inflates(seed: int) -> None:
    said = [b"price " * number for number in range(60)]
    ours, library = both(said, seed, deflate=True)
    assert ours.messages == library.messages == said


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"\xc1\x01x", 1002),  # a reserved bit
        (b"\x81\x81abcdx", 1002),  # masked
        (b"\x83\x01x", 1002),  # no such opcode
        (text(b"part", fin=False) + text(b"another"), 1002),  # a message amid a message
        (text(b"half", fin=False) + text(b"x" * LONGEST, opcode=Opcode.CONT), 1009),
        (b"\x81\x7f" + (LONGEST + 1).to_bytes(8, "big"), 1009),
        (text(b"\x03\xe9", opcode=Opcode.CLOSE), 1001),  # in order
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_wrong_is_said_by_the_library_and_nothing_before_it_is_lost(
    broken: bytes, code: int, seed: int
) -> None:
    ours, library = both([text(b"1"), text(b"2"), broken], seed)
    assert ours.messages == library.messages == [b"1", b"2"]
    assert ours.closed == library.closed == code
