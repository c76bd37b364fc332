"""docs/RELIABILITY.md names tests that exist, and each guarantee names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "RELIABILITY.md"


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:tests|faults)/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text())
    assert len(named) > 20
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not name or name in functions, f"{path} has no {name}"


def test_every_guarantee_has_a_test() -> None:
    rows = re.findall(r"^\| (G\d) \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == [f"G{n}" for n in range(1, 8)]
    assert all(re.search("`(tests|faults)/", row) for _, row in rows)
