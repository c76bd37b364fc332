"""How every table stands, from the catalog and the tables' newest metadata alone: rows, sizes, snapshots, commits.

No data file and no manifest is read, and PyIceberg is not imported, so asking costs a few milliseconds a table.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import msgspec

from coattail.errors import StoreError

_NAMESPACE, _PREFIX = "coattail", "coattail."
_MAINTENANCE = "maintenance"


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
        return {k.removeprefix(_PREFIX): v for k, v in self.summary.items() if k.startswith(_PREFIX)}

    @property
    def sequence(self) -> int:
        """What the writer called the commit (property `commit`), else Iceberg's number."""
        return int(self.properties.get("commit", self.sequence_number))

    @property
    def wrote_rows(self) -> bool:
        """False where maintenance changed files or metadata but no row."""
        return self.summary.get("operation") != "replace" and _MAINTENANCE not in self.properties

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
    """How the tables of a SQLite catalog stand.

    catalog_db: The catalog's file. warehouse: Where tables are, to notice a catalog that is missing.
    """

    def __init__(self, catalog_db: Path, warehouse: Path) -> None:
        self._path = catalog_db
        self._warehouse = warehouse

    def all(self) -> dict[str, Outline]:
        """Table -> how it stands, in alphabetical order; none where nothing has landed yet.

        Raises: StoreError: If the catalog or the metadata of a table cannot be read.
        """
        return {name: _read(name, location) for name, location in sorted(self._locations().items())}

    def of(self, table: str) -> Outline:
        """How one table stands; as an empty one if it does not exist.

        Raises: StoreError: If the catalog or the table's metadata cannot be read.
        """
        location = self._locations().get(table)
        return Outline(location="") if location is None else _read(table, location)

    def stored_bytes(self, table: Outline) -> int:
        """The size of all files in the table's folder: those of older snapshots and metadata too."""
        return folder_bytes(table.location.removeprefix("file://"))

    def _locations(self) -> dict[str, str]:
        """Table -> where the catalog says that its newest metadata is."""
        path = self._path
        if not path.exists():
            if not any(self._warehouse.glob("*/*/metadata")):
                return {}
            raise StoreError(
                f"{path} is missing", next_step="`coattail doctor --repair` rebuilds it from the tables' metadata"
            )
        # A writer that was killed inside a transaction left its journal: only who may write can roll it back.
        killed = path.with_name(f"{path.name}-journal").exists()
        mode = "rw" if killed and os.access(path, os.W_OK) else "ro"
        query = "SELECT table_name, metadata_location FROM iceberg_tables WHERE table_namespace = ?"
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)) as opened:
                return dict(opened.execute(query, (_NAMESPACE,)).fetchall())
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the catalog {path} cannot be used ({error})",
                next_step="if it is damaged, `coattail doctor --repair` rebuilds it from the tables' metadata",
            ) from error


def _read(name: str, location: str) -> Outline:
    try:
        return msgspec.json.decode(_bytes_at(location), type=Outline)
    except (OSError, msgspec.DecodeError) as error:
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


def _bytes_at(location: str) -> bytes:
    return Path(location.removeprefix("file://")).read_bytes()
