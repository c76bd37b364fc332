"""A plugin for a pytest that runs notebooks by nbval: keeps each as it ran, NAME-executed.ipynb beside it."""

from __future__ import annotations

import nbformat
import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what the cells gave, which nbval only compares."""
    notebooks = {}
    for place, item in enumerate(session.items):
        cell, given = item.cell, item.test_outputs  # type: ignore[attr-defined]
        cell.outputs, cell.execution_count = given or [], place + 1
        notebooks[item.path] = item.parent.nb  # type: ignore[union-attr]
    for path, notebook in notebooks.items():
        nbformat.write(notebook, path.with_name(f"{path.stem}-executed.ipynb"))
