"""What no handler sees."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from fastapi import FastAPI
from starlette.types import Message

from coattail.api.app import make_app
from coattail.api.buckets import Buckets
from coattail.api.guard import Access
from coattail.api.opening import access_of
from coattail.api.source import HotSource
from coattail.errors import UsageError
from tests.harness.asgi import Answer, ask, request_scope
from tests.harness.executed import PAYLOADS


def refused(answer: Answer) -> tuple[int, str]:
    """Every refusal has one form."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["error", "message", "next_step", "field"]
    assert answer.json["message"]
    assert answer.json["next_step"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.status, answer.json["error"]


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("limit=0", "limit", "limit=0: expected `int` >= 1"),
        ("limit=201", "limit", "limit=201: expected `int` <= 200"),
        ("limit=abc", "limit", "limit=abc: expected `int`, got `str`"),
        ("limit=1.5", "limit", "limit=1.5: expected `int`, got `str`"),
        ("limit=", "limit", "limit=: expected `int`, got `str`"),
        ("limit=99999999999999999999", "limit", "limit=99999999999999999999: expected `int`, got `str`"),
        ("limit=5&limit=6", "limit", "limit stands there twice"),
        ("cursor=1.x", "cursor", "cursor=1.x: expected `str` matching regex '^[0-9]{1,17}\\\\.[0-9a-f]{32}$'"),
        ("cursor=" + "9" * 18 + "." + "a" * 32, "cursor", ""),
        ("cursor=-5." + "a" * 32, "cursor", ""),
        ("cursor=%D9%A1." + "a" * 32, "cursor", ""),
        ("since=2025-03-04T14:00:00", "since", "since=2025-03-04T14:00:00: expected `datetime` with a timezone"),
        ("since=yesterday", "since", "since=yesterday: invalid RFC3339 encoded datetime"),
        ("since=1741096820", "since", "since=1741096820: invalid RFC3339 encoded datetime"),
        ("since=2030-01-01T00:00:00Z", "since", "since 2030-01-01T00:00:00Z lies in the future: the newest"),
        ("since=2025-03-04T14:00:00Z&until=2025-03-04T14:00:00Z", "until", "until 2025-03-04T14:00:00Z is not after"),
        ("severity=dire", "severity", "severity=dire: invalid enum value 'dire'"),
        ("status=open", "status", "status=open: invalid enum value 'open'"),
        ("symbl=BTC", "symbl", "'symbl' is not a parameter of this"),
        ("symbol=" + "B" * 41, "symbol", "symbol=" + "B" * 41 + ": expected `str` of length <= 40"),
        ("type=%00", "type", ""),
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_named(app: FastAPI, query: str, field: str, said: str) -> None:
    answer = ask(app, f"/alerts?{query}")
    assert refused(answer) == (400, "bad_request")
    assert answer.json["field"] == field
    assert answer.json["message"].startswith(said)


def test_other_endpoints_take_no_parameters(app: FastAPI) -> None:
    for address in ("/health?x=1", "/symbols?x=1", "/metrics/BTC-USDT?x=1", f"/alerts/{'a' * 32}?x=1"):
        assert refused(ask(app, address)) == (400, "bad_request")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"address": "/nowhere"}, (404, "not_found")),
        ({"address": "/metrics/"}, (404, "unknown_symbol")),
        ({"address": "/alerts?type=volume_spik"}, (404, "unknown_type")),
        ({"address": "/alerts?exchange=binanse"}, (404, "unknown_exchange")),
        ({"method": "POST"}, (405, "method_not_allowed")),
        ({"method": "BREW"}, (405, "method_not_allowed")),
        ({"headers": {"Host": "evil.example"}}, (400, "unknown_host")),
        ({"headers": {"Host": "evil.example:80@localhost"}}, (400, "unknown_host")),
        ({"headers": {"Host": "localhost.evil.example"}}, (400, "unknown_host")),
        ({"headers": {"Host": "10.0.0.1"}}, (400, "unknown_host")),
        ({"headers": {"Host": ""}}, (400, "unknown_host")),
        ({"headers": {"Content-Length": "1000000000"}}, (413, "body")),
        ({"headers": {"Transfer-Encoding": "chunked"}}, (413, "body")),
        ({"address": "/alerts?cursor=" + "9" * 9_000}, (414, "address_too_long")),
        ({"headers": {f"x-{n}": "1" for n in range(65)}}, (431, "headers_too_long")),
        ({"headers": {"Cookie": "x" * 17_000}}, (431, "headers_too_long")),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused_in_one_form(
    app: FastAPI, asked: dict[str, str], error: tuple[int, str]
) -> None:
    assert refused(ask(app, **{"address": "/alerts", **asked})) == error


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8484", "127.0.0.1:1", "[::1]:8484", "localhost."])
def test_this_machine_is_answered_by_its_own_names(app: FastAPI, host: str) -> None:
    assert ask(app, "/health", headers={"Host": host}).status == 200


