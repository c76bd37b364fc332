"""Files that are not on this machine, as DuckDB opens them: through PyIceberg's FileIO, by way of fsspec."""

from __future__ import annotations

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
        return self._storage.io.new_input(path).open()

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and size; every location is a file."""
        return {"name": path, "size": len(self._storage.io.new_input(path)), "type": "file"}

    def modified(self, path: str) -> datetime:
        """Data files are written once, so any time will do."""
        return _NEVER
