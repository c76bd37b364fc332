"""Either engine by its name, with one batch per segment, and one JVM for as long as a run needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from coattail.engines.engine import Engine
from coattail.engines.kinds import engine_class
from coattail.errors import SparkError
from coattail.home import Home
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.streams.local import LocalStream
from tests.harness.running import feed, new_home, settings_of

EVERY_SEGMENT: dict[str, object] = {"engine.batch_bytes": 1, "spark.batch_bytes": 1, "engine.keep_snapshots": 10_000}
"""One batch per segment; every snapshot stays, because counts are added up over all of them."""
PATIENCE_S = {"local": 30.0, "spark": 120.0}
"""Seconds within which a command refuses, stops or is back, JVM included, however busy the machine: nothing hangs."""
DERIVED_ALWAYS: dict[str, object] = {**EVERY_SEGMENT, "engine.derived_commit_every": "0s"}


def engine(kind: str, home: Home, overrides: Mapping[str, object] = EVERY_SEGMENT, **more: Any) -> Engine:
    """An engine of this kind on the home, not yet entered."""
    return engine_class(kind)(home, settings_of(dict(overrides)), **more)


def drained(kind: str, home: Home, overrides: Mapping[str, object] = EVERY_SEGMENT, **more: Any) -> None:
    """Everything that waits, in one run of an engine."""
    with engine(kind, home, overrides, **more) as running:
        running.drain()


def fed(folder: Path, pieces: Iterable[Sequence[Record]]) -> Home:
    """A new home whose stream holds the pieces, each a segment."""
    folder.mkdir(parents=True, exist_ok=True)
    home = new_home(folder)
    feed(LocalStream(home.stream), pieces)
    return home


@cache
def why_no_spark() -> str:
    """Why the Spark engine cannot run here; empty where it can."""
    from coattail.spark.jars import check_pyspark, find_jars
    from coattail.spark.java import find_java

    try:
        check_pyspark()
        find_java()
        find_jars()
    except SparkError as error:
        return error.message
    return ""


@contextmanager
def held(wanted: bool) -> Iterator[None]:
    """One Spark session is kept open, so that every engine inside shares its JVM."""
    if not wanted:
        yield
        return
    from coattail.spark.session import spark_session, stop_session

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session = spark_session(
            "faults", lake=embedded(folder), cores=2, quick=True,
            log_file=folder / "spark.log",
        )  # fmt: skip
        try:
            yield
        finally:
            stop_session(session)
