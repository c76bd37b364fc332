"""What happened to a connection, in words that a person can use."""

from __future__ import annotations

import errno
import socket

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from coattail.connectors import CONNECTORS
from coattail.connectors.listening import AGAIN_MOST, Listener
from coattail.connectors.reading import words


def refused(status: int, **headers: str) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers(headers), b""))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionClosedError(None, None), "the connection was lost"),
        (ConnectionClosedError(Close(1001, "bye"), None), "the exchange closed the connection with code 1001 (bye)"),
        (ConnectionClosedError(None, Close(1011, "keepalive ping timeout")), "the exchange did not answer a ping"),
        (ConnectionClosedError(None, Close(1002, "bad opcode")), "the exchange sent a broken frame (bad opcode)"),
        (refused(451), "the exchange answered 451 instead of opening the feed"),
        (InvalidMessage("no HTTP"), "does not speak WebSocket: check websocket_host"),
        (socket.gaierror(-2, "Name or service not known"), "check the network and the name"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "Connection refused"),
        (TimeoutError(), "did not answer in time"),
    ],
)
def test_an_error_is_said_in_words(error: Exception, said: str) -> None:
    assert said in words(error)


def test_where_an_exchange_refuses_a_country_the_other_address_is_named() -> None:
    assert "exchanges.binance.websocket_host" in Listener(CONNECTORS["binance"]())._next_step(refused(451))
    assert Listener(CONNECTORS["coinbase"]())._next_step(refused(451)) == ""


def test_waits_grow_to_a_few_seconds_and_what_an_exchange_asks_for_is_heeded() -> None:
    wait, waits = 0.0, []
    for _ in range(12):
        wait = Listener._wait(OSError(), wait)
        waits.append(wait)
    assert max(waits) <= AGAIN_MOST
    assert waits[0] < 0.3
    assert 17 < Listener._wait(refused(429, **{"Retry-After": "17"}), 0.0) <= 18
