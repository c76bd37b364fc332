"""The functions, in their zips, on an emulated Lambda, beside a lake, a hot store and an exchange that they ask."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coattail.aws.lambdas import catalog, gate, loader
from coattail.aws.lambdas.invoked import HISTORICAL, HOT_STORE
from coattail.aws.zips import HERE, LOCK, PROGRAMS, MadeZips, ZipError, make_zips
from coattail.config import Settings, load_settings
from coattail.errors import StoreError, UsageError
from coattail.home import Home
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.opening import open_hot, open_lake
from coattail.tables import RAW_TRADES
from coattail.workspace.backfill import backfill
from coattail.workspace.documents import plain
from coattail.workspace.loading import Wish
from coattail.workspace.opening import open_stores
from coattail.workspace.quality import quality
from coattail.workspace.state import state
from tests.harness.aws_place import REGION, folder_there, hot_there, roles_lake
from tests.harness.backfilling import START, past_day, truth
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.locks import versions_of
from tests.harness.processes import environment
from tests.harness.roles import FUNCTIONS_NEED
from tests.harness.running import EVERY_SEGMENT, landed
from tests.harness.scenes import evenly, spoiled, steady
from tests.harness.served import numbered

pytestmark = [
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
    pytest.mark.slow,
]
EVENTS = Path(__file__).parents[1] / "unit" / "api" / "events.json"
_TABLE = [f"arn:aws:dynamodb:{REGION}:000000000000:table/functions{more}" for more in ("", "/index/*")]
_GLUE = [f"arn:aws:glue:{REGION}:000000000000:{what}" for what in ("catalog", "database/coattail", "table/coattail/*")]
_RAW = "arn:aws:s3:::raw-functions"
_METADATA = ["arn:aws:s3:::functions/warehouse/coattail.db/*/metadata/*"]
_ON = {
    "dynamodb:Query": _TABLE, "dynamodb:GetItem": _TABLE, "dynamodb:PutItem": _TABLE, "s3:ListBucket": [_RAW],
    "s3:PutObject": [f"{_RAW}/historical/*"], "glue:GetTable": _GLUE, "glue:GetTables": _GLUE,
    "s3:GetObject": _METADATA,
}  # fmt: skip
NEEDS = {name: {action: _ON[action] for action in actions} for name, actions in FUNCTIONS_NEED.items()}
"""What the role of each is allowed here: the actions that Terraform plans for it."""
ELSEWHERE = "us-east-2"
CURSOR = {"cursor": {"first_id": 1, "last_id": 9}, "rest_host": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}.items():
            patch.setenv(name, value)
        with emulator(calls_back=True, AUTH="true") as address:
            patch.setenv("AWS_ENDPOINT_URL", address)
            yield address


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four zips, for this machine."""
    folder = tmp_path_factory.mktemp("zips")
    make_zips(folder, architecture=HERE)
    return folder


def said_of(folder: Path) -> MadeZips:
    """What `zips.json` says."""
    return msgspec.json.decode((folder / "zips.json").read_bytes(), type=MadeZips)


class Functions:
    """The four functions, deployed."""

    def __init__(self, service: str, folder: Path, variables: dict[str, str]) -> None:
        import boto3

        self._client = boto3.session.Session().client("lambda", region_name=REGION, endpoint_url=service)
        self._iam = boto3.session.Session().client("iam", region_name=REGION, endpoint_url=service)
        for made in said_of(folder).zips:
            self._client.create_function(
                FunctionName=made.name, Runtime=made.runtime, Handler=made.handler, Timeout=60,
                Role=self._role(made.name), Environment={"Variables": variables},
                Code={"ZipFile": (folder / made.file).read_bytes()},
            )  # fmt: skip

    def _role(self, name: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        self.allow(name, NEEDS[name])
        found: str = role["Arn"]
        return found

    def allow(self, name: str, actions: dict[str, list[str]]) -> None:
        """Allow the role of a function these, and nothing else."""
        said = [{"Effect": "Allow", "Action": action, "Resource": there} for action, there in actions.items()]
        document = json.dumps({"Version": "2012-10-17", "Statement": said})
        self._iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)

    def __call__(self, name: str, event: Any) -> Any:
        found = self._client.invoke(FunctionName=name, Payload=json.dumps(event))
        said = json.loads(found["Payload"].read())
        assert "FunctionError" not in found, said
        return said

    def refused(self, name: str, event: Any) -> str:
        found = self._client.invoke(FunctionName=name, Payload=json.dumps(event))
        assert found["FunctionError"] == "Unhandled"
        message: str = json.loads(found["Payload"].read())["errorMessage"]
        return message


