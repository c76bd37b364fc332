"""Files in a table's folder that nothing names any more: left by expiry, compaction, a crash or a lost commit.

A file counts as named if any snapshot of any tag or branch, or the log of metadata files, names it; names are
compared without their folders, because every writer makes unique ones and folders can be spelled in several ways.
What is younger than a safe age may belong to a commit that somebody is preparing, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from coattail.errors import StoreError
from coattail.stores.lake import Lake
from coattail.stores.storage import METADATA, Entry, name_of

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

SAFE_AGE = timedelta(days=3)
LEAST_AGE = timedelta(hours=1)
"""Younger files are removed only while nothing else can be writing."""

_TOP = ("data", "metadata")
_OURS = (".parquet", ".avro", METADATA, ".puffin")


def find_orphans(lake: Lake, name: str, *, older_than: timedelta, now: datetime) -> list[Entry]:
    """Files of the table that nothing names, written more than `older_than` before `now`, by location.

    Links are never followed, and a table whose folder is not below the warehouse is refused.

    Raises: StoreError: If metadata or a manifest cannot be read: then nobody knows what is needed.
    """
    table = lake.iceberg(name)
    folder = table.location()
    if not lake.storage.inside(folder):
        raise StoreError(
            f"the files of {name} are in {folder}, which is not in {lake.storage.warehouse}",
            next_step="remove what is not needed there yourself",
        )
    latest = (now - older_than).timestamp()
    found = [file for file in _files(lake, folder) if file.written_at < latest]
    if not found:
        return []
    # Read after the folder was listed: what was committed meanwhile is named.
    named = _named(lake.iceberg(name))
    return [file for file in found if _subject(file.name) not in named]


def remove(lake: Lake, orphans: Sequence[Entry]) -> int:
    """Delete them, and folders that are empty then; returns the bytes. One that is gone already is not counted."""
    freed = sum(orphan.size for orphan in orphans if lake.delete(orphan.location))
    for folder in {orphan.location.rpartition("/")[0] for orphan in orphans}:
        if name_of(folder) not in _TOP:
            lake.storage.drop_if_empty(folder)
    return freed


def _files(lake: Lake, folder: str) -> Iterator[Entry]:
    """Every file of Iceberg's below `data` and `metadata`, by location; links and foreign files are passed by."""
    for top in _TOP:
        for file in lake.storage.listed(f"{folder}/{top}"):
            if _subject(file.name).endswith(_OURS):
                yield file


def _subject(name: str) -> str:
    """The file that a name refers to: Spark's checksum `.part.parquet.crc` is about `part.parquet`."""
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
    return {name_of(path) for path in paths | manifests}
