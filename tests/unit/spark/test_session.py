"""Sessions beside each other in the JVM of these tests, and the life of a JVM in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coattail.errors import SparkError
from coattail.home import Home
from coattail.spark.session import spark_session, stop_session
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import BARS, COVERAGE
from tests.harness.places import catalog_db

pytestmark = pytest.mark.spark

OPENING = """
import json, os, signal, subprocess, sys
from pathlib import Path
from coattail.errors import SparkError
from coattail.spark import session as module
from coattail.spark.session import spark_session, stop_session

def open_session(**given):
    places = {"quick": True, "cores": 1}
    return spark_session("child", **{**places, **given})

def refusal(**given):
    try:
        open_session(**given)
    except SparkError as error:
        return str(error)
"""

A_LIFE = """
found = {"unstarted": refusal(conf={"spark.driver.memory": "1k"})}
pyspark_sets = {"SPARK_AUTH_SOCKET_TIMEOUT", "SPARK_BUFFER_SIZE"}  # for good, in whoever imports it
def state():
    environment = {k: v for k, v in os.environ.items() if k not in pyspark_sets}
    return environment, signal.getsignal(signal.SIGINT), list(sys.path)
before = state()
first = open_session(log_file=Path("logs/spark.log"))
found["rows"] = first.range(10).count()
found["folder"] = module._running.folder.name
first_pid = module._running.process.pid
second = open_session(conf={"spark.sql.shuffle.partitions": "7"})
found["partitions"] = [s.conf.get("spark.sql.shuffle.partitions") for s in (first, second)]
found["iceberg_later"] = refusal(lake={})
stop_session(second)
stop_session(second)
found["rows_of_the_first"] = first.range(5).count()
first.stop()
third = open_session()
found["rows_after_a_stop_from_outside"] = third.range(3).count()
found["left"] = [os.path.exists(f"/proc/{first_pid}"), os.path.exists(found["folder"])]
found["last_pid"] = module._running.process.pid
found["last_folder"] = module._running.folder.name
stop_session(third)
found["unchanged"] = [a == b for a, b in zip(before, state(), strict=True)]
print(json.dumps(found))
"""

AN_ENDLESS_LIFE = """
session = open_session()
print(json.dumps({"pid": module._running.process.pid}), flush=True)
sys.stdin.read()
"""

A_SUBMITTED_PROGRAM = """
session = open_session(conf={"spark.sql.shuffle.partitions": "3"})
kept = [session.conf.get(key) for key in ("spark.master", "spark.sql.shuffle.partitions", "spark.sql.session.timeZone")]
print(json.dumps({"rows": session.range(6).count(), "kept": kept, "ours": module._running is not None}))
stop_session(session)
"""


@pytest.fixture(scope="module")
def life(spark_installation: None) -> Iterator[tuple[dict[str, Any], subprocess.CompletedProcess[str], Path]]:
    """What a process found that started and stopped Spark, how it ended, and the folder it ran in."""
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run(
            [sys.executable, "-c", OPENING + A_LIFE], cwd=name, env=with_package(), capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout), done, Path(name)


def with_package() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def test_a_session_works_and_outlives_another(life: Any) -> None:
    assert (life[0]["rows"], life[0]["rows_of_the_first"]) == (10, 5)


def test_sessions_have_settings_of_their_own(life: Any) -> None:
    assert life[0]["partitions"] == ["1", "7"]


def test_spark_starts_again_after_somebody_stopped_it(life: Any) -> None:
    assert (life[0]["rows_after_a_stop_from_outside"], life[0]["left"]) == (3, [False, False])


def test_a_start_that_fails_says_why(life: Any) -> None:
    assert life[0]["unstarted"].startswith("Spark does not start (Error occurred during initialization of VM Too small")


def test_a_lake_on_glue_is_refused_before_anything_starts() -> None:
    with pytest.raises(SparkError, match=r"not made to reach the Glue Data Catalog .*; leave the Spark engine out"):
        spark_session("x", lake={"type": "glue", "warehouse": "s3://bucket/lake"})


def test_iceberg_cannot_come_later(life: Any) -> None:
    assert "without Iceberg" in life[0]["iceberg_later"]


def test_the_last_session_to_stop_leaves_nothing_but_the_log_and_prints_nothing(life: Any) -> None:
    found, done, folder = life
    assert [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))] == ["logs", "logs/spark.log"]
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert not Path(found["last_folder"]).exists()
    assert gone(found["last_pid"])


def test_environment_path_and_interrupt_handler_are_as_before(life: Any) -> None:
    assert life[0]["unchanged"] == [True, True, True]


def test_a_killed_process_takes_its_jvm_along(spark_installation: None, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OPENING + AN_ENDLESS_LIFE], cwd=tmp_path, env=with_package(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        jvm = json.loads(child.stdout.readline())["pid"]
        assert not gone(jvm)
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not gone(jvm):
        assert time.monotonic() < deadline, "the JVM lives on"
        time.sleep(0.05)


def test_under_spark_submit_the_session_is_the_submitted_one(spark_installation: None, tmp_path: Path) -> None:
    import pyspark

    program = tmp_path / "program.py"
    program.write_text(OPENING + A_SUBMITTED_PROGRAM)
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    done = subprocess.run(
        [submit, "--master", "local[1]", "--conf", "spark.ui.enabled=false", program], cwd=tmp_path,
        env={**with_package(), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"rows": 6, "kept": ["local[1]", "3", "UTC"], "ours": False}


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and ") Z " in stat.read_text()  # ended, and nobody has asked how


@pytest.fixture
def homes(tmp_path: Path) -> list[Home]:
    """Two homes with one empty table each, the first with a blank in its path."""
    made = []
    for name, table in (("first home", BARS), ("second", COVERAGE)):
        home = Home.open(tmp_path / name, create=True)
        lake = Lake(embedded(home.path))
        lake.create(table)
        lake.close()
        made.append(home)
    return made


def test_each_session_sees_the_lakehouse_of_its_home(spark: Callable[..., Any], homes: list[Home]) -> None:
    sessions = [spark(home) for home in homes]
    names = [[row["tableName"] for row in s.sql("SHOW TABLES").toArrow().to_pylist()] for s in sessions]
    assert names == [["bars"], ["coverage"]]


def test_spark_makes_no_catalog_where_one_is_missing(spark: Callable[..., Any], tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    with pytest.raises(Exception, match="Failed to connect"):
        spark(home).sql("SHOW TABLES")
    assert not catalog_db(home).exists()


def test_a_table_is_what_the_catalog_says_at_the_time_of_asking(spark: Callable[..., Any], homes: list[Home]) -> None:
    session = spark(homes[1])
    assert session.table("coverage").count() == 0
    lake = Lake(embedded(homes[1].path))
    row = {"exchange": "binance", "symbol": "BTC-USDT", "first_id": 1, "last_id": 9, "state": "live"}
    lake.commit(COVERAGE, lake.write(COVERAGE, COVERAGE.conform(frame([row]))), {})
    lake.close()
    assert session.table("coverage").count() == 1


def test_pyiceberg_sees_what_spark_writes_and_goes_on(spark: Callable[..., Any], homes: list[Home]) -> None:
    row = "'binance', 'BTC-USDT', 1L, 9L, NULL, NULL, 'gap', NULL, NULL, NULL, NULL"
    lake = Lake(embedded(homes[1].path))
    lake.commit(COVERAGE, [], {"through": "0"})
    spark(homes[1]).sql(f"INSERT INTO coverage VALUES ({row})")
    assert lake.iceberg("coverage").scan().to_arrow()["state"].to_pylist() == ["gap"]
    rest = {"exchange": "binance", "symbol": "BTC-USDT", "first_id": 10, "last_id": 19, "state": "live"}
    lake.commit(COVERAGE, lake.write(COVERAGE, COVERAGE.conform(frame([rest]))), {})
    assert lake.scan(COVERAGE)["last_id"].sort().to_list() == [9, 19]
    lake.close()


def frame(rows: list[dict[str, Any]]) -> Any:
    import polars as pl

    return pl.DataFrame(rows)


def test_stopping_one_session_leaves_the_others(spark: Callable[..., Any], homes: list[Home]) -> None:
    kept = spark(homes[0])
    passing = spark_session("x", lake=embedded(homes[1].path))
    stop_session(passing)
    assert kept.range(2).count() == 2