@pytest.fixture(scope="module")
def place(service: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Settings, str]:
    """A home whose lake and hot store are there, where most of what came in was good."""
    there = {"lake": roles_lake("functions", service), "hot.url": hot_there("functions", service)}
    home = landed(tmp_path_factory.mktemp("functions"), evenly(spoiled(steady()), 2), {**EVERY_SEGMENT, **there})
    return home, load_settings(home, overrides={**EVERY_SEGMENT, **there}), there["hot.url"]


@pytest.fixture(scope="module")
def functions(service: str, place: tuple[Home, Settings, str], zips: Path) -> Functions:
    variables = {HOT_STORE: place[2], HISTORICAL: folder_there("raw-functions", service, folder="historical")}
    return Functions(service, zips, variables)


ALONE = """
import json, sys, time
function, folder, runtime, asked = sys.argv[1:]
sys.path[:] = [folder, runtime, *(p for p in sys.path if "site-packages" not in p)]
compiled, loops = [], []
def heard(event, arguments):
    if event == "compile" and str(arguments[1]).endswith(".py"):
        compiled.append(str(arguments[1]))
sys.addaudithook(heard)
began = time.process_time()
handler = getattr(__import__(f"coattail.aws.lambdas.{function}", fromlist=["handler"]), "handler")
cold = time.process_time() - began
began = time.process_time()
sum(n * n for n in range(1_000_000))
loop = time.process_time() - began
files = [getattr(m, "__file__", None) or "" for m in list(sys.modules.values())]
answers, failed = [], ""
try:
    answers = [handler(event, None) for event in json.loads(asked)]
except Exception as error:
    failed = f"{type(error).__name__}: {error}"
if function == "loader":
    from coattail.connectors import CONNECTORS
    files += [type(kind().history("BTC-USDT")).__name__ for kind in CONNECTORS.values() if kind.ids_contiguous]
print(json.dumps([compiled, cold, loop, files, answers, failed]))
"""
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six.py")
COLD_SECONDS, LOOP_SECONDS = 0.6, 0.06
"""The most that an import may take of a processor which counts to a million in so long; busier ones take longer."""
LARGEST = {"api": 5.0, "loader": 6.0, "gate": 0.6, "catalog": 0.7}
"""MB of the zips."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_zip_needs_nothing_beside_it_but_boto3_and_starts_without_compiling(
    name: str, zips: Path, tmp_path: Path
) -> None:
    folder, runtime = tmp_path / "code", tmp_path / "runtime"
    with zipfile.ZipFile(zips / f"{name}.zip") as made:
        made.extractall(folder)
    runtime.mkdir()
    for package in RUNTIME:
        spec = find_spec(package.removesuffix(".py"))
        assert spec is not None
        assert spec.origin is not None
        (runtime / package).symlink_to(Path(spec.origin) if package.endswith(".py") else Path(spec.origin).parent)
    with closing(SqliteHotStore(tmp_path / "hot.db")) as hot:
        hot.put_alerts([numbered(0)], now=datetime.now(UTC))
    asked = [one["event"] for one in msgspec.json.decode(EVENTS.read_bytes())] if name == "api" else [{"other": 1}]
    words = [sys.executable, "-I", "-S", "-c", ALONE, name, str(folder), str(runtime), json.dumps(asked)]
    variables = environment(**CREDENTIALS, **{HOT_STORE: str(tmp_path / "hot.db")})
    done = subprocess.run(words, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    compiled, cold, loop, files, answers, failed = json.loads(done.stdout.splitlines()[-1])
    assert {one.removeprefix(f"{folder}/") for one in compiled} <= {"anyio/__init__.py", "anyio/abc/__init__.py"}
    assert cold <= COLD_SECONDS * max(1.0, loop / LOOP_SECONDS), (cold, loop)
    assert [
        file for file in files if "site-packages" in file or ("coattail/" in file and str(folder) not in file)
    ] == []
    heavy = ("polars", "pyarrow", "pyiceberg", "numpy", "pandas", "duckdb")
    assert [path.name for path in folder.iterdir() if path.name in heavy] == []
    if name == "api":
        assert {answer["statusCode"] for answer in answers} <= {200, 204, 400, 404, 405, 410, 413}
    else:
        assert f"UsageError: the event of {name} does not fit" in failed


def test_the_zips_are_small_locked_and_the_same_when_made_again(zips: Path, tmp_path: Path) -> None:
    made = {one.name: one for one in said_of(zips).zips}
    assert {name: one.packed_bytes / 1e6 < LARGEST[name] for name, one in made.items()} == dict.fromkeys(PROGRAMS, True)
    again = make_zips(tmp_path, names=["gate", "catalog"], architecture=HERE)
    for one in again.zips:
        assert one == made[one.name]
        assert (tmp_path / one.file).read_bytes() == (zips / one.file).read_bytes()
    owners, locked = packages_distributions(), versions_of(LOCK)
    for one in made.values():
        with zipfile.ZipFile(zips / one.file) as content:
            assert hashlib.sha256((zips / one.file).read_bytes()).hexdigest() == one.sha256
            tops = {name.split("/")[0].split(".")[0] for name in content.namelist()} - {"coattail"}
        assert {top for top in tops if not {o.lower().replace("_", "-") for o in owners[top]} & locked.keys()} == set()


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"names": ["gates"]}, UsageError, "no function 'gates'; known: api, loader, gate, catalog"),
        ({"architecture": "arm"}, UsageError, "no architecture 'arm'; choose arm64 or x86_64 or here"),
        ({"python": "three"}, UsageError, "'three' is no version of Python"),
        ({"python": "3.99"}, ZipError, "no Python 3.99 here to compile"),
    ],
)
def test_zips_that_cannot_be_made_are_refused(
    tmp_path: Path, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        make_zips(tmp_path / "none", **asked)
    assert not (tmp_path / "none").exists()


def test_gate_and_catalog_say_what_is_said_here(place: tuple[Home, Settings, str], functions: Functions) -> None:
    home, settings, _ = place
    with open_stores(home, settings=lambda: settings) as stores:
        here, tables = quality(stores), state(stores).tables
    for event, span in (({"hours": None}, here.all_time), ({"threshold": 100}, here.last_24h)):
        said = functions("gate", event)
        counted = {name: getattr(span, name) for name in ("processed", "passed", "failed", "late", "duplicate")}
        assert {name: said[f"records_{name}"] for name in counted} == counted
        assert (said["quality_score"], counted["failed"] > 0) == (span.score, True)
        assert said["passed"] == (said["quality_score"] >= said["threshold"])
    said = functions("catalog", {})
    assert said["tables"] == plain(tables)
    assert said["rows"] == sum(table.rows for table in tables)
    with closing(open_hot(home, settings)) as hot:
        fact = hot.fact("catalog")
    assert fact is not None
    assert [one["rows"] for one in fact[0]["tables"]] == [table.rows for table in tables]


def test_the_api_answers_api_gateway_from_the_table(place: tuple[Home, Settings, str], functions: Functions) -> None:
    events = {one["says"]: one["event"] for one in msgspec.json.decode(EVENTS.read_bytes())}
    first = next(iter(events.values()))
    answer = functions("api", {**first, "rawQueryString": "limit=200"})
    with closing(open_hot(*place[:2])) as hot:
        stored = {one.alert.alert_id for one in hot.alerts(now=datetime.now(UTC)) if one.alert.status != "retracted"}
    assert answer["statusCode"] == 200
    assert {one["alert_id"] for one in json.loads(answer["body"])["alerts"]} == stored != set()


def test_load_land_judge_and_count_follow_each_other(place: tuple[Home, Settings, str], functions: Functions) -> None:
    hours, began, rows = 0.5, datetime.now(UTC), functions("catalog", {})["rows"]
    end = START + timedelta(hours=hours)
    with past_day(hours, rate=0.05) as day:
        event = {
            "exchange": "binance", "symbol": "BTC-USDT", "since": START.isoformat(), "until": end.isoformat(),
            "rest_host": day.binance.rest_url,
        }  # fmt: skip
        functions.allow("loader", {"s3:ListBucket": [_RAW]})
        assert "calling the PutObject operation" in functions.refused("loader", event)
        functions.allow("loader", NEEDS["loader"])
        said = functions("loader", event)
        assert (said["done"], said["written"], said["filed"]) == (True, 1, said["wanted"])
        again = functions("loader", said["next"])
        assert (again["done"], again["written"], again["requests"], again["trades"]) == (True, 0, 0, said["trades"])
        assert "there is no exchange 'binanse'; did you mean binance?" in functions.refused(
            "loader", {**event, "exchange": "binanse"}
        )
        true = truth(day, "binance", START, end)
    home, settings, _ = place
    done = backfill(home, settings, Wish(source="files", files_from=said["files_from"]))
    assert done.document.complete
    with closing(open_lake(home, settings)) as lake:
        found = lake.scan(RAW_TRADES, columns=("exchange", "trade_id"))
    assert (
        found.filter(found["exchange"] == "binance")["trade_id"].sort().to_list() == true["trade_id"].sort().to_list()
    )
    judged = functions("gate", {"since": began.isoformat()})
    assert (judged["passed"], judged["quality_score"], judged["records_passed"]) == (True, 100.0, true.height)
    counted = functions("catalog", {})
    assert counted["rows"] > rows + true.height
    assert next(one["rows"] for one in counted["tables"] if one["name"] == RAW_TRADES.name) == found.height


@pytest.mark.parametrize("name", ["gate", "catalog", "loader"])
def test_without_any_one_of_its_permissions_a_function_is_refused(
    functions: Functions, place: tuple[Home, Settings, str], name: str
) -> None:
    event = {"exchange": "binance", "symbol": "ETH-USDT", "since": "2d"} | CURSOR if name == "loader" else {}
    for lacking in [action for action in NEEDS[name] if action != "s3:PutObject"]:
        functions.allow(name, {action: there for action, there in NEEDS[name].items() if action != lacking})
        assert "may not be used with these credentials" in functions.refused(name, event), lacking
    functions.allow(name, NEEDS[name])


@pytest.fixture
def elsewhere(service: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session of a region in which nothing is."""
    import boto3

    monkeypatch.setenv("AWS_DEFAULT_REGION", ELSEWHERE)
    return boto3.session.Session(region_name=ELSEWHERE)


