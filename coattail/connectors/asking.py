"""The shared shell around every `History`: requests over HTTP, within the limits of the host, until there is an answer.

All that ask one host from this process share its budget. Whoever waits can be cancelled at any moment.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import httpx

from coattail import __version__
from coattail.connectors.history import (
    Ask,
    AskFailed,
    Blocked,
    History,
    Limits,
    Search,
    Unreachable,
    WrongAnswer,
    shown,
)
from coattail.values import format_duration

T = TypeVar("T")

log = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
"""A request takes at most this long: a page has 200 kB, and a host that drips it out is not an answer."""

PATIENCE = timedelta(minutes=2)
"""Longer than an exchange's limit takes to renew, and than most restarts of an exchange."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 30.0
_LESS, _LEAST, _MORE = 0.7, 0.1, 0.01
"""What a refusal leaves of the share of a limit that is used, but for a least, and what each answer gives back."""
_WRONG_ANSWERS = 3
"""How often an answer may be wrong before it counts."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Budget:
    """What one host still allows from this address: no more than its limit in any stretch of its length."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._asked: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._closed_until = 0.0
        self._part = 1.0
        """Of the limit, what seems to be granted: others may ask from this address too."""
        self._lock = threading.Lock()

    def wait(self, weight: int, now: float, share: float = 1.0) -> float:
        """Seconds until this much may be asked; 0 means it may be, and has been counted.

        `now` and all times here are seconds of one clock. `share` is the part of the limit that the caller may fill.
        """
        with self._lock:
            while self._asked and self._asked[0][0] <= now - self.limits.seconds:
                self._sum -= self._asked.popleft()[1]
            if now < self._closed_until:
                return self._closed_until - now
            allowed = max(int(self.limits.weight * share * self._part), weight)
            if self._sum + weight <= allowed or not self._asked:
                self._asked.append((now, weight))
                self._sum += weight
                return 0.0
            over = self._sum + weight - allowed
            for at, asked in self._asked:
                over -= asked
                if over <= 0:
                    return max(at + self.limits.seconds - now, 1e-3)
            return self.limits.seconds

    def close(self, until: float) -> None:
        """Nobody asks before then, and then less often: the host said so."""
        with self._lock:
            self._closed_until = max(self._closed_until, until)
            self._part = max(self._part * _LESS, _LEAST)

    def granted(self) -> None:
        """The host has answered: it may be asked a little more often again."""
        with self._lock:
            self._part = min(self._part + _MORE, 1.0)

    def heard(self, used: int, now: float) -> None:
        """The host counts this much as used: others ask from this address, too."""
        with self._lock:
            if used > self._sum:
                self._asked.append((now, used - self._sum))
                self._sum = used


_budgets: dict[str, Budget] = {}


def budget_of(host: str, limits: Limits) -> Budget:
    """The budget of a host, shared by this process."""
    return _budgets.setdefault(urlsplit(host).netloc, Budget(limits))


