"""R30: a job on a cluster has the bundle and nothing else; one of its executors is killed, or its JVM asked to end."""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import subprocess
import time
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import mock

from coattail.aws.bundle import entry_points, pack
from coattail.config import Settings
from coattail.home import Home
from coattail.jobs.emr_request import bundle_conf
from coattail.stores.opening import open_hot, open_lake
from coattail.streams.opening import open_stream
from coattail.tables import RAW_TRADES
from faults.experiment import Control, Experiment, LeftOut, Outcome, Task
from tests.harness.aws_place import REGION, folder_there, hot_there, lake_there
from tests.harness.bundled import installed_files, unpacked
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.kinesis_service import KinesisService
from tests.harness.oracle import Expected, expected
from tests.harness.running import differences, feed, found, new_home, settings_of
from tests.harness.scenes import evenly, market, spoiled, with_duplicates

ARCHITECTURES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
MASTER = "local-cluster[2,1,1024]"
LONGEST_S = 8.0
"""Seconds within which an executor is killed, after both are there: while they unpack, or while they land."""
PATIENCE_S = 300


class Cluster:
    """A Spark cluster of two executors on this machine, whose Pythons have no package but those of a bundle.

    without: The top folder of a package that the bundle lacks.
    """

    def __init__(self, folder: Path, *, without: str = "") -> None:
        import pyspark

        folder.mkdir()
        architecture = ARCHITECTURES.get(platform.machine())
        if architecture is None:
            raise LeftOut(f"no bundle is made for {platform.machine()}")
        files = {name: path for name, path in installed_files().items() if not (without and name.startswith(without))}
        self.bundle = pack(files, architecture, folder, level=0)
        unpacked(folder / "deps", without=without)  # what EMR Serverless does for the driver, and spark-submit does not
        venv.create(folder / "bare", with_pip=False)
        self._folder, self._spark = folder, Path(pyspark.__file__).parent

    @contextmanager
    def running(self, job: str, order: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
        """spark-submit, at work on a job, and what it has said so far."""
        conf = {**bundle_conf(self.bundle.path.as_uri()), "spark.ui.enabled": "false", "spark.driver.memory": "512m"}
        others = ("PYTHON", "SPARK", "COATTAIL")
        own = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        places = {"PYTHONPATH": "./deps", "SPARK_HOME": str(self._spark), "SPARK_LOCAL_IP": "127.0.0.1",
                  "SPARK_WORKER_DIR": str(self._folder / "work"), "SPARK_LOCAL_DIRS": str(self._folder / "local"),
                  "PYSPARK_PYTHON": str(self._folder / "bare" / "bin" / "python")}  # fmt: skip
        command = [
            str(self._spark / "bin" / "spark-submit"), "--master", MASTER,
            *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
            str(entry_points()[f"jobs/{job}.py"]), job, json.dumps(order),
        ]  # fmt: skip
        said: list[str] = []
        with subprocess.Popen(
            command, cwd=self._folder, env={**own, **places}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            reader = Thread(target=said.extend, args=(process.stdout,))
            reader.start()
            try:
                yield process, said
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                reader.join()

    def executors(self, process: subprocess.Popen[str]) -> list[int]:
        """Process ids of the JVMs of its executors."""
        ids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words, mine = (entry / "cmdline").read_bytes(), os.getsid(int(entry.name)) == process.pid
                except OSError:
                    continue
                if mine and b"CoarseGrainedExecutorBackend" in words:
                    ids.append(int(entry.name))
        return sorted(ids)


def run(task: Task) -> Outcome:
    """A scene through Kinesis into Glue, S3 and DynamoDB, all emulated, by `jobs/stream.py` on such a cluster.

    Raises: LeftOut: If the emulator of AWS is not installed.
    """
    if not INSTALLED:
        raise LeftOut("the emulator of AWS is not installed")
    records = with_duplicates(spoiled(market(), seed=task.seed), 0.02, seed=task.seed)
    truth, rng = expected(records), random.Random(task.seed)
    cluster, wrong, killed, seconds = Cluster(task.folder / "cluster"), list[str](), 0, list[float]()
    with mock.patch.dict(os.environ, CREDENTIALS), emulator() as service, KinesisService() as kinesis:
        for number in range(task.size["runs"]):
            settings = _fed(f"run{number}", service, kinesis, records)
            began = time.monotonic()
            with cluster.running("stream", _order(settings)) as (process, said):
                killed += _one_killed(cluster, process, rng)
                code = process.wait(PATIENCE_S)
            seconds.append(time.monotonic() - began)
            wrong += [f"run {number} ended with {code}: {''.join(said[-3:])}"] if code else []
            home = new_home(task.folder / f"run{number}")
            _copy_hot(home, settings_of(settings))
            wrong += differences(truth, found(home, settings_of(settings)))
            task.say(f"run {number}: {len(truth.trades)} trades, {seconds[-1]:.0f} s")
        wrong += _stopped(task, cluster, _fed("stopped", service, kinesis, records), truth)
        lacking = Cluster(task.folder / "lacking", without="pandas")
        settings = _fed("lacking", service, kinesis, records)
        with lacking.running("stream", _order(settings)) as (process, said):
            code = process.wait(PATIENCE_S)
    missed = next((line.strip() for line in said if "No module named 'pandas'" in line or "Pandas >=" in line), "")
    return Outcome(
        f"{task.size['runs']} runs and one that follows the stream, {len(records):,} records each",
        {"differences": len(wrong), "executors killed": killed, "slowest run s": round(max(seconds))},
        wrong,
        [Control("a bundle without pandas, which PySpark does not say it needs", missed[:90], bool(code and missed))],
    )


def _stopped(task: Task, cluster: Cluster, settings: dict[str, object], truth: Expected) -> list[str]:
    """What is wrong when a job follows the stream, and SIGTERM reaches its JVM alone, as of one that is cancelled."""
    order = _order(settings)
    order["options"] = {}
    home = new_home(task.folder / "stopped")
    with cluster.running("stream", order) as (process, said):
        until = time.monotonic() + PATIENCE_S
        with closing(open_lake(home, settings_of(settings))) as lake:
            while process.poll() is None and time.monotonic() < until:
                if lake.has("raw_trades") and lake.scan(RAW_TRADES, columns=["event_id"]).height == len(truth.trades):
                    break
                time.sleep(1)
        process.terminate()  # spark-submit has become the JVM
        process.wait(PATIENCE_S)
    ended = [line for line in said if "Z stopped; received" in line]
    _copy_hot(home, settings_of(settings))
    return ([] if ended else ["it did not stop in order"]) + differences(truth, found(home, settings_of(settings)))


def _fed(name: str, service: str, kinesis: KinesisService, records: list[Any]) -> dict[str, object]:
    """Settings of new stores there, in whose stream the records wait."""
    kinesis.create(name, 2)
    url = f"kinesis://{name}?region={REGION}&endpoint={kinesis.endpoint}"
    feed(open_stream(url, Path("unused")), evenly(records, 4))
    return {
        "lake": lake_there(name, service), "hot.url": hot_there(name, service), "stream.url": url,
        "dlq.url": folder_there(f"{name}-dlq", service), "spark.batch_bytes": "128 KiB",
    }  # fmt: skip


def _copy_hot(home: Home, settings: Settings) -> None:
    """The newest alerts, those of open windows among them, into the home's own store, where `found` looks for them."""
    now = datetime.now(UTC)
    with closing(open_hot(home, settings)) as there, closing(open_hot(home, settings_of({}), writable=True)) as own:
        own.put_alerts([stored.alert for stored in there.alerts(now=now)], now=now)


def _order(settings: dict[str, object]) -> dict[str, Any]:
    return {"options": {"drain": True}, "settings": {"preset": "classic", "overrides": settings}}


def _one_killed(cluster: Cluster, process: subprocess.Popen[str], rng: random.Random) -> int:
    """Kill one of two executors some seconds after both are there; returns how many were killed."""
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        if len(there := cluster.executors(process)) == 2:
            time.sleep(rng.uniform(0, LONGEST_S))
            os.kill(rng.choice(there), signal.SIGKILL)
            return 1
        time.sleep(0.1)
    return 0


R30 = Experiment(
    id="R30",
    does="two executors have the bundle and nothing else, and write into an emulated bucket; one is killed, or the "
    "driver's JVM is asked to end",
    run=run,
    engines=("spark",),
    seed=521,
    long={"runs": 2},
    short=None,
    shortly="tests/engines/test_bundle.py",
)
