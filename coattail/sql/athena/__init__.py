"""SQL on Athena: the same statements, sent by PyAthena, and the same types in the answer.

Athena reads the tables in the Glue Data Catalog. What it cannot see is said here and in docs/SQL.md: our views are not
in the catalog, so they go with the statement (`text`); and alerts that only the hot store has, it does not know.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pyarrow as pa

from coattail.errors import ConfigError, UsageError
from coattail.service_client import connect
from coattail.service_url import ServiceUrl, is_loopback, service_url
from coattail.sql import SNAPSHOTS, Sql, distinct
from coattail.sql.athena.answer import arrow_table, read_csv, types_of
from coattail.sql.athena.errors import explained, missing_table
from coattail.sql.athena.text import Pinned, written
from coattail.sql.cost import COST, QueryCost
from coattail.sql.dialect import Statement, parse, tables_of
from coattail.sql.parameters import bound
from coattail.sql.sources import Sources
from coattail.sql.views import ALERTS_VIEW
from coattail.stores.catalog import NAMESPACE

_PAGE = 1000
"""Rows that come with the first answer, the most that the service gives at once; more are read from the bucket."""
_LOOK_SECONDS = 0.5
"""Between two looks at a query: the shortest take about a second on AWS."""
_LOOK_SECONDS_HERE = 0.02
_PROVISIONAL = "provisional alerts are in the hot store only, and not in this answer: `coattail alerts` shows them"


class Workgroup(NamedTuple):
    """Where statements go: what `sql.url` says."""

    name: str
    region: str | None
    endpoint: str | None
    output: str | None
    """Where the service puts answers, s3://BUCKET/FOLDER; None: where the workgroup says."""

    @property
    def emulated(self) -> bool:
        """Whether it is on this machine, and not AWS."""
        return is_loopback(self.endpoint)

    @property
    def said(self) -> str:
        """It, in a sentence."""
        return f"Athena's workgroup {self.name}{' (local emulation)' if self.emulated else ''}"


