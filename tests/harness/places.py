"""Where a home without further settings keeps its tables: asked of the seam, as everything in the package does."""

from __future__ import annotations

from pathlib import Path

from coattail.home import Home
from coattail.stores.catalog import EmbeddedCatalog, embedded
from coattail.stores.storage import local_path


def catalog_db(home: Home) -> Path:
    """The catalog's database."""
    return EmbeddedCatalog(embedded(home.path), writable=False).path


def warehouse(home: Home) -> Path:
    """The folder of the tables."""
    path = local_path(embedded(home.path)["warehouse"])
    assert path is not None
    return Path(path)
