"""Which service a request is for: ours are answered here, everything else passes to ministack, byte for byte.

A page in a browser is refused: ministack lets every page in, and its Lambda runs code on this machine.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from coattail import __version__
from coattail.aws.emulate import REGION
from coattail.aws.emulate.athena import EmulatedAthena
from coattail.aws.emulate.formation import Formation
from coattail.jobs.emr_applications import LABEL
from coattail.jobs.emr_model import EmrModel, is_signed, unsigned
from coattail.service_url import is_loopback

AsgiMessage = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[AsgiMessage]]
AsgiSend = Callable[[AsgiMessage], Awaitable[None]]
AsgiApplication = Callable[[AsgiMessage, AsgiReceive, AsgiSend], Awaitable[None]]
Replied = tuple[int, dict[str, str], bytes]

WHO = "/_coattail"
"""Path of the question who answers here."""
_SIGNED_FOR = re.compile(r"Credential=([^/,]+)/[^/]+/([^/]+)/([^/]+)/")


class EmulationFront:
    """An ASGI application before another one. inner: ministack's."""

    def __init__(self, inner: AsgiApplication, athena: EmulatedAthena, emr: EmrModel) -> None:
        self._inner, self._athena, self._emr = inner, athena, emr
        self._formation = Formation()

    async def __call__(self, scope: AsgiMessage, receive: AsgiReceive, send: AsgiSend) -> None:
        """Replied, or let it pass."""
        if scope["type"] == "lifespan":
            return await self._inner(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if "origin" in headers or not is_loopback(f"//{headers.get('host', '')}"):
            if scope["type"] == "http":
                said = json.dumps({"message": f"pages in a browser are refused ({LABEL})"}).encode()
                await _send(send, (403, {"Content-Type": "application/json"}, said))
            return None
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        answering = self._answering(scope, headers)
        if answering is None:
            return await self._inner(scope, receive, send)
        body = await _body(receive)
        return await _send(send, await asyncio.to_thread(answering, body))

    def _answering(self, scope: AsgiMessage, headers: dict[str, str]) -> Callable[[bytes], Replied] | None:
        """What answers a request, given its body; None: not ours."""
        path, method, query = scope["path"], scope["method"], scope["query_string"].decode("latin-1")
        if path == WHO:
            return lambda _: (200, {"Content-Type": "application/json"}, who())
        authorization = headers.get("authorization", "")
        found = _SIGNED_FOR.search(authorization)
        key, region, service = found.groups() if found else ("", REGION, "")
        target = headers.get("x-amz-target", "")
        if self._athena.knows(target):
            return lambda body: self._athena.answer(target, body, (key, region)) if key else unsigned()
        if service == "lakeformation":
            return lambda body: self._formation.answer(path, body)
        if service == "emr-serverless" and is_signed(authorization):
            return lambda body: self._emr.answer(method, path, query, body)
        return None


def who() -> bytes:
    """What answers here, as JSON."""
    return json.dumps({"coattail": __version__, "what": LABEL}).encode()


async def _body(receive: AsgiReceive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: AsgiSend, answer: Replied) -> None:
    status, headers, content = answer
    pairs = {**headers, "Content-Length": str(len(content))}
    packed = [(name.lower().encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": packed})
    await send({"type": "http.response.body", "body": content})
