"""What docs/RESPONSIBLE_USE.md says of the package: it only reads markets, asks no language model, knows nobody."""

from __future__ import annotations

import ast
import json
import re

import pytest

from coattail.connectors import CONNECTORS
from coattail.tables import RAW_TRADES
from tests.harness.locks import LOCKS, versions_of
from tools.rooms import PACKAGE

ASKS = ("connectors/asking.py", "producer/bulk.py")
"""Modules that ask exchanges over HTTP; that no other one may is the first test."""
ASK_THEIR_OWN = ("aws/operate/demo.py", "aws/operate/smoke/questions.py")
"""Modules that ask the API of the user's environment."""
SENDS = "notify/webhook.py"
"""The one that sends: to addresses that its user has written down."""
IMPORTED = {
    str(module.relative_to(PACKAGE)): set(re.findall(r"^ *(?:from|import) (\w+)", module.read_text(), re.MULTILINE))
    for module in PACKAGE.rglob("*.py")
}
"""Module -> what it imports, wherever in it."""
MODELS = re.compile(r"openai|anthropic|langchain|llama|transformers|litellm|huggingface|mistral|cohere|genai|torch")


def test_only_what_asks_exchanges_and_what_sends_alerts_speaks_http() -> None:
    speaking = {name for name, imported in IMPORTED.items() if imported & {"httpx", "requests", "urllib3", "aiohttp"}}
    assert speaking == {*ASKS, *ASK_THEIR_OWN, SENDS}


@pytest.mark.parametrize("module", [*ASKS, *ASK_THEIR_OWN])
def test_an_exchange_is_asked_by_get_alone(module: str) -> None:
    """An order would be a POST that is signed with a key of the exchange."""
    source = (PACKAGE / module).read_text()
    called = {node.func.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Attribute)}  # fmt: skip
    assert called.isdisjoint({"post", "put", "patch", "delete", "request", "build_request"})
    assert "get" in called or '"GET"' in source
    assert not re.search(r"hmac|api.?key|X-MBX-APIKEY|CB-ACCESS", source, re.IGNORECASE)


@pytest.mark.parametrize("exchange", CONNECTORS)
def test_an_exchange_hears_subscriptions_and_pings_alone(exchange: str) -> None:
    said = [
        text
        for subscription in CONNECTORS[exchange](symbols=("BTC-USDT", "ETH-USDT")).subscriptions()
        for text in (
            *subscription.opening,
            *subscription.singly,
            *([subscription.again.text] if subscription.again else []),
        )
    ]
    words = {str(message.get(key)).lower() for text in said if text != "ping"
             for message in [json.loads(text)] for key in ("method", "op", "type") if key in message}  # fmt: skip
    assert said
    assert words <= {"subscribe", "ping"}


def test_no_package_speaks_to_a_language_model() -> None:
    named = {package for lock in LOCKS for package in versions_of(lock)}
    assert [name for name in sorted(named.union(*IMPORTED.values())) if MODELS.search(name)] == []


def test_a_stored_trade_names_nobody() -> None:
    """Whoever adds a column about people changes what the page says first."""
    assert {column.name for column in RAW_TRADES.columns} == {
        "event_id", "exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "quote_volume", "side",
        "timestamp", "ingestion_timestamp", "source", "late", "inconsistent", "inexact", "session", "stream_lane",
        "stream_offset", "stream_index", "raw_event_payload",
    }  # fmt: skip


def test_what_people_note_is_not_served() -> None:
    """Mutes and notes are in notify.db, which nothing of the API opens."""
    served = [module.read_text() for module in (PACKAGE / "api").rglob("*.py")]
    assert served
    assert not [text for text in served if re.search(r"(?:from|import) coattail\.(?:workspace\.)?notify", text)]
