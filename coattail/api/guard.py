"""What every request passes before a handler sees it, and every answer on its way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coattail.api.buckets import Buckets
from coattail.api.refusal import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_METHODS = "GET, HEAD, OPTIONS"
_LONGEST_URL, _MOST_HEADERS, _LONGEST_HEADERS = 8_192, 64, 16_384
"""Characters of path and query; headers; bytes of these. What needs more asks for nothing that is here."""
_ANSWERED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Retry-After",
    "Vary": "Accept-Encoding",
}
"""Any page may read what is here, without credentials: it is of public trades. An answer may set its own instead."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Whom the API answers, and how often.

    hosts: Names in the header Host, besides those of the loopback interface, that requests may come by: what a page
        elsewhere sends, whose name was made to mean this machine, is refused. `*`: any.
    buckets: How many requests a client may make; None: any number.
    """

    hosts: Collection[str] = ()
    buckets: Buckets | None = None


class Guard:
    """Refuses what no handler should see, answers HEAD and OPTIONS, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._hosts = {host.lower().strip("[]") for host in (*LOOPBACK, *access.hosts)}
        self._buckets = access.buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ANSWERED.items():
                    headers.setdefault(name, value)
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        refused = next(self._refusals(scope), None)
        if refused is not None:
            await refused.answer()(scope, receive, dressed)
        elif scope["method"] == "OPTIONS":
            await _preflight(dressed)
        else:
            await self._app({**scope, "method": "GET", "head": True} if head else scope, receive, dressed)

    def _refusals(self, scope: Scope) -> Iterator[Refusal]:
        """Why a request is refused, if it is."""
        headers = Headers(scope=scope)
        host = _name(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            step = f"ask by one of {', '.join(LOOPBACK)}, or start the server with --allow-host NAME"
            yield Refusal(400, "unknown_host", f"requests for the host {host[:80]!r} are not answered", next_step=step)
        if self._buckets is not None:
            client = scope.get("client")
            if wait := self._buckets.take(client[0] if client else ""):
                said = "this client asks too often"
                step = f"wait {wait} s; to hear of new alerts at once, read /alerts/stream"
                yield Refusal(429, "too_many_requests", said, next_step=step, retry_after=wait)
        if scope["method"] not in _METHODS:
            said, step = f"{scope['method'][:20]} is not answered here: nothing can be changed", f"use {_METHODS}"
            yield Refusal(405, "method_not_allowed", said, next_step=step, headers={"Allow": _METHODS})
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            step = "send the request without a body; what is asked for stands in the address"
            yield Refusal(413, "body", "requests with a body are not read", next_step=step,
                          headers={"Connection": "close"})  # fmt: skip
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > _LONGEST_URL:
            said = f"the address is longer than {_LONGEST_URL:,} characters"
            yield Refusal(414, "address_too_long", said, next_step="ask for less at once")
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > _LONGEST_HEADERS or len(scope["headers"]) > _MOST_HEADERS:
            said = f"the headers are more than {_MOST_HEADERS} or longer than {_LONGEST_HEADERS:,} bytes"
            yield Refusal(431, "headers_too_long", said, next_step="send fewer; none is needed but Host")


def _name(host: str) -> str:
    """The name in a header Host, without its port."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name if name.count(":") > 1 else name.partition(":")[0].removesuffix(".")


async def _preflight(send: Send) -> None:
    """What a browser asks before it lets a page of another origin read the answer."""
    allowed = {
        "Allow": _METHODS, "Access-Control-Allow-Methods": _METHODS, "Access-Control-Max-Age": "86400",
        "Access-Control-Allow-Headers": "If-None-Match, Last-Event-ID",
    }  # fmt: skip
    headers = [(name.lower().encode(), value.encode()) for name, value in allowed.items()]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
