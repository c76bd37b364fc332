"""Plain requests and their answers, as far as an exchange's public REST routes need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

_KNOWN = {status.value for status in HTTPStatus}


@dataclass(frozen=True)
class PlainRequest:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""


@dataclass(frozen=True)
class PlainAnswer:
    """One answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def said(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> PlainAnswer:
    """An answer in JSON."""
    typed = {"content-type": "application/json;charset=UTF-8", **(headers or {})}
    return PlainAnswer(status, msgspec.json.encode(value), typed)


def request_of(target: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> PlainRequest:
    """The request for a target like `/api/v3/time?x=1`."""
    parts = urlsplit(target)
    return PlainRequest(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers or {})


class HttpConversation:
    """The server's side of one HTTP/1.1 connection, without I/O: bytes in, requests out; answers in, bytes out."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)

    def hear(self, data: bytes) -> list[PlainRequest]:
        """Take what came; returns the requests that are complete and not yet answered (at most one).

        Raises: h11.RemoteProtocolError: If it is not HTTP.
        """
        self._http.receive_data(data)
        return self._next()

    def _next(self) -> list[PlainRequest]:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                self._heard = request_of(event.target.decode("latin-1"), event.method.decode(), headers)
            elif isinstance(event, h11.EndOfMessage):
                return [self._heard]
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return []

    def answer(self, response: PlainAnswer) -> bytes:
        """The bytes of an answer to the request just heard."""
        headers = {**response.headers, "content-length": str(len(response.body))}
        reason = HTTPStatus(response.status).phrase if response.status in _KNOWN else "Unknown"
        head = h11.Response(status_code=response.status, headers=list(headers.items()), reason=reason.encode())
        parts = [self._http.send(head)]
        if response.body:
            parts.append(self._http.send(h11.Data(data=response.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)

    def more(self) -> tuple[list[PlainRequest], bool]:
        """(requests that had come already, whether the connection stays open) after an answer."""
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is h11.MUST_CLOSE:
            return [], False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return self._next(), True
        return [], True
