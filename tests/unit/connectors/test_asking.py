"""Asking a host: within its limits, again where that helps, and with a reason where it does not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail import __version__
from coattail.connectors.asking import Asker, Budget
from coattail.connectors.binance_rest import BinanceHistory
from coattail.connectors.coinbase_rest import CoinbaseHistory
from coattail.connectors.history import (
    Ask,
    AskFailed,
    Blocked,
    History,
    Limits,
    NoSuchWay,
    UnknownSymbol,
    Unreachable,
    WrongAnswer,
)
from tests.harness.asked import Clock, host

Handler = Callable[[httpx.Request], httpx.Response]


def asked(
    handler: Handler, *, history: History | None = None, times: int = 1, clock: Clock | None = None,
    troubles: list[str] | None = None, weight: int = 1, patience: timedelta = timedelta(minutes=2), share: float = 1.0,
) -> list[bytes]:  # fmt: skip
    clock, told, where = clock or Clock(), troubles if troubles is not None else [], host()

    async def run() -> list[bytes]:
        async with Asker(
            transport=httpx.MockTransport(handler), clock=clock, wall=clock.wall, sleep=clock.sleep,
            on_trouble=told.append, patience=patience, share=share,
        ) as asker:  # fmt: skip
            what = history or BinanceHistory()
            return [await asker.ask(where, what, Ask("/x", weight), lambda body, _: body) for _ in range(times)]

    return asyncio.run(run())


def answers(*responses: httpx.Response) -> Handler:
    """These, one after the other; the last one for ever."""
    waiting = list(responses)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else httpx.Response(
        waiting[0].status_code, headers=waiting[0].headers, content=waiting[0].content
    )  # fmt: skip


def test_it_says_who_asks() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["user-agent"])
        return httpx.Response(200, content=b"[]")

    assert asked(handler) == [b"[]"]
    assert seen == [f"coattail/{__version__}"]


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 10)), max_size=60))
def test_no_stretch_of_the_limits_length_holds_more_than_the_limit(wishes: list[tuple[float, int]]) -> None:
    budget, now, done = Budget(Limits(20, 10.0)), 0.0, list[tuple[float, int]]()
    for pause, weight in wishes:
        now += pause
        while (wait := budget.wait(weight, now)) > 0:
            now += wait
        done.append((now, weight))
    for at, _ in done:
        assert sum(weight for when, weight in done if at - 10.0 < when <= at) <= 20


def test_a_share_leaves_the_rest_of_the_limit_to_others() -> None:
    budget = Budget(Limits(100, 60.0))
    assert [budget.wait(25, 0.0, 0.5) for _ in range(2)] == [0.0, 0.0]
    assert budget.wait(25, 0.0, 0.5) == 60.0
    assert [budget.wait(25, 0.0) for _ in range(2)] == [0.0, 0.0]


def test_a_host_that_refuses_is_asked_less_often_for_a_while() -> None:
    budget = Budget(Limits(100, 1.0))
    budget.close(0.0)
    assert sum(budget.wait(1, 10.0) == 0 for _ in range(100)) == 70
    for _ in range(10):
        budget.granted()
    assert sum(budget.wait(1, 20.0) == 0 for _ in range(100)) == 80
    for _ in range(30):
        budget.close(0.0)
    assert sum(budget.wait(1, 30.0) == 0 for _ in range(100)) == 10


def test_what_others_use_from_this_address_counts() -> None:
    clock = Clock()
    used = httpx.Response(200, headers={"x-mbx-used-weight-1m": "5990"}, content=b"[]")
    asked(answers(used), times=4, weight=5, clock=clock)
    assert sum(clock.slept) == pytest.approx(60.0)


def test_ten_requests_a_second_are_what_coinbase_gets() -> None:
    clock = Clock()
    asked(answers(httpx.Response(200, content=b"[]")), history=CoinbaseHistory(), times=35, clock=clock)
    assert sum(clock.slept) == pytest.approx(3.0)


@pytest.mark.parametrize("status", [429, 418])
def test_a_host_that_is_asked_too_often_is_left_alone_as_long_as_it_says(status: int) -> None:
    clock, troubles = Clock(), list[str]()
    handler = answers(httpx.Response(status, headers={"Retry-After": "30"}), httpx.Response(200, content=b"[]"))
    assert asked(handler, clock=clock, troubles=troubles) == [b"[]"]
    assert clock.now - 1000 >= 30
    assert f"({status})" in troubles[0]
    assert "30s" in troubles[0]


def test_a_ban_for_longer_than_is_waited_is_said_with_its_length() -> None:
    with pytest.raises(Blocked, match=r"lets nobody ask from this address for another 3d"):
        asked(answers(httpx.Response(418, headers={"Retry-After": "259200"})))


def test_451_names_another_host() -> None:
    with pytest.raises(Blocked, match=r"451.*data-api\.binance\.vision"):
        asked(answers(httpx.Response(451, content=b'{"code":0,"msg":"restricted location"}')))


def test_server_errors_are_asked_again_and_said_if_they_last() -> None:
    troubles: list[str] = []
    handler = answers(httpx.Response(502, content=b"<html>Bad gateway"), httpx.Response(200, content=b"[]"))
    assert asked(handler, troubles=troubles) == [b"[]"]
    assert "answers 502 '<html>Bad gateway'" in troubles[0]
    clock = Clock()
    with pytest.raises(Unreachable, match=r"answers 503 .*go on later"):
        asked(answers(httpx.Response(503)), clock=clock)
    assert 60 < clock.now - 1000 <= 120


def test_the_same_trouble_is_said_once() -> None:
    troubles: list[str] = []
    with pytest.raises(Unreachable):
        asked(answers(httpx.Response(503)), troubles=troubles)
    assert len(troubles) == 1


@pytest.mark.parametrize(
    ("history", "status", "body", "kind"),
    [
        (BinanceHistory(), 400, b'{"code":-1121,"msg":"Invalid symbol."}', UnknownSymbol),
        (BinanceHistory(), 401, b'{"code":-2014,"msg":"API-key format invalid."}', NoSuchWay),
        (BinanceHistory(), 404, b"<html>", NoSuchWay),
        (BinanceHistory(), 400, b'{"code":-1102,"msg":"Mandatory parameter"}', AskFailed),
        (CoinbaseHistory(), 404, b'{"message":"NotFound"}', UnknownSymbol),
        (CoinbaseHistory(), 400, b'{"message":"after is not a number"}', AskFailed),
    ],
)
def test_an_error_of_the_exchange_is_raised_at_once(
    history: History, status: int, body: bytes, kind: type[AskFailed]
) -> None:
    clock = Clock()
    with pytest.raises(kind) as caught:
        asked(answers(httpx.Response(status, content=body)), history=history, clock=clock)
    assert type(caught.value) is kind
    assert clock.slept == []


def failing_with(cause: Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed", request=request) from cause

    return handler


def test_a_host_that_nobody_knows_fails_at_once_and_says_what_to_check() -> None:
    clock = Clock()
    with pytest.raises(Unreachable, match=r"nobody knows the host exchange-\d+\.test; check .*rest_host"):
        asked(failing_with(socket.gaierror(socket.EAI_NONAME, "Name or service not known")), clock=clock)
    assert clock.slept == []


def test_a_network_that_is_gone_is_waited_for() -> None:
    clock = Clock()
    with pytest.raises(Unreachable, match="cannot be reached"):
        asked(failing_with(ConnectionRefusedError(111, "refused")), clock=clock, patience=timedelta(seconds=20))
    assert 4 < clock.now - 1000 <= 20


def test_an_answer_that_is_wrong_again_and_again_is_an_error() -> None:
    clock, where = Clock(), host()
    read = BinanceHistory().read

    async def run() -> None:
        transport = httpx.MockTransport(answers(httpx.Response(200, content=b"<!DOCTYPE html> Please log in")))
        async with Asker(transport=transport, clock=clock, sleep=clock.sleep, on_trouble=lambda _: None) as asker:
            await asker.ask(where, BinanceHistory(), Ask("/x", 1), lambda body, at: read(body, at, "historicalTrades"))

    with pytest.raises(WrongAnswer, match=r"not a list of trades: '<!DOCTYPE html> Please log in'"):
        asyncio.run(run())
    assert len(clock.slept) == 2


def test_whoever_waits_can_be_cancelled() -> None:
    async def run() -> float:
        async with Asker(
            transport=httpx.MockTransport(answers(httpx.Response(429, headers={"Retry-After": "60"}))),
            on_trouble=lambda _: None,
        ) as asker:
            task = asyncio.create_task(asker.ask(host(), BinanceHistory(), Ask("/x", 1), lambda body, _: body))
            await asyncio.sleep(0.01)
            task.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic() - began

    assert asyncio.run(run()) < 1.0