def test_other_names_are_answered_where_they_were_allowed(source: HotSource) -> None:
    app = make_app(source, access_of("192.0.2.7", ["trades.example"], 0))
    by = {host: ask(app, "/health", headers={"Host": host}).status for host in ("trades.example:80", "192.0.2.7", "b")}
    assert by == {"trades.example:80": 200, "192.0.2.7": 200, "b": 400}
    assert access_of("0.0.0.0", (), 0).hosts == ()
    assert ask(make_app(source, Access(hosts=("*",))), "/health", headers={"Host": "b"}).status == 200


def test_a_page_of_another_origin_may_read_without_credentials(app: FastAPI) -> None:
    answer = ask(app, "/alerts", headers={"Origin": "https://evil.example", "Cookie": "a=b"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in answer.headers


def test_a_body_is_not_read(app: FastAPI) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("somebody reads the body")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = request_scope("/alerts", headers={"Content-Length": str(10**9)})
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    assert (sent[0]["status"], (b"connection", b"close") in sent[0]["headers"]) == (413, True)


# -- how often -------------------------------------------------------------------------------------------------------


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_client_that_asks_too_often_is_told_when_to_come_again(source: HotSource) -> None:
    clock = Seconds()
    app = make_app(source, Access(buckets=Buckets(0.5, 3, clock=clock)))
    assert [ask(app, "/health").status for _ in range(4)] == [200, 200, 200, 429]
    answer = ask(app, "/health")
    assert (refused(answer), answer.headers["retry-after"]) == ((429, "too_many_requests"), "2")
    assert ask(app, "/health", client="192.0.2.9").status == 200, "others are not affected"
    clock.now = 1.9
    assert ask(app, "/health").status == 429
    clock.now = 2.0
    assert [ask(app, "/health").status for _ in range(2)] == [200, 429]
    clock.now = 1e6
    assert [ask(app, "/health").status for _ in range(4)] == [200, 200, 200, 429], "no more than the bucket holds"


def test_the_buckets_of_many_clients_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coattail.api.buckets._MOST_CLIENTS", 10)
    buckets = Buckets(1, 1, clock=Seconds())
    assert [buckets.take(str(n)) for n in range(100)] == [0] * 100
    assert (buckets.take("99"), buckets.take("0")) == (1, 0)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="--rate is"):
        access_of("127.0.0.1", (), rate)
    assert access_of("127.0.0.1", (), 0).buckets is None


# -- markup ----------------------------------------------------------------------------------------------------------

PLACES: Mapping[str, str] = {
    "path": "/{}", "metrics": "/metrics/{}", "alert": "/alerts/{}", "symbol": "/alerts?symbol={}",
    "type": "/alerts?type={}", "cursor": "/alerts?cursor={}", "name": "/health?{}=1",
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_markup_in_a_request_comes_back_as_text_in_json(app: FastAPI, place: str) -> None:
    from urllib.parse import quote

    for payload in PAYLOADS:
        answer = ask(app, place.format(quote(payload, safe="")))
        assert refused(answer)[0] in (400, 404)
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
