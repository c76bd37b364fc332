"""The one way to the files of a warehouse, by their locations: a folder on this machine, or a bucket.

A location is what Iceberg's metadata call a file: `s3://bucket/…`, or for a local one `file:///a`, `file:/a` or `/a`.
Local files are handed to their readers as plain paths, which is fastest. All others are opened through PyIceberg's
FileIO, and listed through the file system beneath it. Nothing here relies on renaming: a bucket has none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from coattail.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem
    from pyarrow.parquet import FileMetaData
    from pyiceberg.io import FileIO

_LOCAL = "file:"
_ASKED_AT_ONCE = 16

METADATA = ".metadata.json"
"""How the names of Iceberg's table metadata end."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the warehouse, as a listing finds it."""

    location: str
    size: int
    """In bytes."""
    written_at: float
    """Seconds since 1970."""

    @property
    def name(self) -> str:
        """The last part of the location."""
        return name_of(self.location)

    def __str__(self) -> str:
        return local_path(self.location) or self.location


class Storage:
    """The files of one warehouse. May cross processes: only the properties travel.

    properties: What PyIceberg's `load_catalog` takes. `warehouse` is a location; the others tell its FileIO how to
    reach it (`s3.region`, `py-io-impl`, …).
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        self.properties = dict(properties)
        self.warehouse = self.properties["warehouse"].rstrip("/")

    def __reduce__(self) -> tuple[type[Storage], tuple[dict[str, str]]]:
        return Storage, (self.properties,)

    @cached_property
    def io(self) -> FileIO:
        """PyIceberg's access to the files."""
        from pyiceberg.io import load_file_io

        return load_file_io(self.properties, self.warehouse)

    @property
    def is_local(self) -> bool:
        """Whether the warehouse is a folder on this machine."""
        return local_path(self.warehouse) is not None

    # -- reading ---------------------------------------------------------------------------------------------

    def inputs(self, locations: Sequence[str]) -> list[str] | list[IO[bytes]]:
        """What Polars and PyArrow read the files from: local paths, or open files."""
        paths = [local_path(location) for location in locations]
        if None not in paths:
            return cast("list[str]", paths)
        return [cast("IO[bytes]", self.io.new_input(location).open()) for location in locations]

    def read(self, location: str) -> bytes:
        """The whole content of a file."""
        path = local_path(location)
        if path is not None:
            return Path(path).read_bytes()
        with self.io.new_input(location).open() as file:
            return file.read()

    def exists(self, location: str) -> bool:
        """Whether there is such a file."""
        path = local_path(location)
        return os.path.exists(path) if path is not None else self.io.new_input(location).exists()

    def holds(self, namespace: str) -> bool:
        """Whether a table was ever made there, whatever a catalog says."""
        return any(file.name.endswith(METADATA) for file in self.listed(f"{self.warehouse}/{namespace}"))

    def missing(self, locations: Sequence[str]) -> list[str]:
        """Those of the files that are gone."""
        if all(local_path(location) for location in locations):
            return [location for location in locations if not self.exists(location)]
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            there = list(pool.map(self.exists, locations))
        return [location for location, found in zip(locations, there, strict=True) if not found]

    def listed(self, folder: str) -> Iterator[Entry]:
        """Every file below a folder, whatever its depth, by location; none if there is no such folder.

        Links are not followed. Files that vanish meanwhile are passed by.
        """
        path = local_path(folder)
        yield from _walked(path) if path is not None else self._found(folder)

    def _found(self, folder: str) -> Iterator[Entry]:
        from pyarrow.fs import FileSelector, FileType

        system, path = self._system(folder)
        selector = FileSelector(path, allow_not_found=True, recursive=True)
        root = folder.removesuffix("/").removesuffix(path.strip("/"))
        for info in sorted(system.get_file_info(selector), key=lambda info: info.path):
            if info.type == FileType.File:
                written_at = info.mtime.timestamp() if info.mtime is not None else 0.0
                yield Entry(root + info.path.lstrip("/"), info.size, written_at)

    def _system(self, location: str) -> tuple[FileSystem, str]:
        """The file system beneath the FileIO, and what the location is called there."""
        from pyiceberg.io.pyarrow import PyArrowFileIO

        if isinstance(self.io, PyArrowFileIO):
            scheme, host, path = self.io.parse_location(location, self.io.properties)
            return self.io.fs_by_scheme(scheme, host), path
        from pyarrow.fs import FSSpecHandler, PyFileSystem
        from pyiceberg.io.fsspec import FsspecFileIO

        if not isinstance(self.io, FsspecFileIO):
            raise ConfigError(
                f"{type(self.io).__name__} (lake.py-io-impl) cannot list files",
                next_step="use PyIceberg's PyArrowFileIO or FsspecFileIO, or a class derived from one of them",
            )
        system = self.io.get_fs(location.partition("://")[0])
        return PyFileSystem(FSSpecHandler(system)), system._strip_protocol(location)

    def inside(self, location: str) -> bool:
        """Whether a folder lies below the warehouse, and no link leads it elsewhere."""
        path, warehouse = local_path(location), local_path(self.warehouse)
        if path is None or warehouse is None:
            return path is warehouse and location.startswith(f"{self.warehouse}/")
        return Path(path).is_relative_to(warehouse) and Path(path).resolve().is_relative_to(Path(warehouse).resolve())

    # -- changing --------------------------------------------------------------------------------------------

    def write_parquet(self, location: str, rows: pa.Table, **options: Any) -> tuple[int, FileMetaData]:
        """Write rows into a new file; `options` are those of `pyarrow.parquet.write_table`.

        Returns its size in bytes, and its footer. Raises: OSError: If the disk is full, or writing is not allowed.
        """
        import pyarrow.parquet as pq

        footers: list[FileMetaData] = []
        path = local_path(location)
        if path is not None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                pq.write_table(rows, path, metadata_collector=footers, **options)
            except RuntimeError as error:  # it asks for the footer of a file that it could not finish
                raise error.__context__ or error from None
            return os.stat(path).st_size, footers[0]
        with self.io.new_output(location).create() as file:
            pq.write_table(rows, file, metadata_collector=footers, **options)
            size = cast("IO[bytes]", file).tell()
        return size, footers[0]

    def delete(self, location: str) -> bool:
        """Delete a file; False if it is gone already."""
        path = local_path(location)
        try:
            os.unlink(path) if path is not None else self.io.delete(location)
        except FileNotFoundError:
            return False
        return True

    def drop_folder(self, folder: str) -> None:
        """Delete every file below a folder, and the folder."""
        path = local_path(folder)
        if path is not None:
            shutil.rmtree(path)
            return
        for entry in list(self.listed(folder)):
            self.delete(entry.location)

    def drop_if_empty(self, folder: str) -> None:
        """Remove a folder that holds nothing any more; a bucket has no folders."""
        path = local_path(folder)
        if path is not None:
            with suppress(OSError):  # a writer has just put a file there
                os.rmdir(path)

    def aside(self, folder: Path) -> str:
        """Where to move things that belong in a folder on this machine; a bucket keeps them itself."""
        return local(folder) if self.is_local else f"{self.warehouse}/aside/{folder.name}"

    def move(self, location: str, to: str) -> None:
        """Move a file, or all below a folder. In a bucket file by file, so nobody else may be using them."""
        path, target = local_path(location), local_path(to)
        if path is not None and target is not None:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.move(path, target)
            return
        for entry in [*self.listed(location)] or [Entry(location, 0, 0)]:
            system, old = self._system(entry.location)
            system.copy_file(old, self._system(to + entry.location.removeprefix(location))[1])
            system.delete_file(old)

    # -- DuckDB ----------------------------------------------------------------------------------------------

    def names(self, locations: Sequence[str]) -> list[str]:
        """What DuckDB calls the files."""
        return [local_path(location) or location for location in locations]


def local(folder: Path) -> str:
    """The location of a folder on this machine."""
    return f"file://{folder.absolute()}"


def name_of(location: str) -> str:
    """The last part of a location."""
    return location.rpartition("/")[2]


def local_path(location: str) -> str | None:
    """The path of a local file, as writers spell it: `file:///a`, `file:/a` or `/a`; None for one that is elsewhere."""
    if location.startswith("/"):
        return location
    return "/" + location.removeprefix(_LOCAL).lstrip("/") if location.startswith(_LOCAL) else None


def _walked(folder: str) -> Iterator[Entry]:
    if os.path.islink(folder):
        return
    for where, inner, names in os.walk(folder):
        inner.sort()
        for name in sorted(names):
            path = os.path.join(where, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            if not os.path.islink(path):
                yield Entry(f"file://{path}", status.st_size, status.st_mtime)
