"""An application asked in process: no socket, no thread, no client library."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    raw: bytes
    """The body as it was sent."""

    @property
    def body(self) -> bytes:
        """The body, decompressed."""
        return gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def request_scope(
    address: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, client: str = "127.0.0.1"
) -> dict[str, Any]:
    """The scope of a request as a server makes it."""
    path, _, query = address.partition("?")
    named = {"host": "localhost", **{name.lower(): value for name, value in (headers or {}).items()}}
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in named.items()],
        "client": (client, 5), "server": ("localhost", 80), "state": {},
    }  # fmt: skip


async def asked(app: ASGIApp, address: str, **given: Any) -> Answer:
    """The answer of an application to a request; see `request_scope`."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(request_scope(address, **given), receive, send)
    start = sent[0]
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def ask(app: ASGIApp, address: str, **given: Any) -> Answer:
    """The same outside of a loop."""
    return asyncio.run(asked(app, address, **given))


@contextmanager
def looped() -> Iterator[None]:
    """Mangum takes the thread's loop as it is made, or makes one, which on Lambda lives as long as the process."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()
