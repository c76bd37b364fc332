"""`coattail dlq`: the records that were rejected, and why."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.hints import line
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import printable
from coattail.cli.when import SinceOption
from coattail.errors import UsageError
from coattail.workspace.times import parse_when

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOLDERS = ("malformed", "incomplete", "invalid", "stream")

dlq = group("dlq", "Look at rejected records.")

ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="NAME", help=f"{', '.join(_FOLDERS)}, or a check's name.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
StreamOption = Annotated[
    str | None,
    typer.Option("--stream", metavar="ID", help="Beginning of the stream's identity, where two have the key."),
]
KeyArgument = Annotated[str, typer.Argument(metavar="LANE/OFFSET/INDEX", help="The record's key, as `list` shows it.")]


@command("list", under=dlq, examples=["coattail dlq list --limit 5", "coattail dlq list --reason malformed --json"])
def list_(
    session: Session,
    *,
    reason: ReasonOption = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List rejected records, newest files first.

    --since goes by the day on which the record was rejected, whatever its hour.

    JSON: {"records": [...], "count", "has_more"}; see docs/CLI.md.
    """
    start = parse_when(since) if since else None
    stores = session.stores()
    folder = reason if reason in _FOLDERS else None
    rows = stores.letters.rows(folder=folder, since=start)
    if reason and not folder:
        known = sorted({name for reasons in stores.letters.summary().values() for name in reasons})
        if known and reason not in known:
            step = f"known: {', '.join((*_FOLDERS, *known))}"
            raise UsageError(f"--reason {reason!r} is unknown", next_step=step)
        rows = (row for row in rows if reason in row["reasons"])
    found = [_record(row) for row in islice(rows, limit + 1)]
    shown = found[:limit]
    if as_json:
        print_json({"records": shown, "count": len(shown), "has_more": len(found) > limit})
        return
    if not shown:
        print("no rejected records")
        return
    columns = ["key", "rejected as", "reasons", "exchange", "symbol", "trade id", "received", "payload"]
    print_table(columns, [_row(record) for record in shown])
    if len(found) > limit:
        print("there are more; --limit shows them")
    print(f"whole: {line(stores.home.path, 'dlq', 'show', shown[0]['key'])}")


@command("show", under=dlq, examples=["coattail dlq show 12/3.0/45"])
def show(session: Session, key: KeyArgument, *, stream: StreamOption = None, as_json: JsonOption = False) -> None:
    """Show one rejected record with everything that is known about it.

    A stream that was made anew gives its keys again: then the newest record is shown, unless --stream chooses one.

    JSON: {"record": {...}}; see docs/CLI.md.
    """
    lane, _, rest = key.partition("/")
    offset, _, index = rest.rpartition("/")
    if not (lane.isdecimal() and offset and index.removeprefix("-").isdecimal()):
        raise UsageError(f"{key!r} is no key", next_step="write it like 12/3.0/45, as `coattail dlq list` shows it")
    stores = session.stores()
    wanted = (int(lane), offset, int(index))
    rows = (r for r in stores.letters.rows() if (r["stream_lane"], r["stream_offset"], r["stream_index"]) == wanted)
    found = [_record(row) for row in rows]
    chosen = [record for record in found if stream is None or (record["stream"] or "").startswith(stream)]
    if not chosen:
        there = ", ".join(str(record["stream"]) for record in found)
        raise UsageError(
            f"no rejected record has the key {key}" + (f" in a stream {stream}…" if found else ""),
            next_step=f"streams that have it: {there}" if found else "`coattail dlq list` shows the keys",
        )
    record = chosen[0]
    if as_json:
        print_json({"record": record})
        return
    for name, value in record.items():
        if name != "payload" and value is not None:
            print(f"{name:14} {_text(value)}")
    print(f"payload\n{printable(record['payload'] or '')}")
    if others := [str(other["stream"]) for other in chosen[1:]]:
        print(f"older records of other streams have the same key; --stream chooses one: {', '.join(others)}")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the DLQ for people: its key as one text, times as times, the payload as text."""
    payload = row.get("payload")
    if "payload_base64" in row:
        payload = base64.b64decode(row["payload_base64"]).decode("utf-8", "backslashreplace")
    names = ("exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "side")
    return {
        "key": f"{row['stream_lane']}/{row['stream_offset']}/{row['stream_index']}",
        "stream": row.get("stream_id"),
        "rejected_as": row["reason"],
        "reasons": row["reasons"],
        "error": row.get("error"),
        **{name: row.get(name) for name in names},
        "timestamp": _time(row.get("timestamp")),
        "received": _time(row.get("received")),
        "source": row.get("source"),
        "session": row.get("session"),
        "payload": payload,
    }


def _time(micros: int | None) -> datetime | int | None:
    """A time, or the number itself where it is none: it may be the reason of the rejection."""
    if micros is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return micros


def _text(value: object) -> str:
    from coattail.workspace.documents import plain

    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return printable(str(plain(value)))


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    names = ("key", "rejected_as", "reasons", "exchange", "symbol", "trade_id", "received")
    cells = [_text("-" if record[name] is None else record[name]) for name in names]
    return (*cells, printable(record["payload"] or "-", most=60))
