"""Events of API Gateway, in the form that AWS documents (payload 2.0), get the answers that uvicorn would give."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from mangum import Mangum

from coattail.api.app import make_app
from coattail.api.guard import Access
from coattail.api.source import HotSource
from coattail.stores.hot import HotStore
from tests.harness.asgi import ask, looped
from tests.harness.served import numbered

with looped():
    from coattail.aws.lambdas.api import HOT_STORE, make_handler

EVENTS: list[dict[str, Any]] = msgspec.json.decode(Path(__file__).with_name("events.json").read_bytes())
_PASSING = {"content-length", "date"}


@pytest.fixture
def app(source: HotSource) -> FastAPI:
    """As the handler makes it, but over this store and at its time."""
    return make_app(source, Access(hosts=("*",)))


def handled(made: Callable[[], Mangum], event: dict[str, Any]) -> dict[str, Any]:
    """What Lambda is given back by a handler that is made for it."""
    with looped():
        return made()(event, None)  # type: ignore[arg-type]


def body_of(answer: dict[str, Any]) -> bytes:
    body: str = answer["body"]
    return base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()


@pytest.mark.parametrize("event", [one["event"] for one in EVENTS], ids=[one["says"] for one in EVENTS])
def test_an_event_gets_the_answer_that_a_request_gets(app: FastAPI, event: dict[str, Any]) -> None:
    found = handled(lambda: Mangum(app, lifespan="off"), event)
    http = event["requestContext"]["http"]
    query = f"?{event['rawQueryString']}" if event["rawQueryString"] else ""
    asked = ask(app, event["rawPath"] + query, method=http["method"], headers=event["headers"])
    assert (found["statusCode"], body_of(found)) == (asked.status, asked.raw)
    headers = {name: value for name, value in found["headers"].items() if name not in _PASSING}
    wanted = {name: value for name, value in asked.headers.items() if name not in _PASSING}
    assert {"content-type": "application/json", **wanted} == headers, "Mangum gives every answer a type"


def test_the_events_show_answers_and_refusals(app: FastAPI) -> None:
    found = [handled(lambda: Mangum(app, lifespan="off"), one["event"])["statusCode"] for one in EVENTS]
    assert {status: found.count(status) for status in set(found)} == {200: 8, 204: 1, 400: 2, 404: 2, 405: 1, 413: 1}
    alert = next(one["event"] for one in EVENTS if one["says"] == "one alert")
    assert alert["rawPath"].endswith(numbered(0).alert_id)


def test_the_environment_says_where_the_store_is(
    store: HotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = EVENTS[0]["event"]
    monkeypatch.delenv(HOT_STORE, raising=False)
    answer = handled(make_handler, event)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "10")
    monkeypatch.setenv(HOT_STORE, str(tmp_path / "hot.db"))
    answer = handled(make_handler, event)
    assert answer["statusCode"] == 200


def test_nothing_is_streamed_where_an_event_has_one_answer() -> None:
    first = EVENTS[0]["event"]
    http = {**first["requestContext"]["http"], "path": "/alerts/stream"}
    event = {**first, "rawQueryString": "", "requestContext": {**first["requestContext"], "http": http}}
    answer = handled(make_handler, event)
    assert (answer["statusCode"], msgspec.json.decode(answer["body"])["message"]) == (503, "nothing is streamed here")
