"""A writer that is killed inside a transaction of the catalog leaves a journal; whoever reads next gets over it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

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