def test_a_lake_that_is_empty_or_somebody_elses_is_said_to_be(
    service: str, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    glue, s3 = elsewhere.client("glue"), elsewhere.client("s3")
    assert gate.handler({}, None)["reason"] == "raw_trades: nothing has landed yet"
    monkeypatch.setenv(HOT_STORE, hot_there("strangers", service))
    assert catalog.handler({}, None)["tables"] == []
    s3.create_bucket(Bucket="strangers", CreateBucketConfiguration={"LocationConstraint": ELSEWHERE})
    written = {"location": "s3://strangers/t", "current-snapshot-id": 5, "snapshots": [
        {"snapshot-id": 5, "timestamp-ms": 1, "summary": {"operation": "append", "total-records": "12"}}
    ]}  # fmt: skip
    s3.put_object(Bucket="strangers", Key="t/1.gz.metadata.json", Body=gzip.compress(json.dumps(written).encode()))
    glue.create_database(DatabaseInput={"Name": "coattail"})
    places = {"raw_trades": "s3://strangers/t/1.gz.metadata.json", "a_view": None}
    for name, at in places.items():
        own = {} if at is None else {"metadata_location": at}
        glue.create_table(DatabaseName="coattail", TableInput={"Name": name, "Parameters": own})
    assert "somebody else wrote it" in gate.handler({}, None)["reason"]
    (one,) = catalog.handler({}, None)["tables"]
    assert (one["name"], one["rows"], one["snapshots"]) == ("raw_trades", 12, 1)
    for key, body, said in (
        ("t/1.gz.metadata.json", b"\x1f\x8b no gzip", "cannot be read"),
        ("t/1.gz.metadata.json", b"<html>", "cannot be read"),
        ("t/1.gz.metadata.json", None, "the metadata of table 'raw_trades' .*NoSuchKey"),
    ):
        s3.delete_object(Bucket="strangers", Key=key)
        if body is not None:
            s3.put_object(Bucket="strangers", Key=key, Body=body)
        with pytest.raises(StoreError, match=said):
            gate.handler({}, None)
    nowhere = folder_there("made-and-gone", service)
    s3.delete_bucket(Bucket="made-and-gone")
    monkeypatch.setenv(HISTORICAL, nowhere)
    with pytest.raises(StoreError, match=f"s3://made-and-gone/dlq is not there .* correct {HISTORICAL}"):
        loader.handler({"exchange": "binance", "symbol": "BTC-USDT", "since": "2d"} | CURSOR, None)
    glue.update_table(DatabaseName="coattail", TableInput={"Name": "raw_trades", "Parameters": {}})
    with pytest.raises(StoreError, match="is no table of Iceberg"):
        gate.handler({}, None)
