"""`coattail export`: rows of a table for other programs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.when import SinceOption, UntilOption, parse_when
from coattail.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from coattail.batch.export_rows import Rows
    from coattail.workspace.opening import Stores

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="A table, or a view: raw_trades, alerts.")]
OutOption = Annotated[str, typer.Option("--out", metavar="F.parquet|F.csv|DIR/", help="A file, or DIR/ for days.")]
SymbolOption = Annotated[str | None, typer.Option("--symbol", metavar="S", help="Only this: BTC-USDT.")]
ExchangeOption = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="Only this exchange's.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="WHEN", help="As of a snapshot's id, a tag, or a time: 2h.")
]
ColumnsOption = Annotated[str | None, typer.Option("--columns", metavar="A,B", help="Only these, in this order.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
PayloadOption = Annotated[
    bool, typer.Option("--with-payload", help="With raw_event_payload: what exchanges sent, word for word.")
]


@command(
    "export",
    examples=[
        "coattail export raw_trades --out trades.parquet --since 2d --symbol BTC-USDT",
        "coattail export alerts --out alerts.csv",
        "coattail export raw_trades --out archive/ --as-of daily-20250304",
    ],
)
def export(
    session: Session,
    *,
    table: TableArgument,
    out: OutOption,
    since: SinceOption = None,
    until: UntilOption = None,
    symbol: SymbolOption = None,
    exchange: ExchangeOption = None,
    as_of: AsOfOption = None,
    columns: ColumnsOption = None,
    force: ForceOption = False,
    with_payload: PayloadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write rows of a table, or of a view, into a Parquet or CSV file, or one Parquet per day.

    An engine may run meanwhile. A file gets its name when it is whole. In CSV, a text that a spreadsheet would take
    for a formula begins with an apostrophe.

    JSON: {"table", "snapshot_id", "columns", "rows", "bytes", "files": [path], "since", "until", "seconds"}.
    """
    from datetime import UTC, datetime

    from coattail.batch.export import export_days, export_file
    from coattail.batch.export_rows import Rows
    from coattail.cli.output import print_json, progress
    from coattail.cli.terminal import size

    began, now = time.monotonic(), datetime.now(UTC)
    stores = session.stores()
    by_day = out.endswith("/") or Path(out).is_dir()
    path = _outside(stores, Path(out))
    first = parse_when(since, "--since", now=now) if since else None
    last = parse_when(until, "--until", now=now) if until else None
    if by_day:
        first, last = _whole_days(first, last)
    rows = Rows(
        lake=stores.lake,
        hot=stores.hot,
        name=table,
        now=now,
        snapshot_id=_snapshot(stores, table, as_of, now),
        since=first,
        until=last,
        symbol=symbol,
        exchange=exchange,
        columns=_names(columns),
        with_payload=with_payload,
    )
    _ = rows.schema  # refuses what is not there before anything is made
    with progress(f"exporting {table}", total=rows.total, silent=as_json) as bar:
        done = (export_days if by_day else export_file)(rows, path, force=force, advance=bar.advance)
    if as_json:
        print_json(
            {
                "table": table,
                "snapshot_id": None if rows.snapshot_id is None else str(rows.snapshot_id),
                "columns": rows.schema.names,
                "rows": done.rows,
                "bytes": done.size,
                "files": done.files,
                "since": first,
                "until": last,
                "seconds": round(time.monotonic() - began, 3),
            }
        )
        return
    where = str(done.files[0]) if len(done.files) == 1 else f"{len(done.files)} files below {path}"
    print(f"{done.rows:,} rows, {size(done.size)}, in {where}")
    print(_left_out(rows))


def _left_out(rows: Rows) -> str:
    state = "as it is now" if rows.snapshot_id is None else f"at snapshot {rows.snapshot_id}"
    times = [f"{word} {when:%Y-%m-%d %H:%M:%SZ}" for word, when in (("from", rows.since), ("to", rows.until)) if when]
    payload = "" if rows.with_payload or rows.name != "raw_trades" else "; without raw_event_payload (--with-payload)"
    return f"{' '.join([rows.name, state, *times])}{payload}"


def _snapshot(stores: Stores, table: str, as_of: str | None, now: datetime) -> int | None:
    """The snapshot of a table; None for a view, which has no past."""
    from coattail.cli.as_of import existing_table, snapshot_meant
    from coattail.sql.views import VIEWS

    if table in VIEWS:
        if as_of is not None:
            raise UsageError(
                f"{table} is a view, and only tables keep their past", next_step=f"export {VIEWS[table].of.name}"
            )
        return None
    if not stores.lake.has(table):
        more = f"; views: {', '.join(sorted(VIEWS))}"
        try:
            existing_table(stores.lake, table)
        except UsageError as error:
            raise UsageError(error.message, next_step=f"{error.next_step}{more}") from None
    return snapshot_meant(stores.lake, table, as_of, now=now).snapshot_id


def _outside(stores: Stores, out: Path) -> Path:
    """The path, absolute; never inside the home, whose maintenance removes files that no table names."""
    path = Path.cwd() / out
    if path.resolve().is_relative_to(stores.home.path.resolve()):
        raise UsageError(f"{out} lies inside the home", next_step="choose a place outside of it")
    return path


def _names(columns: str | None) -> tuple[str, ...] | None:
    if columns is None:
        return None
    names = tuple(name.strip() for name in columns.split(",") if name.strip())
    if not names:
        raise UsageError("--columns names none", next_step="write it like exchange,symbol,price")
    return names


def _whole_days(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The range, made wider to whole days: a day's file has all of the day."""
    from datetime import timedelta

    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    first = None if since is None else since.replace(**midnight)  # type: ignore[arg-type]
    last = None if until is None else until.replace(**midnight)  # type: ignore[arg-type]
    return first, last if last is None or last == until else last + timedelta(days=1)
