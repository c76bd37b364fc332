"""What there is to say of notebooks, and of a run of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class ParameterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a notebook."""

    name: str
    type: str
    """As it is written: `int`, `str | None`, `list[str]`."""
    default: Any
    says: str


class NotebookDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A notebook that can be run."""

    name: str
    path: Path
    question: str
    parameters: list[ParameterDocument]


class NotebooksDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The notebooks that come with the package."""

    notebooks: list[NotebookDocument]


class NotebookRunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A notebook that ran."""

    notebook: str
    out: Path
    """The executed copy."""
    parameters: dict[str, Any]
    """Those given, converted."""
    cells: int
    """Of code."""
    seconds: float
    answer: str
    """What its last cell printed."""
    html: Path | None = None
    """Its page, where one was asked for."""


class NotebookPageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An executed notebook as a page."""

    out: Path
    bytes: int
    light: bool
    notebook: str
    headline: str
    cells: int
    """Of code."""
    charts: int
    """Live ones."""
    failed_in: int | None
    """The first cell of code that failed; None where none did."""
    seconds: float
