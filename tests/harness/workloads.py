"""The work of each planned role, done by coattail's own code with the role's credentials."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import msgspec

from coattail.aws.lambdas import catalog, gate, loader
from coattail.batch.retention import keep_retention
from coattail.config import Settings, load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.jobs.artifacts import Artifacts
from coattail.place import read_place
from coattail.service_client import connect
from coattail.sql.athena import AthenaSql, Workgroup, workgroup_of
from coattail.sql.cost import COST
from coattail.stores.opening import hot_at, open_hot, open_lease
from coattail.streams.opening import open_stream
from coattail.workspace.backfill import backfill as backfilled
from coattail.workspace.loading import Wish
from coattail.workspace.upkeep import maintain
from tests.harness.asgi import looped
from tests.harness.backfilling import START
from tests.harness.roles import Refused, Roles, Work
from tests.harness.running import feed
from tests.harness.scenes import spoiled, steady
from tests.harness.served import numbered

with looped():
    from coattail.aws.lambdas.api import make_handler

SMALL: Mapping[str, object] = {
    "preset": "classic", "engine.derived_commit_every": "0s", "lease.expires": "3s",
    "modules": ["volume-anomaly"],
}  # fmt: skip
"""Settings with which an engine does at once what it does once in a while."""
OLD_LETTER = "dlq/invalid/dt=2020-01-01/old.jsonl"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ORPHAN = "warehouse/coattail.db/raw_trades/data/orphan.parquet"
EVENTS = Path(__file__).parents[1] / "unit" / "api" / "events.json"
ASKED = ("a page", "one alert", "symbols", "health")
HOURS, RATE = 3.0, 0.05
"""Of a past day at an exchange, and its trades a second."""


def settings_of(roles: Roles, home: Home) -> Settings:
    """The settings of the place, out of its parameters."""
    return load_settings(home, place=read_place(roles.place, home.path), overrides={**SMALL})


def send(roles: Roles) -> None:
    """Send into the stream."""
    home = roles.home()
    feed(open_stream(settings_of(roles, home).stream.url, home.stream), [spoiled(steady())[:110]])


def land(roles: Roles) -> None:
    """Land what is in the stream, from its beginning, into tables that are not there yet; twice, as the second engine
    reads what the first one has left.
    """
    roles.clear()
    home = roles.home()
    settings = settings_of(roles, home)
    for _ in range(2):
        with LocalEngine(home, settings) as engine:
            engine.drain()


def tidy(roles: Roles) -> None:
    """Maintain the tables, the rejected records and the hot store, each of which has something that is to go."""
    home = roles.home()
    settings = settings_of(roles, home)
    roles.put("processed", ORPHAN, b"")
    roles.put("raw", OLD_LETTER, b"")
    with roles.as_root(), closing(open_hot(home, settings, writable=True)) as hot:
        hot.put_facts({"market/old": {}}, now=LONG_AGO)
        hot.put_alerts([numbered(0)], now=LONG_AGO)
    notes = keep_retention(home, settings, now=datetime.now(UTC)).notes
    notes += maintain(home, settings, table="raw_trades", older_than=timedelta(0)).notes
    [left] = maintain(home, settings, table="raw_trades", older_than=timedelta(0), dry_run=True).tables
    if notes or left.orphans_found:
        raise Refused(f"{left.orphans_found} files are not removed; {notes}")


def load(roles: Roles) -> None:
    """Fetch a minute of the past into files that are not there yet; each time another minute, as those before may have
    been sent into the stream.
    """
    since = START + next(roles.minutes) * timedelta(minutes=1)
    event = {
        "exchange": "binance", "symbol": "BTC-USDT", "since": since.isoformat(),
        "until": (since + timedelta(minutes=1)).isoformat(), "rest_host": roles.exchange,
    }  # fmt: skip
    roles.empty("raw", "historical/")
    with mock.patch.dict(os.environ, roles.variables("loader")):
        loader.handler(event, None)


def backfill(roles: Roles) -> None:
    """Land files of history, or send them to the engine that has the place."""
    home = roles.home()
    wish = Wish(source="files", files_from=roles.history)
    for one in backfilled(home, settings_of(roles, home), wish).document.instruments:
        if one.failed or one.missing:
            raise Refused(str(one.failed or one.left))


def refill(roles: Roles) -> None:
    """Land files of history while an engine has the place: it is sent what they hold."""
    other = roles.home()
    with roles.as_root():
        load(roles)
        lease = open_lease(other, settings_of(roles, other))
        holding = lease.held("run")
        holding.__enter__()
    try:
        backfill(roles)
    finally:
        holding.__exit__(None, None, None)


def report(roles: Roles) -> None:
    """Put a file where the daily job puts its report."""
    Artifacts(roles.reports, setting="out").put("report.html", EVENTS)


def judge(roles: Roles) -> None:
    """Judge the quality of what has landed."""
    with mock.patch.dict(os.environ, roles.variables("gate")):
        gate.handler({}, None)


def count(roles: Roles) -> None:
    """Count the tables."""
    with mock.patch.dict(os.environ, roles.variables("catalog")):
        catalog.handler({}, None)


def ask(roles: Roles) -> None:
    """Ask the API for a page of alerts, for one, and for facts."""
    events = {one["says"]: one["event"] for one in msgspec.json.decode(EVENTS.read_bytes())}
    with mock.patch.dict(os.environ, roles.variables("api")):
        with roles.as_root(), closing(hot_at(os.environ["COATTAIL_HOT_STORE"])) as hot:
            hot.put_alerts([numbered(0)], now=datetime.now(UTC))
        with looped():
            handler = make_handler()
            answers = [handler(events[name], None)["body"] for name in ASKED]
    if refused := [answer for answer in answers if "may not be used" in answer]:
        raise Refused(refused[0])


def query(roles: Roles) -> None:
    """Ask in Athena, in the workgroup of the place."""
    home = roles.home()
    _query(workgroup_of(str(settings_of(roles, home).sql.url)))


def query_as_analyst(roles: Roles) -> None:
    """Ask in Athena, in the workgroup of analysts."""
    home = roles.home()
    group = workgroup_of(str(settings_of(roles, home).sql.url))
    _query(group._replace(name=f"{group.name}-analyst"))


def _query(group: Workgroup) -> None:
    """As far as it can be emulated: nothing is read of a table."""
    sql = AthenaSql(group)
    sql.cutoff()
    cost = msgspec.json.decode(sql.query("SELECT 1 AS one").schema.metadata[COST])
    with closing(connect("athena", setting="sql.url")) as athena:
        athena.stop_query_execution(QueryExecutionId=cost["query"])  # as Ctrl-C does


def start(roles: Roles) -> None:
    """Start the workflow, as EventBridge Scheduler does."""
    import boto3

    with closing(boto3.session.Session().client("stepfunctions")) as client:
        client.start_execution(stateMachineArn=roles.workflow, input=json.dumps({}))


WORK: Mapping[str, Sequence[Work]] = {
    "producer": (send,),
    "jobs": (
        report,
        land,
        refill,
        tidy,
        backfill,
    ),
    "api": (ask,),
    "loader": (load,),
    "gate": (judge,),
    "catalog": (count,),
    "analyst": (query_as_analyst,),
    "scientist": (query,),
    "scheduler": (start,),
}
"""Role -> what it does, in this order."""
