"""SQL for people: Athena's dialect over the newest snapshots of the lake, read by DuckDB.

Only reading is possible: a query reaches the files that PyIceberg lists for the tables it names, and nothing else,
neither other files nor the network nor DuckDB's settings. docs/SQL.md shows what can be asked.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import duckdb
import msgspec
import pyarrow as pa
from sqlglot import exp

from coattail.errors import UsageError
from coattail.sql.bounds import bounds_of
from coattail.sql.dialect import MAIN, Statement, duckdb_text, parse, place_of, tables_of
from coattail.sql.mistakes import explained
from coattail.sql.parameters import bound
from coattail.sql.sources import Sources, athena_type, literal
from coattail.sql.views import ALERTS_VIEW, VIEWS
from coattail.stores.catalog import NAMESPACE
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake

SNAPSHOTS = b"coattail.snapshots"
"""Key in the metadata of an answer's schema: JSON, table (`table@id` when asked for) -> snapshot it was read at."""

__all__ = ["SNAPSHOTS", "Sql"]


class Sql:
    """Answers queries over a lake, and over the alerts of a hot store; every query sees the newest snapshots.

    lake: None means that there are only definitions. others: Tables that are elsewhere, by name, for SHOW TABLES.
    catalog_only: Whether a query may name nothing but the tables that the lake's catalog has. stop: Ends a query that
    runs, once it is set.

    ```
    Sql(lake, hot).query("SELECT symbol, count(*) AS trades FROM raw_trades GROUP BY symbol").to_pandas()
    ```
    """

    def __init__(
        self,
        lake: Lake | None,
        hot: HotStore | None = None,
        *,
        others: Sequence[str] = (),
        catalog_only: bool = False,
        stop: threading.Event | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lake = lake
        self._hot = hot
        self._others, self._catalog_only = others, catalog_only
        self._stop = stop
        self._clock = clock

    def query(self, text: str, *, parameters: Mapping[str, object] | None = None, limit: int | None = None) -> pa.Table:
        """The rows that a statement asks for, `limit` at most. Decimals are exact, times are UTC.

        parameters: Values of `:name` in the statement, bound as literals; None means there are none.
        Raises: UsageError: If the statement cannot be understood or does more than read, or a parameter fits none of
        its names. StoreError: If a table cannot be read.
        """
        statement = bound(parse(text), parameters or {})
        sources = self._sources()
        columns: dict[str, list[str]] = {}
        with _connected() as connection:
            try:
                if statement.tree is None:
                    return _information(statement, sources, connection)
                tree = statement.tree.copy()
                _define_tables(tree, sources, connection)
                columns.update((name, _columns(connection, name)) for name in _defined_names(tree))
                written = duckdb_text(tree)
                _lock(connection, sources.paths)
                if statement.kind == "explain":
                    return _plan(connection, written)
                answer = _interruptible(connection, lambda: _answer(connection, written, limit), self._stop)
            except duckdb.Error as error:
                raise explained(error, statement.tree, text, columns) from error
        return answer.replace_schema_metadata({SNAPSHOTS: msgspec.json.encode(sources.snapshots)})

    def scanned(self, text: str) -> int:
        """Bytes of the files that a statement reads.

        Raises: UsageError: As of `query`.
        """
        sources = self._sources()
        tree = bound(parse(text), {}).tree
        if tree is not None:
            with _connected() as connection:
                _define_tables(tree.copy(), sources, connection)
        return sources.bytes

    def _sources(self) -> Sources:
        return Sources(self._lake, self._hot, self._clock, self._others, self._catalog_only)

    def names(self) -> list[str]:
        """Tables and views that a query may name."""
        return self._sources().names()


def _information(asked: Statement, sources: Sources, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Answers to SHOW and DESCRIBE."""
    tables = sources.tables()
    if asked.kind == "databases":
        return pa.table({"database_name": [NAMESPACE]})
    if asked.kind == "tables":
        names = [name for name in sources.names() if _fits(asked.name, name)]
        docs = {**{n: t.doc if t else None for n, t in tables.items()}, **{v.name: v.doc for v in VIEWS.values()}}
        kinds = ["view" if name in VIEWS else "table" for name in names]
        return pa.table({"tab_name": names, "kind": kinds, "comment": [docs[name] for name in names]})
    name = (asked.name or "").lower()
    sources.define(connection, name)
    rows = connection.execute(f'DESCRIBE "{name}"').fetchall()
    if asked.kind == "columns":
        return pa.table({"column": [row[0] for row in rows]})
    definition = VIEWS[name].of if name in VIEWS else tables.get(name)
    docs = {column.name: column.doc for column in definition.columns} if definition else {}
    return pa.table(
        {
            "col_name": [row[0] for row in rows],
            "data_type": [athena_type(row[1]) for row in rows],
            "comment": pa.array([docs.get(row[0]) for row in rows], pa.string()),
        }
    )


def _fits(pattern: str | None, name: str) -> bool:
    """Whether a name matches Athena's pattern: `*` for anything, `|` between alternatives."""
    if pattern is None:
        return True
    parts = [re.escape(part).replace(r"\*", ".*").replace("%", ".*") for part in pattern.split("|")]
    return re.fullmatch("|".join(parts), name, re.IGNORECASE) is not None


@contextmanager
def _connected() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, which loads nothing and spills to the system's folder for temporary files."""
    spill = os.path.join(tempfile.gettempdir(), f"coattail-sql-{os.getpid()}")
    config = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": spill,
        "TimeZone": "UTC",
        "integer_division": True,
        "python_enable_replacements": False,
    }
    with closing(duckdb.connect(":memory:")) as connection:
        for name, value in config.items():
            connection.execute(f"SET {name} = {literal(value) if isinstance(value, str) else str(value).lower()}")
        # In Jupyter it is off already, and to say so would ask for ipywidgets.
        if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
            connection.execute("SET enable_progress_bar = false")
        yield connection


def _lock(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """From now on the connection reads the files of its views, and nothing else."""
    connection.execute(f"SET allowed_paths = [{', '.join(literal(path) for path in paths)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _define_tables(tree: exp.Expr, sources: Sources, connection: duckdb.DuckDBPyConnection) -> None:
    """Define what the query names, and write the names that it has in the connection into the tree."""
    named = tables_of(tree)
    alerts = [table for table in named if table.name.lower() == ALERTS_VIEW.name]
    if len(alerts) == 1:
        sources.alerts_within = bounds_of(alerts[0], str(ALERTS_VIEW.of.day_of), _time)
    for table in named:
        name = table.name.lower()
        version = table.args.get("version")
        if version is None:
            sources.define(connection, name, place_of(table))
            known = name
        else:
            if version.name.upper() == "TIMESTAMP":
                snapshot = sources.snapshot_at(name, _time(version.expression))
            else:
                snapshot = sources.snapshot_named(name, version.expression.name)
            known = sources.define_as_of(connection, name, snapshot)
            table.set("version", None)
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(known, quoted=True))
        table.set("db", exp.to_identifier(MAIN))
        table.set("catalog", None)


def _time(expression: exp.Expr) -> datetime:
    """What a constant expression of time comes to."""
    wrong = UsageError(
        f"{expression.sql(dialect='trino')} is not a time that is known before the query runs",
        next_step="write it like TIMESTAMP '2025-03-04 12:00:00 UTC' or current_timestamp - INTERVAL '1' DAY",
    )
    if expression.find(exp.Column, exp.Query) is not None:
        raise wrong
    with _connected() as connection:
        _lock(connection, [])
        try:
            rows = connection.execute(f"SELECT CAST({duckdb_text(expression)} AS TIMESTAMPTZ)").fetchall()
        except duckdb.Error as error:
            raise wrong from error
    when = rows[0][0]
    if not isinstance(when, datetime):
        raise wrong
    return when


def _defined_names(tree: exp.Expr) -> list[str]:
    return sorted({table.name for table in tables_of(tree)})


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [column[0] for column in connection.table(f'"{name}"').description]


def _plan(connection: duckdb.DuckDBPyConnection, written: str) -> pa.Table:
    rows = connection.execute(f"EXPLAIN {written}").fetchall()
    return pa.table({"Query Plan": [line for row in rows for line in row[1].splitlines()]})


def _interruptible(
    connection: duckdb.DuckDBPyConnection, work: Callable[[], pa.Table], stop: threading.Event | None = None
) -> pa.Table:
    """The result of `work`, which Ctrl-C ends at once, as `stop` does: DuckDB itself looks for signals only now and
    then.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="sql") as pool:
        try:
            answer = pool.submit(work)
            while not wait([answer], timeout=0.2).done:
                # a signal may reach a thread of DuckDB: only a main thread that wakes up sees it
                if stop is not None and stop.is_set():
                    connection.interrupt()
        except KeyboardInterrupt:
            connection.interrupt()
            raise
        return answer.result()


def _answer(connection: duckdb.DuckDBPyConnection, written: str, limit: int | None) -> pa.Table:
    relation = connection.sql(written)
    whole = [str(kind) == "HUGEINT" for kind in relation.types]
    reader = relation.to_arrow_reader(100_000)
    batches, rows = [], 0
    while limit is None or rows < limit:
        batch = next(reader, None)
        if batch is None:
            break
        batches.append(batch if limit is None else batch.slice(0, limit - rows))
        rows += batches[-1].num_rows
    answer = pa.Table.from_batches(batches, reader.schema)
    for place, is_whole in enumerate(whole):
        if is_whole:  # sums of integers: bigint in Athena
            answer = answer.set_column(place, answer.field(place).name, answer.column(place).cast(pa.int64()))
    return answer.rename_columns(distinct(answer.column_names))


def distinct(names: list[str]) -> list[str]:
    """The names, a repeated one with a number after it."""
    found: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found
