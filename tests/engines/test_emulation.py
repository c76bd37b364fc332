"""The whole way without an account: trades through emulated Kinesis, a job on emulated EMR Serverless, SQL on emulated
Athena, whose answers equal those of DuckDB here. One emulation serves all of it.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from coattail import Workspace
from coattail.api.app import make_app
from coattail.api.opening import source_of
from coattail.aws.emulate.serving import serve
from coattail.cli import main
from coattail.engines.local import LocalEngine
from coattail.errors import CoattailError, StoreError, UsageError
from coattail.jobs.base import JobState
from coattail.sql.athena import AthenaSql, workgroup_of
from coattail.streams.opening import open_stream
from tests.harness.asgi import ask
from tests.harness.commands import until
from tests.harness.emulation import INSTALLED, Emulation, emulation
from tests.harness.running import feed, new_home
from tests.harness.scenes import START, cut, market

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("emulation"),
    pytest.mark.skipif(not INSTALLED, reason="the emulation of AWS is not installed: coattail[emulate]"),
]

GOLDEN = {
    "counts by symbol": "SELECT exchange, symbol, count(*) AS trades FROM raw_trades GROUP BY 1, 2 ORDER BY 1, 2",
    "newest alerts": (
        "SELECT detected_at, alert_id, alert_type, severity, symbol, message, details FROM alerts "
        "WHERE status = 'final' ORDER BY detected_at DESC, alert_id LIMIT 10"
    ),
    "VWAP per minute": (
        "SELECT date_trunc('minute', timestamp) AS minute, symbol, "
        "sum(CAST(quote_volume AS decimal(38,8))) / sum(CAST(quantity AS decimal(38,8))) > 0 AS traded, "
        "sum(CAST(quote_volume AS decimal(38,8))) AS volume FROM raw_trades GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "time travel to a tag": (
        "SELECT count(*) AS trades, max(timestamp) AS newest FROM raw_trades FOR VERSION AS OF 'then'"
    ),
    "time travel to a time": (
        "SELECT count(*) AS trades FROM raw_trades FOR TIMESTAMP AS OF current_timestamp"
    ),
    "quality": (
        "SELECT exchange, sum(records_processed) AS processed, sum(records_passed) AS passed, "
        "min(quality_score) AS lowest FROM quality_metrics GROUP BY 1 ORDER BY 1"
    ),
    "coverage gaps": (
        "SELECT exchange, symbol, state, count(*) AS stretches, sum(last_id - first_id + 1) AS ids FROM coverage "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ),
    "approx_percentile": "SELECT symbol, approx_percentile(price, 0.5) AS median FROM raw_trades GROUP BY 1 ORDER BY 1",
    "window functions": (
        "SELECT symbol, bar_start, last_price - lag(last_price) OVER (PARTITION BY symbol ORDER BY bar_start) AS step, "
        "histogram_buckets, histogram_trades, orders FROM bars_merged WHERE exchange = 'binance' ORDER BY 1, 2 LIMIT 50"
    ),
    "date arithmetic": (
        "SELECT date_diff('minute', min(bar_start), max(bar_start)) AS minutes, "
        "max(bar_start) - INTERVAL '1' DAY AS before, CAST(max(bar_start) AS date) AS day, 5/2 AS two, "
        "CAST(NULL AS varchar) AS nothing, '' AS empty FROM bars_1m"
    ),
}  # fmt: skip


@dataclass
class Place:
    """An emulation in which a market has landed: the first part with the tag `then`, the rest by a job."""

    on: Emulation
    there: Workspace
    here: Workspace
    job: Any

    @property
    def url(self) -> str:
        return str(self.there.settings.sql.url)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Between the two parts the emulation ends and begins again, with what it has kept in a folder."""
    home, kept = new_home(tmp_path_factory.mktemp("emulation")), str(tmp_path_factory.mktemp("kept"))
    with emulation(home.path, "--data", kept), Workspace("aws") as there:
        first, rest = cut(market(), [len(market()) // 2])
        stream = open_stream(there.settings.stream.url, home.stream)
        feed(stream, [first])
        with LocalEngine(home, there.settings) as engine:
            engine.drain()
        assert main(["--place", "aws", "tag", "then"]) == 0
        feed(stream, [rest])
    with (
        emulation(home.path, "--data", kept) as on,
        Workspace("aws") as there,
        Workspace("aws", settings={"sql.url": None}) as here,
    ):
        yield Place(on, there, here, there.submit("stream", drain=True).wait(within=60))
        follows = there.submit("stream")
        until(lambda: follows.document.state is JobState.RUNNING)
        began = time.monotonic()
    assert time.monotonic() - began < 10  # it ends its jobs, and waits for none


def test_what_a_job_lands_there_is_what_lands_here(place: Place, day: Any) -> None:
    assert place.job.document.state is JobState.SUCCEEDED, place.job.document
    assert "local emulation" in place.job.document.place
    assert any("engine ready" in line for line in place.job.jobs.tail(place.job.id, 50))
    local = Workspace(day)
    for text in (
        "SELECT event_id, price, quantity, side, timestamp, raw_event_payload FROM raw_trades ORDER BY 1",
        "SELECT * FROM bars_merged ORDER BY exchange, symbol, bar_start",
        "SELECT alert_id, alert_type, symbol, severity, message, details FROM alerts WHERE status = 'final' ORDER BY 1",
    ):
        there = place.there.sql(text)
        assert there.height > 5
        assert there.equals(local.sql(text))
    local.close()


@pytest.mark.parametrize("name", GOLDEN)
def test_a_statement_has_the_same_answer_on_athena_as_here(place: Place, name: str) -> None:
    there, here = place.there.sql(GOLDEN[name]), place.here.sql(GOLDEN[name])
    assert there.schema == here.schema
    assert_frame_equal(
        there, here, check_exact=name != "approx_percentile", rel_tol=1e-3
    )  # which is not the same twice
    assert here.height
    assert place.there.last_cost is not None
    assert place.there.last_cost.emulated
    assert place.here.last_cost is None


def test_athena_lacks_provisional_alerts_and_says_so(place: Place) -> None:
    text = "SELECT alert_id, status FROM alerts"
    there, here = place.there.sql(text), place.here.sql(text)
    assert {*here.rows()} - {*there.rows()} == {row for row in here.rows() if row[1] == "provisional"} != set()
    assert {*there.rows()} <= {*here.rows()}
    assert place.there.last_cost is not None
    assert "provisional alerts are in the hot store only" in place.there.last_cost.said()


def test_a_long_answer_is_read_from_its_file(place: Place) -> None:
    text = "SELECT * FROM raw_trades ORDER BY exchange, symbol, trade_id"
    there, here = place.there.sql(text), place.here.sql(text)
    assert there.height > 1000
    assert there.equals(here)
    assert there.schema == here.schema
    assert place.there.sql(text, limit=1200).equals(here.head(1200))


def test_parameters_are_bound_and_show_and_describe_say_the_same(place: Place) -> None:
    for text, values in (
        ("SELECT count(*) AS n FROM raw_trades WHERE symbol IN (:some) AND timestamp > :since",
         {"some": ["BTC-USD", "it's"], "since": START}),
        ("SHOW TABLES", {}), ("SHOW TABLES LIKE 'bars*'", {}), ("DESCRIBE bars_merged", {}), ("SHOW DATABASES", {}),
    ):  # fmt: skip
        assert place.there.sql(text, **values).equals(place.here.sql(text, **values))
    assert place.there.sql("EXPLAIN SELECT * FROM bars").height


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * FROM raw_trade", "there is no table 'raw_trade'; did you mean raw_trades?"),
        ("SELECT prize FROM raw_trades", "there is no column 'prize'"),
        ("SELECT foo(price) FROM raw_trades", "there is no function foo"),
        ("SELECT 1/0 FROM raw_trades", "the query fails: Division by zero"),
        ("SELECT * FROM raw_trades FOR VERSION AS OF 'never'", "no snapshot never, or it has expired; names: .*then"),
        ("SELECT * FROM alerts FOR VERSION AS OF 1", "alerts is a view, and only tables keep their past"),
        ("DELETE FROM raw_trades", "does not only read"),
    ],
)
def test_what_athena_refuses_is_one_sentence(place: Place, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        place.there.sql(text)


def test_a_workgroup_says_what_it_lacks_and_what_it_allows(place: Place) -> None:
    from botocore.config import Config

    athena = place.on.client("athena")
    athena.create_work_group(
        Name="narrow", Configuration={
            "BytesScannedCutoffPerQuery": 10_000_000, "ResultConfiguration": {"OutputLocation": "s3://nowhere/at/all"},
        },
    )  # fmt: skip
    plain = place.url.partition("&output")[0]
    for group, said in (("nobody", "there is no workgroup nobody"),
                        ("primary", "does not say where answers go.*&output=s3"),
                        ("narrow", "Unable to verify/create output bucket nowhere")):  # fmt: skip
        sql = AthenaSql(workgroup_of(plain.replace("athena://coattail", f"athena://{group}")))
        with pytest.raises(CoattailError, match=said):
            sql.query("SELECT 1")
    assert sql.cutoff() == 10_000_000
    doctored = Workspace("aws", settings={"sql.url": plain.replace("athena://coattail", "athena://narrow")}).doctor()
    assert next(f.detail for f in doctored if f.name == "sql").endswith("is enabled; a query may read 10 MB")
    doctored = Workspace("aws", settings={"sql.url": plain.replace("athena://coattail", "athena://primary")}).doctor()
    assert next(f.detail for f in doctored if f.name == "sql").endswith("primary of Athena says where answers go")
    unchecked = place.on.client("athena", config=Config(parameter_validation=False))  # AWS takes no less than 10 MB
    unchecked.update_work_group(WorkGroup="narrow", ConfigurationUpdates={"BytesScannedCutoffPerQuery": 1})
    with pytest.raises(StoreError, match=r"read more than Athena's workgroup narrow.*its limit of 0 MB"):
        sql.query("SELECT count(*) FROM raw_trades")


def test_ctrl_c_stops_the_query_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr("pyathena.common.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place.there.sql("SELECT sum(a.price * b.price * c.price) FROM raw_trades a, raw_trades b, raw_trades c")
    athena = place.on.client("athena")
    newest = athena.list_query_executions(WorkGroup="coattail")["QueryExecutionIds"][0]
    stopped = athena.get_query_execution(QueryExecutionId=newest)["QueryExecution"]
    assert "c.price" in stopped["Query"]
    assert stopped["Status"]["State"] == "CANCELLED"


def test_cursors_of_pyathena_read_it_too(place: Place) -> None:
    pytest.importorskip("pandas")
    from pyathena import connect
    from pyathena.pandas.cursor import PandasCursor

    text = "SELECT symbol, count(*) AS trades, max(price) AS price FROM raw_trades GROUP BY 1 ORDER BY 1"
    expected = place.here.sql(text).rows()
    with connect(
        s3_staging_dir="s3://coattail-emulated/athena/", schema_name="coattail", region_name="us-east-1",
        poll_interval=0.05,
    ) as connection:  # fmt: skip
        assert connection.cursor().execute(text).fetchall() == expected
        assert connection.cursor(PandasCursor).execute(text).as_pandas()["trades"].to_list() == [r[1] for r in expected]


def test_the_command_says_what_a_query_costs(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--place", "ssm:/coattail/emulated", "sql", "SELECT count(*) AS n FROM bars"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.split()[0] == "n"
    assert "local emulation" in err
    assert "nobody bills it; on AWS about $0.00005 (list price of us-east-1, 2026-11: $5 a TB, 10 MB at least)" in err
    assert main([*words, "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert cost["emulated"]
    assert cost["bytes"] > 0


def test_its_place_has_parameters_and_permissions_are_recorded(place: Place) -> None:
    ssm = place.on.client("ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/coattail/emulated", Recursive=True)
    kept = {one["Name"].rpartition("/")[2]: one["Value"] for page in pages for one in page["Parameters"]}
    assert kept["sql.url"] == place.url
    assert kept["lake"].startswith("type: glue")
    formation = place.on.client("lakeformation")
    grant = {
        "Principal": {"DataLakePrincipalIdentifier": "arn:aws:iam::000000000000:role/analyst"},
        "Resource": {"Table": {"DatabaseName": "coattail", "Name": "raw_trades"}}, "Permissions": ["SELECT"],
    }  # fmt: skip
    formation.register_resource(ResourceArn="arn:aws:s3:::coattail-emulated")
    formation.grant_permissions(**grant)
    answer = formation.list_permissions(Principal=grant["Principal"])
    assert answer["PrincipalResourcePermissions"][0]["Permissions"] == ["SELECT"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-coattail-emulation"] == "recorded, not enforced"
    formation.revoke_permissions(**grant)
    assert not formation.list_permissions(Principal=grant["Principal"])["PrincipalResourcePermissions"]


def test_alerts_and_the_api_are_those_of_a_home(place: Place, day: Any) -> None:
    with Workspace(day) as local:
        columns = ["alert_id", "severity", "message", "status"]
        newest = place.there.alerts().rows.select(columns)
        assert newest.equals(local.alerts().rows.select(columns))
    told = ask(make_app(source_of(place.there.home, place.there.settings)), "/alerts?limit=5").json
    assert [alert["alert_id"] for alert in told["alerts"]] == newest["alert_id"].to_list()[:5]


def test_a_page_in_a_browser_is_refused(place: Place) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        asked = urllib.request.Request(place.on.endpoint + "/coattail-emulated", headers=headers)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(asked)


def test_a_second_one_on_the_port_says_so(place: Place) -> None:
    port = int(place.on.endpoint.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"an emulation runs at {place.on.endpoint} already; use that one, or give"):
        serve(port, None, lambda _: None)
