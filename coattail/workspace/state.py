"""The state of a home: what `coattail status` shows.

Everything comes from the hot store, the catalog and the tables' metadata; only a home that an older version wrote
last needs more.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from coattail.alerts import SEVERITIES
from coattail.batch.forecast import forecast
from coattail.batch.last_run import last_run
from coattail.records import micros, when
from coattail.stores.opening import open_lease
from coattail.stores.outline import Outline, Snapshot, folder_bytes
from coattail.streams.local import LocalStream
from coattail.workspace.alerts import AlertQuery, rows
from coattail.workspace.documents.state import (
    AbstainedDocument,
    AlertCounts,
    CommitDocument,
    DiskDocument,
    EngineDocument,
    HomeDocument,
    MaintenanceDocument,
    State,
    StreamDocument,
    TableDocument,
    TimeDocument,
    TradesDocument,
)
from coattail.workspace.documents.upkeep import forecast_document
from coattail.workspace.listening import producer
from coattail.workspace.notify import standing
from coattail.workspace.opening import Stores

T = TypeVar("T")

ALERTS_SHOWN = timedelta(hours=24)
"""Counted back from the newest trade, as everywhere that shows the last 24 hours."""


def state(stores: Stores, *, now: datetime | None = None) -> State:
    """The home's state at this moment.

    Raises: StoreError: If the catalog or the metadata of a table cannot be read.
    """
    now = now or datetime.now(UTC)
    home, tables, beat = stores.home, stores.outlines.all(), stores.hot.fact("engine")
    said = beat[0] if beat is not None else {}
    raw = tables["raw_trades"].newest if "raw_trades" in tables else None
    newest = newest_trade(stores, raw)
    free = shutil.disk_usage(home.path).free
    return State(
        home=HomeDocument(path=str(home.path), home_id=home.record.home_id, created=home.record.created),
        engine=_engine(stores, said, beat[1] if beat is not None else None),
        producer=producer(home, now=now),
        commit=None if raw is None else _commit(raw),
        trades=_written(raw, "totals", TradesDocument) or TradesDocument(),
        stream=_stream(stores, raw, said),
        time=_time(newest, _watermark(tables, said), now),
        tables=[_table(name, table) for name, table in tables.items()],
        alerts=_alerts(stores, newest, now),
        abstained=_abstained(stores),
        disk=DiskDocument(home_bytes=folder_bytes(home.path), free_bytes=free),
        maintenance=MaintenanceDocument(every=stores.settings.maintenance.every, last=last_run(stores.hot)),
        forecast=forecast_document(forecast(stores.outlines, free_bytes=free, now=now)),
        notify=standing(home, stores.settings, now=now),
    )


def _engine(stores: Stores, said: Mapping[str, Any], last: datetime | None) -> EngineDocument:
    running = open_lease(stores.home, stores.settings).holder()
    return EngineDocument(
        running=running is not None,
        command=running.command if running else None,
        pid=running.pid if running else None,
        started=running.started if running else None,
        last_heartbeat=last,
        engine=said.get("engine"),
        spark=said.get("spark"),
    )


def _commit(snapshot: Snapshot) -> CommitDocument:
    return CommitDocument(
        sequence=snapshot.sequence, snapshot_id=str(snapshot.snapshot_id), committed_at=snapshot.committed_at
    )


def _written(commit: Snapshot | None, name: str, kind: type[T]) -> T | None:
    """What a commit recorded as JSON under a name."""
    text = commit.properties.get(name) if commit is not None else None
    return None if text is None else msgspec.json.decode(text, type=kind)


def _stream(stores: Stores, raw: Snapshot | None, said: Mapping[str, Any]) -> StreamDocument:
    url = stores.settings.stream.url
    if url is not None:
        return StreamDocument(url=url, waiting_segments=0, waiting_bytes=int(said.get("backlog_bytes", 0)))
    if not (stores.home.stream / "stream.json").exists():
        return StreamDocument(url=None, waiting_segments=0, waiting_bytes=0)
    stream = LocalStream(stores.home.stream)
    same = raw is not None and raw.properties.get("stream") == stream.stream_id
    waiting = stream.backlog((_written(raw, "offsets", dict[str, str]) or {}) if same else {})
    return StreamDocument(url=None, waiting_segments=waiting.segments, waiting_bytes=waiting.size_bytes)


def newest_trade(stores: Stores, raw: Snapshot | None) -> datetime | None:
    """The latest time of a trade, as its commit says, or, in a home of an older version, the files' statistics."""
    if raw is None:
        return None
    if (newest := _written(raw, "newest", int)) is not None:
        return when(newest) if newest else None
    from coattail.stores.history import latest_event
    from coattail.tables import RAW_TRADES

    return latest_event(stores.lake, RAW_TRADES)


def _watermark(tables: Mapping[str, Outline], said: Mapping[str, Any]) -> datetime | None:
    """Up to when verdicts are final: as the engine last reported, or as written with the alerts."""
    committed = tables["anomaly_alerts"].newest if "anomaly_alerts" in tables else None
    mark = max(int(said.get("watermark", 0)), _written(committed, "watermark", int) or 0)
    return when(mark) if mark else None


def _time(newest: datetime | None, mark: datetime | None, now: datetime) -> TimeDocument:
    return TimeDocument(
        newest_trade=newest,
        watermark=mark,
        watermark_behind_seconds=(newest - mark).total_seconds() if newest and mark else None,
        lag_seconds=(now - newest).total_seconds() if newest else None,
    )


def _table(name: str, table: Outline) -> TableDocument:
    return TableDocument(
        name=name,
        rows=table.total("records"),
        files=table.total("data-files"),
        snapshots=len(table.snapshots),
        size_bytes=table.total("files-size"),
        committed_at=table.current.committed_at if table.current else None,
    )


def _abstained(stores: Stores) -> list[AbstainedDocument]:
    """As the newest engine noted with its last commit of the modules' tables."""
    noted = stores.hot.fact("abstained")
    return msgspec.convert(noted[0]["of"], list[AbstainedDocument]) if noted else []


def _alerts(stores: Stores, newest: datetime | None, now: datetime) -> list[AlertCounts]:
    """The current alerts by type, back from the newest trade."""
    since = None if newest is None else newest - ALERTS_SHOWN
    by_type: dict[str, list[tuple[str, datetime]]] = {}
    for row in rows(stores, AlertQuery(since=since, limit=None), now=now):
        by_type.setdefault(row["alert_type"], []).append((row["severity"], row["detected_at"]))
    found = []
    for kind, alerts in sorted(by_type.items()):
        severities = Counter(severity for severity, _ in alerts)
        latest = max(alerts, key=lambda alert: micros(alert[1]))[1]
        counts = {severity: severities[severity] for severity in SEVERITIES}
        found.append(AlertCounts(alert_type=kind, count=len(alerts), newest=latest, **counts))
    return found
