"""`coattail status`: what is in the home, how fresh it is, and whether an engine runs."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import ago, clock, size

if TYPE_CHECKING:
    from coattail.stores.lake import Lake
    from coattail.workspace.opening import Stores

_MICROSECOND = 1e-6


@command("status", examples=["coattail status", "coattail status --json"])
def status(session: Session, *, as_json: JsonOption = False) -> None:
    """Show the state of the home: engine, trades landed, backlog, tables, alerts, disk.

    JSON: {"home", "engine", "commit", "trades", "stream", "time", "tables", "alerts", "disk", "maintenance",
    "forecast"}; see docs/CLI.md.
    """
    from coattail.batch.forecast import forecast
    from coattail.workspace.documents import plain
    from coattail.workspace.documents.upkeep import forecast_document

    stores = session.stores()
    now = datetime.now(UTC)
    found = {
        "home": {
            "path": stores.home.path,
            "home_id": stores.home.record.home_id,
            "created": stores.home.record.created,
        },
        "engine": _engine(stores),
        **_trades(stores, session.settings().stream.url),
        "time": _time(stores, now),
        "tables": [_table(stores.lake, name) for name in stores.lake.names()],
        "alerts": _alerts(stores, now),
        "disk": {"home_bytes": _folder_bytes(stores.home.path), "free_bytes": shutil.disk_usage(stores.home.path).free},
        "maintenance": _maintenance(stores, session.settings().maintenance.every),
        "forecast": plain(forecast_document(forecast(stores.home, stores.lake, now=now))),
    }
    if as_json:
        print_json(found)
    else:
        _print(found, stores.home.path, now)


def _engine(stores: Stores) -> dict[str, Any]:
    running = stores.home.running_engine()
    beat = stores.hot.fact("engine")
    return {
        "running": running is not None,
        "command": running.command if running else None,
        "pid": running.pid if running else None,
        "started": running.started if running else None,
        "last_heartbeat": beat[1] if beat else None,
        "engine": beat[0].get("engine") if beat else None,
        "spark": beat[0].get("spark") if beat else None,
    }


def _trades(stores: Stores, url: str | None) -> dict[str, Any]:
    """The newest commit of raw_trades, the totals it carries, and what waits behind it.

    Of a stream elsewhere, what waits is what the engine said last.
    """
    from coattail.engines.recovery import position
    from coattail.streams.local import LocalStream
    from coattail.tables import RAW_TRADES

    at = position(stores.lake)
    newest = stores.lake.newest(RAW_TRADES.name)
    commit = newest and {
        "sequence": newest.sequence,
        "snapshot_id": str(newest.snapshot_id),
        "committed_at": newest.committed_at,
    }
    waiting, beat = None, stores.hot.fact("engine")
    if url is None and (stores.home.stream / "stream.json").exists():
        stream = LocalStream(stores.home.stream)
        waiting = stream.backlog(at.offsets if stream.stream_id == at.stream_id else {})
    return {
        "commit": commit,
        "trades": {name: getattr(at.totals, name) for name in at.totals.__dataclass_fields__},
        "stream": {
            "url": url,
            "waiting_segments": waiting.segments if waiting else 0,
            "waiting_bytes": waiting.size_bytes if waiting else beat[0]["backlog_bytes"] if url and beat else 0,
        },
    }


def _time(stores: Stores, now: datetime) -> dict[str, Any]:
    """How far the market's time has come. `lag_seconds`: from the newest trade to the clock."""
    newest = _newest_trade(stores.lake)
    mark = _watermark(stores)
    return {
        "newest_trade": newest,
        "watermark": mark,
        "watermark_behind_seconds": (newest - mark).total_seconds() if newest and mark else None,
        "lag_seconds": (now - newest).total_seconds() if newest else None,
    }


