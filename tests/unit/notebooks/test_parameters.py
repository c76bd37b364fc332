"""What a notebook takes is read without running it, and what is given must fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coattail.errors import UsageError
from coattail.notebooks.parameters import chosen, parameters_of
from coattail.notebooks.shelf import Notebook, find, shipped

SOURCE = """symbol: str = "BTC-USDT"  # which symbol
hours: float = 2.0
most: int | None = None  # None means all # of them
tags: list[str] = []
loud: bool = False
"""


def notebook(*sources: str, tagged: int = 1) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]} if n < tagged else {}, "source": [source]}
        for n, source in enumerate(sources)
    ]
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}


def test_names_types_defaults_and_comments_are_read() -> None:
    found = {one.name: (one.kind, one.default, one.says) for one in parameters_of(notebook(SOURCE), "mine")}
    assert found == {
        "symbol": ("str", "BTC-USDT", "which symbol"),
        "hours": ("float", 2.0, ""),
        "most": ("int | None", None, "None means all # of them"),
        "tags": ("list[str]", [], ""),
        "loud": ("bool", False, ""),
    }


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"hours": "3"}, {"hours": 3.0}),
        ({"hours": 3}, {"hours": 3.0}),
        ({"most": "7"}, {"most": 7}),
        ({"most": "none"}, {"most": None}),
        ({"most": None}, {"most": None}),
        ({"loud": "true", "symbol": "3"}, {"loud": True, "symbol": "3"}),
        ({"tags": "a, b"}, {"tags": ["a", "b"]}),
        ({"tags": ["a"]}, {"tags": ["a"]}),
        ({"tags": ""}, {"tags": []}),
        ({}, {}),
    ],
)
def test_what_is_given_becomes_its_type(given: dict[str, object], values: dict[str, object]) -> None:
    assert chosen(parameters_of(notebook(SOURCE), "mine"), given) == values


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"symbl": "x"}, "there is no parameter 'symbl'; did you mean symbol"),
        ({"zzz": "x"}, "known: symbol, hours, most, tags, loud"),
        ({"hours": "often"}, r"hours 'often' is not float; like 2\.0"),
        ({"most": "1.5"}, r"most '1.5' is not int \| None"),
        ({"symbol": 3}, "symbol 3 is not str"),
        ({"tags": [1]}, r"tags \[1\] is not list\[str\]"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen(parameters_of(notebook(SOURCE), "mine"), given)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (notebook("x = 1", tagged=0), "mine has no cell with the tag 'parameters'"),
        (notebook("a: int = 1", "b: int = 2", tagged=2), "mine has 2 cells"),
        (notebook("a = 1"), "line 1 of the parameters is not one"),
        (notebook("a: int"), "line 1 of the parameters is not one"),
        (notebook("a: int = f()"), "line 1 of the parameters is not one"),
        (notebook("\na: object = 1"), "line 2 of the parameters is not one"),
        (notebook("a: int ="), r"cannot be read \(line 1\)"),
    ],
)
def test_a_cell_that_is_not_one_says_how_to_write_it(there: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parameters_of(there, "mine")


def test_a_notebook_is_found_by_number_name_or_path(tmp_path: Path) -> None:
    assert find("01") == find("first_look") == find("01_first_look") == shipped()[0]
    own = tmp_path / "mine.ipynb"
    own.write_text(json.dumps(notebook(SOURCE)))
    assert find(str(own)).parameters[0].name == "symbol"
    with pytest.raises(UsageError, match="did you mean first_look"):
        find("frist_look")
    for content, said in (("{", "cannot be read"), ("{}", "not a notebook of format 4"), ("[]", "not a notebook")):
        own.write_text(content)
        with pytest.raises(UsageError, match=said):
            _ = Notebook(own).content
    with pytest.raises(UsageError, match="there is no notebook"):
        _ = Notebook(tmp_path / "none.ipynb").content


def test_every_shipped_notebook_says_its_question_and_what_it_takes() -> None:
    assert shipped()
    for one in shipped():
        assert one.question.endswith("?"), one.name
        assert one.parameters
        assert all(parameter.says for parameter in one.parameters), one.name
        first = "".join(one.content["cells"][0]["source"])
        for part in ("**Answer,**", "**Reads**", "**Writes**", "**Takes**", "Not financial advice."):
            assert part in first, one.name
        lines = [line for cell in one.content["cells"] for line in cell["source"]]
        assert not [line for line in lines if line.startswith(("def ", "class "))], one.name
