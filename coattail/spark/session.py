"""A Spark session on this machine: quiet, on loopback, in UTC, with a home's lakehouse in it, and gone when stopped.

One process has one Spark (a JVM beside it). Sessions are many: each has its own settings and its own lakehouse, and
the last one to stop ends the JVM. Whatever Spark writes for itself lies in a temporary folder that goes with it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coattail.errors import SparkError
from coattail.spark.jars import check_pyspark, find_jars
from coattail.spark.java import find_java
from coattail.stores.catalog import NAMESPACE, PATIENCE_SECONDS, EmbeddedCatalog

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

CATALOG = NAMESPACE
"""Spark's name of the lakehouse. PyIceberg writes it into catalog.db, and Iceberg's JDBC catalog looks for it there."""

_ROOT = Path(__file__).parents[2]
_LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")
_STOP_SECONDS = 30
_SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""Set by spark-submit, as EMR uses it: then Spark is there already, with its master, and is not ours to end."""


@dataclass
class _Running:
    """The Spark of this process."""

    base: SparkSession
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]
    iceberg: bool
    path_before: list[str]
    sessions: list[SparkSession] = field(default_factory=list)


_running: _Running | None = None
_lock = threading.RLock()


def spark_session(
    app: str,
    *,
    lake: Mapping[str, str] | None = None,
    cores: int | None = None,
    quick: bool = False,
    log_file: Path | None = None,
    conf: Mapping[str, str] | None = None,
) -> SparkSession:
    """A session of its own, on `cores` cores (default: all). End it with `stop_session`.

    lake: Properties of a lake, whose tables are `coattail.coattail.<name>`, or just `<name>`; None: without Iceberg.
    quick: Start a fifth sooner (3.9 s for 4.8 s), and make long queries a third slower: for demos and tests.
    conf: Overrides any setting of Spark.

    If this process has a Spark already, that one is shared: then `app`, `cores`, `quick`, `log_file` and whatever in
    `conf` Spark reads at its start stay as they are. Under spark-submit master and lakehouse are what it was given.

    Raises: SparkError: If Java, PySpark or a jar is missing, if Spark does not start, or if it runs without Iceberg;
    if the lake is on Glue, whose tables this Spark cannot name.
    """
    global _running
    if lake is not None and lake.get("type") == "glue":
        raise SparkError(
            "Spark's Iceberg is not made to reach the Glue Data Catalog from here",
            next_step="leave the Spark engine out: PyIceberg reads and maintains a lake on Glue",
        )
    given = {**_sql_conf(), **(conf or {})}
    if submitted():
        return _submitted(app, given)
    with _lock:
        if _running is not None and _running.base.sparkContext._jsc is None:
            _end()  # somebody called SparkSession.stop()
        if _running is None:
            jars = find_jars() if lake is not None else []
            _running = _start(app, jars, cores=cores, quick=quick, log_file=log_file, conf=given)
        elif lake is not None and not _running.iceberg:
            raise SparkError("Spark runs in this process without Iceberg", next_step="stop its sessions first")
        session = _running.base.newSession()
        jvm: Any = _running.base._jvm
        static = jvm.org.apache.spark.sql.internal.SQLConf.isStaticConfigKey
        for key, value in {**(_lakehouse_conf(lake) if lake is not None else {}), **given}.items():
            if key.startswith("spark.sql.") and not static(key):
                session.conf.set(key, value)
        _running.sessions.append(session)
        return session


def submitted() -> bool:
    """Whether this process was started by spark-submit, in whose JVM Spark runs."""
    return _SUBMITTED in os.environ


def stop_session(session: SparkSession) -> None:
    """End the session, and with the last one Spark itself: its JVM is gone when this returns."""
    if submitted():
        session.stop()
        return
    with _lock:
        if _running is None or session not in _running.sessions:
            return
        _running.sessions.remove(session)
        if not _running.sessions:
            _end()


def _sql_conf() -> dict[str, str]:
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "200000",
    }


def _lakehouse_conf(lake: Mapping[str, str]) -> dict[str, str]:
    database = EmbeddedCatalog(lake, writable=True).path
    prefix = f"spark.sql.catalog.{CATALOG}"
    return {
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        f"{prefix}.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        # Never made by Spark: a catalog that is missing beside tables is damage, which `coattail doctor` mends.
        f"{prefix}.uri": f"jdbc:sqlite:file:{quote(str(database))}?mode=rw&busy_timeout={PATIENCE_SECONDS * 1000}",
        f"{prefix}.jdbc.init-catalog-tables": "false",
        f"{prefix}.jdbc.schema-version": "V1",
        f"{prefix}.warehouse": lake["warehouse"],
        # Tables change under a session, by the engine: a table is what the catalog says at the time of asking.
        f"{prefix}.cache-enabled": "false",
        f"{prefix}.default-namespace": NAMESPACE,
        "spark.sql.defaultCatalog": CATALOG,
    }


