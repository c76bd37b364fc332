"""The catalog names each table's current metadata file: SQLite beside the warehouse, or Glue."""

from __future__ import annotations

import os
import sqlite3
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coattail.errors import ConfigError, StoreError, TableBusy
from coattail.stores.storage import Storage, local

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

NAMESPACE = "coattail"
PATIENCE_SECONDS = 30
"""How long a transaction waits while another process writes to the catalog; Spark's waits as long."""

_SQLITE = "sqlite:///"


def embedded(folder: Path) -> dict[str, str]:
    """The properties of the lake in a folder: `catalog.db` and `warehouse/`."""
    return {"type": "sql", "uri": f"{_SQLITE}{folder.absolute()}/catalog.db", "warehouse": local(folder / "warehouse")}


class Shelf(ABC):
    """A catalog, and the files of its warehouse."""

    storage: Storage
    loaded: Any
    """PyIceberg's catalog; a writable one is made if it is not there.

    Raises: StoreError: If it is missing and cannot be made, or cannot be used.
    """

    @abstractmethod
    def locations(self) -> dict[str, str]:
        """Table -> the metadata file that counts, whether or not it can be read; none where nothing has landed yet.

        Raises: StoreError: If the catalog is lost, or cannot be used.
        """

    @abstractmethod
    def errors(self) -> AbstractContextManager[None]:
        """Turn errors of the catalog in the block into ours."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""


def shelf_of(properties: Mapping[str, str], *, writable: bool) -> Shelf:
    """The catalog that the properties ask for, in the form of PyIceberg's `load_catalog`.

    Raises: ConfigError: If coattail does not keep such a catalog.
    """
    if properties.get("type") == "glue":
        from coattail.stores.glue import GlueShelf

        return GlueShelf(properties, writable=writable)
    return EmbeddedCatalog(properties, writable=writable)


class EmbeddedCatalog(Shelf):
    """A SQLite database; Spark's JDBC reads it too.

    properties: What PyIceberg's `load_catalog` takes; `type` is sql, and `uri` names the database.
    writable: Whether it may be made and changed.
    Raises: ConfigError: If the properties ask for another catalog.
    """

    def __init__(self, properties: Mapping[str, str], *, writable: bool) -> None:
        kind, uri = properties.get("type"), properties.get("uri", "")
        if kind == "glue":
            raise ConfigError(
                "this is done only to a lake whose catalog is in the home, and lake.type is glue",
                next_step="use the local engine, or another home",
            )
        if kind != "sql" or not uri.startswith(_SQLITE):
            raise ConfigError(
                f"lake.type = {kind!r} with lake.uri = {uri!r} is not a catalog that coattail keeps",
                next_step="use type: glue, or type: sql and uri: sqlite:////path/to/catalog.db, or leave both out",
            )
        self.path = Path(uri.removeprefix(_SQLITE))
        self.storage = Storage(properties)
        self._may_be_lost = True
        self.writable = writable
        self._properties = {k: v for k, v in properties.items() if k not in ("type", "uri")}

    def anew(self, path: Path) -> EmbeddedCatalog:
        """A new one for the same warehouse, in another file, however many tables the warehouse has already."""
        made = EmbeddedCatalog({**self._properties, "type": "sql", "uri": f"{_SQLITE}{path}"}, writable=True)
        made._may_be_lost = False
        return made

    @cached_property
    def loaded(self) -> SqlCatalog:
        from pyiceberg.catalog.sql import SqlCatalog

        if self._known() is None and (not self.writable or self.lost()):
            raise self._missing()
        where = f"{self.path}?" if self.writable else f"file:{self.path}?mode={self._mode()}&uri=true&"
        with self.errors():
            catalog = SqlCatalog(
                NAMESPACE,
                **self._properties,
                uri=f"{_SQLITE}{where}timeout={PATIENCE_SECONDS}",
                init_catalog_tables=str(self.writable).lower(),
            )
            weakref.finalize(self, catalog.engine.dispose)  # before a connection of the same cycle is freed
            if self.writable:
                catalog.create_namespace_if_not_exists(NAMESPACE)
            return catalog

    def lost(self) -> bool:
        """Whether the catalog is missing or empty although there are tables.

        Raises: StoreError: If it cannot be used.
        """
        return self._may_be_lost and self._known() is None and self.storage.holds(NAMESPACE)

    def locations(self) -> dict[str, str]:
        """As promised, without PyIceberg."""
        known = self._known()
        if known is None and self.lost():
            raise self._missing()
        return known or {}

    def _known(self) -> dict[str, str] | None:
        """What the database says; None where there is none, or its maker was killed before it had made its tables."""
        if not self.path.exists():
            return None
        made = "SELECT 1 FROM sqlite_master WHERE name = 'iceberg_tables'"
        query = "SELECT table_name, metadata_location FROM iceberg_tables WHERE table_namespace = ?"
        uri = f"{self.path.as_uri()}?mode={self._mode()}"
        with self.errors(), closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE_SECONDS)) as connection:
            if connection.execute(made).fetchone() is None:
                return None
            return dict(connection.execute(query, (NAMESPACE,)).fetchall())

    def _mode(self) -> str:
        """How a reader opens it: a writer that was killed inside a transaction left its journal, and only a
        connection that may write can roll that back.
        """
        killed = self.path.with_name(f"{self.path.name}-journal").exists()
        return "rw" if killed and os.access(self.path, os.W_OK) else "ro"

    def _missing(self) -> StoreError:
        return StoreError(
            f"{self.path} is {'empty' if self.path.exists() else 'missing'}",
            next_step="`coattail doctor --repair` rebuilds it from the tables' metadata",
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the database in the block into ours.

        Raises: TableBusy: If another process wrote to it all the time. StoreError: If it cannot be used.
        """
        try:
            yield
        except Exception as error:
            if not (isinstance(error, sqlite3.Error) or type(error).__module__.startswith("sqlalchemy.")):
                raise
            cause = getattr(error, "orig", None) or error
            if getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise TableBusy(
                    f"another process has kept the catalog {self.path} locked for {PATIENCE_SECONDS} s",
                    next_step="run it again when that one has finished; nothing is damaged",
                ) from error
            raise StoreError(
                f"the catalog {self.path} cannot be used ({str(cause).splitlines()[0]})",
                next_step="if it is damaged, `coattail doctor --repair` rebuilds it from the tables' metadata",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        if "loaded" in self.__dict__:
            self.loaded.engine.dispose()