def _newest_trade(lake: Lake) -> datetime | None:
    """The latest event time in raw_trades, from the statistics of its files."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import TimestamptzType

    from coattail.tables import RAW_TRADES

    if not lake.has(RAW_TRADES.name):
        return None
    number = lake.iceberg(RAW_TRADES.name).schema().find_field("timestamp").field_id
    bounds = [file.upper_bounds[number] for file in lake.files(RAW_TRADES.name) if number in file.upper_bounds]
    latest = max((int(from_bytes(TimestamptzType(), b)) for b in bounds), default=None)
    return None if latest is None else datetime.fromtimestamp(latest * _MICROSECOND, UTC)


def _watermark(stores: Stores) -> datetime | None:
    """Up to when verdicts are final: as the engine last said, or as it is written down with the alerts."""
    from coattail.tables import ALERTS

    beat = stores.hot.fact("engine")
    committed = stores.lake.newest(ALERTS.name)
    marks = [beat[0].get("watermark", 0) if beat else 0]
    marks.append(int(committed.properties.get("watermark", 0)) if committed else 0)
    return datetime.fromtimestamp(max(marks) * _MICROSECOND, UTC) if max(marks) else None


def _table(lake: Lake, name: str) -> dict[str, Any]:
    iceberg = lake.iceberg(name)
    snapshot = iceberg.current_snapshot()
    summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    return {
        "name": name,
        "rows": int(summary.get("total-records", 0)),
        "files": int(summary.get("total-data-files", 0)),
        "snapshots": len(iceberg.snapshots()),
        "size_bytes": int(summary.get("total-files-size", 0)),
        "committed_at": datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None,
    }


def _alerts(stores: Stores, now: datetime) -> list[dict[str, Any]]:
    """Current alerts by type."""
    import polars as pl

    from coattail.alerts import SEVERITIES
    from coattail.stores.current import current_alerts

    grouped = (
        current_alerts(stores.lake, stores.hot, now=now)
        .group_by("alert_type")
        .agg(
            pl.len().alias("count"),
            *((pl.col("severity") == s).sum().alias(s) for s in SEVERITIES),
            pl.col("detected_at").max().alias("newest"),
        )
    )
    return grouped.sort("alert_type").to_dicts()


def _maintenance(stores: Stores, every: timedelta | None) -> dict[str, Any]:
    """The schedule of a live engine, and what the last maintenance came to; `error` says why it failed."""
    from coattail.batch.last_run import last_run

    run = last_run(stores.hot)
    return {"every": every, "last": None if run is None else {f: getattr(run, f) for f in run.__struct_fields__}}


def _folder_bytes(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # the engine removes files meanwhile
                continue
    return total


def _print(found: dict[str, Any], path: Path, now: datetime) -> None:
    engine, commit, trades, market = found["engine"], found["commit"], found["trades"], found["time"]
    print(f"home       {path}")
    if engine["running"]:
        kind = " on Spark" if engine["engine"] == "spark" else ""
        print(f"engine     runs{kind}: {engine['command']} (process {engine['pid']}), since {clock(engine['started'])}")
    else:
        print("engine     none runs")
    if commit is None:
        print("trades     none landed yet")
        print(f"  see it all: {line(path, 'demo')}    land a recording: {line(path, 'replay', 'FILE')}")
    else:
        at = commit["committed_at"]
        print(f"commit     {commit['sequence']:,}, {clock(at)} ({ago(now - at)})")
        print(
            f"trades     received {trades['received']:,} = landed {trades['landed']:,} + rejected "
            f"{trades['rejected']:,} + duplicates {trades['duplicates']:,}; {trades['late']:,} late"
        )
    waiting = found["stream"]
    if waiting["url"]:
        print(f"stream     {waiting['url']}, about {size(waiting['waiting_bytes'])} wait")
    else:
        print(f"stream     {waiting['waiting_segments']:,} segments wait, {size(waiting['waiting_bytes'])}")
    if market["newest_trade"]:
        newest = market["newest_trade"]
        print(f"market     newest trade {clock(newest)} ({ago(now - newest)})")
    if market["watermark"]:
        behind = market["watermark_behind_seconds"]
        print(f"watermark  {clock(market['watermark'])}, {behind:,.0f} s behind the newest trade")
    disk = found["disk"]
    print(f"disk       {size(disk['home_bytes'])} in this home, {size(disk['free_bytes'])} free")
    print(f"forecast   {found['forecast']['words']}")
    print(f"upkeep     {_upkeep(found['maintenance'], now)}")
    if found["tables"]:
        print()
        columns = ["table", "rows", "files", "versions", "size", "last commit"]
        print_table(columns, [_row(table) for table in found["tables"]], right=columns[1:5])
    if found["alerts"]:
        print()
        kinds = ["critical", "high", "medium", "low"]
        rows = [(a["alert_type"], a["count"], *(a[k] for k in kinds), _minute(a["newest"])) for a in found["alerts"]]
        print_table(["alerts", "count", *kinds, "newest"], rows, right=["count", *kinds])


def _upkeep(maintenance: dict[str, Any], now: datetime) -> str:
    """What maintenance did last, and when it comes again."""
    from coattail.cli.terminal import printable
    from coattail.values import format_duration

    last, every = maintenance["last"], maintenance["every"]
    schedule = f"every {format_duration(every)} while an engine runs" if every else "by `coattail maintain` only"
    if last is None:
        return f"none yet; {schedule}"
    when = ago(now - last["began"])
    if last["error"] is not None:
        return f"FAILED {when}: {printable(last['error'])}; {schedule}"
    did = f"{when}, {last['files_before']:,} files into {last['files_after']:,}, {size(last['bytes_freed'])} freed"
    left = f"; could not do: {printable(last['notes'][0])}" if last["notes"] else ""
    return f"{did}{left}; {schedule}"


def _row(table: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{table[name]:,}" for name in ("rows", "files", "snapshots"))
    return (table["name"], *counts, size(table["size_bytes"]), _minute(table["committed_at"]))


def _minute(when: datetime | None) -> str:
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%MZ}"
