"""Feeding a home, and reading back the result: PyIceberg and SQLite, not coattail's own readers."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from coattail.config import Settings, load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.packing import Packer
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.stores.dlq import DeadLetters
from coattail.stores.lake import Lake
from coattail.stores.opening import open_lake, open_letters
from coattail.streams.base import Stream
from coattail.streams.local import LocalStream
from tests.harness.aws_place import alerts_there
from tests.harness.oracle import Expected

EVERY_SEGMENT: dict[str, object] = {"engine.batch_bytes": 1}
"""One batch per segment."""
AT_ONCE: dict[str, object] = {"engine.batch_bytes": "1 GiB"}
DERIVED_ALWAYS: dict[str, object] = {**EVERY_SEGMENT, "engine.derived_commit_every": "0s"}


class Killed(RuntimeError):
    """What a test raises where a process would have died."""


def settings_of(overrides: dict[str, object]) -> Settings:
    """Settings of the preset that the oracle knows, unless they name another."""
    return load_settings(None, overrides={"preset": "classic", **overrides})


def new_home(folder: Path) -> Home:
    """An empty home, of the preset that the oracle knows."""
    home = Home.open(folder / "home", create=True)
    home.config_file.write_text("preset: classic\n")
    return home


def feed(stream: Stream, pieces: Iterable[Sequence[Record]]) -> None:
    """One segment per piece."""
    for piece in pieces:
        packer = Packer()
        for record in piece:
            packer.add(record)
        stream.append(packer.take())


def drained(home: Home, overrides: dict[str, object] | None = None) -> None:
    """Everything that waits, in one run."""
    with LocalEngine(home, settings_of(overrides or EVERY_SEGMENT)) as engine:
        engine.drain()


def landed(folder: Path, pieces: Sequence[Sequence[Record]], overrides: dict[str, object] | None = None) -> Home:
    """A home in which the pieces have landed, each a segment."""
    home = new_home(folder)
    feed(LocalStream(home.stream), pieces)
    drained(home, overrides)
    return home


def batches(home: Home) -> int:
    """Commits of raw_trades so far."""
    with closing(Lake(embedded(home.path), writable=False)) as lake:
        newest = lake.newest("raw_trades")
        return newest.sequence if newest else 0


@dataclass
class Found:
    """What is in a home; alerts as the view `alerts` shows them."""

    trades: list[tuple[Any, ...]]
    bars: dict[tuple[str, str, int], dict[str, Any]]
    alerts: dict[str, dict[str, Any]]
    texts: dict[str, str]
    """Details of each alert as they are written."""
    rejected: list[tuple[Any, ...]]
    counts: dict[str, dict[str, int]]


def found(home: Home, settings: Settings | None = None) -> Found:
    """`settings`: those that say where lake, hot store and dead letters are; None: in the home."""
    settings = settings or settings_of({})
    lake = open_lake(home, settings)
    try:
        hot = _of_file(home) if settings.hot.url is None else alerts_there(settings.hot.url)
        alerts, texts = _alerts(lake, hot)
        letters = open_letters(home, settings)
        return Found(_trades(lake), _bars(lake), alerts, texts, _rejected(letters), _counts(lake))
    finally:
        lake.close()


def rows_of(lake: Lake, name: str, columns: Sequence[str] = ("*",)) -> list[dict[str, Any]]:
    """Every row of a table as PyIceberg reads it; times as µs."""
    if not lake.has(name):
        return []
    table = lake.iceberg(name).scan(selected_fields=tuple(columns)).to_arrow()
    for place, field in enumerate(table.schema):
        if str(field.type).startswith("timestamp"):
            table = table.set_column(place, field.name, table.column(place).cast("int64"))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _trades(lake: Lake) -> list[tuple[Any, ...]]:
    columns = (
        "event_id", "exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "quote_volume", "side",
        "timestamp",
    )  # fmt: skip
    return sorted(tuple(row[c] for c in columns) for row in rows_of(lake, "raw_trades", columns))


def _bars(lake: Lake) -> dict[tuple[str, str, int], dict[str, Any]]:
    merged: dict[tuple[str, str, int], dict[str, Any]] = {}
    for row in rows_of(lake, "bars"):
        key = (row.pop("exchange"), row.pop("symbol"), row.pop("bar_start"))
        buckets = row.pop("histogram_buckets"), row.pop("histogram_trades")
        row["histogram"] = dict(zip(*buckets, strict=True))
        bar = merged.setdefault(key, row)
        if bar is row:
            continue
        for edge, better in (("first", -1), ("last", 1)):
            order = [(r[f"{edge}_timestamp"], r[f"{edge}_trade_id"]) for r in (bar, row)]
            if (order[1] > order[0]) is (better > 0):
                bar.update({n: row[n] for n in row if n.startswith(f"{edge}_")})
        bar["high"], bar["low"] = max(bar["high"], row["high"]), min(bar["low"], row["low"])
        for name in ("trades", "quantity", "notional", "notional_squared"):
            bar[name] += row[name]
            bar[f"buy_{name}"] += row[f"buy_{name}"]
        bar["orders"] += row["orders"]
        for bucket, count in row["histogram"].items():
            bar["histogram"][bucket] = bar["histogram"].get(bucket, 0) + count
    return merged


def _of_file(home: Home) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(home.hot_db)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM alerts")]


def _alerts(lake: Lake, hot: list[dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The newest revision of each alert, of the table or (open windows) of the hot store; retracted ones left out."""
    newest: dict[str, dict[str, Any]] = {}
    rows = rows_of(lake, "anomaly_alerts")
    keys = [(r["alert_id"], r["revision"]) for r in rows]
    contents = {(r["alert_id"], r["revision"], r["status"], r["details"]) for r in rows}
    assert len(contents) == len(set(keys)), "one revision of one alert says two things"
    for row in rows + hot:
        if row["alert_id"] not in newest or row["revision"] > newest[row["alert_id"]]["revision"]:
            newest[row["alert_id"]] = row
    columns = (
        "alert_id", "alert_type", "module_id", "symbol", "exchange", "severity", "detected_at", "status",
    )  # fmt: skip
    current = {i: r for i, r in newest.items() if r["status"] != "retracted"}
    alerts = {i: {**{c: r[c] for c in columns}, "details": json.loads(r["details"])} for i, r in current.items()}
    return alerts, {i: r["details"] for i, r in current.items()}


