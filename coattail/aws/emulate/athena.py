"""Athena on this machine: statements are run by DuckDB over the emulated lake, and answered in Athena's form.

What differs from Athena: only reading is possible; the bytes scanned are those of whole files, where Athena reads the
columns that a statement names; the workgroup's limit is looked at before a statement runs.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coattail.errors import CoattailError
from coattail.service_client import SIGNED, connect
from coattail.stores.catalog import NAMESPACE

if TYPE_CHECKING:
    import pyarrow as pa

    from coattail.stores.lake import Lake

_AT_ONCE = 4
_KEPT = 100
"""Answers that are kept in memory; older ones are in the bucket."""
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_PLACE = re.compile(r"(.*?) \(line (\d+), column (\d+)\)(.*)", re.DOTALL)
_WORDS = (
    (re.compile(r"there is no table '([^']+)'"),
     "TABLE_NOT_FOUND: {place}Table 'awsdatacatalog.{db}.{0}' does not exist"),
    (re.compile(r"there is no column '([^']+)'"),
     "COLUMN_NOT_FOUND: {place}Column '{0}' cannot be resolved or requester is not authorized to access requested "
     "resources"),
    (re.compile(r"there is no function (\S+)"), "FUNCTION_NOT_FOUND: {place}Function '{0}' not registered"),
    (re.compile(r"division by zero"), "DIVISION_BY_ZERO: {place}Division by zero"),
)  # fmt: skip

AthenaJson = dict[str, Any]


class AthenaRefusal(Exception):
    """An answer that is an error of the service."""


@dataclass
class _Query:
    """One execution."""

    id: str
    text: str
    group: str
    caller: tuple[str, str]
    """Access key and region of who asked."""
    output: str
    context: AthenaJson
    most_bytes: int | None
    state: str = "QUEUED"
    reason: str | None = None
    asked_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    bytes: int = 0
    answer: pa.Table | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def is_query(self) -> bool:
        return re.match(r"\s*(select|with|values|\()", self.text, re.IGNORECASE) is not None

    @property
    def location(self) -> str:
        return f"{self.output.rstrip('/')}/{self.id}.{'csv' if self.is_query else 'txt'}"

    def end(self, state: str, reason: str | None = None) -> None:
        if self.state not in _ENDED:
            self.state, self.reason, self.ended_at = state, reason, time.time()

    def whole(self) -> AthenaJson:
        status = {"State": self.state, "SubmissionDateTime": self.asked_at, "CompletionDateTime": self.ended_at,
                  "StateChangeReason": self.reason}  # fmt: skip
        millis = round(((self.ended_at or time.time()) - self.asked_at) * 1000)
        return {
            "QueryExecutionId": self.id, "Query": self.text, "WorkGroup": self.group,
            "StatementType": "DML" if self.is_query else "UTILITY", "QueryExecutionContext": self.context,
            "ResultConfiguration": {"OutputLocation": self.location},
            "Status": {name: value for name, value in status.items() if value is not None},
            "Statistics": {"DataScannedInBytes": self.bytes, "EngineExecutionTimeInMillis": millis,
                           "TotalExecutionTimeInMillis": millis},
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        }  # fmt: skip


class EmulatedAthena:
    """Executions, and the threads that run them. endpoint: Where the other services are."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._queries: dict[str, _Query] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="emulated-athena")
        self._lakes = threading.local()
        self._clients: dict[tuple[str, tuple[str, str]], Any] = {}
        self._operations: dict[str, Callable[[AthenaJson, tuple[str, str]], AthenaJson]] = {
            "StartQueryExecution": self._start,
            "GetQueryExecution": lambda asked, _: {"QueryExecution": self._known(asked["QueryExecutionId"]).whole()},
            "BatchGetQueryExecution": self._several,
            "ListQueryExecutions": self._listed,
            "GetQueryResults": self._results,
            "StopQueryExecution": self._stop,
        }

    def knows(self, target: str) -> bool:
        """Whether a request with this X-Amz-Target is answered here; workgroups and the rest are not."""
        return target.startswith("AmazonAthena.") and target.partition(".")[2] in self._operations

    def answer(self, target: str, body: bytes, caller: tuple[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of the answer to a request. caller: Access key and region."""
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        try:
            found = self._operations[target.partition(".")[2]](json.loads(body), caller)
        except AthenaRefusal as refusal:
            said = {"__type": "InvalidRequestException", "Message": str(refusal)}
            return 400, headers, json.dumps(said).encode()
        return 200, headers, json.dumps(found).encode()

    def close(self) -> None:
        """Stop what runs."""
        for query in list(self._queries.values()):
            query.stop.set()
        self._pool.shutdown(cancel_futures=True)
        for client in self._clients.values():
            client.close()

    # -- operations ------------------------------------------------------------------------------------------

    def _start(self, asked: AthenaJson, caller: tuple[str, str]) -> AthenaJson:
        token = asked.get("ClientRequestToken", "")
        if token in self._tokens:
            return {"QueryExecutionId": self._tokens[token]}
        name = asked.get("WorkGroup", "primary")
        group = self._workgroup(name, caller)
        own, given = (c.get("OutputLocation") for c in (group.get("ResultConfiguration", {}),
                                                        asked.get("ResultConfiguration", {})))  # fmt: skip
        output = own if own and group.get("EnforceWorkGroupConfiguration") else given or own
        if not output:
            raise AthenaRefusal(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        query = _Query(
            str(uuid.uuid4()), asked["QueryString"], name, caller, output, asked.get("QueryExecutionContext", {}),
            group.get("BytesScannedCutoffPerQuery"),
        )  # fmt: skip
        with self._lock:
            self._queries[query.id] = query
            if token:
                self._tokens[token] = query.id
            for old in [q for q in self._queries.values() if q.answer is not None][:-_KEPT]:
                old.answer = None
        self._pool.submit(self._run, query)
        return {"QueryExecutionId": query.id}

    def _several(self, asked: AthenaJson, _: tuple[str, str]) -> AthenaJson:
        known = [self._queries[i].whole() for i in asked["QueryExecutionIds"] if i in self._queries]
        return {"QueryExecutions": known, "UnprocessedQueryExecutionIds": []}

    def _listed(self, asked: AthenaJson, _: tuple[str, str]) -> AthenaJson:
        group = asked.get("WorkGroup", "primary")
        newest = [query.id for query in reversed(list(self._queries.values())) if query.group == group]
        return {"QueryExecutionIds": newest[: asked.get("MaxResults", 50)]}

    def _results(self, asked: AthenaJson, _: tuple[str, str]) -> AthenaJson:
        from coattail.aws.emulate.answers import page

        query = self._known(asked["QueryExecutionId"])
        if query.state != "SUCCEEDED":
            raise AthenaRefusal(f"Query has not yet finished. Current state: {query.state}")
        if query.answer is None:
            raise AthenaRefusal("Could not find results: the emulation keeps the newest ones only")
        start, most = int(asked.get("NextToken", 0)), asked.get("MaxResults", 1000)
        found, following = page(query.answer, start, most, header=query.is_query)
        return found if following is None else {**found, "NextToken": str(following)}

    def _stop(self, asked: AthenaJson, _: tuple[str, str]) -> AthenaJson:
        query = self._known(asked["QueryExecutionId"])
        query.stop.set()
        query.end("CANCELLED")
        return {}

    def _known(self, identity: str) -> _Query:
        if identity not in self._queries:
            raise AthenaRefusal(f"QueryExecution {identity} was not found")
        return self._queries[identity]

    # -- running ---------------------------------------------------------------------------------------------

    def _run(self, query: _Query) -> None:
        if query.stop.is_set():
            return
        query.state = "RUNNING"
        try:
            self._answer(query)
        except CoattailError as error:
            query.end("CANCELLED" if query.stop.is_set() else "FAILED", _said(error.message))
        except Exception as error:  # whatever it was, who waits for the query is told
            query.end("FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"[:500])

    def _answer(self, query: _Query) -> None:
        from coattail.aws.emulate.answers import csv
        from coattail.sql import Sql
        from coattail.sql.dialect import parse

        sql = Sql(self._lake(query.caller), catalog_only=True, stop=query.stop)
        statement = parse(query.text)
        query.bytes = 0 if statement.tree is None else sql.scanned(query.text)
        if query.most_bytes is not None and query.bytes > query.most_bytes:
            return query.end("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded")
        answer = sql.query(query.text)
        answer = answer.select(["tab_name"]) if statement.kind == "tables" else answer
        if query.stop.is_set():
            return query.end("CANCELLED")
        self._put(query, csv(answer))
        query.answer = answer
        query.end("SUCCEEDED")

    def _put(self, query: _Query, content: bytes) -> None:
        bucket, _, key = query.location.removeprefix("s3://").partition("/")
        client = self._client("s3", query.caller)
        try:
            client.put_object(Bucket=bucket, Key=key, Body=content)
        except client.exceptions.ClientError as error:
            raise CoattailError(f"Unable to verify/create output bucket {bucket} ({error})") from error

    def _workgroup(self, name: str, caller: tuple[str, str]) -> AthenaJson:
        client = self._client("athena", caller)
        try:
            found: AthenaJson = client.get_work_group(WorkGroup=name)["WorkGroup"]
        except client.exceptions.InvalidRequestException as error:
            raise AthenaRefusal(f"WorkGroup {name} is not found.") from error
        if found.get("State") == "DISABLED":
            raise AthenaRefusal(f"WorkGroup {name} is disabled.")
        configuration: AthenaJson = found.get("Configuration", {})
        return configuration

    def _client(self, service: str, caller: tuple[str, str]) -> Any:
        """One for each caller, which many threads may use."""
        with self._lock:
            if (service, caller) not in self._clients:
                key, region = caller
                keys = dict(zip(SIGNED, (key, key, None), strict=True))
                self._clients[service, caller] = connect(
                    service, setting="the emulation", region=region, endpoint=self._endpoint, keys=keys
                )
            return self._clients[service, caller]

    def _lake(self, caller: tuple[str, str]) -> Lake | None:
        """The tables of the catalog, where there are any; each thread has its own."""
        from coattail.stores.lake import Lake

        kept: dict[tuple[str, str], Lake] = self._lakes.__dict__.setdefault("kept", {})
        if caller not in kept:
            client = self._client("glue", caller)
            try:
                tables = client.get_tables(DatabaseName=NAMESPACE)["TableList"]
            except client.exceptions.EntityNotFoundException:
                return None
            locations = [t["Parameters"]["metadata_location"] for t in tables if "metadata_location" in t["Parameters"]]
            if not locations:
                return None
            key, region = caller
            reached = {"region": region, "endpoint": self._endpoint, "access-key-id": key, "secret-access-key": key}
            properties = {f"{name}.{what}": value for name in ("glue", "s3") for what, value in reached.items()}
            bucket = "/".join(locations[0].split("/")[:3])
            kept[caller] = Lake({"type": "glue", "warehouse": bucket, **properties}, writable=False)
        return kept[caller]


def _said(message: str) -> str:
    """An error of ours in Athena's words, as far as those are known."""
    found = _PLACE.fullmatch(message)
    place = f"line {found[2]}:{found[3]}: " if found else ""
    plain = (f"{found[1]}{found[4]}" if found else message).removeprefix("the query fails: ")
    for pattern, words in _WORDS:
        if match := pattern.search(plain):
            return words.format(match[1] if match.groups() else "", place=place, db=NAMESPACE)
    return f"SYNTAX_ERROR: {place}{plain}"
