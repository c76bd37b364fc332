"""What tests of several folders ask for: the recorded market data, which are read where they are and never copied; a
market day that has landed; an emulator of AWS; Spark, one JVM in one worker of pytest-xdist, or one reason for
skipping them all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coattail.errors import SparkError
from coattail.home import Home
from coattail.spark.jars import check_pyspark, find_jars
from coattail.spark.java import find_java
from coattail.spark.session import spark_session, stop_session
from coattail.stores.catalog import embedded
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.running import landed
from tests.harness.scenes import market

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The address of an emulator of AWS for the tests of a module, whose process signs with made-up credentials."""
    if not INSTALLED:
        pytest.skip("the emulator of AWS is not installed: coattail[dev,aws]")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with emulator() as address:
            yield address


PYSPARK_LEAVES_ITS_SOCKETS = r"ignore:unclosed <socket\.socket .*127\.0\.0\.1:ResourceWarning"
"""Every `toArrow` and `collect` reads from a socket that PySpark leaves to the garbage collector."""


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = item.fixturenames if isinstance(item, pytest.Function) else []
        if "spark" in fixtures:
            item.add_marker(pytest.mark.spark)
        if item.get_closest_marker("spark"):
            fixtures.insert(0, "spark_installation")
            item.add_marker(pytest.mark.xdist_group("spark"))
            item.add_marker(pytest.mark.filterwarnings(PYSPARK_LEAVES_ITS_SOCKETS))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """`COATTAIL_RECORDINGS`, or the folder `shared/recordings` beside the repository; skips where neither is."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "recordings"
    folder = Path(os.environ.get("COATTAIL_RECORDINGS") or beside)
    if not folder.is_dir():
        pytest.skip(f"no recorded market data at {folder}; set COATTAIL_RECORDINGS to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def day() -> Iterator[Home]:
    """A home in which an engine has landed a market of 100 minutes, with its alerts."""
    with tempfile.TemporaryDirectory() as folder:
        yield landed(Path(folder), [market()])


@pytest.fixture(scope="session")
def spark_installation() -> None:
    """Skips where Java, PySpark or a jar is missing, unless COATTAIL_TEST_SPARK says `required`."""
    try:
        check_pyspark()
        find_java()
        find_jars()
    except SparkError as error:
        if os.environ.get("COATTAIL_TEST_SPARK") == "required":
            raise
        pytest.skip(f"no Spark: {error}")


@pytest.fixture(scope="session")
def spark(
    spark_installation: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Home], SparkSession]]:
    """Called with a home: a session with its tables. All sessions of these tests share the JVM that is held here."""
    folder = tmp_path_factory.mktemp("spark")
    opened: list[SparkSession] = []

    def session(home: Home) -> SparkSession:
        opened.append(spark_session("test", lake=embedded(home.path)))
        return opened[-1]

    held = spark_session(
        "tests",
        lake=embedded(folder),
        cores=2,
        quick=True,
        log_file=folder / "spark.log",
    )
    yield session
    for each in (*opened, held):
        stop_session(each)