def _rejected(letters: DeadLetters) -> list[tuple[Any, ...]]:
    rows = letters.rows()
    names = ("exchange", "symbol", "trade_id", "last_trade_id", "reason")
    return sorted((tuple(row.get(n) for n in names) for row in rows), key=str)


def _counts(lake: Lake) -> dict[str, dict[str, int]]:
    """Per exchange, added up over the summaries of all commits of raw_trades."""
    counts: dict[str, dict[str, int]] = {}
    for snapshot in lake.iceberg("raw_trades").snapshots():
        assert snapshot.summary is not None
        for row in json.loads(snapshot.summary.additional_properties.get("coattail.counts", "[]")):
            assert row["received"] == row["landed"] + row["rejected"] + row["duplicates"]
            total = counts.setdefault(row["exchange"], {})
            for name in ("received", "landed", "rejected", "duplicates"):
                total[name] = total.get(name, 0) + row[name]
    return counts


def differences(expected: Expected, actual: Found, *, counts: bool = True) -> list[str]:
    """In words, what is not as the oracle says; empty where everything is."""
    said = []
    if actual.trades != expected.trades:
        lost, doubled = set(expected.trades) - set(actual.trades), len(actual.trades) - len(set(actual.trades))
        extra = set(actual.trades) - set(expected.trades)
        said.append(f"trades: {len(lost)} lost, {doubled} doubled, {len(extra)} invented; {sorted(lost)[:2]}")
    for key in expected.bars.keys() | actual.bars.keys():
        if expected.bars.get(key) != actual.bars.get(key):
            said.append(f"bar {key}: expected {expected.bars.get(key)}, found {actual.bars.get(key)}")
            break
    for identity in expected.alerts.keys() | actual.alerts.keys():
        wanted, given = expected.alerts.get(identity), actual.alerts.get(identity)
        if wanted is None or given is None or not _same(wanted, given):
            said.append(f"alert: expected {wanted}, found {given}")
    if actual.rejected != expected.rejected:
        said.append(f"rejected: expected {len(expected.rejected)}, found {len(actual.rejected)}")
    if counts and actual.counts != expected.counts:
        said.append(f"counts: expected {expected.counts}, found {actual.counts}")
    return said


def _same(wanted: Any, given: Any) -> bool:
    """Equal; floats, which two programs round apart, to nine digits."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        return wanted.keys() == given.keys() and all(_same(wanted[k], given[k]) for k in wanted)
    if isinstance(wanted, float) and isinstance(given, (int, float)):
        return math.isclose(wanted, given, rel_tol=1e-9, abs_tol=1.5e-6)
    return bool(wanted == given)


def interrupted(home: Home, overrides: dict[str, object], work: Callable[[LocalEngine], object]) -> None:
    """An engine that dies after `work`: it commits nothing on its way out."""
    try:
        with LocalEngine(home, settings_of(overrides)) as engine:
            work(engine)
            raise Killed
    except Killed:
        pass


def queried(home: Home, query: str) -> list[tuple[object, ...]]:
    """Rows of a query in which {table} stands for the planned files of a table."""
    lake = Lake(embedded(home.path), writable=False)
    for table in ("raw_trades", "coverage", "anomaly_alerts"):
        if f"{{{table}}}" not in query:
            continue
        files = ", ".join(f"'{f.file_path.removeprefix('file://')}'" for f in lake.files(table))
        query = query.replace(f"{{{table}}}", f"read_parquet([{files}], hive_partitioning=false)")
    lake.close()
    return duckdb.connect().execute(query).fetchall()
