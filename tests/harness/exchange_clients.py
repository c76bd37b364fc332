"""Plain clients of an exchange on loopback: what they say, and what they hear."""

from __future__ import annotations

import json
from typing import Any

from websockets.sync.client import ClientConnection

Heard = dict[str, Any]


def heard(client: ClientConnection, count: int) -> list[Heard]:
    """The next messages."""
    return [json.loads(client.recv(timeout=5)) for _ in range(count)]


def say(client: ClientConnection, message: object) -> None:
    """Send a message."""
    client.send(json.dumps(message))
