"""The live page and its files as routes of the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import Response

from coattail.api.assets import POLICY, PageFile, assets

_HEADERS = {"Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'"}


def add_page(app: FastAPI) -> None:
    """Have the application serve the live page at `/`, and its files beside it."""
    for name, asset in assets().items():
        path = "/" if name == "index.html" else f"/{name}"
        app.add_api_route(path, _serving(asset), include_in_schema=False, methods=["GET"])


def _serving(asset: PageFile) -> Callable[[Request], Awaitable[Response]]:
    tag = f'"{asset.tag}"'

    async def serve(request: Request) -> Response:
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        headers = {**_HEADERS, "Cache-Control": asset.cache, "ETag": tag}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(asset.gzipped if zipped else asset.content, headers=headers, media_type=asset.kind)

    return serve
