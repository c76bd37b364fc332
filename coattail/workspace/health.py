"""Is everything here that is needed, and is a home healthy? Checks, and the repair of what is broken."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from coattail.amounts import count
from coattail.config import Layer, Settings, load_settings
from coattail.detectors import detectors_for
from coattail.errors import CoattailError, HomeError, SparkError, StoreError
from coattail.home import Home
from coattail.versions import PYICEBERG, PYSPARK
from coattail.workspace import listening, reach
from coattail.workspace.documents.health import Finding

_LOW_DISK_BYTES, _NO_DISK_BYTES = 5_000_000_000, 500_000_000
_REPAIR = "run `coattail doctor --repair`: "


# -- the installation --------------------------------------------------------------------------------------------


def check_installation() -> list[Finding]:
    """Python, packages, and what the Spark engine needs."""
    return [_python(), _packages(), _spark_engine()]


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("python", "ok", version)
    return Finding("python", "broken", version, "use Python 3.11, 3.12 or 3.13")


def packages() -> list[str]:
    """The packages that coattail itself depends on, as it declares them."""
    declared = importlib.metadata.requires("coattail") or []
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in declared if "extra ==" not in line]


def _packages() -> Finding:
    found, missing = {}, []
    try:
        names = packages()
    except importlib.metadata.PackageNotFoundError:
        return Finding("packages", "broken", "coattail itself is not installed", "install it: make setup")
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "broken", f"missing: {', '.join(missing)}", "install coattail again: make setup")
    if found["pyiceberg"] != PYICEBERG:
        remedy = f"pip install pyiceberg=={PYICEBERG}: commits use functions that change between versions"
        return Finding("packages", "broken", f"pyiceberg {found['pyiceberg']}, not {PYICEBERG}", remedy)
    return Finding("packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _spark_engine() -> Finding:
    """Java, PySpark and the jars; everything else works without, so their absence is a note."""
    from coattail.spark.jars import check_pyspark, find_jars
    from coattail.spark.java import find_java

    try:
        java = find_java()
        check_pyspark()
        find_jars()
    except SparkError as error:
        return Finding("spark engine", "note", error.message, error.next_step)
    return Finding("spark engine", "ok", f"ready (Java {java.version}, PySpark {PYSPARK}, jars)")


# -- a home ------------------------------------------------------------------------------------------------------


def check(
    path: Path,
    *,
    expected: bool = True,
    place: Callable[[], Layer | None] = lambda: None,
    settings: Callable[[], Settings] | None = None,
    home: Callable[[], Home] | None = None,
) -> list[Finding]:
    """The home at `path`: its disk, settings, databases, tables, stream, dead letters and engine. Nothing is changed.

    expected: Whether a home must be there; otherwise its absence is a note.
    place: Reads where the stores are, besides what the home says; a place that cannot be read ends the look.
    settings: Loads the settings of this run; None means those of the home.
    home: Opens the home; None means that nothing else happens when it is opened.
    """
    return list(
        _looked_at(path, expected, place, settings or (lambda: load_settings(path)), home or (lambda: Home.open(path)))
    )


def _looked_at(
    path: Path, expected: bool, place: Callable[[], Layer | None], load: Callable[[], Settings],
    open_home: Callable[[], Home],
) -> Iterator[Finding]:  # fmt: skip
    yield _disk(path)
    try:
        if (there := place()) is not None:
            yield Finding("place", "ok", f"{there.name}: {count(len(there.leaves), 'setting')}")
    except CoattailError as error:
        yield Finding("place", "broken", error.message, error.next_step)
        return
    settings = load_settings(None)
    try:
        settings = load()
        detectors_for(settings)
        yield Finding("settings", "ok", "every key and value is understood")
    except CoattailError as error:
        yield Finding("settings", "broken", error.message, error.next_step)
    if not expected and not (path / "home.json").exists():
        yield Finding("home", "note", f"none at {path} yet", "make one with `coattail init` or `coattail demo`")
        return
    try:
        home = open_home()
    except HomeError as error:
        yield Finding("home", "broken", error.message, error.next_step)
        return
    yield Finding("home", "ok", f"{home.path}, format {home.record.format_version}, id {home.record.home_id}")
    catalog = _catalog(home, settings)
    yield catalog
    if catalog.state == "ok":
        yield _tables(home, settings)
    yield _hot_store(home, settings)
    yield _stream(home) if settings.stream.url is None else reach.stream(home, settings.stream.url)
    yield _letters(home, settings)
    yield from reach.services(home, settings)
    if settings.notify.sinks:
        yield _sinks(home, settings)
    yield _engine(home, settings)
    yield listening.finding(home, now=datetime.now(UTC))


def _engine(home: Home, settings: Settings) -> Finding:
    from coattail.stores.opening import open_lease

    try:
        engine = open_lease(home, settings).holder()
    except StoreError as error:
        return Finding("engine", "broken", error.message, error.next_step)
    return Finding("engine", "ok", f"{engine} runs" if engine else "none runs")


def _disk(path: Path) -> Finding:
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < _NO_DISK_BYTES:
        return Finding("disk", "broken", detail, f"free some space below {existing}")
    if free < _LOW_DISK_BYTES:
        return Finding("disk", "note", detail, f"a day of trades takes about 1 GB; free some space below {existing}")
    return Finding("disk", "ok", detail)


def _catalog(home: Home, settings: Settings) -> Finding:
    from coattail.stores.catalog import EmbeddedCatalog, shelf_of
    from coattail.stores.opening import lake_properties

    catalog = shelf_of(lake_properties(home, settings), writable=False)
    if not isinstance(catalog, EmbeddedCatalog):
        try:
            there = reach.where(settings.lake.get("glue.region"), settings.lake.get("glue.endpoint"))
            return Finding("catalog", "ok", f"Glue {there}: {count(len(catalog.locations()), 'table')}")
        except CoattailError as error:
            return Finding("catalog", "broken", error.message, error.next_step or "")
    remedy = _REPAIR + "it is rebuilt from the tables' own metadata"
    found = _database("catalog", catalog.path, remedy)
    if found.state == "ok" and catalog.lost():
        return Finding("catalog", "broken", "catalog.db is missing or empty, and the warehouse has tables", remedy)
    return found


def _hot_store(home: Home, settings: Settings) -> Finding:
    if settings.hot.url is not None:
        return reach.hot_store(home, settings, settings.hot.url)
    return _database("hot store", home.hot_db, _REPAIR + "it is refilled from the alerts in the lakehouse")


def _tables(home: Home, settings: Settings) -> Finding:
    """Whether the metadata that the catalog names can be read, and all files that it names are there."""
    from coattail.stores.opening import open_lake
    from coattail.stores.repair import read_metadata

    names, broken = [], []
    with closing(open_lake(home, settings)) as lake:
        try:
            for name, location in lake.locations().items():
                names.append(name)
                try:
                    read_metadata(lake.storage, location)
                except CoattailError as error:
                    broken.append(f"{name}: {error.message}")
        except CoattailError as error:
            broken.append(error.message)
    if broken:
        remedy = _REPAIR + "each goes back to its newest readable metadata, and it says what that means"
        return Finding("tables", "broken", "; ".join(broken), remedy)
    if not names:
        return Finding("tables", "ok", "none yet")
    return Finding("tables", "ok", f"{len(names)} tables, their newest snapshots are whole")


def _database(name: str, path: Path, remedy: str) -> Finding:
    if not path.exists():
        return Finding(name, "ok", f"no {path.name} yet")
    try:
        answer = _quick_check(path, "mode=ro")
    except sqlite3.OperationalError:  # a WAL database in a read-only folder opens only so
        try:
            answer = _quick_check(path, "immutable=1")
        except sqlite3.Error as error:
            answer = str(error)
    except sqlite3.Error as error:
        answer = str(error)
    return Finding(name, "ok", f"{path.name} is sound") if answer == "ok" else Finding(name, "broken", answer, remedy)


def _quick_check(path: Path, mode: str) -> str:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as connection:
        return str(connection.execute("PRAGMA quick_check").fetchone()[0])


def _stream(home: Home) -> Finding:
    from coattail.streams.local import LocalStream

    if not (home.stream / "stream.json").exists():
        return Finding("stream", "ok", "empty")
    stream = LocalStream(home.stream)
    try:
        waiting = stream.backlog({})
        stream.read({}, limit_bytes=1)
        size = f"{count(waiting.segments, 'segment')}, {waiting.size_bytes / 1e6:.1f} MB"
        return Finding("stream", "ok", f"{stream.stream_id}, {size}")
    except CoattailError as error:
        return Finding("stream", "broken", error.message, error.next_step)
    except OSError as error:
        return Finding("stream", "broken", str(error), "check the permissions of the stream folder")


def _letters(home: Home, settings: Settings) -> Finding:
    """A damaged file keeps engines from starting, because they count what was rejected."""
    from coattail.stores.opening import open_letters

    try:
        counts = open_letters(home, settings).summary()
    except CoattailError as error:
        return Finding("dead letters", "broken", error.message, error.next_step)
    except OSError as error:
        return Finding("dead letters", "broken", str(error), "check the permissions of the dlq folder")
    folders = ", ".join(sorted(counts))
    return Finding("dead letters", "ok", f"rejected records: {folders}" if folders else "none")


def _sinks(home: Home, settings: Settings) -> Finding:
    """Whether alerts can be sent, as configured, and what was given up. Nothing is sent."""
    from coattail.notify import sinks_of
    from coattail.workspace.notify import standing

    try:
        sinks_of(settings)
        fares = standing(home, settings, now=datetime.now(UTC))
    except CoattailError as error:
        return Finding("notify", "broken", error.message, error.next_step)
    said = "; ".join(sink.words(datetime.now(UTC)) for sink in fares)
    if any(sink.dead or sink.last_trouble for sink in fares):
        return Finding(
            "notify",
            "note",
            said,
            "try it: coattail notify test; then send again what was given up: coattail notify retry",
        )
    return Finding("notify", "ok", said)


def _refuse_on_glue(home: Home, settings: Settings, found: Finding) -> None:
    from coattail.stores.catalog import EmbeddedCatalog, shelf_of
    from coattail.stores.opening import lake_properties

    if not isinstance(shelf_of(lake_properties(home, settings), writable=False), EmbeddedCatalog):
        raise StoreError(f"a lake on Glue is not rebuilt ({found.detail})", next_step=found.remedy or "look at Glue")


# -- repair ------------------------------------------------------------------------------------------------------


def repair(home: Home, settings: Settings) -> list[str]:
    """Mend what is broken of catalog, tables and hot store; what was done, as sentences.

    What was there is set aside, nothing is deleted: `stores/repair.py` says what can be derived again.
    Raises: HomeError: If an engine runs on the home. StoreError: If raw_trades cannot be read at all.
    """
    from coattail.stores.opening import open_lease
    from coattail.stores.repair import Repaired, rebuild_catalog, rebuild_hot_store

    repaired = Repaired(home.path / "aside" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    with open_lease(home, settings).held("doctor --repair"):
        for found in (_catalog(home, settings), _tables(home, settings)):
            if found.state == "broken":
                _refuse_on_glue(home, settings, found)
                rebuild_catalog(home, settings, repaired)
                break
        if settings.hot.url is None and _hot_store(home, settings).state == "broken":
            rebuild_hot_store(home, settings, repaired)
    if repaired.aside.exists():
        repaired.done.append(f"what was damaged is in {repaired.aside}")
    return repaired.done
