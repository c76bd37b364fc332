"""What `coattail report post` says."""

from __future__ import annotations

from pathlib import Path

import msgspec


class PostDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A post that was drafted."""

    out: Path
    claims: Path
    characters: int
    text: str


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What must not be posted, and why."""

    line: int
    """Counted from 1; 0: of the whole text."""
    text: str
    why: str


class PostCheckDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A text held against its claims."""

    file: Path
    claims: int
    problems: list[ProblemDocument]
    """Empty where it may be posted."""