def _start_conf(app: str, jars: list[Path], folder: Path, cores: int | None, quick: bool) -> dict[str, str]:
    """Settings that Spark reads once, at its start."""
    count = cores or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))
    java_options = [
        f"-Dlog4j2.configurationFile={_LOG_SETTINGS.as_uri()}",
        f"-Djava.io.tmpdir={folder}",
        f"-Dderby.system.home={folder}",
        "-XX:-UsePerfData",
        *(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"] if quick else []),
    ]
    found = {
        "spark.app.name": app,
        "spark.master": f"local[{count}]",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.sql.shuffle.partitions": str(count),
        "spark.python.daemon.module": "coattail.spark.worker",
    }
    if jars:
        found["spark.jars"] = ",".join(str(jar) for jar in jars)
        found["spark.sql.extensions"] = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    return found


def _start(
    app: str, jars: list[Path], *, cores: int | None, quick: bool, log_file: Path | None, conf: Mapping[str, str]
) -> _Running:
    check_pyspark()
    java = find_java()
    import pyspark
    from pyspark.sql import SparkSession

    if pyspark.SparkContext._active_spark_context is not None:
        raise SparkError("another Spark session runs in this process", next_step="stop it first")
    folder = tempfile.TemporaryDirectory(prefix="coattail-spark-", ignore_cleanup_errors=True)
    atexit.unregister(_end)
    atexit.register(_end)  # after the folder's own clean-up, hence before it when the process ends
    log = log_file or Path(folder.name, "spark.log")
    settings = pyspark.SparkConf(loadDefaults=False)
    settings.setAll([*{**_start_conf(app, jars, Path(folder.name), cores, quick), **conf}.items()])
    environment = {
        "JAVA_HOME": str(java.home),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": folder.name,
        "PYSPARK_SUBMIT_ARGS": "pyspark-shell",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *_absolute(os.environ.get("PYTHONPATH", ""))]),
        "POLARS_MAX_THREADS": "1",
    }
    path_before, interrupt = list(sys.path), signal.getsignal(signal.SIGINT)
    process = None
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, _environment(environment):
            gateway = _launched(settings, {"stdout": output, "stderr": subprocess.STDOUT})
            process = gateway.proc
            base = SparkSession(pyspark.SparkContext(conf=settings, gateway=gateway))
    except Exception as error:
        _end_jvm(process)
        reason = _reason(log) or str(error)
        folder.cleanup()
        more = f"its whole output is in {log}" if log_file else "try again with less memory or fewer cores"
        raise SparkError(f"Spark does not start ({reason})", next_step=more) from error
    finally:
        if threading.current_thread() is threading.main_thread() and interrupt is not None:
            signal.signal(signal.SIGINT, interrupt)  # Spark's own handler would cancel all jobs behind our back
    return _Running(base, process, folder, bool(jars), path_before)


def _launched(settings: SparkConf, process: dict[str, Any]) -> Any:
    """PySpark's gateway to a new JVM."""
    from pyspark import java_gateway

    launch: Any = java_gateway.launch_gateway
    with warnings.catch_warnings():
        # From Python 3.12 on: PySpark sets a signal handler between fork and exec, and nothing more.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork", DeprecationWarning)
        return launch(settings, process)


def _end() -> None:
    """Stop Spark and wait until its JVM is gone."""
    global _running
    with _lock:
        if _running is None:
            return
        ending, _running = _running, None
        try:
            if ending.base.sparkContext._jsc is not None:
                ending.base.stop()
        finally:
            _end_jvm(ending.process)
            sys.path[:] = [entry for entry in sys.path if entry in ending.path_before or os.path.exists(entry)]
            ending.folder.cleanup()


def _end_jvm(process: subprocess.Popen[bytes] | None) -> None:
    """Close the gateway: the JVM ends when its standard input does."""
    from pyspark import SparkContext

    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    if gateway is not None:
        gateway.shutdown()
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _submitted(app: str, conf: Mapping[str, str]) -> SparkSession:
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder.appName(app)
    for key, value in conf.items():
        builder = builder.config(key, value)
    session: SparkSession = builder.getOrCreate()
    return session


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the programs started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _absolute(path: str) -> list[str]:
    return [os.path.abspath(entry) for entry in path.split(os.pathsep) if entry]


def _reason(log: Path) -> str:
    """The last words about an error in Spark's log, else its last line."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    telling = [place for place, line in enumerate(lines) if "Exception" in line or "Error" in line]
    return " ".join(lines[telling[-1] :][:2] if telling else lines[-1:]).strip()[:300]
