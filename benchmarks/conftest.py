"""Sizes and inputs that benchmarks share. `--small` exercises every script in a few minutes and publishes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import coattail.stores.parquet  # noqa: F401  (imported before any clock starts)
from benchmarks import inputs, report
from coattail.config import CLASSIC, DEFAULT
from coattail.stores.catalog import embedded


@dataclass(frozen=True)
class Size:
    """How much is measured, and how often."""

    rounds: int
    million: int
    """Trades of what is called a million."""
    day: int
    """Trades of one day."""


_PYSPARK_LEAVES_ITS_SOCKETS = r"ignore:unclosed <socket\.socket .*127\.0\.0\.1:ResourceWarning"

LONG = Size(rounds=3, million=1_000_000, day=5_000_000)
SHORT = Size(rounds=1, million=100_000, day=300_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--small` and `--missing`."""
    parser.addoption("--small", action="store_true", help="a tenth of the data, one round, nothing published")
    parser.addoption("--missing", action="store_true", help="only what has no row yet: go on with a run that ended")


def pytest_configure(config: pytest.Config) -> None:
    """Small runs keep their rows apart; a run of everything begins without the rows of the one before."""
    if config.getoption("--small"):
        report.RESULTS = report.RESULTS.with_name("results-small")
    chosen = config.getoption("keyword") or config.getoption("markexpr") or any(".py" in a for a in config.args)
    if not (chosen or config.getoption("--missing") or config.getoption("collectonly")):
        report.forget()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A warning of Spark or its peers fails nothing; with `--missing`, leave out what is measured."""
    for item in items:
        if item.get_closest_marker("spark"):
            item.add_marker(pytest.mark.filterwarnings("default", _PYSPARK_LEAVES_ITS_SOCKETS))
    if config.getoption("--missing"):
        there = report.measured()
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in there])
        items[:] = [item for item in items if item.nodeid not in there]


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> Size:
    """How much this run measures."""
    return SHORT if pytestconfig.getoption("--small") else LONG


@pytest.fixture(scope="module", params=[CLASSIC, DEFAULT])
def preset(request: pytest.FixtureRequest) -> str:
    """Whose detectors judge; rows of `classic`, which the peers compute too, have no suffix."""
    return str(request.param)


@pytest.fixture(scope="session")
def backlog(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Callable[[float], Path]:
    """`backlog(2)`: the folder of a stream with about two million trades of a busy market, two hours each."""

    @cache
    def filled(millions: float) -> Path:
        market = inputs.busy(round(millions * size.million), 2 * millions)
        return inputs.filled(tmp_path_factory.mktemp(f"backlog-{millions}-"), market)

    return filled


@pytest.fixture(scope="session")
def skewed(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Callable[[int], Path]:
    """`skewed(300)`: the folder of a stream with about a million trades of that many symbols."""

    @cache
    def filled(symbols: int) -> Path:
        return inputs.filled(tmp_path_factory.mktemp(f"symbols-{symbols}-"), inputs.skewed(symbols, size.million))

    return filled


@pytest.fixture(scope="session")
def one_day(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Path:
    """The folder of a stream with a day of trades."""
    return inputs.filled(tmp_path_factory.mktemp("day"), inputs.day(size.day))


@pytest.fixture(scope="module")
def warm_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One JVM for all that a module measures on Spark, ours and the peers', with Iceberg in it."""
    from pyiceberg.catalog.sql import SqlCatalog

    from coattail.errors import SparkError
    from coattail.spark.jars import find_jars
    from coattail.spark.session import spark_session, stop_session

    folder = tmp_path_factory.mktemp("spark")
    try:
        find_jars()
    except SparkError as error:
        pytest.skip(f"{error}: {error.next_step}")
    SqlCatalog("coattail", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}").close()
    session = spark_session("benchmarks", lake=embedded(folder))
    yield
    stop_session(session)
