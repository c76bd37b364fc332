"""What docs/CLI.md says that commands print as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PAGE = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text()
SCHEMAS = {
    name: json.loads(block)
    for name, block in re.findall(r"## coattail ([a-z -]+)\n(?:(?!\n## ).)*?```json\n(.*?)```", _PAGE, re.DOTALL)
}
"""Command -> the document on the page."""


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Dotted keys; what is free in form (details, a query's columns) is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "...":
                yield f"{path}{name}"
                if name not in ("details", "parameters", "rows", "snapshots", "value"):
                    yield from keys(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from keys(item, path)
