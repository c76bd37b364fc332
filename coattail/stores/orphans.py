"""Files in a table's folder that nothing names any more: left by expiry, compaction, a crash or a lost commit.

A file counts as named if any snapshot of any tag or branch, or the log of metadata files, names it; names are
compared without their folders, because every writer makes unique ones and folders can be spelled in several ways.
What is younger than a safe age may belong to a commit that somebody is preparing, and stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from coattail.errors import StoreError
from coattail.stores.lake import Lake

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

SAFE_AGE = timedelta(days=3)
LEAST_AGE = timedelta(hours=1)
"""Younger files are removed only while nothing else can be writing."""

_OURS = (".parquet", ".avro", ".metadata.json", ".puffin")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that nothing names."""

    path: Path
    size: int
    """In bytes."""
    written_at: float
    """Seconds since 1970."""


def find_orphans(lake: Lake, name: str, *, older_than: timedelta, now: datetime) -> list[Orphan]:
    """Orphans of the table that were written more than `older_than` before `now`, by path.

    Links are never followed, and a table whose folder is not below the warehouse is refused.

    Raises: StoreError: If metadata or a manifest cannot be read: then nobody knows what is needed.
    """
    table = lake.iceberg(name)
    folder = Path(_plain(table.location()))
    if not folder.is_relative_to(lake.warehouse) or _leaves(folder, lake.warehouse):
        raise StoreError(
            f"the files of {name} are in {folder}, which is not in {lake.warehouse}",
            next_step="remove what is not needed there by hand",
        )
    latest = (now - older_than).timestamp()
    found = [file for file in _files(folder) if file.written_at < latest]
    if not found:
        return []
    # Read after the folder was listed: what was committed meanwhile is named.
    named = _named(lake.iceberg(name))
    return [file for file in found if _subject(file.path.name) not in named]


def remove(orphans: Sequence[Orphan]) -> int:
    """Delete them, and folders that are empty then; returns the bytes. One that is gone already is no error."""
    freed = 0
    for orphan in orphans:
        try:
            orphan.path.unlink()
        except FileNotFoundError:
            continue
        freed += orphan.size
    for folder in {orphan.path.parent for orphan in orphans}:
        if folder.name not in ("data", "metadata") and not any(folder.iterdir()):
            _remove_empty(folder)
    return freed


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # a writer has just put a file there
        return


def _files(folder: Path) -> Iterator[Orphan]:
    """Every file of Iceberg's below `data` and `metadata`, by path; links and foreign files are passed by."""
    for top in (folder / "data", folder / "metadata"):
        if top.is_symlink():
            continue
        for where, inner, names in os.walk(top):
            inner.sort()
            for name in sorted(names):
                path = Path(where, name)
                if _subject(name).endswith(_OURS) and not path.is_symlink():
                    try:
                        status = path.stat()
                    except FileNotFoundError:  # the catalog removes old metadata itself
                        continue
                    yield Orphan(path, status.st_size, status.st_mtime)


def _subject(name: str) -> str:
    """The file that a name is about: Spark's checksum `.part.parquet.crc` is about `part.parquet`."""
    return name[1:-4] if name.startswith(".") and name.endswith(".crc") else name


def _named(table: IcebergTable) -> set[str]:
    """Names of all files that the table's metadata needs, whatever their folder."""
    metadata = table.metadata
    paths = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    paths |= {file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics)}
    manifests: set[str] = set()
    try:
        for snapshot in metadata.snapshots:
            paths.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                if manifest.manifest_path not in manifests:
                    manifests.add(manifest.manifest_path)
                    entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                    paths |= {entry.data_file.file_path for entry in entries}
    except (OSError, ValueError) as error:
        raise StoreError(
            f"a manifest of {table.name()[-1]} cannot be read ({error}), so nobody knows which files it needs",
            next_step="nothing was removed; `coattail doctor` looks at the tables",
        ) from error
    return {os.path.basename(_plain(path)) for path in paths | manifests}


def _plain(location: str) -> str:
    """A path without the scheme: writers spell it `file:///a`, `file:/a` or `/a`."""
    return "/" + location.removeprefix("file:").lstrip("/")


def _leaves(folder: Path, warehouse: Path) -> bool:
    """Whether a link between warehouse and folder leads elsewhere."""
    return not folder.resolve().is_relative_to(warehouse.resolve())
