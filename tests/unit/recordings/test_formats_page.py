"""docs/FORMATS.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from coattail.connectors import CONNECTORS
from coattail.recordings import FIELDS, Format

PAGE = (Path(__file__).parents[3] / "docs" / "FORMATS.md").read_text(encoding="utf-8")


def test_the_page_lists_every_format_and_no_other() -> None:
    table = PAGE.partition("| format |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) == list(get_args(Format))


def test_the_page_names_every_field_of_a_table() -> None:
    tables = PAGE.partition("## Tables")[2]
    assert [field for field in FIELDS if f"`{field}`" not in tables] == []


def test_the_page_names_only_exchanges_of_tardis_that_are_read() -> None:
    section = PAGE.partition("## tardis")[2].partition("## ")[0]
    named = re.findall(r"`([a-z-]+)`", section.partition("For example")[2].partition(". ")[0])
    known = {name for connector in CONNECTORS.values() for name in connector.layouts.get("tardis", {})}
    assert named
    assert set(named) <= known
