"""A webhook: JSON posted to an address, signed as Standard Webhooks say (https://www.standardwebhooks.com)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import math
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from coattail import __version__
from coattail.markup import visible
from coattail.notify.message import Message, sample
from coattail.notify.secrets import Hidden, hidden, revealed, without
from coattail.notify.sink import AlertSink, Receipt
from coattail.notify.templates import SERVICES, Addressee, as_template, filled, refusal
from coattail.values import format_duration

if TYPE_CHECKING:
    import httpx

_LATER = frozenset({408, 425, 429})
"""Statuses below 500 that mean: not now."""
_READ_BYTES = 2_000
"""Of an answer that is not a success: enough for its reason."""
_PREFIX = "whsec_"
_EXAMPLE = sample(datetime(2026, 1, 1, tzinfo=UTC), "0" * 32).fields()


@dataclass(frozen=True, kw_only=True)
class WebhookSink(AlertSink):
    """Posts JSON. Any 2xx means delivered; 408, 425, 429, 5xx and no answer, that it is tried again.

    The header `webhook-id` (and `Idempotency-Key`) is the message's key, the same at every attempt.
    """

    kind: ClassVar[str] = "webhook"

    template: str = "generic"
    """Which service: generic, slack, discord, telegram, ntfy."""
    url: Any = None
    """Where to post, or env:NAME or file:PATH: an address that holds a token is a secret."""
    token: Any = None
    """env:NAME or file:PATH: sent as `Authorization: Bearer …`, or as the service wants it. None: none."""
    secret: Any = None
    """env:NAME or file:PATH: signs each message; `whsec_` and base64, or any text. None: unsigned."""
    chat: str | None = None
    """Telegram's chat, like "-1001234" or "@channel"; None for other services."""
    headers: Mapping[str, Any] = field(default_factory=dict)
    """Further headers; their values may be env:NAME or file:PATH."""
    body: Any = None
    """JSON of your own in place of the service's: each `{field}` in its texts is replaced. None: the service's."""
    secrets: list[Hidden] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.template not in SERVICES:
            raise self.mistake("template", f"{self.template!r} is unknown", f"known: {', '.join(SERVICES)}")
        service = SERVICES[self.template]
        for key in service.needs:
            if getattr(self, key) is None:
                raise self.mistake(key, "is missing", f"{self.template} needs it (docs/NOTIFY.md has an example)")
        self._set("url", hidden(self.url or service.url, self.at("url"), literal=True))
        for key in ("token", "secret"):
            if getattr(self, key) is not None:
                self._set(key, hidden(getattr(self, key), self.at(key)))
        self._set("headers", {k: hidden(v, self.at(f"headers.{k}"), literal=True) for k, v in self.headers.items()})
        self._check_address()
        if self.secret is not None:
            self._key()
        if self.body is not None:
            whole = revealed(self.body, self.at("body"), self.secrets, written_as=as_template)
            self._set("body", Hidden(msgspec.json.encode(whole).decode()))
            if wrong := refusal(self._own_body(), _EXAMPLE):
                known = ", ".join(f"{{{name}}}" for name in (*_EXAMPLE, "alert"))
                raise self.mistake("body", wrong, f"put {{text}} or {{disclaimer}} into it; known: {known}")

    def _set(self, key: str, value: object) -> None:
        object.__setattr__(self, key, value)

    def _own_body(self) -> Any:
        return msgspec.json.decode(self.body.reveal())

    def _check_address(self) -> None:
        try:
            parts = urlsplit(self.url.reveal())
            sound = (
                parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            )
        except ValueError:
            sound = False
        if not sound:
            raise self.mistake("url", "is not an address", "write it like https://example.org/hook")
        if self.template == "ntfy" and not parts.path.strip("/"):
            raise self.mistake("url", "names no topic", "write it like https://ntfy.sh/my-topic")

    @property
    def goes_to(self) -> str:
        return f"{self.template} at {urlsplit(self.url.reveal()).hostname}"

    def posted(self, message: Message, now: float) -> tuple[str, bytes, dict[str, str]]:
        """The URL, the body and the headers of a message that is sent at the Unix time `now`."""
        service = SERVICES[self.template]
        token = self.token.reveal() if self.token is not None else ""
        url, said = service.post(message, Addressee(url=self.url.reveal(), token=token, chat=self.chat or ""))
        if self.body is not None:
            said = filled(self._own_body(), message)
        body = msgspec.json.encode(said)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"coattail/{__version__}",
            "Idempotency-Key": message.key,
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now)),
        }
        if token and service.bearer:
            headers["Authorization"] = f"Bearer {token}"
        if self.secret is not None:
            signed = f"{message.key}.{int(now)}.".encode() + body
            digest = hmac.new(self._key(), signed, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return url, body, {**headers, **{name: value.reveal() for name, value in self.headers.items()}}

    def _key(self) -> bytes:
        text: str = self.secret.reveal()
        if not text.startswith(_PREFIX):
            return text.encode()
        try:
            return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise self.mistake("secret", f"begins with {_PREFIX} and is not base64", "copy it again, whole") from None

    def deliver(self, message: Message) -> Receipt:
        import httpx

        url, body, headers = self.posted(message, time.time())
        limit = self.timeout.total_seconds()
        try:
            return asyncio.run(asyncio.wait_for(self._post(url, body, headers), limit))
        except (TimeoutError, httpx.TimeoutException):
            return Receipt(outcome="failed", detail=f"no answer within {format_duration(self.timeout)}")
        except (httpx.TransportError, OSError) as error:
            reason = self._without_secrets(str(error)) or type(error).__name__
            return Receipt(outcome="failed", detail=f"{urlsplit(url).hostname}: {reason}")
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            return Receipt(outcome="refused", detail=f"it cannot be sent: {self._without_secrets(str(error))}")

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Receipt:
        """The answer of the other side: from the status on, what else it says decides nothing."""
        import httpx

        own = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")  # a proxy is for what is elsewhere
        async with (
            httpx.AsyncClient(verify=_trusted(), trust_env=not own, timeout=None) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            status = response.status_code
            said = f"{status} {HTTPStatus(status).phrase}" if status in list(HTTPStatus) else str(status)
            if response.is_success:
                return Receipt(outcome="delivered", detail=said)
            text = await _beginning(response)
            words = visible(" ".join(text.decode(errors="replace").split()), most=200)
            detail = self._without_secrets(f"{said}: {words}" if words else said)
            if status in _LATER or status >= 500:
                return Receipt(outcome="failed", detail=detail, retry_after=asked_to_wait(response.headers, text))
            return Receipt(outcome="refused", detail=detail)

    def _without_secrets(self, text: str) -> str:
        return without((self.token, self.secret, *self.secrets, *self.headers.values(), self.url), text)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read once: that takes longer than a delivery."""
    import httpx

    return httpx.create_ssl_context()


async def _beginning(response: httpx.Response) -> bytes:
    """The first bytes of an answer, as many as come."""
    import httpx

    text = b""
    with suppress(httpx.TransportError, httpx.DecodingError):  # if it is cut off: the status is known, and decides
        async for piece in response.aiter_bytes():
            text += piece
            if len(text) >= _READ_BYTES:
                break
    return text[:_READ_BYTES]


def asked_to_wait(
    headers: Mapping[str, str], text: bytes, *, clock: Callable[[], float] = time.time
) -> timedelta | None:
    """How long an answer asks to be left alone: Retry-After in seconds or as a date, or `retry_after` in its JSON."""
    given = headers.get("retry-after", "")
    seconds = _number(given)
    if seconds is None and given:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - clock()
        except ValueError:
            seconds = None
    if seconds is None:
        try:
            said = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        inner = said.get("parameters", said) if isinstance(said, dict) else None  # Telegram's, Discord's
        seconds = _number(inner.get("retry_after")) if isinstance(inner, dict) else None
    return None if seconds is None else timedelta(seconds=min(max(0.0, seconds), 86_400.0))


def _number(given: object) -> float | None:
    try:
        seconds = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None
