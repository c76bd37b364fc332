"""Files that are not on this machine, as DuckDB opens them: through PyIceberg's FileIO, by way of fsspec."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from coattail.stores.storage import Storage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def teach(storage: Storage, connection: DuckDBPyConnection) -> None:
    """Let a connection of DuckDB open what `Storage.names` gives."""
    if not storage.is_local:
        scheme = storage.warehouse.partition("://")[0]
        connection.register_filesystem(type("Files", (_Files,), {"protocol": scheme})(storage))


class _Files(AbstractFileSystem):  # type: ignore[misc]
    cachable = False

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self._storage = storage

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise PermissionError(f"{path} is only read")
        return _Positioned(self._storage.io.new_input(path).open())

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and size; every location is a file."""
        return {"name": path, "size": len(self._storage.io.new_input(path)), "type": "file"}

    def modified(self, path: str) -> datetime:
        """Data files are written once, so any time will do."""
        return _NEVER


class _Positioned:
    """An open file that several threads read at once, as DuckDB's do: each has a position of its own. DuckDB seeks,
    then reads; were the position shared, one thread would get what another one asked for.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = threading.local()
        self._one = threading.Lock()

    def seek(self, position: int) -> int:
        """Go there, in this thread."""
        self._at.position = position
        return position

    def tell(self) -> int:
        """Where this thread is."""
        position: int = getattr(self._at, "position", 0)
        return position

    def read(self, size: int) -> bytes:
        """The bytes from there on."""
        at = self.tell()
        if hasattr(self._file, "read_at"):  # PyArrow's: many at once
            content: bytes = self._file.read_at(size, at)
        else:
            with self._one:
                self._file.seek(at)
                content = self._file.read(size)
        self._at.position = at + len(content)
        return content

    def close(self) -> None:
        """Close it."""
        self._file.close()
