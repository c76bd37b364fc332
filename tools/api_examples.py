"""Examples of the API's answers, asked of a demo's home: coattail/api/examples.json.

coattail --home HOME demo && python -m tools.api_examples HOME

Long lists are cut to what shows their form. A test holds the file against the Structs; docs/API.md shows it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from coattail.api.app import make_app
from coattail.api.opening import source_of
from coattail.config import load_settings
from coattail.home import Home

OUT = Path(__file__).parents[1] / "coattail" / "api" / "examples.json"
_SHOWN = {"alerts": 2, "windows": 1, "spreads": 1, "rows": 2, "whales": 1, "symbols": 2, "venues": 2, "track_record": 1}
"""Items of a list that are kept."""


def cut(value: Any, name: str = "") -> Any:
    """A document with its long lists cut."""
    if isinstance(value, dict):
        return {key: cut(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [cut(inner) for inner in value[: _SHOWN.get(name, len(value))]]
    return value


async def _asked(app: Any, path: str) -> Any:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(),
             "headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http"}  # fmt: skip
    await app(scope, receive, send)
    return msgspec.json.decode(sent[1]["body"])


def examples(folder: Path) -> dict[str, Any]:
    """Path of the OpenAPI -> its answer in a home."""
    home = Home.open(folder)
    app = make_app(source_of(home, load_settings(home)))

    def ask(path: str) -> Any:
        return asyncio.run(_asked(app, path))

    alerts = ask("/alerts?limit=2")
    return {
        "/alerts": alerts,
        "/alerts/{alert_id}": ask(f"/alerts/{alerts['alerts'][0]['alert_id']}"),
        "/metrics/{symbol}": cut(ask("/metrics/BTC-USDT")),
        "/symbols": cut(ask("/symbols")),
        "/health": cut(ask("/health")),
    }


if __name__ == "__main__":
    found = msgspec.json.encode(examples(Path(sys.argv[1])))
    OUT.write_bytes(msgspec.json.format(found, indent=1) + b"\n")
