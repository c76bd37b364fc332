"""Rows of a table or view, for other programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coattail.batch.export import Exported, export_days, export_file
from coattail.batch.export_rows import Rows
from coattail.errors import UsageError
from coattail.sql.views import VIEWS
from coattail.tables import RAW_TRADES
from coattail.workspace.alerts import seen
from coattail.workspace.documents.exports import ExportDocument
from coattail.workspace.opening import Stores
from coattail.workspace.past import existing_table, snapshot_meant
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.shown import Displayed
from coattail.workspace.text import clock, size
from coattail.workspace.times import refuse_backwards


@dataclass(frozen=True, kw_only=True, repr=False)
class Export(Displayed):
    """What was exported. Printing it says how much, and of what."""

    rows: Rows
    """Which rows were asked for."""
    done: Exported
    out: Path
    """The file, or the folder of days."""
    seconds: float

    def said(self) -> list[str]:
        """How much, where, and of what."""
        rows, files = self.rows, self.done.files
        where = str(files[0]) if len(files) == 1 else f"{len(files)} files below {self.out}"
        state = "as it is now" if rows.snapshot_id is None else f"at snapshot {rows.snapshot_id}"
        times = [f"{word} {clock(when)}" for word, when in (("from", rows.since), ("to", rows.until)) if when]
        payload = not rows.with_payload and rows.name == RAW_TRADES.name
        without = "; without raw_event_payload (--with-payload)" if payload else ""
        of = " ".join([rows.name, state, *times])
        return [f"{self.done.rows:,} rows, {size(self.done.size)}, in {where}", f"{of}{without}"]

    @property
    def document(self) -> ExportDocument:
        """The JSON form."""
        rows = self.rows
        return ExportDocument(
            table=rows.name,
            snapshot_id=None if rows.snapshot_id is None else str(rows.snapshot_id),
            columns=rows.schema.names,
            rows=self.done.rows,
            bytes=self.done.size,
            files=self.done.files,
            since=rows.since,
            until=rows.until,
            seconds=round(self.seconds, 3),
        )


def export(
    stores: Stores,
    table: str,
    out: str | Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    symbol: str | None = None,
    exchange: str | None = None,
    as_of: str | None = None,
    columns: Sequence[str] | None = None,
    force: bool = False,
    with_payload: bool = False,
    on_progress: OnProgress = unheard,
) -> Export:
    """Write rows of a table, or of a view, into a Parquet or CSV file, or one Parquet file per day.

    out: A file, whose name says the format; a folder, or a name that ends in `/`, gets a file per day, and the range is
    made wider to whole days. Never inside the home, whose maintenance removes files that no table names.
    symbol, exchange: Only these, in any case; None means all.
    as_of: A snapshot's id, a tag, or a time; None means the newest. A view has no other.
    columns: These, in this order; None means all, but for the payload.
    force: Replace files that exist.
    with_payload: With raw_event_payload, word for word what exchanges sent.
    on_progress: Called with how many rows have been looked at.
    Raises: UsageError: If there is no such table, column, symbol, snapshot or format, or a file is there already.
    """
    began, now = time.monotonic(), datetime.now(UTC)
    refuse_backwards(since, until)
    exchange, symbol = seen(stores, exchange=exchange, symbol=symbol)
    path = Path.cwd() / out
    if path.resolve().is_relative_to(stores.home.path.resolve()):
        raise UsageError(f"{out} lies inside the home", next_step="choose a place outside of it")
    by_day = str(out).endswith("/") or path.is_dir()
    if by_day:
        since, until = whole_days(since, until)
    rows = Rows(
        lake=stores.lake,
        hot=stores.hot,
        name=table,
        now=now,
        snapshot_id=_snapshot(stores, table, as_of, now),
        since=since,
        until=until,
        symbol=symbol,
        exchange=exchange,
        columns=None if columns is None else tuple(columns),
        with_payload=with_payload,
    )
    _ = rows.schema  # refuses what is not there before anything is made
    looked_at, total = 0, rows.total

    def advance(more: int) -> None:
        nonlocal looked_at
        looked_at += more
        on_progress(Step(f"exporting {table}", looked_at, total))

    done = (export_days if by_day else export_file)(rows, path, force=force, advance=advance)
    return Export(rows=rows, done=done, out=path, seconds=time.monotonic() - began)


def _snapshot(stores: Stores, table: str, as_of: str | None, now: datetime) -> int | None:
    """The snapshot of a table; None for a view, which has no past."""
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


def whole_days(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The range, made wider to whole days (UTC): a day's file has all of the day."""
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    first = None if since is None else since.replace(**midnight)  # type: ignore[arg-type]
    last = None if until is None else until.replace(**midnight)  # type: ignore[arg-type]
    return first, last if last is None or last == until else last + timedelta(days=1)
