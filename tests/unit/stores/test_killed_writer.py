"""A writer that is killed while it makes the catalog, or inside a transaction: whoever comes next gets over it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coattail.errors import StoreError
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import BARS

KILLED = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size=1")  # so that some of it is on the disk already
connection.execute("BEGIN IMMEDIATE")
for number in range(2_000):
    row = ("x", "y", f"{number}" + "z" * 200)
    connection.execute("INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name) VALUES (?, ?, ?)", row)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reader_rolls_back_what_a_killed_writer_had_begun(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.db"
    writer = Lake(embedded(tmp_path))
    writer.create(BARS)
    writer.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(catalog)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert catalog.with_name("catalog.db-journal").stat().st_size > 0
    reader = Lake(embedded(tmp_path), writable=False)
    assert reader.names() == ["bars"]
    reader.close()
    assert not catalog.with_name("catalog.db-journal").exists()


def test_a_catalog_that_was_not_finished_when_its_maker_was_killed_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").touch()  # as SQLite leaves it before its first transaction
    reader = Lake(embedded(tmp_path), writable=False)
    assert reader.names() == []
    assert reader.newest("raw_trades") is None
    reader.close()
    writer = Lake(embedded(tmp_path))
    assert writer.newest("raw_trades") is None
    writer.create(BARS)
    assert writer.names() == ["bars"]
    writer.close()


def test_an_empty_catalog_beside_tables_is_lost(tmp_path: Path) -> None:
    writer = Lake(embedded(tmp_path))
    writer.create(BARS)
    writer.close()
    (tmp_path / "catalog.db").write_bytes(b"")
    for writable in (False, True):
        with pytest.raises(StoreError, match=r"catalog\.db is empty; `coattail doctor --repair`"):
            Lake(embedded(tmp_path), writable=writable).names()
        with pytest.raises(StoreError, match=r"catalog\.db is empty"):
            _ = Lake(embedded(tmp_path), writable=writable).catalog
