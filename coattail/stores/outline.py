"""How every table stands, from the catalog and the tables' newest metadata alone: rows, sizes, snapshots, commits.

No data file and no manifest is read, and PyIceberg is not imported, so asking costs a few milliseconds a table.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from coattail.errors import StoreError
from coattail.stores.catalog import shelf_of
from coattail.stores.commits import MAINTENANCE, PREFIX

_GZIP = b"\x1f\x8b"


class Snapshot(msgspec.Struct, rename="kebab", frozen=True, dict=True):
    """One snapshot of a table, as its metadata lists it."""

    snapshot_id: int
    timestamp_ms: int
    parent_snapshot_id: int | None = None
    sequence_number: int = 0
    summary: dict[str, str] = {}

    @property
    def committed_at(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    @cached_property
    def properties(self) -> Mapping[str, str]:
        """What coattail wrote down with the commit."""
        return {k.removeprefix(PREFIX): v for k, v in self.summary.items() if k.startswith(PREFIX)}

    @property
    def sequence(self) -> int:
        """What the writer called the commit (property `commit`), else Iceberg's number."""
        return int(self.properties.get("commit", self.sequence_number))

    @property
    def wrote_rows(self) -> bool:
        """False where maintenance changed files or metadata but no row."""
        return self.summary.get("operation") != "replace" and MAINTENANCE not in self.properties

    def total(self, name: str) -> int:
        """A total of the table then: `records`, `data-files` or `files-size` (bytes)."""
        return int(self.summary.get(f"total-{name}", 0))


class _LogEntry(msgspec.Struct, rename="kebab", frozen=True):
    snapshot_id: int


class Outline(msgspec.Struct, rename="kebab", frozen=True):
    """A table's newest metadata."""

    location: str
    snapshots: list[Snapshot] = []
    snapshot_log: list[_LogEntry] = []
    current_snapshot_id: int | None = None

    @classmethod
    def read(cls, content: bytes) -> Outline:
        """What a file of metadata says; some writers compress it (`….gz.metadata.json`).

        Raises: ValueError: If it is no such file.
        """
        try:
            return msgspec.json.decode(gzip.decompress(content) if content[:2] == _GZIP else content, type=cls)
        except (msgspec.DecodeError, OSError, EOFError, zlib.error) as error:
            raise ValueError(str(error)) from error

    @property
    def current(self) -> Snapshot | None:
        """The newest snapshot; None for a table that is empty still."""
        return next(self.back(), None)

    def back(self) -> Iterator[Snapshot]:
        """The current snapshot, its parent, and so on, as far as they have not expired."""
        known = {snapshot.snapshot_id: snapshot for snapshot in self.snapshots}
        found = known.get(self.current_snapshot_id or -1)
        while found is not None:
            yield found
            found = known.get(found.parent_snapshot_id or -1)

    def total(self, name: str) -> int:
        """A total of the table now: `records`, `data-files` or `files-size` (bytes)."""
        return 0 if self.current is None else self.current.total(name)

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot that carries coattail's properties."""
        return next((s for s in self.back() if s.properties), None)

    @property
    def written(self) -> int | None:
        """Id of the newest snapshot that wrote rows: it stays the same while maintenance works on the table."""
        return next((s.snapshot_id for s in self.back() if s.wrote_rows), None)

    @property
    def past(self) -> list[Snapshot]:
        """The snapshots that have been the table's state, oldest first; those of other branches have not."""
        been = {entry.snapshot_id for entry in self.snapshot_log}
        return sorted((s for s in self.snapshots if s.snapshot_id in been), key=lambda s: s.timestamp_ms)


class Outlines:
    """How the tables of a lake stand.

    properties: What PyIceberg's `load_catalog` takes; `coattail.stores.lake.Lake` takes the same.
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._shelf = shelf_of(properties, writable=False)
        self._storage = self._shelf.storage

    def all(self) -> dict[str, Outline]:
        """Table -> how it stands, in alphabetical order; none where nothing has landed yet.

        Raises: StoreError: If the catalog or the metadata of a table cannot be read.
        """
        return {name: self._read(name, location) for name, location in sorted(self._shelf.locations().items())}

    def of(self, table: str) -> Outline:
        """How one table stands; as an empty one if it does not exist.

        Raises: StoreError: If the catalog or the table's metadata cannot be read.
        """
        location = self._shelf.locations().get(table)
        return Outline(location="") if location is None else self._read(table, location)

    def stored_bytes(self, table: Outline) -> int:
        """The size of all files in the table's folder: those of older snapshots and metadata too."""
        return sum(file.size for file in self._storage.listed(table.location))

    def _read(self, name: str, location: str) -> Outline:
        try:
            return Outline.read(self._storage.read(location))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the metadata of table '{name}' cannot be read ({error})",
                next_step="run `coattail doctor --repair`: each table goes back to its newest readable metadata",
            ) from error


def folder_bytes(path: str | os.PathLike[str]) -> int:
    """The size of all files below a folder; those that vanish meanwhile are passed by."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total
