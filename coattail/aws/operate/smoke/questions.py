"""What people ask of it: the API, Athena, and an analyst who may not see everything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
from polars.testing import assert_frame_equal

from coattail.aws.operate.account import AwsRefused, worded
from coattail.aws.operate.smoke.market import HOURS
from coattail.aws.operate.smoke.run import CheckFailed, NotHere, Smoke
from coattail.home import Home
from coattail.service_client import connect
from coattail.stores.catalog import NAMESPACE
from coattail.workspace.bound import Workspace

_BURST, _AT_ONCE = 600, 50
"""Requests, of which a hundred a second may pass, and two hundred at once."""
_ORIGIN = "https://example.com"
_REFUSED = re.compile(r"denied|not authorized|cannot be resolved|insufficient|COLUMN_NOT_FOUND", re.IGNORECASE)

GOLDEN = {
    "trades by symbol": "SELECT exchange, symbol, count(*) AS trades FROM raw_trades GROUP BY 1, 2 ORDER BY 1, 2",
    "volume by hour": (
        "SELECT date_trunc('hour', timestamp) AS hour, symbol, sum(CAST(quote_volume AS decimal(38,8))) AS volume "
        "FROM raw_trades GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "prices": (
        "SELECT symbol, min(price) AS lowest, max(price) AS highest, count(DISTINCT event_id) AS trades "
        "FROM raw_trades GROUP BY 1 ORDER BY 1"
    ),
    "steps": (
        "SELECT symbol, event_id, price - lag(price) OVER (PARTITION BY exchange, symbol ORDER BY timestamp, event_id) "
        "AS step FROM raw_trades WHERE exchange = 'binance' ORDER BY 1, 2 LIMIT 50"
    ),
    "time travel": "SELECT count(*) AS trades FROM raw_trades FOR TIMESTAMP AS OF current_timestamp",
}
"""Questions whose answers are those of the same market on this machine."""


def api(smoke: Smoke) -> str:
    """Alerts are served, nonsense is refused, any page may ask, and nobody too often."""
    with _address(smoke) as (address, what), httpx.Client(base_url=address, timeout=30) as client:
        served = client.get("/alerts", params={"limit": 5}, headers={"Origin": _ORIGIN})
        nonsense = client.get("/alerts", params={"limit": "many"})
        if served.status_code != 200 or nonsense.status_code not in (400, 422):
            raise CheckFailed(
                f"{what} answers {served.status_code} to a question and {nonsense.status_code} to nonsense",
                next_step="look at the log of its function",
            )
        allowed = served.headers.get("access-control-allow-origin")
        if allowed not in ("*", _ORIGIN):
            raise CheckFailed(f"{what} lets no other page ask ({allowed})", next_step="look at its CORS settings")
        alerts = len(json.loads(served.content).get("alerts", []))
        if not alerts:
            raise CheckFailed(f"{what} serves no alert", next_step="look whether the stream check has passed")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            codes = Counter(pool.map(lambda _: client.get("/health").status_code, range(_BURST)))
    if not codes[429] or codes.keys() - {200, 429, 503}:
        raise CheckFailed(f"{what} answers {dict(codes)} to {_BURST} at once", next_step="look at its throttle")
    answers = f"{alerts} alerts, {nonsense.status_code} to nonsense, CORS {allowed}"
    return f"{what}: {answers}, {codes[429]} of {_BURST} at once refused"


@contextmanager
def _address(smoke: Smoke) -> Iterator[tuple[str, str]]:
    """Where the API is, and what serves it."""
    if not smoke.emulated:
        path = f"/{smoke.at.prefix}/{smoke.at.environment}/api_url"
        found = smoke.services.ask("ssm", "get_parameter", f"the parameter {path}", Name=path)
        yield found["Parameter"]["Value"], "API Gateway"
        return
    words = [sys.executable, "-m", "coattail", "--home", str(smoke.home.path), "--place", smoke.at.place]
    with subprocess.Popen([*words, "api", "--port", "0", "--rate", "5"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found_at = re.search(r"http://[\d.:]+", process.stdout.readline())
            if found_at is None:
                raise CheckFailed("coattail api does not begin", next_step="try it by hand")
            yield found_at[0], "coattail api here (5 a second), as no gateway is emulated"
        finally:
            process.terminate()


def athena(smoke: Smoke) -> str:
    """Athena gives the answers that this machine gives of the same market, also of the past."""
    here = smoke.scratch / f"home-{HOURS:g}"
    if not here.exists():
        raise NotHere("the market was not landed here: the check of the stream did not come so far")
    with Workspace(smoke.home.path, place=smoke.at.place) as there, Workspace(Home.open(here).path) as local:
        if there.settings.sql.url is None:
            raise CheckFailed("the place does not say where Athena is", next_step="coattail aws start")
        for name, text in GOLDEN.items():
            found, wanted = there.sql(text), local.sql(text)
            try:
                assert_frame_equal(found, wanted)
            except AssertionError as difference:
                said = " ".join(str(difference).split())[:200]
                raise CheckFailed(
                    f"{name}: Athena answers otherwise than this machine ({said})",
                    next_step="if other trades than the smoke's are there, that is why; else report it",
                ) from difference
    return f"{len(GOLDEN)} questions have the same answers there and here"


def analyst(smoke: Smoke) -> str:
    """An analyst sees trades, not their raw payload, and no file of the tables."""
    if smoke.emulated:
        raise NotHere("Lake Formation's permissions are recorded by the emulation, not enforced")
    if smoke.analyst_profile is None:
        raise NotHere("the analyst's role asks for a second factor: give --analyst-profile NAME that has assumed it")
    keys = {"profile_name": smoke.analyst_profile}
    client = connect("athena", setting="--analyst-profile", region=smoke.at.region, keys=keys)
    s3 = connect("s3", setting="--analyst-profile", region=smoke.at.region, keys=keys)
    try:
        seen = _asked(smoke, client, "SELECT event_id, price FROM raw_trades LIMIT 1")
        if seen:
            raise CheckFailed(f"an analyst may not see trades ({seen})", next_step="look at Lake Formation's grants")
        payload = _asked(smoke, client, "SELECT raw_event_payload FROM raw_trades LIMIT 1")
        if not _REFUSED.search(payload):
            raise CheckFailed(f"an analyst sees raw payloads ({payload or 'succeeded'})", next_step="set govern: true")
        bucket = smoke.at.bucket("processed")
        try:
            with worded(f"the bucket {bucket}"):
                s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
        except AwsRefused as error:
            if error.code not in ("AccessDenied", "403"):
                raise
        else:
            raise CheckFailed("an analyst may list the files of the tables", next_step="look at the role's policy")
    finally:
        client.close()
        s3.close()
    return "trades are seen; payloads and files are refused"


def _asked(smoke: Smoke, client: Any, text: str) -> str:
    """Why Athena refuses a statement of this client; empty if it answers."""
    started = client.start_query_execution(
        QueryString=text, WorkGroup=f"{smoke.at.name}-analyst", QueryExecutionContext={"Database": NAMESPACE}
    )
    while True:
        found = client.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        status = found["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            return "" if status["State"] == "SUCCEEDED" else status.get("StateChangeReason", status["State"])
        time.sleep(1)
