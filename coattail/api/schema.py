"""OpenAPI of the endpoints, from the Structs that they take and answer with."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from coattail.api.asked import Nothing
from coattail.api.refusal import JSON
from coattail.workspace.documents.serving import ErrorDocument

_EXAMPLES = Path(__file__).with_name("examples.json")
_COMPONENT = "#/components/schemas/{name}"
_REFUSALS = {
    400: "A parameter makes no sense", 404: "There is no such thing here", 409: "It may mean several",
    410: "It was here, and its time is over", 429: "This client asks too often",
    503: "The hot store cannot be read now, or too many listen",
}  # fmt: skip
_QUERY = "x-query"
"""Under this name an operation says which Struct its parameters are of, until the schema is asked for."""
_PLACES: dict[str, dict[str, Any]] = {
    "alert_id": {
        "description": "The id of an alert, or 12 or more of its first digits.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{12,32}$"},
    },
    "symbol": {
        "description": "As people write it: `BTC-USDT`, `btcusdt`, `BTC/USDT`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 40},
    },
}


def told(
    answer: type[msgspec.Struct] | None, query: type[msgspec.Struct] = Nothing, refusals: Iterable[int] = ()
) -> dict[str, Any]:
    """What FastAPI is told of an endpoint, for its OpenAPI alone.

    answer: What it answers with; None: server-sent events. query: Its parameters. refusals: Their statuses, besides
    those that any request may get.
    """
    content = {"text/event-stream": {"schema": {"type": "string"}}} if answer is None else {JSON: _named(answer)}
    return {
        "response_model": None,
        "openapi_extra": {_QUERY: query.__name__},
        "responses": {
            200: {"description": "As asked for", "content": content},
            **{
                status: {"description": _REFUSALS[status], "content": {JSON: _named(ErrorDocument)}}
                for status in sorted({400, 429, 503, *refusals})
            },
        },
    }


def _named(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"schema": {"$ref": _COMPONENT.format(name=kind.__name__)}}


def describe(app: FastAPI, answers: Iterable[type[msgspec.Struct]], queries: Iterable[type[msgspec.Struct]]) -> None:
    """Have `/openapi.json` say what the Structs say: those that endpoints answer with, and those of parameters."""
    kinds: list[type[msgspec.Struct]] = [*answers, ErrorDocument]
    named: dict[str, type[msgspec.Struct]] = {Nothing.__name__: Nothing}
    named.update((query.__name__, query) for query in queries)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _openapi(app, kinds, named)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _openapi(
    app: FastAPI, kinds: Iterable[type[msgspec.Struct]], queries: Mapping[str, type[msgspec.Struct]]
) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, components = msgspec.json.schema_components(kinds, ref_template=_COMPONENT)
    for kind in _all(kinds):
        for name, said in docs_of(kind).items():
            properties = components[kind.__name__]["properties"]
            properties[name] = _with_words(properties[name], said)
    found["components"] = {"schemas": components}
    examples = read_examples()
    for path, operations in found["paths"].items():
        operation = operations["get"]
        operation["responses"].pop("422", None)
        in_path = [{**one, **_PLACES[one["name"]]} for one in operation.get("parameters", ())]
        query = queries[operation.pop(_QUERY, Nothing.__name__)]
        operation["parameters"] = in_path + [_parameter(query, name) for name in query.__struct_fields__]
        content = operation["responses"]["200"]["content"].get(JSON)
        if content is not None and path in examples:
            content["example"] = examples[path]
    return found


def _parameter(query: type[msgspec.Struct], name: str) -> dict[str, Any]:
    """A parameter of a query; leaving it out is what null means in Python."""
    schema = dict(msgspec.json.schema(query)["$defs"][query.__name__]["properties"][name])
    if "anyOf" in schema:
        (kind,) = (one for one in schema.pop("anyOf") if one != {"type": "null"})
        schema = dict(kind)
    if "enum" in schema:
        schema["type"] = "string"
    said = docs_of(query).get(name, "")
    return {"name": name, "in": "query", "required": False, "description": said, "schema": schema}


def _with_words(schema: dict[str, Any], said: str) -> dict[str, Any]:
    return {"allOf": [schema], "description": said} if "$ref" in schema else {**schema, "description": said}


def _all(kinds: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """These Structs and those that their fields hold."""
    found: dict[str, type[msgspec.Struct]] = {}

    def add(kind: Any) -> None:
        if isinstance(kind, msgspec.inspect.StructType) and kind.cls.__name__ not in found:
            found[kind.cls.__name__] = kind.cls
            for field in kind.fields:
                add(field.type)
        for inner in ("item_type", "value_type", "types"):
            held = getattr(kind, inner, ())
            for one in held if isinstance(held, tuple) else (held,):
                add(one)

    for kind in kinds:
        add(msgspec.inspect.type_info(kind))
    return list(found.values())


@cache
def docs_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field -> the words that stand under it in the source, in one line."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if issubclass(owner, msgspec.Struct) and owner is not msgspec.Struct:
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, words in zip(body.body, body.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
                    text = ast.literal_eval(words.value)
                    found[ast.unparse(field.target)] = " ".join(text.split())
    return found


def read_examples() -> dict[str, Any]:
    """Path -> what it answered in a simulated market; tools/api_examples.py asks it."""
    found: dict[str, Any] = msgspec.json.decode(_EXAMPLES.read_bytes())
    return found
