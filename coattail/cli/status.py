"""`coattail status`: what is in the home, how fresh it is, and whether an engine runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import ago, clock, size

if TYPE_CHECKING:
    from coattail.workspace.documents.state import State, TableDocument


@command("status", examples=["coattail status", "coattail status --json"])
def status(session: Session, *, as_json: JsonOption = False) -> None:
    """Show the state of the home: engine, trades landed, backlog, tables, alerts, disk.

    Alerts are those of the last 24 hours of the market, back from its newest trade.

    JSON: {"home", "engine", "commit", "trades", "stream", "time", "tables", "alerts", "disk", "maintenance",
    "forecast"}; see docs/CLI.md.
    """
    from coattail.workspace.state import state

    now = datetime.now(UTC)
    found = state(session.stores(), now=now)
    if as_json:
        print_json(found)
    else:
        _print(found, now)


def _print(found: State, now: datetime) -> None:
    engine, market, disk, trades = found.engine, found.time, found.disk, found.trades
    path = Path(found.home.path)
    print(f"home       {path}")
    if engine.running:
        kind = " on Spark" if engine.engine == "spark" else ""
        print(f"engine     runs{kind}: {engine.command} (process {engine.pid}), since {clock(engine.started)}")
    else:
        print("engine     none runs")
    if found.commit is None:
        print("trades     none landed yet")
        print(f"  see it all: {line(path, 'demo')}    land a recording: {line(path, 'replay', 'FILE')}")
    else:
        at = found.commit.committed_at
        print(f"commit     {found.commit.sequence:,}, {clock(at)} ({ago(now - at)})")
        print(
            f"trades     received {trades.received:,} = landed {trades.landed:,} + rejected {trades.rejected:,} + "
            f"duplicates {trades.duplicates:,}; {trades.late:,} late"
        )
    waiting = found.stream
    if waiting.url:
        print(f"stream     {waiting.url}, about {size(waiting.waiting_bytes)} wait")
    else:
        print(f"stream     {waiting.waiting_segments:,} segments wait, {size(waiting.waiting_bytes)}")
    if market.newest_trade:
        print(f"market     newest trade {clock(market.newest_trade)} ({ago(now - market.newest_trade)})")
    if market.watermark:
        print(f"watermark  {clock(market.watermark)}, {market.watermark_behind_seconds:,.0f} s before the newest trade")
    print(f"disk       {size(disk.home_bytes)} in this home, {size(disk.free_bytes)} free")
    print(f"forecast   {found.forecast.words}")
    print(f"upkeep     {found.maintenance.words(now)}")
    if found.tables:
        print()
        columns = ["table", "rows", "files", "versions", "size", "last commit"]
        print_table(columns, map(_row, found.tables), right=columns[1:5])
    if found.alerts:
        print()
        kinds = ["critical", "high", "medium", "low"]
        rows = [(a.alert_type, a.count, *(getattr(a, k) for k in kinds), _minute(a.newest)) for a in found.alerts]
        print_table(["alerts, 24 h", "count", *kinds, "newest"], rows, right=["count", *kinds])


def _row(table: TableDocument) -> tuple[str, ...]:
    counts = (f"{count:,}" for count in (table.rows, table.files, table.snapshots))
    return (table.name, *counts, size(table.size_bytes), _minute(table.committed_at))


def _minute(when: datetime | None) -> str:
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%MZ}"