def workgroup_of(url: str) -> Workgroup:
    """What the setting `sql.url` says: athena://WORKGROUP?region=…&endpoint=…&output=s3://BUCKET/FOLDER.

    Raises: ConfigError: If it makes no sense.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    output = options.pop("output", None)
    found: ServiceUrl = service_url(
        "sql.url", parts._replace(query=urlencode(options)).geturl(), scheme="athena", what="workgroup"
    )
    if output is not None and (not output.startswith("s3://") or not urlsplit(output).netloc):
        raise ConfigError(
            f"sql.url = {url!r}: the output {output!r} is no folder of a bucket",
            next_step="write &output=s3://BUCKET/FOLDER, or leave it out: the workgroup may say where",
        )
    return Workgroup(found.name, found.region, found.endpoint, output)


class AthenaSql:
    """Answers statements by a workgroup of Athena. Every call that it makes is on this list: StartQueryExecution,
    GetQueryExecution, GetQueryResults, StopQueryExecution, GetWorkGroup (after a refusal), and GetObject of an answer
    of 1,000 rows and more.
    """

    def __init__(self, workgroup: Workgroup) -> None:
        self._group = workgroup
        self._connection: Any = None

    def query(self, text: str, *, parameters: Mapping[str, object] | None = None, limit: int | None = None) -> pa.Table:
        """The rows that a statement asks for, `limit` at most; its schema's metadata say what it has read (`COST`).

        Ctrl-C stops the query there, too. parameters: As of `Sql.query`.
        Raises: UsageError: If the statement cannot be understood or does more than read. StoreError: If the service
        refuses or does not answer.
        """
        statement = bound(parse(text), parameters or {})
        if statement.tree is None:
            return self._information(statement, text)
        pinned = Pinned(self._tagged)
        absent: set[str] = set()
        while True:  # once more for each table of ours that nothing was written into yet
            sent = written(statement, limit=limit, pinned=pinned, absent=absent)
            try:
                answer, cost = self._answer(sent, limit)
            except UsageError as error:
                name = missing_table(error)
                if name not in Sources.defined() or name in absent:
                    raise
                absent.add(name)
                continue
            if any(table.name.lower() == ALERTS_VIEW.name for table in tables_of(statement.tree)):
                cost = msgspec.structs.replace(cost, note=_PROVISIONAL)
            more = {SNAPSHOTS: msgspec.json.encode(pinned.snapshots), COST: msgspec.json.encode(cost)}
            return answer.replace_schema_metadata(more)

    def names(self) -> list[str]:
        """Tables and views that a statement may name."""
        return self._known().names()

    def cutoff(self) -> int | None:
        """Bytes after which the workgroup ends a query; None: it does not.

        Raises: StoreError: If there is no such workgroup, or it may not be looked at.
        """
        try:
            found = self._client().get_work_group(WorkGroup=self._group.name)
        except Exception as error:
            raise explained(error, self._group) from error
        most: int | None = found["WorkGroup"].get("Configuration", {}).get("BytesScannedCutoffPerQuery")
        return most

    # -- asking ----------------------------------------------------------------------------------------------

    def _information(self, statement: Statement, text: str) -> pa.Table:
        """SHOW and DESCRIBE: of ours as they are defined, of other tables as the catalog has them."""
        name = (statement.name or "").lower()
        if statement.kind in ("describe", "columns") and name not in Sources.defined():
            answer, _ = self._answer(f'SELECT * FROM "{name}" LIMIT 0', None)
            if statement.kind == "columns":
                return pa.table({"column": answer.column_names})
            types = [field.metadata[b"athena"].decode() for field in answer.schema]
            nothing = pa.nulls(len(types), pa.string())
            return pa.table({"col_name": answer.column_names, "data_type": types, "comment": nothing})
        known = self._known() if statement.kind == "tables" else Sql(None)
        return known.query(text)

    def _known(self) -> Sql:
        """What is defined, and what else the catalog has."""
        cursor = self._run(f"SHOW TABLES IN {NAMESPACE}")
        return Sql(None, others=tuple(sorted(row[0] for row in cursor.fetchall())))

    def _tagged(self, table: str) -> dict[str, int]:
        """Name -> snapshot, of the tags and branches of a table."""
        rows = self._run(f'SELECT name, snapshot_id FROM "{table}$refs"').fetchall()
        return {name: int(snapshot) for name, snapshot in rows}

    def _answer(self, sent: str, limit: int | None) -> tuple[pa.Table, QueryCost]:
        began = datetime.now(UTC)
        cursor = self._run(sent)
        columns = types_of(cursor.description or [])
        rows = cursor.fetchmany(_PAGE)
        location = cursor.output_location
        if len(rows) < _PAGE or (limit is not None and limit <= len(rows)):
            answer = arrow_table(columns, list(zip(*rows, strict=True)))
        elif location is None:  # the service keeps answers itself
            answer = arrow_table(columns, list(zip(*rows, *cursor.fetchall(), strict=True)))
        else:
            answer = arrow_table(columns, read_csv(self._object(location), len(columns)))
        cost = QueryCost(
            query=cursor.query_id or "", bytes=cursor.data_scanned_in_bytes or 0,
            seconds=round((datetime.now(UTC) - began).total_seconds(), 3), place=self._group.said,
            emulated=self._group.emulated,
        )  # fmt: skip
        answer = answer if limit is None else answer.slice(0, limit)
        return answer.rename_columns(distinct(answer.column_names)), cost

    def _run(self, sent: str) -> Any:
        """The cursor of a statement that has succeeded."""
        cursor = self._connected().cursor(arraysize=_PAGE)
        try:
            return cursor.execute(sent)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("pyathena", "botocore"):
                raise
            refused = explained(error, self._group, cutoff=self.cutoff)
            raise refused from error

    def _object(self, location: str) -> Any:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        try:
            return self._session().client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        except Exception as error:
            raise explained(error, self._group, what=f"the answer in {location}") from error

    # -- connecting ------------------------------------------------------------------------------------------

    def _connected(self) -> Any:
        if self._connection is None:
            try:
                import pyathena
            except ModuleNotFoundError as error:
                raise ConfigError(
                    "sql.url needs PyAthena, which is not installed",
                    next_step="install the extra: pip install 'coattail[aws]'",
                ) from error
            from coattail.sql.athena.answer import AS_TEXT

            logging.getLogger("pyathena").setLevel(logging.CRITICAL)  # what it logs is raised, and worded here
            self._connection = pyathena.connect(
                work_group=self._group.name, s3_staging_dir=self._group.output or "", schema_name=NAMESPACE,
                region_name=self._group.region, session=self._session(), converter=AS_TEXT,
                poll_interval=_LOOK_SECONDS_HERE if self._group.emulated else _LOOK_SECONDS,
            )  # fmt: skip
        return self._connection

    def _client(self) -> Any:
        return self._connected().client

    def _session(self) -> Any:
        return _Session(self._group)


class _Session:
    """What PyAthena asks for clients."""

    def __init__(self, group: Workgroup) -> None:
        self._group = group

    def client(self, service: str, **_: object) -> Any:
        """A client, made as all of ours are."""
        return connect(service, setting="sql.url", region=self._group.region, endpoint=self._group.endpoint)


__all__ = ["AthenaSql", "Workgroup", "workgroup_of"]
