"""docs/API.md: its requests get what stands there, and its tables are complete."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

import coattail.api
from coattail.api.schema import read_examples
from tests.harness.asgi import ask

PAGE = (Path(__file__).parents[3] / "docs" / "API.md").read_text()
SHOWN = re.findall(r"```sh\n(curl [^\n]*)\n```\n```json\n(.*?)```", PAGE, re.DOTALL)
REFUSED = [(line, answer) for line, answer in SHOWN if '"error"' in answer]


def address(line: str) -> str:
    (found,) = (word for word in shlex.split(line) if word.startswith("http"))
    return found.removeprefix("http://127.0.0.1:8484")


def within(shown: Any, whole: Any) -> bool:
    """Whether it is the same but for lists that are cut."""
    if isinstance(shown, dict):
        return shown.keys() == whole.keys() and all(within(shown[key], whole[key]) for key in shown)
    if isinstance(shown, list):
        return len(shown) <= len(whole) and all(map(within, shown, whole))
    return bool(shown == whole)


@pytest.mark.parametrize("path", read_examples())
def test_an_answer_stands_there_as_the_example_has_it(path: str) -> None:
    (shown,) = (
        json.loads(answer)
        for line, answer in SHOWN
        if '"error"' not in answer
        and re.fullmatch(re.sub(r"{.*}", "(?!stream).+", path), address(line).partition("?")[0])
    )
    assert within(shown, read_examples()[path])


@pytest.mark.parametrize(("line", "shown"), REFUSED, ids=[line for line, _ in REFUSED])
def test_a_refusal_stands_there_as_it_is_given(app: FastAPI, line: str, shown: str) -> None:
    assert ask(app, address(line)).json == json.loads(shown)


@pytest.mark.parametrize("line", [line for line in re.findall(r"^curl .*", PAGE, re.MULTILINE) if "-N" not in line])
def test_a_request_that_stands_there_is_one_that_is_understood(app: FastAPI, line: str) -> None:
    answer = ask(app, address(line))
    assert answer.status == 200 or line in dict(REFUSED) or answer.json["error"] == "not_found", answer.body


def test_every_word_for_a_refusal_stands_there() -> None:
    sources = "".join(path.read_text() for path in Path(coattail.api.__file__).parent.glob("*.py"))
    words = set(re.findall(r'Refusal\(\s*\d{3}(?: if \w+ else \d{3})?, "(\w+)"', sources))
    words |= {"unknown_symbol", "unknown_exchange", "expired", "not_found"}
    assert len(words) > 12
    table = PAGE.partition("| status | `error` |")[2]
    assert {word for word in words if f"`{word}`" not in table} == set()
