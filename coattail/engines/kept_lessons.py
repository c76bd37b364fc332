"""What detectors learned, as files of a home: a restart reads these instead of a month of bars.

Each lesson is a file that is named by its content; `kept.json` says which of them hold, for which state of the tables.
All of it can be deleted: then it is learned anew.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl

import coattail
from coattail.alerts import canonical_json
from coattail.detectors import BaseDetector
from coattail.engines.evidence import parameters_of
from coattail.versions import version_of

_INDEX = "kept.json"


class KeptLesson(msgspec.Struct, frozen=True):
    """One lesson, and the µs between which trades change it."""

    detector: str
    lesson: str
    day: datetime
    since: int
    until: int
    file: str


class _Index(msgspec.Struct, frozen=True):
    state: str
    rules: dict[str, str]
    lessons: list[KeptLesson]


class KeptLessons:
    """The files of one home."""

    def __init__(self, folder: Path, detectors: Sequence[BaseDetector]) -> None:
        self._folder = folder
        code = version_of(coattail).hex()
        self._rules = {
            d.name: canonical_json({"preset": d.preset, "parameters": parameters_of(d), "code": code})
            for d in detectors
        }

    def holding(self, state: str) -> list[KeptLesson]:
        """What was kept for exactly this state of the tables, by detectors with equal parameters and code.

        If there is another state, all is forgotten: that one may come to be called the same again.
        """
        try:
            index = msgspec.json.decode((self._folder / _INDEX).read_bytes(), type=_Index)
        except (FileNotFoundError, msgspec.DecodeError):  # none yet; or a disk that lost what it was given
            return []
        if index.state != state:
            (self._folder / _INDEX).unlink()
            return []
        return [kept for kept in index.lessons if index.rules.get(kept.detector) == self._rules.get(kept.detector, "")]

    def write(self, learned: pl.DataFrame) -> str:
        """Write a lesson; returns the name of its file."""
        buffer = io.BytesIO()
        learned.write_parquet(buffer, compression="zstd", statistics=False)
        content = buffer.getvalue()
        name = _named(content)
        if not (self._folder / name).exists():
            self._folder.mkdir(exist_ok=True)
            self._put(name, content)
        return name

    def read(self, name: str) -> pl.DataFrame | None:
        """A lesson; None if its file is gone, or damaged."""
        try:
            content = (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        return pl.read_parquet(io.BytesIO(content)) if _named(content) == name else None

    def keep(self, lessons: Iterable[KeptLesson], state: str) -> None:
        """Note that these hold for a state of the tables; files of others are deleted."""
        kept = list(lessons)
        self._folder.mkdir(exist_ok=True)
        self._put(_INDEX, msgspec.json.encode(_Index(state, self._rules, kept)))
        named = {_INDEX, *(lesson.file for lesson in kept)}
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink()

    def _put(self, name: str, content: bytes) -> None:
        part = self._folder / f"{name}.part"
        part.write_bytes(content)
        part.replace(self._folder / name)


def _named(content: bytes) -> str:
    return f"{hashlib.blake2b(content, digest_size=16).hexdigest()}.parquet"
