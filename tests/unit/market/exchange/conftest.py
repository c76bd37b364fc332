"""Exchanges that are open while a test lasts, and plain clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from coattail.market import Market
from coattail.market.exchange import Served, ServedVenue, serving


@pytest.fixture
def served() -> Iterator[Served]:
    """The default market, released by hand."""
    with serving(Market(seed=7)) as exchanges:
        yield exchanges


@pytest.fixture
def listen() -> Iterator[Callable[..., ClientConnection]]:
    """Opens a WebSocket of an exchange, closed when the test ends."""
    with ExitStack() as opened:

        def go(venue: ServedVenue, path: str = "", **options: Any) -> ClientConnection:
            options = {"compression": None, **options}
            return opened.enter_context(connect(venue.websocket_url + path, proxy=None, **options))

        yield go


@pytest.fixture(scope="session")
def ask() -> Iterator[Callable[..., httpx.Response]]:
    """One plain request."""
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as client:

        def go(venue: ServedVenue, path: str, **options: Any) -> httpx.Response:
            return client.get(venue.rest_url + path, **options)

        yield go
