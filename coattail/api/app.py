"""The application: endpoints over one hot store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response

from coattail import __version__
from coattail.alerts import DISCLAIMER
from coattail.api import alerts, health, metrics
from coattail.api.asked import AlertsAsked, Concerning, Nothing, asked
from coattail.api.guard import Access, Guard
from coattail.api.refusal import JSON, Refusal
from coattail.api.schema import describe, told
from coattail.api.source import HotSource
from coattail.api.stream import Hub, Telling
from coattail.api.symbols import meant
from coattail.stores.hot import HotStore
from coattail.workspace.documents.alerts import ChangeDocument
from coattail.workspace.documents.serving import (
    AlertDetailDocument,
    MetricsDocument,
    ServedAlertsDocument,
    ServingHealthDocument,
    SymbolsDocument,
)

Q = TypeVar("Q", bound=msgspec.Struct)

_LEAST_COMPRESSED, _EFFORT = 1_000, 4
"""Bytes from which an answer is compressed, and how hard: more makes a page 3 % smaller in twice the time."""


_ANSWERS = (ServedAlertsDocument, ChangeDocument, AlertDetailDocument, MetricsDocument, SymbolsDocument,
            ServingHealthDocument)  # fmt: skip


def make_app(source: HotSource, access: Access | None = None) -> FastAPI:
    """The application that answers from `source`; other rooms may add routes to it.

    access: Whom it answers, and how often; None: requests by a name of the loopback interface, any number of them.
    """
    app = FastAPI(title="coattail", version=__version__, description=DISCLAIMER, docs_url=None, redoc_url=None)
    app.state.source, app.state.hub = source, (hub := Hub(source))
    app.add_middleware(GZipMiddleware, minimum_size=_LEAST_COMPRESSED, compresslevel=_EFFORT)
    app.add_middleware(Guard, access=access or Access())
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(Exception, _failed)

    @app.get("/alerts", **told(ServedAlertsDocument, AlertsAsked, (404,)))
    async def get_alerts(request: Request) -> Response:
        """Alerts, newest first."""
        return answer(request, lambda hot, query: alerts.page(source, hot, query), AlertsAsked)

    @app.get("/alerts/stream", **told(None, Concerning, (404,)))
    async def get_stream(request: Request) -> Response:
        """New, revised and retracted alerts, as server-sent events."""
        query = asked(Concerning, request.query_params)
        symbol = query.symbol
        if symbol is not None:
            with source.reading() as hot:
                symbol = meant(source, hot, symbol)
        return Telling(hub, query, symbol, request.headers.get("last-event-id"))

    @app.get("/alerts/{alert_id}", **told(AlertDetailDocument, refusals=(404, 409, 410)))
    async def get_alert(request: Request, alert_id: str) -> Response:
        """One alert with its evidence and what its revisions said."""
        return answer(request, lambda hot, _: alerts.detail(source, hot, alert_id))

    @app.get("/metrics/{symbol:path}", **told(MetricsDocument, refusals=(404,)))
    async def get_metrics(request: Request, symbol: str) -> Response:
        """A symbol now, by venue, and its last hour."""
        return answer(request, lambda hot, _: metrics.metrics(source, hot, symbol))

    @app.get("/symbols", **told(SymbolsDocument))
    async def get_symbols(request: Request) -> Response:
        """The symbols that have trades here."""
        return answer(request, lambda hot, _: metrics.symbols(source, hot))

    @app.get("/health", **told(ServingHealthDocument))
    async def get_health(request: Request) -> Response:
        """How engine, venues and alerts are."""
        return answer(request, lambda hot, _: health.health(source, hot), keep=False)

    describe(app, _ANSWERS, (AlertsAsked, Concerning))
    return app


def answer(
    request: Request,
    compute: Callable[[HotStore, Q], msgspec.Struct],
    kind: type[Q] = Nothing,  # type: ignore[assignment]
    *,
    keep: bool = True,
) -> Response:
    """What is computed from the hot store and the request's parameters; 304 where the client says that it has it.

    keep: Whoever asks the same within a second is told the same, unless something was written meanwhile.
    Raises: Refusal: If a parameter makes no sense, or the store cannot be read.
    """
    source: HotSource = request.app.state.source
    query = asked(kind, request.query_params)

    def told() -> tuple[bytes, str]:
        body = msgspec.json.encode(compute(hot, query))
        return body, f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'

    with source.reading() as hot:
        key = request.scope["path"], request.scope["query_string"]
        body, tag = source.told(key, hot, told) if keep else told()
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    has = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if "*" in has or tag in has or tag.removeprefix("W/") in has:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.answer()


async def _not_found(request: Request, error: Exception) -> Response:
    """What no route answers."""
    here = "known: /alerts, /alerts/{id}, /alerts/stream, /metrics/{symbol}, /symbols, /health, /openapi.json"
    return Refusal(404, "not_found", f"there is nothing at {request.url.path[:80]}", next_step=here).answer()


async def _failed(request: Request, error: Exception) -> Response:
    """What should not happen: the log has the traceback."""
    step = "ask again; whoever runs the server finds the traceback in its log"
    found = Refusal(500, "failed", "the server failed at this request", next_step=step).answer()
    found.headers["X-Content-Type-Options"] = "nosniff"
    return found