class Asker:
    """Asks hosts, patiently. An async context manager.

    patience: How long one question is asked again while there is no answer; then it fails.
    share: The part of a host's limit that is used, from 0 to 1. Below 1 some is left for others: a live feed that has
    to refill, beside a long backfill.
    on_trouble: Called with one sentence when questions have to be asked again.
    transport: What carries requests, in tests; None means the network.
    """

    def __init__(
        self,
        *,
        patience: timedelta = PATIENCE,
        share: float = 1.0,
        on_trouble: Callable[[str], None] = log.warning,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.asked = 0
        """Requests sent."""
        self._patience, self._share, self._on_trouble = patience.total_seconds(), share, on_trouble
        self._transport, self._clock, self._wall, self._sleep = transport, clock, wall, sleep
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._told = ""
        self._answered: set[str] = set()
        """Hosts that have answered, whatever it was."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def search(self, host: str, history: History, search: Search[T]) -> T:
        """What the search returns.

        Raises: AskFailed: As `ask` does.
        """
        try:
            ask = next(search)
            while True:
                ask = search.send(await self.ask(host, history, ask, lambda body, _: body))
        except StopIteration as found:
            result: T = found.value
            return result

    async def ask(self, host: str, history: History, ask: Ask, read: Callable[[bytes, int], T]) -> T:
        """What `read` makes of the body of the answer and the time at which it came (µs since 1970 UTC).

        Raises:
            Unreachable: If there is no answer in time, with the likeliest cause.
            Blocked: If the host refuses this address.
            WrongAnswer: If `read` raises it again and again.
            AskFailed: If the exchange refuses the question, as its `refusal` says.
        """
        began, pause, wrong = self._clock(), _FIRST_PAUSE_SECONDS, 0
        while True:
            await self._turn(host, history.limits, ask.weight)
            try:
                response = await self._get(host, ask.path)
                failure: AskFailed | None = self._refusal(host, history, response)
                if failure is None:
                    return read(response.content, int(self._wall() * 1e6))
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # TimeoutError is an OSError
                failure = _unreachable(host, error)
                if host not in self._answered and _is_unknown_name(error):
                    raise failure from error
            except WrongAnswer as error:
                wrong += 1
                failure = WrongAnswer(f"{host} answered wrongly: {error.message}", next_step=error.next_step)
                if wrong >= _WRONG_ANSWERS:
                    raise failure from error
            if self._clock() - began + pause > self._patience:
                raise failure
            self._tell(f"{failure.message}; asking again")
            if not isinstance(failure, Blocked):  # else the host's budget says how long
                await self._sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _tell(self, trouble: str) -> None:
        """Once, however many questions and attempts meet with it in a row."""
        if trouble != self._told:
            self._told = trouble
            self._on_trouble(trouble)

    async def _turn(self, host: str, limits: Limits, weight: int) -> None:
        """Wait until the host's budget allows it.

        Raises: Blocked: If the host has closed for longer than is waited.
        """
        budget = budget_of(host, limits)
        while (wait := budget.wait(weight, self._clock(), self._share)) > 0:
            if wait > max(self._patience, limits.seconds):
                raise Blocked.a_while(
                    f"{host} lets nobody ask from this address for another {format_duration(_whole(wait))}",
                    wait,
                    next_step="go on then; what has been fetched is kept",
                )
            await self._sleep(wait)

    async def _get(self, host: str, path: str) -> httpx.Response:
        client = self._clients.get(host)
        if client is None:
            client = self._clients[host] = self._client(host)
        self.asked += 1
        async with asyncio.timeout(REQUEST_SECONDS):
            return await client.get(host + path)

    def _client(self, host: str) -> httpx.AsyncClient:
        """A client that goes to this machine directly, whatever proxy the environment names."""
        parts = urlsplit(host)
        own, safe = parts.hostname in _LOOPBACK, parts.scheme == "https"
        return httpx.AsyncClient(
            headers={"User-Agent": f"coattail/{__version__}"},
            timeout=httpx.Timeout(REQUEST_SECONDS, connect=10.0),
            trust_env=not own,
            verify=ssl.create_default_context() if own and safe else safe,  # without TLS, no list of authorities
            transport=self._transport,
        )

    def _refusal(self, host: str, history: History, response: httpx.Response) -> AskFailed | None:
        """None for an answer; an error that passes. An error that stays is raised."""
        budget, status, now = budget_of(host, history.limits), response.status_code, self._clock()
        self._answered.add(host)
        used = response.headers.get(history.limits.used_header or "", "")
        if used.isdigit():
            budget.heard(int(used), now)
        if status == 200:
            budget.granted()
            return None
        if status in (418, 429):
            rest = response.headers.get("retry-after", "")
            seconds = float(rest) if rest.isdigit() else history.limits.seconds
            budget.close(now + seconds)
            what = "has banned this address" if status == 418 else "is asked too often from this address"
            said = f"{host} {what} ({status}), and wants a pause of {format_duration(_whole(seconds))}"
            return Blocked.a_while(said, seconds)
        if status == 451:
            raise Blocked(
                f"{host} does not serve this address (451, by law)", next_step=history.elsewhere or "ask from elsewhere"
            )
        if 400 <= status < 500 and (refused := history.refusal(status, response.content)) is not None:
            raise type(refused)(f"{host}: {refused.message}", next_step=refused.next_step)
        step = "is rest_host the exchange's?" if status < 500 else "the exchange has trouble: go on later"
        return Unreachable(f"{host} answers {status} {shown(response.content)}", next_step=step)


def _causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    while at is not None:
        yield at
        at = at.__cause__ or at.__context__


def _is_unknown_name(error: BaseException) -> bool:
    return any(isinstance(at, socket.gaierror) and at.errno == socket.EAI_NONAME for at in _causes(error))


def _unreachable(host: str, error: Exception) -> Unreachable:
    kinds = tuple(map(type, _causes(error)))
    name = urlsplit(host).hostname
    if socket.gaierror in kinds:
        return Unreachable(
            f"nobody knows the host {name}", next_step="check the network, and rest_host if you have set it"
        )
    if any(issubclass(kind, ssl.SSLError) for kind in kinds):
        reason = next(str(at) for at in _causes(error) if isinstance(at, ssl.SSLError))
        return Unreachable(
            f"no safe connection to {host} ({reason})", next_step="check the clock, the certificate and any proxy"
        )
    if any(issubclass(kind, (TimeoutError, httpx.TimeoutException)) for kind in kinds):
        return Unreachable(f"{host} did not answer in time", next_step="check the network, or go on later")
    return Unreachable(
        f"{host} cannot be reached ({error or type(error).__name__})",
        next_step="check the network, and rest_host if you have set it",
    )


def _whole(seconds: float) -> timedelta:
    return timedelta(seconds=math.ceil(seconds))
