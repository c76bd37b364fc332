"""What /openapi.json says, and whether answers are so: whatever it allows is asked, and much that it does not."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from coattail.api.app import make_app
from coattail.api.guard import Access
from coattail.api.schema import read_examples
from coattail.api.source import PATIENCE, HotSource
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.workspace.documents.serving import (
    AlertDetailDocument,
    MetricsDocument,
    ServedAlertsDocument,
    ServingHealthDocument,
    SymbolsDocument,
)
from tests.harness.asgi import ask
from tests.harness.served import NOW, fill

_FOLDER = tempfile.TemporaryDirectory()
"""Schemathesis reads the schema while tests are collected, before there are fixtures."""


def _filled() -> FastAPI:
    path = Path(_FOLDER.name) / "hot.db"
    writer = SqliteHotStore(path)
    fill(writer)
    writer.close()
    reader = HotSource(lambda: SqliteHotStore(path, writable=False, patience=PATIENCE), clock=lambda: NOW)
    return make_app(reader, Access(hosts=("testserver",)))


APP = _filled()
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
"""By all of Schemathesis's checks: no server error, statuses and bodies as documented, what fits is accepted, what
does not is refused."""


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    APP.state.source.close()
    _FOLDER.cleanup()


@SCHEMA.exclude(path="/alerts/stream").parametrize()
@settings(max_examples=25, deadline=None, derandomize=True)
def test_whatever_is_asked_is_answered_as_the_schema_says(case: Any) -> None:
    times = {"since", "until"} & set(case.query or ())  # which may lie in the future, or one after the other
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if times else [])


DOCUMENTS = {
    "/alerts": ServedAlertsDocument, "/alerts/{alert_id}": AlertDetailDocument, "/metrics/{symbol}": MetricsDocument,
    "/symbols": SymbolsDocument, "/health": ServingHealthDocument,
}  # fmt: skip


@pytest.mark.parametrize(("path", "kind"), DOCUMENTS.items())
def test_an_example_is_a_whole_document(path: str, kind: type[msgspec.Struct]) -> None:
    example = read_examples()[path]
    assert msgspec.to_builtins(msgspec.convert(example, kind)) == example
    content = APP.openapi()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    assert (content["example"], content["schema"]["$ref"].rpartition("/")[2]) == (example, kind.__name__)


def test_every_field_and_parameter_is_said_in_words_or_by_its_name() -> None:
    parameters = [p for path in APP.openapi()["paths"].values() for p in path["get"]["parameters"]]
    assert len(parameters) == 15
    assert [p["name"] for p in parameters if not p["description"]] == []
    limit = next(p for p in parameters if p["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    lag = APP.openapi()["components"]["schemas"]["ServingHealthDocument"]["properties"]["lag_seconds"]
    assert lag["description"].startswith("From the newest trade to the engine's last report")


def test_the_endpoints_that_a_lost_request_is_told_of_are_all_there_are() -> None:
    said = ask(APP, "/nowhere").json["next_step"].removeprefix("known: ").split(", ")
    there = {re.sub(r"{alert_id}", "{id}", path) for path in APP.openapi()["paths"]}
    assert {*said} == {*there, "/openapi.json"}
