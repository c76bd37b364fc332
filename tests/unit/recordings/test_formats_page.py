"""docs/FORMATS.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from coattail.recordings import FIELDS, Format
from coattail.recordings.tardis import _EXCHANGES

PAGE = (Path(__file__).parents[3] / "docs" / "FORMATS.md").read_text(encoding="utf-8")


def test_the_page_lists_every_format_and_no_other() -> None:
    table = PAGE.partition("| format |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) == list(get_args(Format))


def test_the_page_names_every_field_of_a_table_and_every_exchange_of_tardis() -> None:
    tables, tardis = PAGE.partition("## Tables")[2], PAGE.partition("## tardis")[2].partition("## ")[0]
    assert [field for field in FIELDS if f"`{field}`" not in tables] == []
    assert [name for name in _EXCHANGES if f"`{name}`" not in tardis] == []
