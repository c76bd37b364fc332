"""Jobs as EMR Serverless runs them, but for Spark: by their entry points, in a Python that has the bundle and nothing
else, with credentials that only a container's address gives. The cluster is in faults/bundle.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest

from coattail.aws import bundle
from coattail.aws.bundle import entry_points
from coattail.cli import main
from coattail.jobs.artifacts import Artifacts
from coattail.jobs.opening import application_at
from coattail.sql import Sql
from coattail.stores.opening import open_hot, open_lake
from coattail.streams.opening import open_stream
from coattail.tables import ALERTS, RAW_TRADES
from tests.harness.aws_place import REGION, folder_there, hot_there, roles_lake
from tests.harness.bundled import made_up_packages, unpacked
from tests.harness.container_credentials import container_credentials
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.kinesis_service import KinesisService
from tests.harness.running import feed, landed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
]

RUN = """
import json, runpy, sys
asked = json.loads(sys.stdin.read())
for path, job, order in asked:
    sys.argv = [path, job, json.dumps(order)]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        assert end.code == 0, (job, end.code)
print(*{name.partition(".")[0] for name in sys.modules} & {"duckdb", "sqlglot", "rich", "typer", "pyspark"})
"""

CHAINS = """
import json, sys
import polars as pl
asked = json.loads(sys.stdin.read())
there = {"aws_endpoint_url": asked["endpoint"], "aws_allow_http": "true", "aws_region": asked["region"],
         "aws_metadata_endpoint": "http://127.0.0.1:9", "max_retries": 0}  # nobody is there, as on EMR Serverless
def rows(**more):
    try:
        return pl.scan_parquet(asked["file"], storage_options=there, **more).collect().height
    except OSError:  # of a connection, or of the service
        return None
print(json.dumps([rows(), rows(credential_provider=pl.CredentialProviderAWS(region_name=asked["region"]))]))
"""


class Bare:
    """A Python without any package but the bundle's, with the environment of a job."""

    def __init__(self, deps: Path, environment: dict[str, str]) -> None:
        self._environment = {"PYTHONPATH": str(deps), "PATH": os.environ["PATH"], **environment}

    def said(self, code: str, asked: object) -> str:
        """What it prints when it is asked, in JSON on its standard input."""
        python = getattr(sys, "_base_executable", sys.executable)
        done = subprocess.run(
            [python, "-S", "-s", "-c", code], input=json.dumps(asked), env=self._environment, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with mock.patch.dict(os.environ, CREDENTIALS), emulator(AUTH="true") as address:
        yield address


def test_jobs_work_in_a_bare_python_with_the_credentials_of_a_container(service: str, tmp_path: Path) -> None:
    lake, hot = roles_lake("jobs", service), hot_there("jobs", service)
    deps = unpacked(tmp_path / "deps")
    records = market()
    with KinesisService() as kinesis, container_credentials(service, ["s3:*", "glue:*", "dynamodb:*"]) as job:
        kinesis.create("trades", 1)
        url = f"kinesis://trades?region={REGION}&endpoint={quote(kinesis.endpoint, safe='')}"
        feed(open_stream(url, tmp_path / "none"), evenly(records, 2))
        bucket = f"?region={REGION}&endpoint={quote(service, safe='')}"
        stores: dict[str, object] = {
            "lake": lake, "hot.url": hot, "stream.url": url, "dlq.url": f"s3://jobs/dlq{bucket}",
        }  # fmt: skip
        settings = {"preset": "classic", "overrides": stores}

        def order(name: str, **options: object) -> tuple[str, str, dict[str, Any]]:
            return str(entry_points()[f"jobs/{name}.py"]), name, {"options": options, "settings": settings}

        python = Bare(deps, job)
        heavy = python.said(RUN, [
            order("stream", drain=True, engine="local"), order("maintain"), order("reprocess", engine="local"),
            order("daily", out=f"s3://jobs/reports{bucket}", light=True),
        ])  # fmt: skip
        assert heavy.split() == []
        here = landed(tmp_path / "here", [records])
        with (
            closing(open_lake(new_home(tmp_path), settings_of(stores))) as there,
            closing(open_lake(here, settings_of({}))) as own,
            closing(open_hot(here, settings_of(stores))) as newest,
        ):
            ids = sorted(there.scan(RAW_TRADES)["event_id"])
            assert ids == sorted(own.scan(RAW_TRADES)["event_id"]) != []
            assert sorted(there.scan(ALERTS)["alert_id"]) == sorted(own.scan(ALERTS)["alert_id"]) != []
            assert newest.alerts(now=datetime.now(UTC)) != []
            report = there.storage.listed("s3://jobs/reports")
            assert [entry.name for entry in report] == ["report-2025-03-04.html"]
            data = there.files(RAW_TRADES.name)[0]
        with mock.patch.dict(os.environ, job):  # DuckDB, which no bundle has
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                del os.environ[name]
            with (
                closing(open_lake(here, settings_of(stores))) as lake_of_role,
                closing(open_hot(here, settings_of(stores))) as hot_of_role,
            ):
                rows = Sql(lake_of_role, hot_of_role).query("SELECT count(*) AS n FROM raw_trades")
        assert rows["n"].to_pylist() == [len(ids)]
        naive, provided = json.loads(
            python.said(CHAINS, {"endpoint": service, "region": REGION, "file": data.file_path})
        )
    assert naive is None, "Polars signs by itself now: say so in docs/AWS.md"
    assert provided == data.record_count


def test_a_bundle_is_sent_once_with_the_entry_points_and_a_bucket_that_refuses_is_named(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundle, "fetch", lambda architecture, into: made_up_packages(into, architecture))
    there = folder_there("artifacts", service, folder="of/jobs")
    home = new_home(tmp_path)
    role = quote("arn:aws:iam::123456789012:role/job", safe="")
    where = f"role={role}&artifacts={quote('s3://artifacts/of/jobs', safe='')}&architecture=x86_64"
    url = f"emr-serverless://00f1?{where}&region={REGION}&endpoint={quote(service, safe='')}"
    (home.path / "aws.yaml").write_text(json.dumps({"jobs": {"url": url}}))

    def said(*words: str) -> dict[str, Any]:
        assert main(["--home", str(home.path), "aws", "bundle", *words, "--json"]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    first = said("--upload")
    name = first["name"]
    assert (first["sent"], first["path"], first["location"]) == (True, None, f"s3://artifacts/of/jobs/{name}")
    again = said("--to", there, "--architecture", "x86_64", "--out", str(tmp_path / "kept"))
    assert (again["sent"], again["name"], Path(again["path"]).name) == (False, name, name)
    assert application_at(url.replace("&architecture=x86_64", first["jobs_url"])).bundle == name
    sent = Artifacts(there, setting="there")
    assert all(map(sent.holds, [name, *entry_points()]))
    assert not sent.holds("deps-else.tar.gz")
    for words, wrong in (
        ((), "nothing says where the bundle goes; give --out FOLDER"),
        (("--to", there.replace("artifacts", "nobodys")), "s3://nobodys/of/jobs/"),
        (("--to", "ftp://x"), "names no folder of a bucket"),
    ):
        assert main(["--home", str(home.path), "aws", "bundle", *words]) in (1, 2)
        assert wrong in " ".join(capsys.readouterr().err.split())
