"""The embedded dead letter queue: files in a folder of the home."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from coattail.stores.dlq_files import ALL_FOLDERS, LetterFiles, day_of, is_day

_SETTLED_NANOSECONDS = 2 * 10**9
"""A folder changed this shortly before it was listed may change again within the same tick of its clock."""


class FolderDeadLetters(LetterFiles):
    """Files under `folder`, each renamed into place when it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[int, frozenset[str]]] = {}
        """Day -> when it was last changed (ns), and its files; only where no change since can go unnoticed."""

    def _put(self, path: str, content: bytes) -> None:
        name = self._folder / path
        name.parent.mkdir(parents=True, exist_ok=True)
        temporary = name.with_name(f"{uuid.uuid4().hex}.tmp")  # an engine and maintenance may both be at one
        temporary.write_bytes(content)
        os.replace(temporary, name)

    def _listed(self) -> Mapping[str, Collection[str]]:
        found: dict[str, frozenset[str]] = {}
        known, self._known = self._known, {}
        for day in self._days(ALL_FOLDERS):
            path = self._folder / day
            try:
                changed, now = path.stat().st_mtime_ns, time.time_ns()
                before = known.get(day)
                if before is not None and before[0] == changed:
                    names = before[1]
                else:
                    names = frozenset(entry.name for entry in os.scandir(path) if entry.name.endswith(".jsonl"))
            except FileNotFoundError:  # its day is over, and a purge was here
                continue
            if now - changed > _SETTLED_NANOSECONDS:
                self._known[day] = changed, names
            found[day] = names
        return found

    def _days(self, folders: Iterable[str]) -> list[str]:
        found = (f"{f}/{path.name}" for f in folders for path in (self._folder / f).glob("dt=*"))
        return [day for day in found if is_day(day)]

    def _paths(self, folders: Collection[str], *, since: date | None, stored_since: datetime | None) -> Iterable[str]:
        moment = 0.0 if stored_since is None else stored_since.timestamp()
        for day in self._days(folders):
            if (since is None or day_of(day) >= since) and (not moment or _changed(self._folder / day) >= moment):
                for path in (self._folder / day).glob("*.jsonl"):
                    if not moment or _changed(path) >= moment:
                        yield f"{day}/{path.name}"

    def _contents(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            try:
                content = (self._folder / path).read_bytes()
            except FileNotFoundError:
                continue
            yield path, content

    def _remove(self, day: str) -> bool:
        try:
            shutil.rmtree(self._folder / day)
        except FileNotFoundError:
            return False
        return True

    def _place(self, path: str) -> str:
        return str(self._folder / path)


def _changed(path: Path) -> float:
    """When a file was last changed, or something last put into a folder (s); 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
