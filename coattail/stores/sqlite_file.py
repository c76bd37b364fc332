"""One SQLite file that several processes share: write-ahead logged, so that readers never wait."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path


class Still(sqlite3.Connection):
    """A connection that sees nothing of what is written later: to find out, connect anew."""


def connect(
    path: Path | None, schema: str, *, writable: bool, patience: timedelta = timedelta(seconds=30)
) -> sqlite3.Connection:
    """A connection, for any thread, that commits each statement by itself; a writable one makes what is missing.

    A read-only one of a file that is not there (None: of no file), or is only just being made, sees empty tables, and
    makes no file; it is `Still`, and so is that of a file whose log cannot be followed.
    patience: How long to wait for a file that somebody has locked for himself.
    Raises: sqlite3.DatabaseError: If the file cannot be used.
    """
    waits = patience.total_seconds()
    if writable and path is not None:
        with ExitStack() as failed:
            connection = sqlite3.connect(path, timeout=waits, check_same_thread=False, isolation_level=None)
            failed.callback(connection.close)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(f"BEGIN IMMEDIATE;{schema}COMMIT;")  # a reader sees all tables, or none
            failed.pop_all()
        return connection
    if path is None or not path.exists():
        return _empty(schema)
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=waits, check_same_thread=False)
    with ExitStack() as failed:
        failed.callback(connection.close)
        try:
            made = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:  # WAL needs a writable folder, unless nobody else can write
            if "locked" in str(error):
                raise  # somebody does write, and a `Still` one would not see what is only in the log
            return sqlite3.connect(f"file:{path}?immutable=1", uri=True, check_same_thread=False, factory=Still)
        if made is None:  # somebody is just making it
            return _empty(schema)
        failed.pop_all()
    return connection


def _empty(schema: str) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", check_same_thread=False, factory=Still)
    memory.executescript(schema)
    return memory
